package mirror

import (
	"context"
	"errors"
	"fmt"

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
	e := plan.Evidence{WentBack: wentBack || to.Revision() < f.State.Applied}
	if f.State.Applied == 0 || f.Adopting || e.WentBack || !p.ChangesRows() {
		return e, nil // it never showed this catalogue, or that part of history is gone, or nothing hangs on it
	}
	e.Untouched = f.Untouched()
	if e.Untouched && plan.BrakeMerge(f.Table, p, plan.Evidence{}) == nil {
		return e, nil
	}
	left, err := catalogue.Snapshot(ctx, f.State.Applied)
	switch {
	case errors.Is(err, cssetcd.ErrCompacted):
		return e, nil
	case err != nil:
		return e, fmt.Errorf("read the catalogue at revision %d, which kvData shows: %w", f.State.Applied, err)
	}
	back, err := plan.Full(f.Table, left)
	if err != nil {
		return e, err
	}
	e.Known, e.Foreign = true, back.Differences()
	return e, nil
}
