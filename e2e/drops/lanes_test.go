package drops_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// over reports whether nothing new is to begin.
func (d *drops) over() bool {
	select {
	case <-d.ending:
		return true
	default:
		return d.t.Failed()
	}
}

// rest waits for a while, or until nothing new is to begin.
func (d *drops) rest(while time.Duration) {
	select {
	case <-d.ending:
	case <-time.After(while):
	}
}

// lane makes one table after another and drops each, sometimes in vain.
func (d *drops) lane(rng *rand.Rand, base string) {
	ctx := context.Background()
	names := map[string]bool{}
	for i := 0; !d.over(); i++ {
		n := cssetcd.TableName{DB: lanesDB, Table: base}
		if !d.plan.again {
			n.Table = fmt.Sprintf("%s%d", base, i)
		}
		if !assert.NoError(d.t, d.createTable(ctx, n), "create %s", n) {
			return
		}
		if names[n.Table] {
			d.count("re-creations")
		}
		names[n.Table] = true
		if d.dropped(ctx, rng, n.String(), 200*time.Millisecond) {
			d.gone(ctx, "TABLE_SCHEMA = ? AND TABLE_NAME REGEXP ?", n.DB, "^("+n.Table+"(FullOverlap)?_|css_trash)")
		}
	}
}

// dropped drops something after a while, and again where that was undone, until the run is over.
func (d *drops) dropped(ctx context.Context, rng *rand.Rand, name string, least time.Duration) bool {
	for {
		d.rest(least + time.Duration(rng.IntN(1000))*time.Millisecond)
		if d.over() {
			return false
		}
		dropped, err := d.drop(ctx, rng, name)
		if !assert.NoError(d.t, err, "drop %s", name) || dropped {
			return dropped
		}
	}
}

// gone checks that no worker has the tables any more: when a drop has ended, they are removed, and css_trash is another
// lane's.
func (d *drops) gone(ctx context.Context, where string, args ...any) {
	for node, worker := range d.workers {
		all, err := tablesOf(ctx, worker, where+" AND TABLE_NAME NOT LIKE 'css_trash%'", args...)
		assert.NoError(d.t, err)
		assert.Empty(d.t, all, "on %s", node)
	}
}

// databases makes a database with two tables and drops it with them, again and again.
func (d *drops) databases(rng *rand.Rand) {
	ctx := context.Background()
	for i := 0; !d.over(); i++ {
		db := tempDB
		if !d.plan.again {
			db = fmt.Sprintf("%s%d", tempDB, i)
		}
		err := d.createDatabase(ctx, db)
		for _, table := range []string{"Object", "Source"} {
			err = errors.Join(err, d.createTable(ctx, cssetcd.TableName{DB: db, Table: table}))
		}
		if !assert.NoError(d.t, err, "create the database %s", db) {
			return
		}
		if d.dropped(ctx, rng, db, 500*time.Millisecond) {
			d.count("drops of databases")
			d.gone(ctx, "TABLE_SCHEMA = ?", db)
		}
	}
}

// wish is how one drop is to go.
type wish struct {
	delay, after time.Duration
	policy       deletion.Policy
	undo         bool
	undoAfter    time.Duration
}

// wishes returns the next wish. Every fourth is taken back.
func (d *drops) wishes(rng *rand.Rand) wish {
	w := wish{policy: deletion.Wait}
	if rng.IntN(2) == 0 {
		w.delay = dropTiming.Delay
	}
	if rng.IntN(5) == 0 {
		w.after = 2 * time.Second
	}
	if rng.IntN(3) == 0 {
		w.policy = deletion.Cancel
	}
	w.undo = d.turn("wishes")%4 == 2
	w.undoAfter = time.Duration(rng.IntN(2500)) * time.Millisecond
	return w
}

// drop drops a table or a database in some way and waits for the end. It reports false when it was undone.
func (d *drops) drop(ctx context.Context, rng *rand.Rand, name string) (dropped bool, err error) {
	w := d.wishes(rng)
	began := time.Now()
	handle, err := d.begin(ctx, name, w)
	if err != nil {
		return false, err
	}
	if w.undo {
		time.Sleep(w.undoAfter)
		err := surely(ctx, func(ctx context.Context) error { return d.client.Undo(ctx, name) }, deletion.ErrNoDrop,
			deletion.ErrTooLate)
		if err != nil {
			return false, err
		}
	}
	limit := w.after + w.delay + d.plan.bound()
	waiting, cancel := context.WithDeadline(ctx, began.Add(limit))
	defer cancel()
	undone, err := d.await(waiting, name, handle)
	took := time.Since(began)
	switch {
	case err != nil:
		return false, fmt.Errorf("%+v, bound %s: %w", w, limit, err)
	case undone:
		d.count("undos")
		return false, nil
	}
	d.count("drops")
	d.mu.Lock()
	d.longest = max(d.longest, took-w.after-w.delay)
	d.mu.Unlock()
	return true, nil
}

// begin begins a drop. The handle is nil when the answer was lost and the drop is there, or has ended.
func (d *drops) begin(ctx context.Context, name string, w wish) (handle *deletion.Drop, err error) {
	opts := []deletion.Option{deletion.Delay(w.delay), deletion.WithPolicy(w.policy)}
	if w.after > 0 {
		opts = append(opts, deletion.After(w.after))
	}
	err = surely(ctx, func(ctx context.Context) (err error) {
		if table, e := cssetcd.ParseTableName(name); e == nil {
			handle, err = d.client.DropTable(ctx, table, opts...)
		} else {
			handle, err = d.client.DropDatabase(ctx, name, opts...)
		}
		return err
	}, deletion.ErrDropPending, deletion.ErrRequested, cssetcd.ErrNotFound)
	return handle, err
}

// await waits for the end of a drop and reports whether it was undone.
func (d *drops) await(ctx context.Context, name string, handle *deletion.Drop) (undone bool, err error) {
	for {
		if handle != nil {
			err = handle.Wait(ctx)
		} else {
			err = d.look(ctx, name)
		}
		switch {
		case err == nil:
			return false, nil
		case errors.Is(err, deletion.ErrCancelled):
			return true, nil
		case ctx.Err() != nil:
			return false, err
		}
		d.count("waits that a read failed")
		time.Sleep(100 * time.Millisecond)
	}
}

// look is what a Drop's Wait does for somebody who has lost the answer that made the Drop.
func (d *drops) look(ctx context.Context, name string) error {
	for {
		_, err := d.client.Status(ctx, name)
		switch {
		case errors.Is(err, deletion.ErrNoDrop):
			return d.fate(ctx, name)
		case err != nil:
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// fate says whether what has no drop any more is still there.
func (d *drops) fate(ctx context.Context, name string) error {
	n, err := cssetcd.ParseTableName(name)
	if err == nil {
		_, err = d.css.Table(ctx, n)
	} else {
		_, err = d.css.Database(ctx, name)
	}
	switch {
	case err == nil:
		return deletion.ErrCancelled
	case errors.Is(err, cssetcd.ErrNotFound):
		return nil
	}
	return err
}
