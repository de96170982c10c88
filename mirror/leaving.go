package mirror

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Left is how a kvData was left to MySQL.
type Left struct {
	Revision cssetcd.Revision // of etcd, that kvData showed in the moment in which it was left
	Newer    []string         // keys that were written in etcd since, and are not in kvData
	GaveUp   bool             // an import that had not ended was given up: kvData is as it was
}

// ErrDropsPending says that drops are under way, whose names would stay in kvData as PENDING_DROP for ever.
var ErrDropsPending = errors.New("drops are under way")

// ErrNotShown says that kvData does not show all that etcd holds.
var ErrNotShown = errors.New("kvData does not show all of etcd")

// Leave leaves kvData to those who write into MySQL: from then on no mirror writes to it. It shows the catalogue as it
// is at a revision, and what others wrote on it since. No writer is stopped. Nobody may write to etcd any more: what
// was written there too late is told. With drops under way it fails with [ErrDropsPending], and nothing is changed. It
// waits, until ctx ends, until a mirror has brought to kvData all that was decided on and all that etcd held when it
// began, and fails with [kvdata.ErrNotTaken] or [ErrNotShown]; with force it does not wait for what was written to
// etcd. An import that has not ended is given up. Run again after any failure, it goes on.
func Leave(ctx context.Context, target *mysql.Config, client *cssetcd.Client, etcd *Taker, timeout time.Duration,
	force bool) (left Left, err error) {
	if left.GaveUp, err = beginLeaving(ctx, target, client, etcd, force); err != nil {
		return left, err
	}
	if left.Revision, err = kvdata.Release(ctx, target); err != nil {
		return left, err
	}
	if err := kvdata.RemoveCapture(ctx, target, timeout, true); err != nil {
		return left, fmt.Errorf("capture no longer what others write: %w", err)
	}
	if !left.GaveUp && left.Revision > 0 {
		if left.Newer, err = newerThan(ctx, client, left.Revision); err != nil {
			return left, err
		}
	}
	return left, etcd.left(ctx)
}

// beginLeaving makes etcd say that kvData is being left, in a moment in which it shows what it has to.
func beginLeaving(ctx context.Context, target *mysql.Config, client *cssetcd.Client, etcd *Taker, force bool) (
	gaveUp bool, err error,
) {
	sides, err := ReadSides(ctx, target, etcd)
	switch {
	case err != nil:
		return false, err
	case errors.Is(sides.Unfinished, ErrExporting):
		return false, nil
	case sides.Unfinished != nil: // whatever an import put into etcd, kvData is what it was
		_, taken, err := etcd.mode(ctx)
		if err == nil {
			err = etcd.leave(ctx, taken)
		}
		return true, err
	case sides.Writers == OnlyMySQL:
		return false, nil
	}
	now, err := client.Snapshot(ctx, 0)
	if err == nil {
		err = noDrops(now)
	}
	if err != nil {
		return false, err
	}
	l := leaving{target: target, client: client, etcd: etcd, until: now.Revision(), force: force}
	return false, l.begin(ctx)
}

// leaving waits for the moment in which kvData can be left.
type leaving struct {
	target *mysql.Config
	client *cssetcd.Client
	etcd   *Taker
	until  cssetcd.Revision // that it has to show, or nothing may have changed since what it shows
	force  bool

	compared cssetcd.Revision // that was compared with until
	missing  int              // keys that changed between
}

func (l *leaving) begin(ctx context.Context) error {
	var why error // it waits
	for {
		taken, err := l.atRest(ctx)
		if err == nil {
			err = l.etcd.leave(ctx, taken)
		}
		switch {
		case errors.Is(err, inbox.ErrDecided), errors.Is(err, ErrNotShown), errors.Is(err, kvdata.ErrNotTaken):
			why = err
		case !wait.Over(ctx) || why == nil:
			return err
		}
		if ended := wait.UpTo(ctx, time.Millisecond); ended != nil {
			return fmt.Errorf("%w; start `css-sync serve`, which brings it to kvData", why)
		}
	}
}

// atRest fails while kvData does not show what it has to.
func (l *leaving) atRest(ctx context.Context) (taken inbox.Taken, err error) {
	var applied cssetcd.Revision
	if taken, err = l.etcd.Taken(ctx); err != nil {
		return taken, err
	}
	if taken.At == 0 {
		state, err := kvdata.ReadState(ctx, l.target)
		if err != nil {
			return taken, err
		}
		applied = state.Applied
	} else {
		in, err := kvdata.ReadInbox(ctx, l.target)
		switch {
		case err != nil:
			return taken, err
		case taken.Within(in.Rows).Open():
			return taken, kvdata.ErrNotTaken
		}
		applied = in.Applied
	}
	return taken, l.shown(ctx, applied)
}

// shown fails where kvData, which shows a revision, lacks what etcd held when leaving began.
func (l *leaving) shown(ctx context.Context, applied cssetcd.Revision) error {
	if l.force || applied >= l.until {
		return nil
	}
	if l.compared != applied {
		newer, err := newerThan(ctx, l.client, applied)
		if err != nil {
			return err
		}
		l.compared, l.missing = applied, len(newer)
	}
	if l.missing > 0 {
		return fmt.Errorf("%w: it shows revision %d, and %d keys were written since, which --force gives up", ErrNotShown,
			applied, l.missing)
	}
	return nil
}

// noDrops fails where a drop is under way.
func noDrops(now *cssetcd.Snapshot) error {
	var names []string
	for key, e := range now.Below("") {
		if k := csskey.Parse(key); k.IsStatus() && cssetcd.Status(e.Value).State() == cssetcd.StatePendingDrop {
			names = append(names, strings.TrimSuffix(k.DB+"."+k.Name, "."))
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w, and what they drop would stay in kvData as PENDING_DROP for ever: %s; wait for each with "+
			"`css-sync drops wait NAME`, or take it back with `css-sync drops cancel NAME`", ErrDropsPending,
			strings.Join(names, ", "))
	}
	return nil
}

// newerThan returns the keys that differ now from what they were at a revision. Where etcd no longer has that it
// returns those that were written since, without those that were deleted.
func newerThan(ctx context.Context, client *cssetcd.Client, at cssetcd.Revision) (keys []string, err error) {
	now, err := client.Snapshot(ctx, 0)
	if err != nil {
		return nil, err
	}
	for key, e := range now.Below("") {
		if e.Mod > at {
			keys = append(keys, key)
		}
	}
	was, err := client.Snapshot(ctx, at)
	switch {
	case errors.Is(err, cssetcd.ErrCompacted), errors.Is(err, cssetcd.ErrFutureRevision):
		return keys, nil
	case err != nil:
		return nil, err
	}
	for key := range was.Below("") {
		if _, ok := now.Key(key); !ok {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
