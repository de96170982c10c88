package history

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

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

// For a watch that begins at an old revision etcd reads all revisions since then, while nobody writes, takes a thousand
// for the watch, and does so again for the next thousand. All watches that wait share one such reading. So a long
// history is read in parts of a thousand, many at once; the newest first, and only as far as is needed.
const (
	partSize  = 1_000
	fewParts  = 2 // of which the first window consists
	manyParts = 64
	grow      = 4 // from one window to the next
)

// Read reads the history of a catalogue. It keeps nothing but the entries that it returns, and for each of some parts
// at most Limit while it looks. It fails with ErrFutureRevision where etcd has not reached To, and with ErrOldServer
// where its watches cannot be relied on.
func Read(ctx context.Context, css *cssetcd.Client, q Query) (Log, error) {
	store, err := kv.Of(css)
	if err == nil {
		err = store.CheckServers(ctx)
	}
	if err != nil {
		return Log{}, err
	}
	return reader{store, store.History, partSize}.read(ctx, q)
}

// reader reads the history of a store.
type reader struct {
	store   kv.Store
	history func(ctx context.Context, from, to kv.Revision, each func(kv.Revision, []kv.Delta)) error
	part    kv.Revision // so many revisions at a time
}

func (r reader) read(ctx context.Context, q Query) (l Log, err error) {
	to, err := newest(ctx, r.store, q.To)
	if err == nil {
		l.Begins, err = begins(ctx, r.store)
	}
	if err != nil {
		return l, err
	}
	for parts := kv.Revision(fewParts); ; {
		from := max(q.From, l.Begins, to-parts*r.part+1)
		if from > to {
			l.Complete = true
			return l, nil
		}
		found, err := r.window(ctx, q, from, to, q.Limit-len(l.Entries))
		if errors.Is(err, kv.ErrCompacted) { // history begins later now
			if l.Begins, err = begins(ctx, r.store); err == nil {
				continue
			}
		}
		if err != nil {
			return l, err
		}
		l.Entries = append(l.Entries, found...)
		if q.Limit > 0 && len(l.Entries) == q.Limit {
			return l, nil
		}
		to, parts = from-1, min(grow*parts, manyParts)
	}
}

// window returns the entries of some revisions, the newest first, and unless all are wanted no more than most.
func (r reader) window(ctx context.Context, q Query, from, to kv.Revision, most int) ([]Entry, error) {
	var tails []*tail // of the parts, the newest first
	parts, ctx := errgroup.WithContext(ctx)
	for ; to >= from; to -= r.part {
		last, first := to, max(from, to-r.part+1)
		kept := &tail{most: most, all: q.Limit == 0}
		tails = append(tails, kept)
		parts.Go(func() error {
			return r.history(ctx, first, last, func(at kv.Revision, deltas []kv.Delta) {
				if e, ok := Of(at, deltas, q.Wanted); ok {
					kept.add(e)
				}
			})
		})
	}
	if err := parts.Wait(); err != nil {
		return nil, err
	}
	var found []Entry
	for _, kept := range tails {
		for _, e := range slices.Backward(kept.last()) {
			if q.Limit > 0 && len(found) == most {
				return found, nil
			}
			found = append(found, e)
		}
	}
	return found, nil
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
