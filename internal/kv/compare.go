package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/qserv/css-etcd/internal/wait"
)

// keepComparing compares what is shown with etcd, from time to time, and sends nil where they agree. Etcd has lost,
// repeated and reordered events of watches before, and a backup that is restored may have grown past the revision that
// a follower knows.
func (f *follower) keepComparing(ctx context.Context, results chan<- error) {
	if f.times.compare < 0 {
		return
	}
	for wait.For(ctx, time.Until(f.compare)) == nil {
		began, have := time.Now(), f.shown.Load()
		err := f.compareOnce(ctx, have)
		rest := time.Since(began) * time.Duration(f.times.compareRest)
		f.compare = time.Now().Add(jitter(max(f.times.compare, rest)))
		switch {
		case errors.Is(err, ErrInconsistent):
			err = fmt.Errorf("%w: %w", ErrResync, err)
		case err != nil && !errors.Is(err, ErrUnauthorized):
			// Compacted meanwhile, or not reachable: nothing is known, and the next try is sooner.
			f.log.Debug("could not compare with etcd", "revision", have.Revision, "err", err)
			f.compare = time.Now().Add(jitter(max(min(f.times.compare, f.times.askEvery), rest/10)))
			continue
		}
		select {
		case results <- err:
		case <-ctx.Done():
		}
	}
}

// compareOnce is compare for as long as etcd goes on to answer.
func (f *follower) compareOnce(ctx context.Context, have *Snapshot) error {
	ctx, dog, stop := f.watchdog(ctx)
	defer stop()
	return f.s.compare(ctx, have, dog.heard)
}

// compare returns ErrInconsistent when etcd, at the snapshot's revision, holds something else than the snapshot in its
// one span.
func (s *Etcd) compare(ctx context.Context, have *Snapshot, heard func()) error {
	it := have.tree.Iter()
	defer it.Release()
	more := it.First()
	l := loader{s: s, span: have.spans[0], at: have.Revision, heard: heard, each: func(e *mvccpb.KeyValue) error {
		p := s.path(e.Key)
		if !more || it.Item().path != p || !it.Item().entry.is(e) {
			return fmt.Errorf("%w: %s differs at revision %d", ErrInconsistent, p, have.Revision)
		}
		more = it.Next()
		return nil
	}}
	if err := l.run(ctx); err != nil {
		return err
	}
	if more {
		return fmt.Errorf("%w: %s is not there at revision %d", ErrInconsistent, it.Item().path, have.Revision)
	}
	return nil
}

func (e Entry) is(kv *mvccpb.KeyValue) bool {
	return e.Mod == Revision(kv.ModRevision) && e.Create == Revision(kv.CreateRevision) && e.Value == string(kv.Value)
}
