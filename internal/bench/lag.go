package bench

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/survey"
)

var mirrorLag = Benchmark{
	Name:    "mirror-lag-vs-floor",
	Summary: "from a commit in etcd to the row in MySQL, against one watch event and one transaction",
	MariaDB: true,
	Run:     measureLag,
}

const lagVersus = "from the answer to a Put in etcd until SELECT on another connection shows the value in kvData, " +
	"%d changes in a block, " +
	"one at a time, in a catalogue of %d keys; peer: a plain watch of that key whose event becomes one transaction of " +
	"the same statements"

func measureLag(ctx context.Context, r *Rig) (results []Result, err error) {
	dump := survey.Large(r.Sizes.LagKeys)
	css, err := r.Catalogue(ctx, dump)
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, peerDB)
	if err != nil {
		return nil, err
	}
	table := survey.LargeTable(0)
	key := "/DBS/" + table.DB + "/TABLES/" + table.Table + "/schema"
	var turns Turns
	err = r.following(ctx, css, view, func(ctx context.Context) error {
		f, err := newFloor(ctx, db, kvRows(dump), key)
		if err != nil {
			return err
		}
		defer f.conn.Close()
		return f.following(ctx, r.etcd, func(ctx context.Context) error {
			p := probe{etcd: r.etcd, db: db, key: key, changes: r.Sizes.LagEvents}
			turns, err = r.Turns(ctx, "mirror-lag-vs-floor",
				func(ctx context.Context, m *Meter) error { return p.measure(ctx, m, oursDB, css.Prefix()+"/css"+key) },
				func(ctx context.Context, m *Meter) error { return p.measure(ctx, m, peerDB, floorKey) })
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf(lagVersus, r.Sizes.LagEvents, r.Sizes.LagKeys)
	s := turns.Samples("lag", "lag")
	middle, err := newResult("mirror-lag-vs-floor", "ms", "the median "+versus, Within(1.2), s, median)
	if err != nil {
		return nil, err
	}
	tail, err := newResult("mirror-lag-vs-floor-p99", "ms", "the 99th percentile of the same measurements", Within(2), s,
		p99)
	return []Result{middle, tail}, err
}

// floorKey is the key that the floor watches.
const floorKey = "/bench/floor"

// following runs the floor while g runs.
func (f *floor) following(ctx context.Context, etcd *clientv3.Client, g func(context.Context) error) error {
	watching := make(chan struct{})
	run := func(ctx context.Context) error {
		events := etcd.Watch(ctx, floorKey, clientv3.WithCreatedNotify())
		<-events // it watches, or never will
		close(watching)
		return f.run(ctx, events)
	}
	return beside(ctx, "the floor", run, func(ctx context.Context) error {
		<-watching
		return g(ctx)
	})
}

// probe changes a key in etcd and waits for MySQL to show it.
type probe struct {
	etcd    *clientv3.Client
	db      *sql.DB
	key     string
	changes int // in a block
	value   int // counts, so that every value is new
}

// rest is the time between a change that has arrived and the next one: changes to a catalogue are far between.
const rest = 2 * time.Millisecond

func (p *probe) measure(ctx context.Context, m *Meter, database, etcdKey string) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	query := "SELECT kvVal FROM " + database + ".kvData WHERE kvKey = ?"
	return m.Measure(func() error {
		for range p.changes {
			time.Sleep(rest)
			p.value++
			value := fmt.Sprintf("(objectId BIGINT NOT NULL, version%d INT)", p.value)
			if _, err := p.etcd.Put(ctx, etcdKey, value); err != nil {
				return err
			}
			began := time.Now()
			if err := awaitValue(ctx, conn, query, p.key, value); err != nil {
				return err
			}
			m.Add("lag", time.Since(began))
		}
		return nil
	})
}

func awaitValue(ctx context.Context, conn *sql.Conn, query, key, want string) error {
	for {
		var have string
		if err := conn.QueryRowContext(ctx, query, key).Scan(&have); err != nil || have == want {
			return err
		}
	}
}
