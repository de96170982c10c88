package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Why a session ended by itself.
var (
	errSessionLost = errors.New("the lease has ended: etcd did not hear of this process, or did not answer, for too long")
	errKeyGone     = errors.New("the key of this candidate was deleted, or put anew by somebody else")
	errOvertaken   = errors.New("the key of another candidate is older now: etcd went back")
	errUnseen      = errors.New("etcd does not show the key of this candidate")
)

// ended marks them among all that ends a context.
type ended struct{ error }

func (e ended) Unwrap() error { return e.error }

// session is a lease that is kept alive with a candidate's key on it. Its context ends with either.
type session struct {
	etcd   *clientv3.Client
	prefix string // of all candidates' keys, with the final slash
	name   string
	ttl    time.Duration
	lease  clientv3.LeaseID
	mine   candidate
	log    *slog.Logger

	standsBy func() // nil: nobody wants to know

	ctx     context.Context
	cancel  context.CancelCauseFunc
	work    sync.WaitGroup
	looks   chan struct{} // the keys are to be looked at
	elected chan struct{} // closed when this one leads
}

// open grants the lease. The session ends with ctx, or when etcd has not confirmed the lease for as long as it lasts.
func open(ctx context.Context, cfg Config) (*session, error) {
	granting, stop := context.WithTimeout(ctx, requestTime)
	defer stop()
	grant, err := cfg.Etcd.Grant(granting, int64(cfg.TTL/time.Second))
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	s := &session{
		etcd: cfg.Etcd, prefix: cfg.Key + "/", name: cfg.Name, ttl: cfg.TTL, lease: grant.ID, log: cfg.Log,
		standsBy: cfg.StandsBy,
		looks:    make(chan struct{}, 1), elected: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	alive, err := cfg.Etcd.KeepAlive(s.ctx, s.lease)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("keep a session alive: %w", err)
	}
	s.work.Go(func() {
		for range alive { // ends with the lease, or when its time has run out without an answer
		}
		s.cancel(ended{errSessionLost})
	})
	return s, nil
}

// lost returns why the session ended by itself; nil where it did not.
func (s *session) lost() error {
	if why := context.Cause(s.ctx); errors.As(why, new(ended)) {
		return why
	}
	return nil
}

// cause replaces what an ended session made of a request by the reason for its end.
func (s *session) cause(err error) error {
	if lost := s.lost(); lost != nil {
		return lost
	}
	return err
}

// requestTime bounds what is asked of an etcd that does not answer.
const requestTime = 2 * time.Second

// close withdraws the candidacy, and reports whether etcd took that.
func (s *session) close() bool {
	s.cancel(context.Canceled)
	s.work.Wait()
	err := revoke(context.WithoutCancel(s.ctx), s.etcd, s.lease)
	if err != nil {
		s.log.Debug("the candidacy could not be withdrawn; it runs out by itself", "err", err)
	}
	return err == nil
}

// revoke ends a lease, and with it the keys on it. One that has ended is no failure.
func revoke(ctx context.Context, etcd *clientv3.Client, lease clientv3.LeaseID) error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	_, err := etcd.Revoke(ctx, lease)
	if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return fmt.Errorf("withdraw an earlier candidacy: %w", err)
}
