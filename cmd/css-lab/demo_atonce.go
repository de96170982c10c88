package main

import (
	"context"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/wait"
)

// demoQuery is how long the queries last that a table is dropped under.
const demoQuery = 5 * time.Second

// dropAtOnce shows what becomes of a query whose table is removed without a word to anybody.
func (d *demo) dropAtOnce(ctx context.Context) error {
	if err := d.startDrops(ctx); err != nil || d.maria == nil {
		return err
	}
	d.step("Drop a table at once, while a query runs on it")
	d.text("A dropped table leaves the catalogue, and its data leave the workers. MariaDB is the worker here.")
	began := time.Now()
	made, err := d.fillWorker(ctx)
	if err != nil {
		return err
	}
	d.fact(began, "it gets %d chunk tables, of %s, %s and %s", made, demoOther.Table, demoDrop.Table, demoHurt.Table)
	query, _, err := d.czars[0].query(ctx, demoHurt, demoQuery)
	if err != nil {
		return err
	}
	d.text(fmt.Sprintf("czar 1 runs a query on %s, chunk after chunk. The table is removed, and nobody waits.",
		demoHurt.Table))
	d.text("Times are counted from just before the removal.")
	if err := wait.For(ctx, 200*time.Millisecond); err != nil { // some chunk queries succeed
		return err
	}
	began = time.Now()
	if err := d.removeNow(ctx, demoHurt); err != nil {
		return err
	}
	d.fact(began, "%s is gone from the catalogue, and its chunk tables from the worker", demoHurt.Table)
	line, err := d.czars[0].told(ctx, query, queryFinished, queryFailed)
	if err != nil {
		return err
	}
	if line.Event != queryFailed {
		return fmt.Errorf("the query on %s has not failed although its table was removed", demoHurt)
	}
	d.factIn(line.Time.Sub(began), "the query on czar 1 fails, after %s had been answered:",
		cli.Plural(line.Chunks, "chunk query", "chunk queries"))
	d.quote(line.Error)
	return nil
}

// removeNow removes a table from the catalogue and from the worker.
func (d *demo) removeNow(ctx context.Context, n cssetcd.TableName) error {
	t, err := d.view.Snapshot().Table(n)
	if err != nil {
		return err
	}
	job, err := d.jobOf(ctx, t)
	if err != nil {
		return err
	}
	if _, err := d.css.DropTable(ctx, n, cssetcd.Unsafe()); err != nil {
		return err
	}
	return d.dropper.Drop(ctx, job)
}
