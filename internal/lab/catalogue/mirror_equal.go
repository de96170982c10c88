package catalogue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/peers"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
	"github.com/qserv/css-etcd/mirror"
)

// MirrorEqual is about a table that is right already.
var MirrorEqual = rig.Benchmark{
	Name:    "resync-equal",
	Summary: "taking over and checking a kvData that is right already, against one SELECT of its rows",
	MariaDB: true,
	Run:     measureEqual,
}

// perRow is how many bytes a mirror may keep for each row, beside the view.
const perRow = 400

func measureEqual(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	n := r.Sizes.EqualRows
	r.Progress(fmt.Sprintf("making a catalogue of %d keys", n))
	css, err := r.Catalogue(ctx, survey.Large(n))
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
	target, err := r.MySQL(ctx, rig.OursDB)
	if err != nil {
		return nil, err
	}
	at, bytes := view.Snapshot().Revision(), 0.0
	takeOver := func(ctx context.Context, f func(*mirror.Mirror) error) error {
		m, err := r.Mirror(ctx, css, view)
		if err != nil {
			return err
		}
		return rig.Following(ctx, m, at, func(context.Context) error { return f(m) })
	}
	if err := takeOver(ctx, func(*mirror.Mirror) error { return nil }); err != nil {
		return nil, err
	}
	turns, err := r.Turns(ctx, "resync-equal", r.Sizes.GrownRounds, func(ctx context.Context, m *measure.Meter) error {
		before := liveHeap()
		err := m.Time("resync", func() error {
			return takeOver(ctx, func(*mirror.Mirror) error { return errEnough })
		})
		if !errors.Is(err, errEnough) {
			return err
		}
		if err := takeOver(ctx, func(*mirror.Mirror) error { bytes = liveHeap() - before; return nil }); err != nil {
			return err
		}
		return m.Time("check", func() error {
			report, err := mirror.Check(ctx, target, css)
			if err == nil && !report.InAgreement() {
				err = errors.New("the mirror and its check do not agree")
			}
			return err
		})
	}, func(ctx context.Context, m *measure.Meter) error {
		for _, series := range []string{"resync", "check"} {
			if err := m.Time(series, func() error { return readAll(ctx, db) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	const peer = "; peer: SELECT of all rows through the same driver"
	resync, err := turns.Figure("resync-equal", "ms", fmt.Sprintf("taking over a kvData of %d rows that is right", n)+peer,
		measure.Within(2), "resync")
	if err != nil {
		return nil, err
	}
	resync.Add("memory of a row, beside the view", "bytes", bytes/float64(n), measure.Within(perRow))
	check, err := turns.Figure("resync-equal-check", "ms",
		fmt.Sprintf("checking a kvData of %d rows, reading etcd included", n)+peer, measure.Within(2.5), "check")
	return []measure.Result{resync, check}, err
}

// errEnough ends a mirror that was only to take the table over.
var errEnough = errors.New("enough")

func readAll(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT kvId, kvKey, kvVal, parentKvId FROM kvData")
	if err != nil {
		return err
	}
	defer rows.Close()
	var r peers.Row
	var value string
	var parent sql.NullInt32
	for rows.Next() {
		if err := rows.Scan(&r.ID, &r.Key, &value, &parent); err != nil {
			return err
		}
	}
	return rows.Err()
}
