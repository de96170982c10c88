package peers

import (
	"context"
	"database/sql"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/mirror/plan"
)

// floor is the least that a mirror has to do: one event of a watch becomes one transaction. It knows one key only,
// keeps nothing in memory, plans nothing, and checks nothing but that it is the only writer. Its statements are those
// of the mirror.
type floor struct {
	Conn    *sql.Conn
	row     Row
	rows    int   // of kvData
	term    int64 // as in the state row
	applied int64
}

// NewFloor prepares the peer's database: the catalogue's rows, and a state row to fence by.
func NewFloor(ctx context.Context, db *sql.DB, rows []Row, key string) (*floor, error) {
	for _, table := range []string{"kvData", "css_mirror_state"} {
		if err := CopyTable(ctx, db, table); err != nil {
			return nil, err
		}
	}
	if err := InsertAll(ctx, db, rows, InsertBatch); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx,
		"INSERT INTO css_mirror_state SELECT * FROM "+rig.OursDB+".css_mirror_state"); err != nil {
		return nil, err
	}
	f := &floor{rows: len(rows)}
	if err := db.QueryRowContext(ctx, "SELECT term, applied FROM css_mirror_state WHERE id = 1").Scan(&f.term,
		&f.applied); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.Key == key {
			f.row = row
		}
	}
	if f.row.ID == 0 {
		return nil, fmt.Errorf("there is no row %s", key)
	}
	var err error
	if f.Conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	_, err = f.Conn.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	return f, err
}

// run applies events until the watch ends.
func (f *floor) run(ctx context.Context, events clientv3.WatchChan) error {
	for response := range events {
		if err := response.Err(); err != nil {
			return err
		}
		for _, event := range response.Events {
			if err := f.apply(ctx, event.Kv.ModRevision, string(event.Kv.Value)); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (f *floor) apply(ctx context.Context, revision int64, value string) error {
	tx, err := f.Conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	result, err := tx.ExecContext(ctx, `UPDATE css_mirror_state SET applied = ?, row_count = ?, digest = ?, quarantined = ?,
		updated = UTC_TIMESTAMP(6) WHERE id = 1 AND term = ? AND applied = ?`, revision, f.rows, 0, 0, f.term, f.applied)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("the state row was changed by somebody else: %d rows, %w", n, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE kvData SET kvVal = ? WHERE kvId = ? AND "+plan.RowHash+" = ?", value, f.row.ID,
		plan.Row{ID: f.row.ID, Parent: f.row.parent, Key: f.row.Key, Value: f.row.value}.Hash())
	if err != nil {
		return err
	}
	f.applied, f.row.value = revision, value
	return tx.Commit()
}

// FloorKey is the key that the floor watches.
const FloorKey = "/bench/floor"

// Following runs the floor while g runs.
func (f *floor) Following(ctx context.Context, etcd *clientv3.Client, g func(context.Context) error) error {
	watching := make(chan struct{})
	run := func(ctx context.Context) error {
		events := etcd.Watch(ctx, FloorKey, clientv3.WithCreatedNotify())
		<-events // it watches, or never will
		close(watching)
		return f.run(ctx, events)
	}
	return rig.Beside(ctx, "the floor", run, func(ctx context.Context) error {
		<-watching
		return g(ctx)
	})
}
