package drops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/wait"
)

// Table is about removing a table at once.
var Table = rig.Benchmark{
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
	rows  []peers.Row // of the dump
	table cssetcd.TableName
	key   string
	peer  peers.Upstream // what it sent for one drop
}

func measureDrop(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d := &dropping{dump: survey.Large(r.Sizes.DropKeys), table: survey.LargeTable(0)}
	d.rows = peers.Rows(d.dump)
	d.key = "/DBS/" + d.table.DB + "/TABLES/" + d.table.Table
	var err error
	if d.css, err = r.Catalogue(ctx, d.dump); err != nil {
		return nil, err
	}
	view, err := r.View(ctx, d.css)
	if err != nil {
		return nil, err
	}
	if d.db, err = r.SQL(ctx, rig.PeerDB); err != nil {
		return nil, err
	}
	var turns measure.Turns
	err = r.Mirrored(ctx, d.css, view, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "drop-vs-statements", r.Sizes.Rounds, d.ours, d.theirs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.results(turns)
}

func (d *dropping) results(turns measure.Turns) ([]measure.Result, error) {
	peer := fmt.Sprintf("peer: %d statements and %d pings in one transaction, as Qserv's own code was observed to send "+
		"them, through our driver",
		d.peer.Statements, d.peer.Pings)
	inEtcd, err := measure.NewResult("drop-vs-statements-etcd", "ms",
		fmt.Sprintf("dropping a table of %d keys in etcd; %s", d.size(), peer),
		measure.Faster(20), turns.Samples("etcd", "drop"))
	if err != nil {
		return nil, err
	}
	inMySQL, err := measure.NewResult("drop-vs-statements-mysql", "ms",
		"the same, until the mirror has taken the table from kvData; peer: the same",
		measure.Faster(10), turns.Samples("mysql", "drop"))
	return []measure.Result{inEtcd, inMySQL}, err
}

// size is the number of keys of the table.
func (d *dropping) size() int {
	n := 0
	for _, row := range d.rows {
		if row.Key == d.key || len(row.Key) > len(d.key) && row.Key[:len(d.key)+1] == d.key+"/" {
			n++
		}
	}
	return n
}

// ours brings the table back and drops it.
func (d *dropping) ours(ctx context.Context, m *measure.Meter) error {
	if _, err := d.css.Restore(ctx, d.dump); err != nil {
		return err
	}
	if err := awaitRows(ctx, d.db, rig.OursDB, len(d.rows)); err != nil {
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
		if err := awaitAbsent(ctx, conn, "SELECT kvId FROM "+rig.OursDB+".kvData WHERE kvKey = ?", d.key); err != nil {
			return err
		}
		m.Add("mysql", time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	return awaitRows(ctx, d.db, rig.OursDB, len(d.rows)-d.size())
}

// theirs fills the peer's table and drops it as upstream does.
func (d *dropping) theirs(ctx context.Context, m *measure.Meter) error {
	if err := peers.CopyTable(ctx, d.db, "kvData"); err != nil {
		return err
	}
	if err := peers.Empty(ctx, d.db, rig.PeerDB); err != nil {
		return err
	}
	if err := peers.InsertAll(ctx, d.db, d.rows, peers.InsertBatch); err != nil {
		return err
	}
	err := peers.WithUpstream(ctx, d.db, func(u *peers.Upstream) error {
		defer func() { d.peer = *u }()
		return m.Time("drop", func() error { return u.Drop(ctx, d.key) })
	})
	if err != nil {
		return err
	}
	return peers.CompareTables(ctx, d.db)
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
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}
