package bench

import (
	"context"
	"fmt"

	"github.com/qserv/css-etcd/internal/survey"
)

var mirrorLoad = Benchmark{
	Name:    "mirror-load-vs-insert",
	Summary: "filling an empty kvData by the mirror, against plain multi-row INSERT of the same rows",
	MariaDB: true,
	Run: func(ctx context.Context, r *Rig) (results []Result, err error) {
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
func measureLoad(ctx context.Context, r *Rig, name string, n int) (Result, error) {
	r.progress(fmt.Sprintf("%s: making a catalogue of %d keys", name, n))
	dump := survey.Large(n)
	css, err := r.Catalogue(ctx, dump)
	if err != nil {
		return Result{}, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return Result{}, err
	}
	db, err := r.SQL(ctx, peerDB)
	if err != nil {
		return Result{}, err
	}
	rows := kvRows(dump)
	turns, err := r.Turns(ctx, name,
		func(ctx context.Context, m *Meter) error {
			if err := empty(ctx, db, oursDB); err != nil {
				return err
			}
			once, err := r.newMirror(ctx, css, view)
			if err != nil {
				return err
			}
			return m.Time("load", func() error {
				_, err := once.Once(ctx)
				return err
			})
		},
		func(ctx context.Context, m *Meter) error {
			if err := copyTable(ctx, db, "kvData"); err != nil {
				return err
			}
			if err := empty(ctx, db, peerDB); err != nil {
				return err
			}
			if err := m.Time("load", func() error { return insertAll(ctx, db, rows, insertBatch) }); err != nil {
				return err
			}
			return compareTables(ctx, db)
		})
	if err != nil {
		return Result{}, err
	}
	versus := fmt.Sprintf("taking over an empty kvData and filling it with %d rows from a view in memory; peer: the "+
		"same rows, with their ids, "+
		"by INSERT of %d rows each in one transaction", len(rows), insertBatch)
	return newResult(name, "ms", versus, Faster(0.8), turns.Samples("load", "load"), median)
}
