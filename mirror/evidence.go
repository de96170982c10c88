package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// evidence finds out how kvData came to hold what was found there, as far as a plan to make it show a snapshot needs to
// know. What the mirror left is etcd's snapshot at the revision that kvData shows, as long as etcd keeps that; the
// digest says whether anybody else wrote. Where it says that nobody did, etcd is only asked when the brake would be on.
func evidence(
	ctx context.Context, catalogue Catalogue, f kvdata.Found, p *plan.Plan, to *cssetcd.Snapshot, wentBack bool,
) (plan.Evidence, error) {
	switch {
	case f.Adopting || !p.ChangesRows():
		return plan.Evidence{}, nil // it never showed this catalogue, or nothing hangs on it
	case f.State.Applied == 0:
		return plan.Evidence{}.Guess(p), nil // no mirror wrote there yet, so others did
	}
	e := plan.Evidence{WentBack: to.Revision() < f.State.Applied, Untouched: f.Untouched()}
	switch {
	case e.WentBack:
		return unknown(e, f, p), nil
	case e.Untouched && !wentBack && plan.BrakeMerge(f.Table, p, plan.Evidence{}) == nil:
		return e, nil
	}
	left, err := catalogue.Snapshot(ctx, f.State.Applied)
	switch {
	case errors.Is(err, cssetcd.ErrCompacted):
		e.WentBack = wentBack
		return unknown(e, f, p), nil
	case err != nil:
		return e, fmt.Errorf("read the catalogue at revision %d, which kvData shows: %w", f.State.Applied, err)
	}
	back, err := plan.Full(f.Table, left)
	if err != nil {
		return e, err
	}
	e.Known, e.Proven = true, f.State.Digest != nil && back.Digest == *f.State.Digest
	e.WentBack = wentBack && !e.Proven // else it has been put right since
	e.Foreign = slices.DeleteFunc(back.Differences(), func(d plan.Difference) bool {
		return d.Kind == plan.Missing && f.Records.Has(d.Key) // the table could not hold it, and was widened since
	})
	return e, nil
}

// unknown is the evidence where nobody knows what the mirror left.
func unknown(e plan.Evidence, f kvdata.Found, p *plan.Plan) plan.Evidence {
	if e.Untouched || f.State.Digest == nil {
		return e
	}
	return e.Guess(p)
}

// remembering is a catalogue that remembers one snapshot of the past, which is asked for again and again while the
// brake is on.
type remembering struct {
	Catalogue
	past *cssetcd.Snapshot
	at   cssetcd.Revision
}

func (r *remembering) Snapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error) {
	if at != 0 && at == r.at {
		return r.past, nil
	}
	s, err := r.Catalogue.Snapshot(ctx, at)
	if err == nil && at != 0 {
		r.past, r.at = s, at
	}
	return s, err
}
