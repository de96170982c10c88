package drops_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

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

// runCzar queries all tables that it sees until it is told to end. Its view and its gate may take different ways to
// etcd.
func runCzar(ctx context.Context, r role) (err error) {
	z := &czarProcess{role: r, workers: map[string]*sql.DB{}}
	for node, socket := range r.Workers {
		db, err := openWorker(socket)
		if err != nil {
			return err
		}
		defer db.Close()
		z.workers[node] = db
	}
	if z.results, err = createLines(r.Results); err != nil {
		return err
	}
	seeing, end, err := openCatalogue(ctx, r.View)
	if err != nil {
		return err
	}
	defer end()
	css, end, err := openCatalogue(ctx, r.Etcd)
	if err != nil {
		return err
	}
	defer end()
	if z.view, err = openView(ctx, seeing); err != nil {
		return err
	}
	defer z.view.Close()
	if r.Gated {
		z.gate, err = openSoon(ctx, func(ctx context.Context) (*deletion.Gate, error) {
			trace, err := createLines(r.Trace) // anew: a trace is that of one gate
			if err != nil {
				return nil, err
			}
			return deletion.OpenGate(ctx, css, z.view, deletion.CzarName(r.Name), deletion.GateLogger(processLog()),
				deletion.GateTrace(func(s deletion.CzarStep) { trace.write(s) }))
		})
		if err != nil {
			return err
		}
	}
	return z.serve(ctx)
}

// openCatalogue connects with members of etcd. Who is done with the catalogue calls end.
func openCatalogue(ctx context.Context, endpoints []string) (css *cssetcd.Client, end func(), err error) {
	etcd, err := testkit.Dial(endpoints...)
	if err != nil {
		return nil, nil, err
	}
	css, err = openSoon(ctx, func(ctx context.Context) (*cssetcd.Client, error) { return cssetcd.New(ctx, etcd) })
	return css, func() { _ = etcd.Close() }, err
}

func openView(ctx context.Context, css *cssetcd.Client) (*cssetcd.View, error) {
	return openSoon(ctx, func(ctx context.Context) (*cssetcd.View, error) { return cssetcd.OpenView(ctx, css) })
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
	if ctx.Err() != nil {
		err = errEnded
	}
	return out, err
}

// errEnded is that of a process that was told to end before it had begun.
var errEnded = errors.New("told to end")

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
