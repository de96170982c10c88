package drops_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/testkit"
)

// czarProcess is a query coordinator with real queries on the workers.
type czarProcess struct {
	role    role
	view    *cssetcd.View
	gate    *deletion.Gate // nil: it asks nobody
	workers map[string]*sql.DB
	results *lines
}

// runCzar queries all tables that it sees until it is told to end.
func runCzar(r role) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	z := &czarProcess{role: r, workers: map[string]*sql.DB{}}
	for node, socket := range r.Workers {
		db, err := openWorker(socket)
		if err != nil {
			return err
		}
		defer db.Close()
		z.workers[node] = db
	}
	var err error
	if z.results, err = createLines(r.Results); err != nil {
		return err
	}
	trace, err := createLines(r.Trace)
	if err != nil {
		return err
	}
	seeing, css, end, err := z.connect()
	if err != nil {
		return err
	}
	defer end()
	if z.view, err = openSoon(ctx, func(ctx context.Context) (*cssetcd.View,
		error) {
		return cssetcd.OpenView(ctx, seeing)
	}); err != nil {
		return endedOr(ctx, err)
	}
	defer z.view.Close()
	if r.Gated {
		z.gate, err = openSoon(ctx, func(ctx context.Context) (*deletion.Gate, error) {
			return deletion.OpenGate(ctx, css, z.view, deletion.CzarName(r.Name), deletion.GateLogger(processLog()),
				deletion.GateTrace(func(s deletion.CzarStep) { trace.write(s) }))
		})
		if err != nil {
			return endedOr(ctx, err)
		}
	}
	return z.serve(ctx)
}

// connect returns the clients for the view and for the gate. They may take different ways to etcd.
func (z *czarProcess) connect() (seeing, css *cssetcd.Client, end func(), err error) {
	var both [2]*cssetcd.Client
	var etcds []*clientv3.Client
	for i, endpoints := range [][]string{z.role.View, z.role.Etcd} {
		etcd, err := testkit.Dial(endpoints...)
		if err != nil {
			return nil, nil, nil, err
		}
		etcds = append(etcds, etcd)
		both[i], err = openSoon(context.Background(), func(ctx context.Context) (*cssetcd.Client,
			error) {
			return cssetcd.New(ctx, etcd)
		})
		if err != nil {
			return nil, nil, nil, err
		}
	}
	return both[0], both[1], func() {
		for _, etcd := range etcds {
			_ = etcd.Close()
		}
	}, nil
}

// openSoon tries again until something is open: a process may begin while it is cut off.
func openSoon[T any](ctx context.Context, open func(context.Context) (T, error)) (out T, err error) {
	for began := time.Now(); time.Since(began) < time.Minute && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		trying, cancel := context.WithTimeout(ctx, 10*time.Second)
		out, err = open(trying)
		cancel()
		if err == nil {
			return out, nil
		}
	}
	return out, errors.Join(err, ctx.Err())
}

// endedOr returns no error when the process was told to end anyway.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func processLog() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func openWorker(socket string) (*sql.DB, error) {
	connector, err := mysql.NewConnector(workerConfig(socket))
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(8)
	return db, nil
}

func workerConfig(socket string) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.Logger = "root", "unix", socket, &mysql.NopLogger{}
	return c
}

// serve runs queries until ctx ends, and then closes the gate in order.
func (z *czarProcess) serve(ctx context.Context) error {
	var queries sync.WaitGroup
	for i := range z.role.Queries {
		queries.Go(func() {
			rng := rand.New(rand.NewPCG(z.role.Seed, uint64(i)))
			for ctx.Err() == nil {
				r, some := z.query(ctx, rng)
				if some {
					z.results.write(r)
				}
				if r.Chunks == 0 { // refused
					time.Sleep(rand.N(200 * time.Millisecond))
				}
			}
		})
	}
	var closed error
	if z.gate != nil {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if closed = z.gate.Close(closing); closed != nil {
			closed = fmt.Errorf("the gate was not closed in order: %w", closed)
		}
	}
	queries.Wait()
	return closed
}
