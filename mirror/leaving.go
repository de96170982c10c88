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
}

// ErrDropsPending says that drops are under way, whose names would stay in kvData as PENDING_DROP for ever.
var ErrDropsPending = errors.New("drops are under way")

// Leave leaves kvData to those who write into MySQL: from then on no mirror writes to it. It shows the catalogue as it
// is at a revision, and what others wrote on it since. No writer is stopped. Nobody may write to etcd any more: what
// was written there too late is told. With drops under way it fails with [ErrDropsPending], and nothing is changed. It
// waits, until ctx ends, until a mirror has brought to kvData all that was
// decided on. Run again after any failure, it goes on.
func Leave(ctx context.Context, target *mysql.Config, client *cssetcd.Client, etcd *Taker, timeout time.Duration) (
	left Left, err error,
) {
	sides, err := ReadSides(ctx, target, etcd)
	if err == nil && !sides.leaving() {
		err = noDrops(ctx, client)
	}
	if err == nil {
		err = endTaking(ctx, target, etcd)
	}
	if err != nil {
		return left, err
	}
	if left.Revision, err = kvdata.Release(ctx, target); err != nil {
		return left, err
	}
	if err := kvdata.RemoveCapture(ctx, target, timeout, true); err != nil {
		return left, fmt.Errorf("capture no longer what others write: %w", err)
	}
	left.Newer, err = newerThan(ctx, client, left.Revision)
	return left, err
}

// leaving reports whether kvData is being left, or was.
func (s Sides) leaving() bool {
	return s.Writers == OnlyMySQL || s.Writers == OnlyEtcd && s.Capture.Installed
}

// noDrops fails where a drop is under way.
func noDrops(ctx context.Context, client *cssetcd.Client) error {
	now, err := client.Snapshot(ctx, 0)
	if err != nil {
		return err
	}
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

// endTaking ends that what others write is taken, in a moment in which kvData shows all that was decided on.
func endTaking(ctx context.Context, target *mysql.Config, etcd *Taker) error {
	for {
		taken, err := etcd.Taken(ctx)
		if err != nil || taken.At == 0 {
			return err
		}
		in, err := kvdata.ReadInbox(ctx, target)
		if err != nil {
			return err
		}
		if err = kvdata.ErrNotTaken; !taken.Within(in.Rows).Open() {
			if err = etcd.endAt(ctx, taken); !errors.Is(err, inbox.ErrDecided) {
				return err
			}
		}
		if ended := wait.UpTo(ctx, time.Millisecond); ended != nil {
			return fmt.Errorf("%w; start `css-sync serve`, which brings it to kvData", err)
		}
	}
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
