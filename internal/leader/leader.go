// Package leader lets one of several processes do a piece of work at a time, and another when that one is gone.
//
// It is for liveness only. A process that is cut off or paused may go on for a while after another has taken over: what the
// work writes has to be fenced where it is written.
package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Config says who campaigns, and where.
type Config struct {
	Etcd *clientv3.Client
	Key  string        // candidates write one key each below it
	Name string        // of this candidate, for whoever looks at the keys; host and process id, say
	TTL  time.Duration // after which a candidate that is not heard of is replaced; whole seconds
	Log  *slog.Logger
}

// Run campaigns for as long as ctx lives and calls work each time this process is elected. The context of work ends with that of
// Run or when the leadership is lost; then Run campaigns again. It returns the error of ctx, or what work returned by itself. On
// return the candidacy is withdrawn, so that another takes over at once. Keys that work puts on the lease that it is given are gone
// before another one works.
func Run(ctx context.Context, cfg Config, work func(ctx context.Context, lease clientv3.LeaseID) error) error {
	said := ""
	for {
		began := time.Now()
		err := term(ctx, cfg, work)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(finished)):
			return errors.Unwrap(err)
		}
		// An outage of etcd is said once and not with each attempt.
		if text := err.Error(); text != said || time.Since(began) > cfg.TTL {
			cfg.Log.Warn("not a candidate for the leadership any more; trying again", "key", cfg.Key, "err", err)
			said = text
		}
		if err := pause(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// retryAfter keeps a campaign that fails at once from becoming a storm of requests.
const retryAfter = time.Second

// finished is the end of the work, which is the end of Run.
type finished struct{ error }

func (f finished) Unwrap() error { return f.error }

// term is one candidacy, from its session to its end.
func term(ctx context.Context, cfg Config, work func(context.Context, clientv3.LeaseID) error) error {
	s, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.campaign(); err != nil {
		return s.cause(err)
	}
	cfg.Log.Debug("elected", "key", s.key)
	err = work(s.ctx, s.lease)
	if lost := s.lost(); lost != nil && ctx.Err() == nil {
		return lost
	}
	return finished{err}
}

// candidate is a key below cfg.Key, on a lease of its own.
func candidateKey(cfg Config, lease clientv3.LeaseID) string {
	return fmt.Sprintf("%s/%016x", cfg.Key, int64(lease))
}

// campaign returns nil when this session's key is the oldest one. It fails when the session ends.
func (s *session) campaign() error {
	put, err := s.etcd.Put(s.ctx, s.key, s.name, clientv3.WithLease(s.lease))
	if err != nil {
		return err
	}
	older := append(clientv3.WithLastCreate(), clientv3.WithMaxCreateRev(put.Header.Revision-1))
	said := ""
	for {
		got, err := s.etcd.Get(s.ctx, s.prefix, older...)
		if err != nil {
			return err
		}
		if len(got.Kvs) == 0 {
			return s.confirm(put.Header.Revision)
		}
		before := got.Kvs[0]
		if holder := string(before.Value); holder != said {
			s.log.Info("standing by; another process is before this one", "holder", holder, "key", s.prefix)
			said = holder
		}
		if err := s.awaitDelete(string(before.Key), got.Header.Revision+1); err != nil {
			return err
		}
	}
}

// confirm makes sure that the key of this session is there still: its lease may have run out while it waited.
func (s *session) confirm(created int64) error {
	got, err := s.etcd.Get(s.ctx, s.key)
	if err != nil {
		return err
	}
	if len(got.Kvs) == 0 || got.Kvs[0].CreateRevision != created {
		return errSessionLost
	}
	return nil
}

// awaitDelete returns nil when the key was deleted, or might have been: the caller looks again.
func (s *session) awaitDelete(key string, from int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(s.ctx))
	defer cancel()
	for resp := range s.etcd.Watch(ctx, key, clientv3.WithRev(from)) {
		for _, e := range resp.Events {
			if e.Type == clientv3.EventTypeDelete {
				return nil
			}
		}
		if resp.Err() != nil {
			break
		}
	}
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	return pause(s.ctx, retryAfter)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
