package deletion_test

import (
	"context"
	"errors"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// Whoever drops a table waits for it, or takes it back.
func ExampleClient_DropTable() {
	drop := func(ctx context.Context, css *cssetcd.Client) error {
		drops, err := deletion.NewClient(css)
		if err != nil {
			return err
		}
		d, err := drops.DropTable(ctx, cssetcd.TableName{DB: "LSST", Table: "Object"}, deletion.Delay(30*time.Second))
		if err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, 10*time.Minute)
		defer cancel()
		if err := d.Wait(waiting); err != nil {
			return errors.Join(err, d.Cancel(ctx)) // it is as it was before
		}
		return nil
	}
	_ = drop
}
