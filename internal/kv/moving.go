package kv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A load that holds on to one revision fails when etcd compacts that revision before the load has come to its end: with
// a million keys, on a busy machine, again and again. A moving load holds on to none. It begins a watch, reads page
// after page, each as of its own moment, and takes in what the watch told, up to the moment of the last page: that
// makes all of one moment. What a page had already is taken in once more, which changes nothing, since what was last
// comes last.
//
// The watch comes first and names no revision. One that begins at an old revision is served from the history, for which
// etcd takes its time, and compaction may be faster.

// movingLoad is what has been read so far.
type movingLoad struct {
	s       *Etcd
	into    *Builder
	values  interner
	cluster uint64
	newest  Revision // at which the last page was read
	at      Revision // up to which the watch has told everything that the pages lack
}

// loadMoving reads one span of any size at a revision of its own choice, whatever is compacted meanwhile.
func (s *Etcd) loadMoving(ctx context.Context, span Span, heard func()) (*Snapshot, uint64, interner, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	l := &movingLoad{s: s, into: NewSnapshot(0, span).Edit(), values: interner{}}
	watcher := clientv3.NewWatcher(s.client)
	defer func() { _ = watcher.Close() }() // what it was for is done
	options := func() []clientv3.OpOption { return s.rangeEnd(span) }
	// Etcd's client keeps what comes until it is asked for.
	responses := watcher.Watch(ctx, s.EtcdKey(span.From), append(options(), clientv3.WithCreatedNotify())...)
	if err := l.begin(ctx, responses); err != nil {
		return nil, 0, nil, err
	}
	err := s.eachPage(ctx, span, options, func(resp *clientv3.GetResponse) error {
		heard()
		return l.page(resp)
	})
	if err != nil {
		return nil, 0, nil, readError(err)
	}
	if err := l.catchUp(ctx, watcher, responses, heard); err != nil {
		return nil, 0, nil, err
	}
	return l.into.Snapshot(l.at), l.cluster, l.values, nil
}

// begin waits until the watch is there: no page may be older.
func (l *movingLoad) begin(ctx context.Context, responses clientv3.WatchChan) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r, ok := <-responses:
		switch {
		case !ok:
			return cmp.Or(ctx.Err(), errWatchClosed)
		case r.Err() != nil:
			return watchError(r.Err())
		}
		l.cluster, l.newest = r.Header.ClusterId, Revision(r.Header.Revision)
		l.at = l.newest
		return nil
	}
}

func (l *movingLoad) page(resp *clientv3.GetResponse) error {
	at := Revision(resp.Header.Revision)
	if resp.Header.ClusterId != l.cluster || at < l.newest {
		return errors.New("etcd was set back or replaced while it was read")
	}
	l.newest = at
	for _, e := range resp.Kvs {
		l.into.append(l.s.path(e.Key), l.values.entry(e))
	}
	return nil
}

// catchUp takes in what the watch tells until all pages are of one revision.
func (l *movingLoad) catchUp(ctx context.Context, watcher clientv3.Watcher, responses clientv3.WatchChan,
	heard func()) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	if l.at < l.newest {
		_ = watcher.RequestProgress(ctx) // what is written elsewhere brings no event; fails with the watch only
	}
	for l.at < l.newest {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			_ = watcher.RequestProgress(ctx) // the member of the watch may lag
		case r, ok := <-responses:
			switch {
			case !ok:
				return cmp.Or(ctx.Err(), errWatchClosed)
			case r.Err() != nil:
				return watchError(r.Err())
			case r.Header.ClusterId != l.cluster:
				return fmt.Errorf("the cluster is %x and was %x", r.Header.ClusterId, l.cluster)
			case r.IsProgressNotify():
				l.at = max(l.at, Revision(r.Header.Revision))
			}
			heard()
			for _, e := range r.Events {
				l.event(e)
			}
		}
	}
	return nil
}

func (l *movingLoad) event(e *clientv3.Event) {
	p := l.s.path(e.Kv.Key)
	l.at = max(l.at, Revision(e.Kv.ModRevision))
	var old Entry
	if e.Type == clientv3.EventTypeDelete {
		old, _ = l.into.Delete(p)
	} else {
		old, _ = l.into.Put(p, l.values.entry(e.Kv))
	}
	l.values.release(old.Value)
}
