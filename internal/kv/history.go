package kv

import (
	"cmp"
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// OldestWhole returns the first revision of which it is still known what it changed, given the newest there is: that
// after the last compaction. What was compacted is known only as it stood then. It asks some twenty times.
func OldestWhole(ctx context.Context, st Store, newest Revision) (Revision, error) {
	gone, there := Revision(0), newest // the revision that can be read and the one that cannot come closer
	for there-gone > 1 {
		middle := gone + (there-gone)/2
		_, err := st.Fetch(ctx, middle, Key(CommitPath))
		switch {
		case err == nil:
			there = middle
		case errors.Is(err, ErrCompacted):
			gone = middle
		default:
			return 0, err
		}
	}
	return there + 1, nil
}

// History calls each, in order, with what each revision in [from, to] changed below the prefix. Revisions that changed
// nothing there are left out. It fails with ErrCompacted where the history does not reach back to before from, also
// when that was compacted meanwhile: each may have been told too little then.
func (s *Etcd) History(ctx context.Context, from, to Revision, each func(Revision, []Delta)) error {
	if err := s.watchHistory(ctx, from, to, each); err != nil || from <= 1 {
		return err
	}
	// Of the revision that history was compacted to, etcd tells no deletions, and of older ones nothing. While the one
	// before the first can be read, all was told.
	_, err := s.Fetch(ctx, from-1, Key(CommitPath))
	return err
}

func (s *Etcd) watchHistory(ctx context.Context, from, to Revision, each func(Revision, []Delta)) error {
	if err := s.closed(); err != nil {
		return err
	}
	if from > to {
		return nil
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watcher := clientv3.NewWatcher(s.client) // on a stream of its own, where progress means this one watch
	defer func() { _ = watcher.Close() }()   // what it was for is done
	opts := append(s.rangeEnd(Everything), clientv3.WithRev(int64(from)), clientv3.WithPrevKV(),
		clientv3.WithCreatedNotify())
	responses := watcher.Watch(ctx, s.EtcdKey(Everything.From), opts...)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			_ = watcher.RequestProgress(ctx) // what is written elsewhere brings no event; fails with the watch only
		case r, ok := <-responses:
			if !ok {
				return cmp.Or(ctx.Err(), errWatchClosed)
			}
			if done, err := s.tell(r, to, each); done || err != nil {
				return err
			}
			if r.Created {
				_ = watcher.RequestProgress(ctx) // as above
			}
		}
	}
}

// tell passes a response on, revision by revision: it never splits one. It reports whether all up to a revision has
// come.
func (s *Etcd) tell(r clientv3.WatchResponse, to Revision, each func(Revision, []Delta)) (done bool, err error) {
	switch {
	case r.Err() != nil: // an ErrCompacted, perhaps
		return false, watchError(r.Err())
	case r.IsProgressNotify(): // of a member that may lag
		return Revision(r.Header.Revision) >= to, nil
	}
	var deltas []Delta
	for i, e := range r.Events {
		at := Revision(e.Kv.ModRevision)
		if at > to {
			return true, nil
		}
		deltas = append(deltas, s.delta(e))
		if i+1 == len(r.Events) || Revision(r.Events[i+1].Kv.ModRevision) != at {
			each(at, deltas)
			deltas, done = nil, at == to
		}
	}
	return done, nil
}

func (s *Etcd) delta(e *clientv3.Event) Delta {
	d := Delta{Path: s.path(e.Kv.Key)}
	if e.PrevKv != nil {
		d.Old = entryOf(e.PrevKv)
	}
	if e.Type != clientv3.EventTypeDelete {
		d.New = entryOf(e.Kv)
	}
	return d
}
