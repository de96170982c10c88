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
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/wait"
)

// InboundLag is about how soon czars see what others write into kvData.
var InboundLag = rig.Benchmark{
	Name:    "inbound-lag",
	Summary: "from a commit into kvData until a czar sees it, against a read of the inbox, a transaction and its event",
	MariaDB: true,
	Run:     measureInboundLag,
}

// quiet is for how long nobody writes before the mirror looks less often, and a little more.
const (
	quiet  = 1100 * time.Millisecond
	quiets = 3 // changes in a block that come after such a time
)

func measureInboundLag(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	dump := survey.Large(r.Sizes.LagKeys)
	css, err := r.Catalogue(ctx, dump)
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	ours, err := r.SQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	theirs, err := r.SQL(ctx, rig.PeerDB)
	if err != nil {
		return nil, err
	}
	table := survey.LargeTable(0)
	in := inbound{db: ours, updates: view.Subscribe(), changes: r.Sizes.LagEvents,
		key: "/DBS/" + table.DB + "/TABLES/" + table.Table + "/schema"}
	var turns measure.Turns
	err = r.Shared(ctx, css, view, func(ctx context.Context) error {
		f, err := peers.NewInboundFloor(ctx, theirs, css.Etcd(), peers.Rows(dump), in.key)
		if err != nil {
			return err
		}
		defer f.Close()
		turns, err = r.Turns(ctx, "inbound-lag", r.Sizes.Rounds, in.measure,
			func(ctx context.Context, m *measure.Meter) error {
				return m.Measure(func() error {
					for range in.changes {
						time.Sleep(rest)
						took, err := f.Change(ctx, in.next())
						if err != nil {
							return err
						}
						m.Add("lag", took)
					}
					return nil
				})
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	result, err := turns.Figure("inbound-lag", "ms", fmt.Sprintf("from the answer to an UPDATE of kvData until a "+
		"subscriber "+
		"of a view has the value, %d changes in a block, one at a time, in a catalogue of %d keys; a mirror looks into the "+
		"inbox every 2 ms while others write, and every 20 ms after a second without; peer: SELECT of the inbox, a "+
		"transaction of etcd and its event at a plain watch, in a row, which waits for no look", in.changes,
		r.Sizes.LagKeys), measure.Within(1.5), "lag")
	result.Note("after a second in which nobody wrote", "ms", measure.Typical(turns.Ours["quiet"]))
	return []measure.Result{result}, err
}

// inbound changes a key in kvData and waits for a view to show it.
type inbound struct {
	db      *sql.DB
	updates *cssetcd.Subscription
	key     string
	changes int // in a block
	value   int // counts, so that every value is new
}

// next returns a value that the key never had.
func (in *inbound) next() string {
	in.value++
	return fmt.Sprintf("(objectId BIGINT NOT NULL, version%d INT)", in.value)
}

func (in *inbound) measure(ctx context.Context, m *measure.Meter) error {
	err := m.Measure(func() error {
		for range in.changes {
			if err := in.change(ctx, m, "lag", rest); err != nil {
				return err
			}
		}
		return nil
	})
	for range quiets {
		if err == nil {
			err = in.change(ctx, m, "quiet", quiet)
		}
	}
	return err
}

func (in *inbound) change(ctx context.Context, m *measure.Meter, series string, after time.Duration) error {
	if err := wait.For(ctx, after); err != nil {
		return err
	}
	value := in.next()
	if _, err := in.db.ExecContext(ctx, "UPDATE kvData SET kvVal = ? WHERE kvKey = ?", value, in.key); err != nil {
		return err
	}
	began := time.Now()
	for {
		if e, _ := in.updates.Snapshot().Key(in.key); e.Value == value {
			m.Add(series, time.Since(began))
			return nil
		}
		if _, err := in.updates.Next(ctx); err != nil {
			return err
		}
	}
}
