package history

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

// Query says which revisions are read.
type Query struct {
	Wanted
	From, To kv.Revision // 0: as far back as etcd's history goes, and up to now
	Limit    int         // the newest so many entries; 0: all
}

// Log is what was found.
type Log struct {
	Entries []Entry     // the newest first
	Begins  kv.Revision // the first revision of which etcd still knows what it changed
	// Complete: all that was asked for and that etcd still knows was looked at. Otherwise Limit ended it.
	Complete bool
}

// Etcd serves a history in windows, each from a revision on, and reads all revisions since then for it. So the newest
// are read first, and the windows grow.
const (
	firstWindow = 2_000
	windowGrows = 4
)

// Read reads the history of a catalogue. It keeps nothing but the entries that it returns, and at most Limit while it
// looks. It fails with ErrFutureRevision where etcd has not reached To, and with kv.ErrOldServer where watches cannot be
// relied on.
func Read(ctx context.Context, css *cssetcd.Client, q Query) (Log, error) {
	store, err := kv.NewEtcd(css.Etcd(), css.Prefix())
	if err == nil {
		err = store.CheckServers(ctx)
	}
	if err != nil {
		return Log{}, err
	}
	return read(ctx, store, q, firstWindow)
}

func read(ctx context.Context, store *kv.Etcd, q Query, window kv.Revision) (Log, error) {
	now, err := store.Fetch(ctx, q.To, kv.Key(kv.CommitPath))
	if errors.Is(err, kv.ErrCompacted) { // asked for the time before history begins
		now, err = kv.NewSnapshot(q.To), nil
	}
	if err != nil {
		return Log{}, fmt.Errorf("revision %d: %w", q.To, err)
	}
	l := Log{}
	to := now.Revision
	for to >= max(q.From, 1) {
		if l.Begins, err = begins(ctx, store); err != nil {
			return l, err
		}
		least := max(q.From, l.Begins)
		from := max(least, to-window+1)
		if from > to {
			break
		}
		found, err := readWindow(ctx, store, q, from, to, q.Limit-len(l.Entries))
		if errors.Is(err, kv.ErrCompacted) {
			continue // history begins later now
		}
		if err != nil {
			return l, err
		}
		slices.Reverse(found)
		l.Entries = append(l.Entries, found...)
		if q.Limit > 0 && len(l.Entries) >= q.Limit {
			return l, nil
		}
		to, window = from-1, window*windowGrows
	}
	l.Complete = true
	return l, nil
}

// begins returns where history begins now.
func begins(ctx context.Context, store *kv.Etcd) (kv.Revision, error) {
	now, err := store.Fetch(ctx, 0, kv.Key(kv.CommitPath))
	if err != nil {
		return 0, err
	}
	return kv.OldestWhole(ctx, store, now.Revision)
}

// readWindow returns the entries of some revisions, in their order, and of more than most (if not 0 or less) the last.
func readWindow(ctx context.Context, store *kv.Etcd, q Query, from, to kv.Revision, most int) ([]Entry, error) {
	var found []Entry
	err := store.History(ctx, from, to, func(at kv.Revision, deltas []kv.Delta) {
		e, ok := Of(at, deltas, q.Wanted)
		if !ok {
			return
		}
		if q.Limit > 0 && len(found) >= 2*most { // cut now and then, not each time
			found = append(found[:0], found[len(found)-most:]...)
		}
		found = append(found, e)
	})
	if q.Limit > 0 && len(found) > most {
		found = found[len(found)-most:]
	}
	return found, err
}
