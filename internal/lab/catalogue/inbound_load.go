package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/internal/wait"
)

// InboundLoad is about very much that others write into kvData at once.
var InboundLoad = rig.Benchmark{
	Name:    "inbound-load",
	Summary: "many rows that others commit into kvData at once, until etcd holds them, against plain transactions of etcd",
	MariaDB: true,
	Run:     measureInboundLoad,
}

func measureInboundLoad(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	css, err := r.Catalogue(ctx, survey.Large(survey.SmallestLarge))
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	db, err := r.SQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	dump := survey.Large(r.Sizes.InboundRows)
	base, updates := view.Snapshot().Len(), view.Subscribe()
	all, puts, round := peers.Rows(dump), 1, 0
	var turns measure.Turns
	err = r.Shared(ctx, css, view, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "inbound-load", r.Sizes.GrownRounds, func(ctx context.Context, m *measure.Meter) error {
			round++
			rows, err := peers.Foreign(ctx, db, all, round)
			if err != nil {
				return err
			}
			before, err := css.Etcd().Get(ctx, css.Prefix()) // its revision: the peer's transactions raised it, too
			if err != nil {
				return err
			}
			err = peers.InsertThen(ctx, db, rows, peers.InsertBatch, func(commit func() error) error {
				return m.Time("load", func() error {
					return errors.Join(commit(), awaitKeys(ctx, updates, base+len(rows)))
				})
			})
			if err != nil {
				return err
			}
			puts = max(1, len(rows)/int(int64(updates.Snapshot().Revision())-before.Header.Revision))
			m.Count("puts", "puts a transaction", float64(puts))
			// away with them, on both sides, so that each round finds the same
			if err := deleteBelow(ctx, css.Etcd(), css.Prefix()+"/css"+peers.ForeignPrefix(round)); err != nil {
				return err
			}
			return errors.Join(awaitKeys(ctx, updates, base), awaitRows(ctx, db, base+1))
		}, func(ctx context.Context, m *measure.Meter) error {
			return m.Time("load", func() error { return putAll(ctx, css.Etcd(), "/bench/peer", below(dump), puts) })
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	result, err := turns.Figure("inbound-load", "ms", fmt.Sprintf("from the COMMIT of %d rows that others inserted in "+
		"one transaction "+
		"until a view has all of their keys; peer: the same keys and values by plain transactions of etcd, one "+
		"after the other, of as many puts as the mirror's had in the middle", dump.Len()), measure.Within(1.5), "load")
	result.Note("puts a transaction", "", measure.Typical(turns.Ours["puts"]))
	return []measure.Result{result}, err
}

// below are the keys and values of a dump's databases.
func below(dump *cssetcd.Dump) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range dump.Keys() {
			if value, _ := dump.Value(key); strings.HasPrefix(key, "/DBS/") && !yield(key, value) {
				return
			}
		}
	}
}

// putAll puts keys below a prefix by transactions of so many.
func putAll(ctx context.Context, etcd *clientv3.Client, prefix string, all iter.Seq2[string, string], puts int) error {
	var ops []clientv3.Op
	for key, value := range all {
		ops = append(ops, clientv3.OpPut(prefix+key, value))
	}
	for part := range slices.Chunk(ops, puts) {
		if _, err := etcd.Txn(ctx).Then(part...).Commit(); err != nil {
			return err
		}
	}
	return nil
}

// awaitKeys waits until a view has so many keys.
func awaitKeys(ctx context.Context, updates *cssetcd.Subscription, n int) error {
	for updates.Snapshot().Len() != n {
		if _, err := updates.Next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// awaitRows waits until kvData has so many rows, and nothing waits to be taken.
func awaitRows(ctx context.Context, db *sql.DB, n int) error {
	for {
		var rows, waiting int
		err := db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM kvData), (SELECT COUNT(*) FROM css_mirror_inbox)").
			Scan(&rows, &waiting)
		if err != nil || rows == n && waiting == 0 {
			return err
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
