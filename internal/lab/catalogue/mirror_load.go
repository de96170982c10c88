package catalogue

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
)

// MirrorLoad is about filling kvData.
var MirrorLoad = rig.Benchmark{
	Name:    "mirror-load-vs-insert",
	Summary: "filling an empty kvData by the mirror, against plain multi-row INSERT of the same rows",
	MariaDB: true,
	Run: func(ctx context.Context, r *rig.Rig) (results []measure.Result, err error) {
		for i, n := range r.Sizes.LoadRows {
			name := "mirror-load-vs-insert"
			if i > 0 {
				name += fmt.Sprintf("-%d", n)
			}
			result, err := measureLoad(ctx, r, name, n)
			if err != nil {
				return results, err
			}
			results = append(results, result)
		}
		return results, nil
	},
}

// measureLoad loads a catalogue of n keys.
func measureLoad(ctx context.Context, r *rig.Rig, name string, n int) (measure.Result, error) {
	r.Progress(fmt.Sprintf("%s: making a catalogue of %d keys", name, n))
	dump := survey.Large(n)
	css, err := r.Catalogue(ctx, dump)
	if err != nil {
		return measure.Result{}, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return measure.Result{}, err
	}
	db, err := r.SQL(ctx, rig.PeerDB)
	if err != nil {
		return measure.Result{}, err
	}
	rows := peers.Rows(dump)
	turns, err := r.Turns(ctx, name, r.Sizes.Rounds,
		func(ctx context.Context, m *measure.Meter) error {
			if err := peers.Empty(ctx, db, rig.OursDB); err != nil {
				return err
			}
			filling, err := r.Mirror(ctx, css, view)
			if err != nil {
				return err
			}
			err = m.Time("load", func() error {
				return rig.Following(ctx, filling, view.Snapshot().Revision(), func(context.Context) error { return errEnough })
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		},
		func(ctx context.Context, m *measure.Meter) error {
			if err := peers.CopyTable(ctx, db, "kvData"); err != nil {
				return err
			}
			if err := peers.Empty(ctx, db, rig.PeerDB); err != nil {
				return err
			}
			if err := m.Time("load", func() error { return peers.InsertAll(ctx, db, rows, peers.InsertBatch) }); err != nil {
				return err
			}
			return peers.CompareTables(ctx, db)
		})
	if err != nil {
		return measure.Result{}, err
	}
	versus := fmt.Sprintf("taking over an empty kvData and filling it with %d rows from a view in memory; peer: the "+
		"same rows, with their ids, "+
		"by INSERT of %d rows each in one transaction", len(rows), peers.InsertBatch)
	return turns.Figure(name, "ms", versus, measure.Faster(0.8), "load")
}
