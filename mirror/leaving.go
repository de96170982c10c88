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
)

// Left is how a kvData was left to MySQL.
type Left struct {
	Revision cssetcd.Revision // of etcd, that kvData showed in the moment in which it was left
	Newer    []string         // keys that were written in etcd since, and are not in kvData
}

// Leave leaves kvData to those who write into MySQL: it shows the catalogue as it is at a revision, and from then on no
// mirror writes to it. No writer is stopped. Nobody may write to etcd any more; what was written there too late is told.
// Of what others wrote it waits, until ctx ends, for a mirror to take it. Run again after any failure, it goes on.
func Leave(ctx context.Context, target *mysql.Config, client *cssetcd.Client, etcd *Taker, timeout time.Duration) (
	left Left, err error,
) {
	if left.Revision, err = released(ctx, target); err != nil {
		return left, err
	}
	if err := kvdata.RemoveCapture(ctx, target, timeout, true); err != nil {
		return left, fmt.Errorf("capture no longer what others write: %w", err)
	}
	if err := etcd.End(ctx); err != nil {
		return left, err
	}
	left.Newer, err = newerThan(ctx, client, left.Revision)
	return left, err
}

func released(ctx context.Context, target *mysql.Config) (cssetcd.Revision, error) {
	for {
		at, err := kvdata.Release(ctx, target)
		if !errors.Is(err, kvdata.ErrNotTaken) {
			return at, err
		}
		if ended := wait.UpTo(ctx, drainEvery/10); ended != nil {
			return 0, fmt.Errorf("%w; start `css-sync serve`, which takes them", err)
		}
	}
}

// newerThan returns the keys that differ now from what they were at a revision. Where etcd no longer has that it returns
// those that were written since, without those that were deleted.
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
