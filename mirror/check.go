package mirror

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Report is what [Check] found.
type Report struct {
	Revision    cssetcd.Revision // that kvData shows, and at which it was compared
	Rows        int              // of kvData
	Differences []plan.Difference
	Quarantined []plan.Quarantined // the keys that kvData cannot hold, in byte order
	EmptySets   int                // databases whose empty chunks were compared
	EmptyChunks []EmptyDifference  // those of them on which MySQL and etcd do not agree, by name

	plan *plan.Plan
}

// InAgreement reports whether kvData shows exactly the catalogue of its revision, and the tables of empty chunks what
// etcd says of them.
func (r Report) InAgreement() bool { return len(r.Differences)+len(r.EmptyChunks) == 0 }

// SQL returns the statements that would undo the differences in MySQL, in their order. Of a large table they are many.
func (r Report) SQL() (all []string) {
	if r.plan != nil {
		all = r.plan.SQL()
	}
	for _, d := range r.EmptyChunks {
		all = append(all, d.SQL()...)
	}
	return all
}

// How long Check follows a mirror that moves on faster than etcd keeps its history, and how long it waits for one that
// does not.
const (
	checkTries = 5
	checkPause = time.Second
)

// Check compares kvData with the catalogue at exactly the revision that kvData shows, so that what changes meanwhile is
// no difference. Of the empty chunks of databases it compares what both say now: what a mirror settles within ten
// seconds is no difference, so that a call that finds some takes that long. It writes nothing and holds nobody up for
// longer than it takes to read such a table. It fails with [ErrNoMirror], [ErrIdentity], [ErrNotKvData],
// with an error that is cssetcd.ErrCompacted when etcd no longer has that revision, and as etcd and MySQL do.
func Check(ctx context.Context, target *mysql.Config, catalogue Catalogue) (Report, error) {
	if err := kvdata.ValidateTarget(target); err != nil {
		return Report{}, fmt.Errorf("mirror: %w", err)
	}
	identity, err := catalogue.Identity(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("check: %w", err)
	}
	for try := 1; ; try++ {
		report, err := checkOnce(ctx, target, catalogue, identity)
		if err == nil {
			report.EmptyChunks, report.EmptySets, err = lastingEmpty(ctx, target, catalogue, usualEmptyPace)
			if err != nil {
				err = fmt.Errorf("check: %w", err)
			}
			return report, err
		}
		if !errors.Is(err, cssetcd.ErrCompacted) {
			return report, err
		}
		if try == checkTries {
			return report, fmt.Errorf("check: kvData shows revision %d, which etcd no longer has, so there is nothing to "+
				"compare it with; "+
				"bring it up to date with `css-sync mirror --once`: %w", report.Revision, err)
		}
		if err := wait.UpTo(ctx, checkPause); err != nil {
			return report, err
		}
	}
}

func checkOnce(
	ctx context.Context, target *mysql.Config, catalogue Catalogue, identity cssetcd.Identity,
) (Report, error) {
	state, table, captured, err := kvdata.ReadTable(ctx, target)
	if err == nil {
		_, err = kvdata.Undo(table, captured) // it is no difference yet
	}
	if err != nil {
		return Report{}, fmt.Errorf("check: %w", err)
	}
	report := Report{Revision: state.Applied, Rows: table.Len()}
	if err := (kvdata.Claim{Name: state.Mirror, Identity: identity}).Check(state); err != nil {
		return report, fmt.Errorf("check: %w", err)
	}
	if state.Applied == 0 {
		return report, fmt.Errorf("check: %w: the mirror has taken the table over and not written to it", ErrNoMirror)
	}
	image, err := catalogue.Snapshot(ctx, state.Applied)
	if err != nil {
		return report, fmt.Errorf("read the catalogue at revision %d: %w", state.Applied, err)
	}
	p, err := plan.Full(table, image)
	if err != nil {
		return report, fmt.Errorf("check: %w", err)
	}
	report.Differences, report.Quarantined, report.plan = p.Differences(), p.Records, p
	return report, nil
}
