package daemon

import (
	"context"
	"errors"

	"github.com/qserv/css-etcd/cssetcd"
)

// reconcileNames protects the names that were made while no css-sync ran, past its rules. It does not hold up the
// mirror, and its failure is none of the daemon: without it all works as before, and the next start tries again. Each
// of several daemons does it, the later ones with nothing left to do.
func (d *daemon) reconcileNames(ctx context.Context) error {
	inner, cancel := d.Limit(ctx)
	defer cancel()
	result, err := d.css.ReconcileNames(inner, d.view.Snapshot())
	for _, clash := range result.Clashes {
		d.Log.Warn("two names differ in upper and lower case only, and MySQL shows one of them at most; drop one of them",
			"older", clash.Kept, "newer", clash.Other)
	}
	if result.Recorded+result.Removed > 0 {
		d.Log.Info("the spellings of names that were made or removed past css-sync are on record now", "recorded",
			result.Recorded, "removed", result.Removed)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, cssetcd.ErrVersionMissing) {
		d.Log.Warn("names that were made past css-sync are not protected against others that differ in case only, until "+
			"the next start", "err", err)
	}
	return nil
}
