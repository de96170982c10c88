package catalogue

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/mirror"
)

// MirrorUpdate is about many changed values in one revision.
var MirrorUpdate = rig.Benchmark{
	Name:    "mirror-update",
	Summary: "many changed values in one revision, against UPDATE .. JOIN of the same rows",
	MariaDB: true,
	Run: func(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
		c, err := newChanging(ctx, r, func(s *cssetcd.Snapshot) (puts, deletes []string) {
			for key := range s.Below("") {
				if strings.HasPrefix(key, "/DBS/") {
					puts = append(puts, key)
				}
			}
			return puts, nil
		})
		if err != nil {
			return nil, err
		}
		return c.figures(ctx, "mirror-update", measure.Within(1.5), "a revision that changes %d values of %d rows, from "+
			"the update until kvData shows it; peer: UPDATE .. JOIN (SELECT .. UNION ALL ..) of %d rows each in one transaction",
			c.peerUpdate)
	},
}

// MirrorDelete is about many rows that go in one revision.
var MirrorDelete = rig.Benchmark{
	Name:    "mirror-delete",
	Summary: "many deleted keys in one revision, against DELETE of the same rows",
	MariaDB: true,
	Run: func(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
		c, err := newChanging(ctx, r, func(s *cssetcd.Snapshot) (puts, deletes []string) {
			for key := range s.Below("/DBS") {
				deletes = append(deletes, key)
			}
			return nil, deletes
		})
		if err != nil {
			return nil, err
		}
		return c.figures(ctx, "mirror-delete", measure.Within(1.3), "a revision that deletes %d keys of %d rows, from the "+
			"update until kvData shows it; peer: DELETE .. WHERE kvId IN (..) ORDER BY LENGTH(kvKey) DESC of %d rows each "+
			"in one transaction", c.peerDelete)
	},
}

// changing is a catalogue between two snapshots of which a mirror steps, there and back.
type changing struct {
	r        *rig.Rig
	css      *cssetcd.Client
	db       *sql.DB
	from, to *cssetcd.Snapshot
	keys     []string // that differ
	feed     *steps
	rows     []peers.Row
}

// newChanging makes a catalogue, and a second one that differs as asked.
func newChanging(ctx context.Context, r *rig.Rig, change func(*cssetcd.Snapshot) (puts, deletes []string)) (*changing,
	error) {
	c := &changing{r: r}
	n := r.Sizes.ChangeRows
	r.Progress(fmt.Sprintf("making a catalogue of %d keys", n))
	dump := survey.Large(n)
	var err error
	if c.css, err = r.Catalogue(ctx, dump); err != nil {
		return nil, err
	}
	if c.from, err = c.css.Snapshot(ctx, 0); err != nil {
		return nil, err
	}
	puts, deletes := change(c.from)
	root := c.css.Prefix() + "/css"
	if err := rewrite(ctx, c.css.Etcd(), root, puts); err != nil {
		return nil, err
	}
	if len(deletes) > 0 {
		if err := deleteBelow(ctx, c.css.Etcd(), root+"/DBS/"); err != nil {
			return nil, err
		}
	}
	c.keys = append(puts, deletes...)
	if c.to, err = c.css.Snapshot(ctx, 0); err != nil {
		return nil, err
	}
	if c.db, err = r.SQL(ctx, rig.PeerDB); err != nil {
		return nil, err
	}
	c.feed = &steps{at: c.from, next: make(chan cssetcd.Update)}
	c.rows = peers.Rows(dump)
	return c, nil
}

// figures has a mirror step, and the peer do the same to its own table.
func (c *changing) figures(ctx context.Context, name string, goal measure.Goal, versus string,
	peer func(context.Context, *measure.Meter) error) ([]measure.Result, error) {
	target, err := c.r.MySQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	m, err := mirror.New(mirror.Config{Feed: c.feed, Catalogue: c.css, Target: target, Owner: "bench", CompareEvery: -1})
	if err != nil {
		return nil, err
	}
	var turns measure.Turns
	err = rig.Following(ctx, m, c.from.Revision(), func(ctx context.Context) error {
		if err := peers.CopyTable(ctx, c.db, "kvData"); err != nil {
			return err
		}
		if err := peers.InsertAll(ctx, c.db, c.rows, peers.InsertBatch); err != nil {
			return err
		}
		turns, err = c.r.Turns(ctx, name, c.r.Sizes.Rounds, func(ctx context.Context, meter *measure.Meter) error {
			if err := meter.Time("change", func() error { return c.step(ctx, m, c.from, c.to) }); err != nil {
				return err
			}
			return c.step(ctx, m, c.to, c.from)
		}, peer)
		return err
	})
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf(versus, len(c.keys), len(c.rows), peers.InsertBatch)
	result, err := turns.Figure(name, "ms", text, goal, "change")
	return []measure.Result{result}, err
}

// step has the mirror go from one snapshot to the other.
func (c *changing) step(ctx context.Context, m *mirror.Mirror, from, to *cssetcd.Snapshot) error {
	u := cssetcd.Update{From: from, To: to}
	for _, key := range c.keys {
		u.Keys = append(u.Keys, cssetcd.KeyChange{Key: key})
	}
	select {
	case c.feed.next <- u:
	case <-ctx.Done():
		return ctx.Err()
	}
	return rig.AwaitShown(ctx, m, func(rev cssetcd.Revision) bool { return rev == to.Revision() })
}

// peerUpdate changes the same values, and back.
func (c *changing) peerUpdate(ctx context.Context, m *measure.Meter) error {
	update := func(to *cssetcd.Snapshot) error {
		var args []any
		for _, row := range c.changed() {
			e, _ := to.Key(row.Key)
			args = append(args, row.ID, e.Value)
		}
		return peers.InTransaction(ctx, c.db, args, 2*peers.InsertBatch, func(n int) string {
			return "UPDATE kvData JOIN (SELECT ? AS id, ? AS new_value" + strings.Repeat(" UNION ALL SELECT ?, ?", n/2-1) +
				") AS wanted ON kvId = id SET kvVal = new_value"
		})
	}
	if err := m.Time("change", func() error { return update(c.to) }); err != nil {
		return err
	}
	return update(c.from)
}

// peerDelete deletes the same rows, children first, and inserts them again.
func (c *changing) peerDelete(ctx context.Context, m *measure.Meter) error {
	gone := c.changed()
	var args []any
	for _, row := range peers.LongestFirst(gone) {
		args = append(args, row.ID)
	}
	err := m.Time("change", func() error {
		return peers.InTransaction(ctx, c.db, args, peers.InsertBatch, func(n int) string {
			return "DELETE FROM kvData WHERE kvId IN (?" + strings.Repeat(",?", n-1) + ") ORDER BY LENGTH(kvKey) DESC"
		})
	})
	if err != nil {
		return err
	}
	return peers.InsertAll(ctx, c.db, gone, peers.InsertBatch)
}

// changed returns the rows of what differs.
func (c *changing) changed() (rows []peers.Row) {
	for _, row := range c.rows {
		if strings.HasPrefix(row.Key, "/DBS/") {
			rows = append(rows, row)
		}
	}
	return rows
}

// steps is a feed that goes where it is told.
type steps struct {
	at   *cssetcd.Snapshot
	next chan cssetcd.Update
}

func (s *steps) Snapshot() *cssetcd.Snapshot { return s.at }

func (s *steps) Next(ctx context.Context) (cssetcd.Update, error) {
	select {
	case u := <-s.next:
		s.at = u.To
		return u, nil
	case <-ctx.Done():
		return cssetcd.Update{}, ctx.Err()
	}
}

// rewrite makes the value of each key another one.
func rewrite(ctx context.Context, etcd *clientv3.Client, root string, keys []string) error {
	for part := range slices.Chunk(keys, 100) {
		var ops []clientv3.Op
		for _, key := range part {
			ops = append(ops, clientv3.OpPut(root+key, "another value"))
		}
		if _, err := etcd.Txn(ctx).Then(ops...).Commit(); err != nil {
			return err
		}
	}
	return nil
}

func deleteBelow(ctx context.Context, etcd *clientv3.Client, prefix string) error {
	_, err := etcd.Delete(ctx, prefix, clientv3.WithPrefix())
	return err
}
