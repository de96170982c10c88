package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// finding is kvData as it was found, beside what the mirror says of it.
type finding struct {
	state    State
	table    *plan.Table
	adopting bool // it shows another catalogue so far
}

// untouched reports whether kvData is as the mirror left it.
func (f finding) untouched() bool {
	return f.state.Digest != nil && *f.state.Digest == f.table.Digest() && f.state.Rows == f.table.Len()
}

// evidence finds out how kvData came to hold what was found there, as far as a plan to make it show a snapshot needs to
// know. What the mirror left is etcd's snapshot at the revision that kvData shows, as long as etcd keeps that; the
// digest says whether anybody else wrote. Where it says that nobody did, etcd is only asked when the brake would be on.
func (f finding) evidence(ctx context.Context, catalogue Catalogue, p *plan.Plan, to *cssetcd.Snapshot, wentBack bool) (
	plan.Evidence, error,
) {
	e := plan.Evidence{WentBack: wentBack || to.Revision() < f.state.Applied}
	if f.state.Applied == 0 || f.adopting || e.WentBack || !p.ChangesRows() {
		return e, nil // it never showed this catalogue, or that part of history is gone, or nothing hangs on it
	}
	e.Untouched = f.untouched()
	if e.Untouched && plan.BrakeMerge(f.table, p, plan.Evidence{}) == nil {
		return e, nil
	}
	left, err := catalogue.Snapshot(ctx, f.state.Applied)
	switch {
	case errors.Is(err, cssetcd.ErrCompacted):
		return e, nil
	case err != nil:
		return e, fmt.Errorf("read the catalogue at revision %d, which kvData shows: %w", f.state.Applied, err)
	}
	back, err := plan.Full(f.table, left)
	if err != nil {
		return e, err
	}
	e.Known, e.Foreign = true, back.Differences()
	return e, nil
}
