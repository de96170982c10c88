package peers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/lab/rig"
)

// inboundFloor is the least that taking a change of others into etcd has to do: the inbox is read, one transaction puts
// the value and what was taken, and a watch tells of it. It decides nothing, and begins as soon as it is told.
type inboundFloor struct {
	conn   *sql.Conn
	etcd   *clientv3.Client
	events clientv3.WatchChan
	stop   context.CancelFunc
	row    Row
	mod    int64 // of the key, as known
}

// NewInboundFloor prepares the peer's database: the catalogue's rows, a state row and an empty inbox.
func NewInboundFloor(ctx context.Context, db *sql.DB, etcd *clientv3.Client, rows []Row, key string) (*inboundFloor,
	error) {
	for _, table := range []string{"kvData", "css_mirror_state", "css_mirror_inbox"} {
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
	f := &inboundFloor{etcd: etcd}
	for _, row := range rows {
		if row.Key == key {
			f.row = row
		}
	}
	if f.row.ID == 0 {
		return nil, fmt.Errorf("there is no row %s", key)
	}
	var err error
	if f.conn, err = db.Conn(ctx); err != nil {
		return nil, err
	}
	ctx, f.stop = context.WithCancel(ctx)
	f.events = etcd.Watch(ctx, FloorKey, clientv3.WithCreatedNotify())
	<-f.events // it watches, or never will
	return f, nil
}

// Close ends the watch.
func (f *inboundFloor) Close() error {
	f.stop()
	return f.conn.Close()
}

// Change writes a value into kvData and the inbox in one transaction, as the triggers do, and returns how long it took
// from its commit to the event.
func (f *inboundFloor) Change(ctx context.Context, value string) (took time.Duration, err error) {
	tx, err := f.conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // nothing after a commit
	if _, err := tx.ExecContext(ctx, "UPDATE kvData SET kvVal = ? WHERE kvKey = ?", value, f.row.Key); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO css_mirror_inbox
		(conn, kv_id, parent, css_key, before_value, after_value, writer, written)
		VALUES (CONNECTION_ID(), ?, ?, ?, ?, ?, CURRENT_USER(), UTC_TIMESTAMP(6))`, f.row.ID, f.row.parent, f.row.Key,
		f.row.value, value); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	began := time.Now()
	id, err := f.take(ctx, value)
	took = time.Since(began)
	if err == nil {
		_, err = f.conn.ExecContext(ctx, "DELETE FROM css_mirror_inbox WHERE id = ?", id)
	}
	f.row.value = value
	return took, err
}

// take reads the inbox, puts what it holds, and waits for the event.
func (f *inboundFloor) take(ctx context.Context, want string) (id int64, err error) {
	var term, applied int64
	var key, value string
	err = f.conn.QueryRowContext(ctx, `SELECT term, applied, i.id, css_key, after_value
		FROM css_mirror_state s LEFT JOIN css_mirror_inbox i ON TRUE WHERE s.id = 1`).
		Scan(&term, &applied, &id, &key, &value)
	if err != nil {
		return 0, err
	}
	res, err := f.etcd.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(FloorKey), "=", f.mod)).
		Then(clientv3.OpPut(FloorKey, value), clientv3.OpPut(FloorKey+"/taken", fmt.Sprint(id))).Commit()
	if err != nil {
		return 0, err
	}
	if !res.Succeeded || value != want || key != f.row.Key {
		return 0, errors.New("somebody else changed what only this benchmark writes")
	}
	f.mod = res.Header.Revision
	select {
	case e := <-f.events:
		return id, e.Err()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
