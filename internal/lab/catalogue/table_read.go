package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// TableReadEtcd is about a table from a view, against etcd.
var TableReadEtcd = rig.Benchmark{
	Name:    "table-read-vs-etcd-get",
	Summary: "reading a table from a view while others write, against reading one key from etcd",
	Run:     measureTableReadEtcd,
}

// TableReadMySQL is about the same, against MySQL.
var TableReadMySQL = rig.Benchmark{
	Name:    "table-read-vs-mysql",
	Summary: "reading a table from a view while others write, against the statements that Qserv's own code sends for it",
	MariaDB: true,
	Run:     measureTableReadMySQL,
}

// reading reads tables.
type reading struct {
	*rig.Busy
	batches int     // of our reads in a block
	peer    int     // of the peer's reads in a block
	rate    float64 // of the changes that the view took
}

func newReading(ctx context.Context, r *rig.Rig) (*reading, error) {
	b, err := r.Busy(ctx)
	return &reading{Busy: b, batches: r.Sizes.ReadBatches, peer: r.Sizes.ReadPeer}, err
}

func measureTableReadEtcd(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d, err := newReading(ctx, r)
	if err != nil {
		return nil, err
	}
	const reads = 200_000
	free, err := rig.Allocations(reads, func() error { return d.batch(d.Names, 0, reads) })
	if err != nil {
		return nil, err
	}
	turns, err := d.turns(ctx, r, "table-read-vs-etcd-get", d.gets)
	if err != nil {
		return nil, err
	}
	result, err := turns.Figure("table-read-vs-etcd-get", measure.Nanoseconds,
		d.versus()+"; peer: a linearizable Get of one table's key",
		measure.Faster(300), "read")
	if err != nil {
		return nil, err
	}
	result.Add("time of a read", measure.Nanoseconds, result.Ours, measure.Within(150))
	result.Add("allocations of a read, those of an idle etcd in the same process included", "", free,
		measure.Within(rig.FreeOfReads))
	result.Note("time of a read when all tables are read in turn", measure.Nanoseconds, measure.Typical(turns.Ours["all"]))
	result.Note("changes a second that the view took meanwhile", "", d.rate)
	return []measure.Result{result}, nil
}

func measureTableReadMySQL(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d, err := newReading(ctx, r)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	m, err := r.Mirror(ctx, d.CSS, d.View)
	if err != nil {
		return nil, err
	}
	if _, err := m.Once(ctx); err != nil {
		return nil, err
	}
	var sent peers.Upstream
	turns, err := d.turns(ctx, r, "table-read-vs-mysql", func(ctx context.Context, m *measure.Meter) error {
		return d.tableParams(ctx, m, db, &sent)
	})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("%s; peer: %d statements and %d pings for getTableParams, as Qserv's own code was observed "+
		"to send them, through our driver",
		d.versus(), sent.Statements/d.peer, sent.Pings/d.peer)
	result, err := turns.Figure("table-read-vs-mysql", measure.Nanoseconds, versus, measure.Faster(1000), "read")
	return []measure.Result{result}, err
}

func (d *reading) versus() string {
	return fmt.Sprintf("View.Snapshot and Snapshot.Table of %d tables in turn, by batches of %d, in a catalogue of %d "+
		"tables and %d keys, "+
		"while others make %d changes a second, of which the view takes all",
		len(d.Names), rig.Batch, d.View.Stats().Tables, d.View.Stats().Keys, time.Second/rig.WriteEvery)
}

// turns measures with the writer running, and fails when it did not get on.
func (d *reading) turns(ctx context.Context, r *rig.Rig, name string,
	peer measure.Block) (turns measure.Turns, err error) {
	before, began := d.View.Stats().Counts.Changes, time.Now()
	err = rig.Beside(ctx, "the writer", d.Write, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, name, r.Sizes.Rounds, d.reads, peer)
		return err
	})
	if err != nil {
		return turns, err
	}
	seen := d.View.Stats().Counts.Changes - before
	if seen == 0 {
		return turns, fmt.Errorf("%s: the view has seen no change", name)
	}
	d.rate = float64(seen) / time.Since(began).Seconds()
	return turns, nil
}

// reads is our block.
func (d *reading) reads(_ context.Context, m *measure.Meter) error {
	return m.Measure(func() error {
		for i := range d.batches {
			series, names := "read", d.Names
			if i%8 == 7 {
				series, names = "all", d.All
			}
			began := time.Now()
			if err := d.batch(names, i*rig.Batch, rig.Batch); err != nil {
				return err
			}
			m.Each(series, rig.Batch, began)
		}
		return nil
	})
}

// batch reads as a query does: from the newest snapshot. It begins with a name and goes round.
func (d *reading) batch(names []cssetcd.TableName, first, n int) error {
	view := d.View
	for i, at := 0, first%len(names); i < n; i++ {
		if _, err := view.Snapshot().Table(names[at]); err != nil {
			return err
		}
		if at++; at == len(names) {
			at = 0
		}
	}
	return nil
}

// gets is the block of the peer that is etcd.
func (d *reading) gets(ctx context.Context, m *measure.Meter) error {
	return m.Measure(func() error {
		for i := range d.peer {
			name := d.Names[i%len(d.Names)]
			key := fmt.Sprintf("%s/css/DBS/%s/TABLES/%s", d.CSS.Prefix(), name.DB, name.Table)
			began := time.Now()
			resp, err := d.Etcd.Get(ctx, key)
			if err != nil {
				return err
			}
			m.Each("read", 1, began)
			if resp.Count != 1 {
				return fmt.Errorf("etcd does not have %s", key)
			}
		}
		return nil
	})
}

// tableParams is the block of the peer that is Qserv's own code on MySQL.
func (d *reading) tableParams(ctx context.Context, m *measure.Meter, db *sql.DB, sent *peers.Upstream) error {
	return peers.WithUpstream(ctx, db, func(u *peers.Upstream) error {
		defer func() { *sent = *u }()
		return m.Measure(func() error {
			for i := range d.peer {
				name := d.Names[i%len(d.Names)]
				began := time.Now()
				have, err := u.TableParams(ctx, name.DB, name.Table)
				if err != nil {
					return err
				}
				m.Each("read", 1, began)
				if len(have) != 3 { // the key of the partitioning, and two packed ones
					return fmt.Errorf("the table %s has %d of the keys that are asked for", name, len(have))
				}
			}
			return nil
		})
	})
}
