package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/wait"
)

// demoDelay is the delay of the drop, the least that there is.
const demoDelay = 2 * time.Second

// dropInPeace shows a drop through the protocol, while queries run on its table and on another one.
func (d *demo) dropInPeace(ctx context.Context) error {
	d.step("Drop a table through the protocol of deletion, while queries run on it and on others")
	d.text("The drop marks the table. From then on no czar begins a query on it; those that run go on.")
	d.text(fmt.Sprintf("It is removed when they have ended and an agreed delay is over: %s here, %s by default.",
		demoDelay, deletion.DefaultTiming.Delay))
	others := d.startTraffic(ctx, demoOther)
	defer others.stop()
	query, _, err := d.czars[0].query(ctx, demoDrop, demoQuery)
	if err != nil {
		return err
	}
	d.text("Times are counted from just before the mark.")
	d.text(fmt.Sprintf("czar 1 has begun a query of %s on %s. All czars run short ones on %s all the time.", demoQuery,
		demoDrop.Table, demoOther.Table))
	t, err := d.view.Snapshot().Table(demoDrop)
	if err != nil {
		return err
	}
	began := time.Now()
	drop, err := d.drops.DropTable(ctx, demoDrop, deletion.Delay(demoDelay))
	if err != nil {
		return err
	}
	d.fact(began, "the drop has begun: %s is marked at revision %d", demoDrop.Table, drop.Mark())
	for _, step := range []func() error{
		func() error { return d.showRefusals(ctx, began) },
		func() error { return d.showWaiting(ctx, began) },
		func() error { return d.showEnd(ctx, began, query) },
		func() error { return d.showRemoval(ctx, began, drop) },
		func() error { return d.showName(ctx, began, t) },
	} {
		if err := errors.Join(step(), d.out.Err); err != nil {
			return err
		}
	}
	return d.showTally(ctx, others)
}

// showRefusals asks each czar for a query on the marked table.
func (d *demo) showRefusals(ctx context.Context, began time.Time) error {
	why := ""
	for _, c := range d.czars {
		if _, err := c.sees(ctx, demoDrop, "changed"); err != nil {
			return err
		}
		query, err := c.begin(demoDrop, demoPace)
		if err != nil {
			return err
		}
		line, err := c.told(ctx, query, queryRefused, queryAdmitted)
		if err != nil {
			return err
		}
		if line.Event != queryRefused {
			return fmt.Errorf("%s has admitted a query on %s although it sees the mark", c.name, demoDrop)
		}
		d.factIn(line.Time.Sub(began), "%s sees the mark and refuses a query on %s%s", c.name, demoDrop.Table,
			colonIf(line.Error != why))
		if line.Error != why {
			why = line.Error
			d.quote(why)
		}
	}
	return nil
}

func colonIf(more bool) string {
	if more {
		return ":"
	}
	return ""
}

// showWaiting shows what the drop waits for when its delay is over. It shows nothing where the query has ended before.
// What is left of the delay is told in whole seconds, of which 0 may be almost one.
func (d *demo) showWaiting(ctx context.Context, began time.Time) error {
	var waits deletion.Status
	err := await(ctx, "the delay of the drop", func(ctx context.Context) (bool, error) {
		s, err := d.drops.Status(ctx, demoDrop.String())
		switch {
		case errors.Is(err, deletion.ErrNoDrop):
			return true, nil
		case err != nil:
			return false, err
		case s.Phase != deletion.PhaseMarked:
			return true, nil
		case s.Left == 0 && time.Since(began) >= demoDelay && len(s.Waiting) == 1 &&
			strings.Contains(s.Waiting[0].Why, "running"):
			waits = s
			return true, nil
		}
		return false, wait.For(ctx, 50*time.Millisecond)
	})
	if err != nil || waits.Name == "" {
		return err
	}
	d.fact(began, "the delay is over, the query still runs, and `css-sync drops list` says of the drop:")
	d.quote(waits.Summary())
	return nil
}

// showEnd waits for the query that ran when the drop began.
func (d *demo) showEnd(ctx context.Context, began time.Time, query int) error {
	line, err := d.czars[0].told(ctx, query, queryFinished, queryFailed)
	if err != nil {
		return err
	}
	if line.Event == queryFailed {
		return fmt.Errorf("the query that ran on %s when its drop began has failed: %s", demoDrop, line.Error)
	}
	answers := ""
	if line.Chunks > 0 {
		answers = fmt.Sprintf(", all its %d chunk queries were answered", line.Chunks)
	}
	d.factIn(line.Time.Sub(began), "the query on czar 1 has finished%s", answers)
	return nil
}

// showRemoval shows where the table is gone from.
func (d *demo) showRemoval(ctx context.Context, began time.Time, drop *deletion.Drop) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	var last time.Duration
	for _, c := range d.czars {
		line, err := c.sees(ctx, demoDrop, "removed")
		if err != nil {
			return err
		}
		last = max(last, line.Time.Sub(began))
	}
	d.factIn(last, "%s is gone from the catalogue, as all czars see it", demoDrop.Table)
	if d.maria != nil {
		if err := d.awaitNoRows(ctx); err != nil {
			return err
		}
		d.fact(began, "kvData has no row of it any more")
	}
	if err := drop.Wait(ctx); err != nil {
		return err
	}
	if d.maria == nil {
		d.fact(began, "the drop has ended")
		return nil
	}
	took := time.Since(began)
	left, err := d.piecesLeft(ctx, demoDrop)
	if err == nil && left > 0 {
		err = fmt.Errorf("the drop of %s has ended and %s left", demoDrop,
			cli.Plural(left, "chunk table is", "chunk tables are"))
	}
	if err != nil {
		return err
	}
	d.factIn(took, "the drop has ended: the worker has none of its chunk tables any more")
	return nil
}

// awaitNoRows waits until kvData has nothing of the dropped table.
func (d *demo) awaitNoRows(ctx context.Context) error {
	key := "/DBS/" + demoDrop.DB + "/TABLES/" + demoDrop.Table
	return await(ctx, demoDrop.Table+" to leave kvData", func(ctx context.Context) (bool, error) {
		var rows int
		err := d.db.QueryRowContext(ctx, inDatabase("SELECT COUNT(*) FROM kvData WHERE kvKey = ? OR kvKey LIKE ?"), key,
			key+"/%").Scan(&rows)
		return rows == 0, err
	})
}

// showName creates the dropped table anew, and has it queried.
func (d *demo) showName(ctx context.Context, began time.Time, t *cssetcd.Table) error {
	rev, err := d.css.CreateTable(ctx, cssetcd.Table{Name: t.Name, Schema: t.Schema, Partitioning: t.Partitioning,
		SharedScan: t.SharedScan})
	if err != nil {
		return err
	}
	last := d.czars[len(d.czars)-1]
	if _, err := last.sees(ctx, t.Name, "created"); err != nil {
		return err
	}
	_, line, err := last.query(ctx, t.Name, demoPace)
	if err != nil {
		return err
	}
	d.factIn(line.Time.Sub(began), "its name is free: created anew at revision %d, and %s begins a query on it", rev,
		last.name)
	return nil
}

// showTally counts what became of the queries. That others were not hurt is what the protocol is for.
func (d *demo) showTally(ctx context.Context, others *traffic) error {
	counts, err := others.end(ctx)
	if err != nil {
		return err
	}
	on, other := counts[demoDrop.String()], counts[demoOther.String()]
	if other.failed+other.refused > 0 {
		return fmt.Errorf("of the queries on %s %d failed and %d were refused, the first because: %s", demoOther,
			other.failed, other.refused, other.first)
	}
	d.text(fmt.Sprintf("Queries on %s meanwhile: run: %d, failed: %d, refused: %d.", demoOther.Table, other.run(),
		other.failed, other.refused))
	d.text(fmt.Sprintf("Queries on %s: run: %d, failed: %d, refused after the mark: %d.", demoDrop.Table, on.run(),
		on.failed, on.refused))
	d.ran = tally{finished: on.finished + other.finished, failed: on.failed + other.failed,
		refused: on.refused + other.refused}
	return nil
}
