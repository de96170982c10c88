package bench

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
)

var tableReadEtcd = Benchmark{
	Name:    "table-read-vs-etcd-get",
	Summary: "reading a table from a view while others write, against reading one key from etcd",
	Run:     measureTableReadEtcd,
}

var tableReadMySQL = Benchmark{
	Name:    "table-read-vs-mysql",
	Summary: "reading a table from a view while others write, against the statements that Qserv's own code sends for it",
	MariaDB: true,
	Run:     measureTableReadMySQL,
}

// reading is a view of a catalogue that others write to, and tables that are read from it.
type reading struct {
	etcd    *clientv3.Client
	css     *cssetcd.Client
	view    *cssetcd.View
	names   []cssetcd.TableName // those of the queries of a moment
	all     []cssetcd.TableName
	batches int     // of our reads in a block
	peer    int     // of the peer's reads in a block
	rate    float64 // of the changes that the view took
}

const (
	readsInBatch = 1000             // the clock is asked once a batch: it costs a third of a read
	writeEvery   = time.Millisecond // 1,000 changes a second
	tablesInUse  = 64               // by the queries of a moment
	freeOfReads  = 0.01             // allocations a read that may be those of etcd in the same process
	readUnit     = "ns"
)

func newReading(ctx context.Context, r *Rig) (*reading, error) {
	etcd, err := r.Etcd(ctx)
	if err != nil {
		return nil, err
	}
	s := shape{prefix: cssetcd.DefaultPrefix, databases: r.Sizes.ReadDatabases, keys: r.Sizes.ReadKeys}
	if _, err := fill(ctx, etcd, s.prefix, s.rows()); err != nil {
		return nil, err
	}
	d := &reading{etcd: etcd, batches: r.Sizes.ReadBatches, peer: r.Sizes.ReadPeer, all: spread(s.tables(), math.MaxInt)}
	d.names = d.all[:min(tablesInUse, len(d.all))]
	if d.css, err = cssetcd.New(ctx, etcd); err != nil {
		return nil, err
	}
	d.view, err = r.View(ctx, d.css)
	return d, err
}

// spread returns some of all, from everywhere, in no order.
func spread[T any](all []T, some int) []T {
	some = min(some, len(all))
	out := make([]T, 0, some)
	for i := range some {
		out = append(out, all[i*len(all)/some])
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func measureTableReadEtcd(ctx context.Context, r *Rig) ([]Result, error) {
	d, err := newReading(ctx, r)
	if err != nil {
		return nil, err
	}
	free, err := d.allocations()
	if err != nil {
		return nil, err
	}
	turns, err := d.turns(ctx, r, "table-read-vs-etcd-get", d.gets)
	if err != nil {
		return nil, err
	}
	result, err := newResult("table-read-vs-etcd-get", readUnit,
		d.versus()+"; peer: a linearizable Get of one table's key",
		Faster(300), turns.Samples("read", "read"), median)
	if err != nil {
		return nil, err
	}
	result.add("time of a read", readUnit, result.Ours, Within(150))
	result.add("allocations of a read, those of an idle etcd in the same process included", "", free, Within(freeOfReads))
	result.note("time of a read when all tables are read in turn", readUnit, median(each(turns.ours["all"], median)))
	result.note("changes a second that the view took meanwhile", "", d.rate)
	return []Result{result}, nil
}

func measureTableReadMySQL(ctx context.Context, r *Rig) ([]Result, error) {
	d, err := newReading(ctx, r)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, oursDB)
	if err != nil {
		return nil, err
	}
	m, err := r.newMirror(ctx, d.css, d.view)
	if err != nil {
		return nil, err
	}
	if _, err := m.Once(ctx); err != nil {
		return nil, err
	}
	var sent upstream
	turns, err := d.turns(ctx, r, "table-read-vs-mysql", func(ctx context.Context, m *Meter) error {
		return d.tableParams(ctx, m, db, &sent)
	})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("%s; peer: %d statements and %d pings for getTableParams, as Qserv's own code was observed "+
		"to send them, through our driver",
		d.versus(), sent.statements/d.peer, sent.pings/d.peer)
	result, err := newResult("table-read-vs-mysql", readUnit, versus, Faster(1000), turns.Samples("read", "read"), median)
	return []Result{result}, err
}

func (d *reading) versus() string {
	return fmt.Sprintf("View.Snapshot and Snapshot.Table of %d tables in turn, by batches of %d, in a catalogue of %d "+
		"tables and %d keys, "+
		"while others make %d changes a second, of which the view takes all",
		len(d.names), readsInBatch, d.view.Stats().Tables, d.view.Stats().Keys, time.Second/writeEvery)
}

// turns measures with the writer running, and fails when it did not get on.
func (d *reading) turns(ctx context.Context, r *Rig, name string, peer block) (turns Turns, err error) {
	before, began := d.view.Stats().Counts.Changes, time.Now()
	err = beside(ctx, "the writer", d.write, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, name, d.reads, peer)
		return err
	})
	if err != nil {
		return turns, err
	}
	seen := d.view.Stats().Counts.Changes - before
	if seen == 0 {
		return turns, fmt.Errorf("%s: the view has seen no change", name)
	}
	d.rate = float64(seen) / time.Since(began).Seconds()
	return turns, nil
}

// write changes one table after another until ctx ends: those that are read and all others.
func (d *reading) write(ctx context.Context) error {
	began := time.Now()
	failed := make(chan error, 1)
	slots := make(chan struct{}, 256) // so many wait for the disk together
	var puts sync.WaitGroup
	defer puts.Wait()
	for n := 0; ; n++ {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(time.Duration(n) * writeEvery))):
		}
		slots <- struct{}{}
		name := d.all[n%len(d.all)]
		key := fmt.Sprintf("%s/css/DBS/%s/TABLES/%s/sharedScan/.packed.json", d.css.Prefix(), name.DB, name.Table)
		puts.Go(func() {
			defer func() { <-slots }()
			if _, err := d.etcd.Put(ctx, key, fmt.Sprintf(`{"lockInMem":"1","scanRating":"%d"} `, n%3+1)); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
}

// reads is our block.
func (d *reading) reads(_ context.Context, m *Meter) error {
	return m.Measure(func() error {
		for i := range d.batches {
			series, names := "read", d.names
			if i%8 == 7 {
				series, names = "all", d.all
			}
			took, err := d.batch(names, i*readsInBatch, readsInBatch)
			if err != nil {
				return err
			}
			m.Count(series, readUnit, float64(took.Nanoseconds())/readsInBatch)
		}
		return nil
	})
}

// batch reads as a query does: from the newest snapshot. It begins with a name and goes round.
func (d *reading) batch(names []cssetcd.TableName, first, n int) (time.Duration, error) {
	began := time.Now()
	for i, at := 0, first%len(names); i < n; i++ {
		if _, err := d.view.Snapshot().Table(names[at]); err != nil {
			return 0, err
		}
		if at++; at == len(names) {
			at = 0
		}
	}
	return time.Since(began), nil
}

// allocations returns how many allocations a read takes, when nobody writes. What etcd does meanwhile counts, too, so
// that the least of some tries is the nearest.
func (d *reading) allocations() (float64, error) {
	const reads = 200_000
	least := float64(reads)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := d.batch(d.names, 0, reads); err != nil {
			return 0, err
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/reads)
	}
	return least, nil
}

// gets is the block of the peer that is etcd.
func (d *reading) gets(ctx context.Context, m *Meter) error {
	return m.Measure(func() error {
		for i := range d.peer {
			name := d.names[i%len(d.names)]
			key := fmt.Sprintf("%s/css/DBS/%s/TABLES/%s", d.css.Prefix(), name.DB, name.Table)
			began := time.Now()
			resp, err := d.etcd.Get(ctx, key)
			if err != nil {
				return err
			}
			m.Count("read", readUnit, float64(time.Since(began).Nanoseconds()))
			if resp.Count != 1 {
				return fmt.Errorf("etcd does not have %s", key)
			}
		}
		return nil
	})
}

// tableParams is the block of the peer that is Qserv's own code on MySQL.
func (d *reading) tableParams(ctx context.Context, m *Meter, db *sql.DB, sent *upstream) error {
	return withUpstream(ctx, db, func(u *upstream) error {
		defer func() { *sent = *u }()
		return m.Measure(func() error {
			for i := range d.peer {
				name := d.names[i%len(d.names)]
				began := time.Now()
				have, err := u.tableParams(ctx, name.DB, name.Table)
				if err != nil {
					return err
				}
				m.Count("read", readUnit, float64(time.Since(began).Nanoseconds()))
				if len(have) != 3 { // the key of the partitioning, and two packed ones
					return fmt.Errorf("the table %s has %d of the keys that are asked for", name, len(have))
				}
			}
			return nil
		})
	})
}
