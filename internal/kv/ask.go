package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// answer is what etcd said when it was asked for its revision.
type answer struct {
	asked    time.Time
	reached  Revision // what have was at then; a linearizable read cannot find less
	revision Revision
	cluster  uint64
	refused  error // an ErrUnauthorized instead of an answer
}

// keepAsking asks etcd for its revision, at once, at intervals and when told to. It is asked by a linearizable read:
// the watch may be on a member that lags behind, and on an etcd where nothing is written it answers no question about
// its progress. Of that it is reminded when etcd is ahead, since what is written elsewhere brings no event.
func (f *follower) keepAsking(ctx context.Context, watcher clientv3.Watcher, answers chan<- answer) {
	ticker := time.NewTicker(f.times.askEvery)
	defer ticker.Stop()
	for {
		a, err := f.question(ctx)
		if errors.Is(err, ErrUnauthorized) {
			a, err = answer{refused: err}, nil
		}
		if err != nil {
			f.log.Debug("etcd did not tell its revision", "err", err)
		} else {
			select {
			case answers <- a:
			case <-ctx.Done():
			}
			if a.revision > f.shown.Load().Revision {
				_ = watcher.RequestProgress(ctx) // fails with the watch only
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.ask:
		case <-ticker.C:
		}
	}
}

func (f *follower) question(ctx context.Context) (answer, error) {
	// The next one may go to another member.
	ctx, cancel := context.WithTimeout(ctx, f.times.silence/2)
	defer cancel()
	a := answer{asked: time.Now(), reached: f.shown.Load().Revision}
	resp, err := f.s.client.Get(ctx, f.s.EtcdKey(f.span.From), clientv3.WithCountOnly())
	if err != nil {
		return answer{}, readError(err)
	}
	a.revision, a.cluster = Revision(resp.Header.Revision), resp.Header.ClusterId
	return a, nil
}

// answered notes an answer, which stays open until the snapshot has reached it.
func (f *follower) answered(a answer) error {
	if n := len(f.open); n > 0 { // questions are asked one after the other, so their answers cannot fall either
		a.reached = max(a.reached, f.open[n-1].revision)
	}
	switch {
	case a.refused != nil: // while etcd goes on to serve a watch that it allowed once
		return a.refused
	case a.cluster != f.cluster:
		return fmt.Errorf("%w: %w: the cluster is %x and was %x", ErrResync, ErrWentBack, a.cluster, f.cluster)
	case a.revision < a.reached:
		f.back = true
		return fmt.Errorf("%w: %w: it is at revision %d and was at %d", ErrResync, ErrWentBack, a.revision, a.reached)
	}
	f.open = append(f.open, a)
	return nil
}
