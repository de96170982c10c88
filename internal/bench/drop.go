package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/survey"
)

var dropTable = Benchmark{
	Name:    "drop-vs-statements",
	Summary: "dropping a table with its chunks, against the statements that Qserv's own code sends for it",
	MariaDB: true,
	Run:     measureDrop,
}

// dropping is a table that is dropped again and again.
type dropping struct {
	css   *cssetcd.Client
	db    *sql.DB
	dump  *cssetcd.Dump
	rows  []kvRow // of the dump
	table cssetcd.TableName
	key   string
	peer  upstream // what it sent for one drop
}

func measureDrop(ctx context.Context, r *Rig) ([]Result, error) {
	d := &dropping{dump: survey.Large(r.Sizes.DropKeys), table: survey.LargeTable(0)}
	d.rows = kvRows(d.dump)
	d.key = "/DBS/" + d.table.DB + "/TABLES/" + d.table.Table
	var err error
	if d.css, err = r.Catalogue(ctx, d.dump); err != nil {
		return nil, err
	}
	view, err := r.View(ctx, d.css)
	if err != nil {
		return nil, err
	}
	if d.db, err = r.SQL(ctx, peerDB); err != nil {
		return nil, err
	}
	var turns Turns
	err = r.following(ctx, d.css, view, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "drop-vs-statements", d.ours, d.theirs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.results(turns)
}

func (d *dropping) results(turns Turns) ([]Result, error) {
	peer := fmt.Sprintf("peer: %d statements and %d pings in one transaction, as Qserv's own code was observed to send "+
		"them, through our driver",
		d.peer.statements, d.peer.pings)
	inEtcd, err := newResult("drop-vs-statements-etcd", "ms", fmt.Sprintf("dropping a table of %d keys in etcd; %s",
		d.size(), peer),
		Faster(20), turns.Samples("etcd", "drop"), median)
	if err != nil {
		return nil, err
	}
	inMySQL, err := newResult("drop-vs-statements-mysql", "ms",
		"the same, until the mirror has taken the table from kvData; peer: the same",
		Faster(10), turns.Samples("mysql", "drop"), median)
	return []Result{inEtcd, inMySQL}, err
}

// size is the number of keys of the table.
func (d *dropping) size() int {
	n := 0
	for _, row := range d.rows {
		if row.key == d.key || len(row.key) > len(d.key) && row.key[:len(d.key)+1] == d.key+"/" {
			n++
		}
	}
	return n
}

// ours brings the table back and drops it.
func (d *dropping) ours(ctx context.Context, m *Meter) error {
	if _, err := d.css.Restore(ctx, d.dump); err != nil {
		return err
	}
	if err := awaitRows(ctx, d.db, oursDB, len(d.rows)); err != nil {
		return err
	}
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	err = m.Measure(func() error {
		began := time.Now()
		if _, err := d.css.DropTable(ctx, d.table); err != nil {
			return err
		}
		m.Add("etcd", time.Since(began))
		if err := awaitAbsent(ctx, conn, "SELECT kvId FROM "+oursDB+".kvData WHERE kvKey = ?", d.key); err != nil {
			return err
		}
		m.Add("mysql", time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	return awaitRows(ctx, d.db, oursDB, len(d.rows)-d.size())
}

// theirs fills the peer's table and drops it as upstream does.
func (d *dropping) theirs(ctx context.Context, m *Meter) error {
	if err := copyTable(ctx, d.db, "kvData"); err != nil {
		return err
	}
	if err := empty(ctx, d.db, peerDB); err != nil {
		return err
	}
	if err := insertAll(ctx, d.db, d.rows, insertBatch); err != nil {
		return err
	}
	err := withUpstream(ctx, d.db, func(u *upstream) error {
		defer func() { d.peer = *u }()
		return m.Time("drop", func() error { return u.drop(ctx, d.key) })
	})
	if err != nil {
		return err
	}
	return compareTables(ctx, d.db)
}

// look is the time between two looks for the table. Looking without a pause would take a processor from those who drop
// it, which the peer does not have to bear.
const look = 500 * time.Microsecond

// awaitAbsent waits until a query finds nothing.
func awaitAbsent(ctx context.Context, conn *sql.Conn, query, key string) error {
	for {
		var id int
		switch err := conn.QueryRowContext(ctx, query, key).Scan(&id); {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		time.Sleep(look)
	}
}

// awaitRows waits until a kvData has a number of rows.
func awaitRows(ctx context.Context, db *sql.DB, database string, want int) error {
	for {
		var n int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+database+".kvData").Scan(&n); err != nil || n == want {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
