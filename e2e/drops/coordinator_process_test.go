package drops_test

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/testkit"
)

// coordinatorTTL is after how long a coordinator that is gone is replaced.
const coordinatorTTL = 2 * time.Second

// runCoordinator carries drops out on the workers until it is told to end.
func runCoordinator(r role) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	etcd, err := testkit.Dial(r.Etcd...)
	if err != nil {
		return err
	}
	defer etcd.Close()
	css, err := openSoon(ctx, func(ctx context.Context) (*cssetcd.Client, error) { return cssetcd.New(ctx, etcd) })
	if err != nil {
		return endedOr(ctx, err)
	}
	view, err := openSoon(ctx, func(ctx context.Context) (*cssetcd.View, error) { return cssetcd.OpenView(ctx, css) })
	if err != nil {
		return endedOr(ctx, err)
	}
	defer view.Close()
	var servers []*mysql.Config
	for _, socket := range r.Workers {
		servers = append(servers, workerConfig(socket))
	}
	dropper, err := sqldrop.New(sqldrop.Config{Servers: servers, LockWait: 5 * time.Second, Logger: processLog()})
	if err != nil {
		return err
	}
	trace, err := createLines(r.Trace)
	if err != nil {
		return err
	}
	c, err := coordinator.New(coordinator.Config{
		Catalogue: css, View: view, Dropper: dropper, Name: r.Name, TTL: coordinatorTTL, Logger: processLog(),
		Trace: func(s coordinator.Step) { trace.write(s) },
	})
	if err != nil {
		return err
	}
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
