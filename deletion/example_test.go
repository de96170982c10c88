package deletion_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// A czar asks its gate before each query and before each chunk query.
func ExampleGate() {
	query := func(ctx context.Context, css *cssetcd.Client) error {
		view, err := cssetcd.OpenView(ctx, css)
		if err != nil {
			return err
		}
		defer view.Close()
		gate, err := deletion.OpenGate(ctx, css, view, deletion.CzarName("czar-1"))
		if err != nil {
			return err
		}
		defer func() { _ = gate.Close(ctx) }()

		table, err := view.Snapshot().Table(cssetcd.TableName{DB: "LSST", Table: "Object"})
		if err != nil {
			return err
		}
		ref, err := gate.Admit(table)
		for errors.Is(err, deletion.ErrStale) && ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			ref, err = gate.Admit(table)
		}
		if err != nil {
			return err // the user reads it: the table was dropped, or is about to be
		}
		defer ref.Release()
		for chunk, err := range view.Snapshot().Chunks(table.Name) {
			if err != nil {
				return err
			}
			if err := ref.MayDispatch(); err != nil {
				return err
			}
			fmt.Println("SELECT ... FROM", table.Name, "chunk", chunk.ID, "incarnation", table.Incarnation)
		}
		return nil
	}
	_ = query
}

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
