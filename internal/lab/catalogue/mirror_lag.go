package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
)

// MirrorLag is about how soon kvData shows a change.
var MirrorLag = rig.Benchmark{
	Name:    "mirror-lag-vs-floor",
	Summary: "from a commit in etcd to the row in MySQL, against one watch event and one transaction",
	MariaDB: true,
	Run:     measureLag,
}

const lagVersus = "from the answer to a Put in etcd until SELECT on another connection shows the value in kvData, " +
	"%d changes in a block, " +
	"one at a time, in a catalogue of %d keys; peer: a plain watch of that key whose event becomes one transaction of " +
	"the same statements"

func measureLag(ctx context.Context, r *rig.Rig) (results []measure.Result, err error) {
	dump := survey.Large(r.Sizes.LagKeys)
	css, err := r.Catalogue(ctx, dump)
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, rig.PeerDB)
	if err != nil {
		return nil, err
	}
	table := survey.LargeTable(0)
	key := "/DBS/" + table.DB + "/TABLES/" + table.Table + "/schema"
	var turns measure.Turns
	err = r.Mirrored(ctx, css, view, func(ctx context.Context) error {
		f, err := peers.NewFloor(ctx, db, peers.Rows(dump), key)
		if err != nil {
			return err
		}
		defer f.Conn.Close()
		return f.Following(ctx, css.Etcd(), func(ctx context.Context) error {
			p := probe{etcd: css.Etcd(), db: db, key: key, changes: r.Sizes.LagEvents}
			turns, err = r.Turns(ctx, "mirror-lag-vs-floor", r.Sizes.Rounds,
				func(ctx context.Context, m *measure.Meter) error {
					return p.measure(ctx, m, rig.OursDB, css.Prefix()+"/css"+key)
				},
				func(ctx context.Context, m *measure.Meter) error {
					return p.measure(ctx, m, rig.PeerDB, peers.FloorKey)
				})
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf(lagVersus, r.Sizes.LagEvents, r.Sizes.LagKeys)
	return turns.MedianAndP99("mirror-lag-vs-floor", "the median "+versus, measure.Within(1.2), measure.Within(2), "lag")
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

func (p *probe) measure(ctx context.Context, m *measure.Meter, database, etcdKey string) error {
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
			if err := peers.AwaitValue(ctx, conn, query, p.key, value); err != nil {
				return err
			}
			m.Add("lag", time.Since(began))
		}
		return nil
	})
}
