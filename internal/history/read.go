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
// looks. It fails with ErrFutureRevision where etcd has not reached To, and with ErrOldServer where its watches cannot
// be relied on.
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

// reading tells what revisions changed, as [kv.Etcd.History] does.
type reading func(from, to kv.Revision, each func(kv.Revision, []kv.Delta)) error

func read(ctx context.Context, store *kv.Etcd, q Query, window kv.Revision) (Log, error) {
	through := func(from, to kv.Revision, each func(kv.Revision, []kv.Delta)) error {
		return store.History(ctx, from, to, each)
	}
	return readThrough(ctx, through, store, q, window)
}

func readThrough(ctx context.Context, reading reading, store kv.Store, q Query, window kv.Revision) (l Log, err error) {
	to, err := newest(ctx, store, q.To)
	if err == nil {
		l.Begins, err = begins(ctx, store)
	}
	if err != nil {
		return l, err
	}
	for {
		from := max(q.From, l.Begins, to-window+1)
		if from > to {
			l.Complete = true
			return l, nil
		}
		found := tail{most: q.Limit - len(l.Entries), all: q.Limit == 0}
		err := reading(from, to, func(at kv.Revision, deltas []kv.Delta) {
			if e, ok := Of(at, deltas, q.Wanted); ok {
				found.add(e)
			}
		})
		if errors.Is(err, kv.ErrCompacted) { // history begins later now
			if l.Begins, err = begins(ctx, store); err == nil {
				continue
			}
		}
		if err != nil {
			return l, err
		}
		for _, e := range slices.Backward(found.last()) {
			l.Entries = append(l.Entries, e)
		}
		if q.Limit > 0 && len(l.Entries) == q.Limit {
			return l, nil
		}
		to, window = from-1, window*windowGrows
	}
}

// newest returns the revision up to which is read.
func newest(ctx context.Context, store kv.Store, to kv.Revision) (kv.Revision, error) {
	now, err := store.Fetch(ctx, to, kv.Key(kv.CommitPath))
	switch {
	case errors.Is(err, kv.ErrCompacted): // it is of the time before history begins
		return to, nil
	case err != nil:
		return 0, fmt.Errorf("revision %d: %w", to, err)
	}
	return now.Revision, nil
}

// begins returns where history begins now.
func begins(ctx context.Context, store kv.Store) (kv.Revision, error) {
	now, err := store.Fetch(ctx, 0, kv.Key(kv.CommitPath))
	if err != nil {
		return 0, err
	}
	return kv.OldestWhole(ctx, store, now.Revision)
}

// tail keeps the last entries of many.
type tail struct {
	entries []Entry
	most    int
	all     bool // keep all
}

func (t *tail) add(e Entry) {
	if !t.all && len(t.entries) >= 2*t.most { // now and then, not each time
		t.entries = t.entries[:copy(t.entries, t.last())]
	}
	t.entries = append(t.entries, e)
}

func (t *tail) last() []Entry {
	if t.all {
		return t.entries
	}
	return t.entries[max(0, len(t.entries)-t.most):]
}
