package drops_test

import (
	"context"
	"errors"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
)

// coordinatorTTL is after how long a coordinator that is gone is replaced.
const coordinatorTTL = 2 * time.Second

// runCoordinator carries drops out on the workers until it is told to end.
func runCoordinator(ctx context.Context, r role) error {
	css, end, err := openCatalogue(ctx, r.Etcd)
	if err != nil {
		return err
	}
	defer end()
	view, err := openView(ctx, css)
	if err != nil {
		return err
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
