package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

var errSessionLost = errors.New("the session has ended")

// session is a lease that is kept alive. Its context ends with it.
type session struct {
	etcd   *clientv3.Client
	prefix string // of all candidates' keys, with the final slash
	key    string
	name   string
	lease  clientv3.LeaseID
	log    *slog.Logger

	ctx    context.Context
	cancel context.CancelCauseFunc
	ended  chan struct{} // closed when the keeping alive has ended
}

// open grants the lease. The session ends with ctx, or when etcd has not confirmed the lease for as long as it lasts.
func open(ctx context.Context, cfg Config) (*session, error) {
	grant, err := cfg.Etcd.Grant(ctx, int64(cfg.TTL/time.Second))
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	s := &session{
		etcd: cfg.Etcd, prefix: cfg.Key + "/", key: candidateKey(cfg, grant.ID), name: cfg.Name,
		lease: grant.ID, log: cfg.Log, ended: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	alive, err := cfg.Etcd.KeepAlive(s.ctx, s.lease)
	if err != nil {
		close(s.ended)
		s.close()
		return nil, fmt.Errorf("keep a session alive: %w", err)
	}
	go func() {
		defer close(s.ended)
		for range alive { // ends with the lease, or when its time has run out without an answer
		}
		s.cancel(errSessionLost)
	}()
	return s, nil
}

// lost returns errSessionLost when the session ended by itself.
func (s *session) lost() error {
	if errors.Is(context.Cause(s.ctx), errSessionLost) {
		return errSessionLost
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

// revokeTime bounds the withdrawal when etcd does not answer; the lease then runs out by itself.
const revokeTime = 2 * time.Second

// close withdraws the candidacy.
func (s *session) close() {
	s.cancel(context.Canceled)
	<-s.ended
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), revokeTime)
	defer cancel()
	if _, err := s.etcd.Revoke(ctx, s.lease); err != nil {
		s.log.Debug("the session could not be closed and runs out by itself", "err", err)
	}
}
