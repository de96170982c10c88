package leader

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/wait"
)

// stand puts this candidate's key and watches over it from then on: elected is closed when it leads, and the session
// ends when its key is gone.
func (s *session) stand() error {
	key := candidateKey(s.prefix, int64(s.lease))
	put, err := s.etcd.Put(s.ctx, key, s.name, clientv3.WithLease(s.lease))
	if err != nil {
		return err
	}
	s.mine = candidate{key: key, name: s.name, created: put.Header.Revision, lease: int64(s.lease)}
	s.work.Go(s.watch)
	s.work.Go(s.attend)
	return nil
}

// watch asks for a look whenever a candidate's key is deleted, its own included. It is for speed only: a watch may be
// late, or silent.
func (s *session) watch() {
	ctx := clientv3.WithRequireLeader(s.ctx)
	for s.ctx.Err() == nil {
		for range s.etcd.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify()) {
			Term{looks: s.looks}.Look()
		}
		if wait.For(s.ctx, retryAfter) != nil {
			return
		}
	}
}

// Three looks in the time of a lease; and one that has not seen its key for two of those times does not know that it
// leads.
const (
	looksInTTL    = 3
	unseenForTTLs = 2
)

// attend looks at the keys, whenever that is asked for and from time to time, and does what follows from them, until
// the session ends.
func (s *session) attend() {
	said := ""
	for seen := time.Now(); ; {
		p, err := s.look()
		switch {
		case s.ctx.Err() != nil:
			return
		case err == nil:
			seen = time.Now()
			said = s.follow(p, said)
		case time.Since(seen) > unseenForTTLs*s.ttl:
			s.cancel(ended{fmt.Errorf("%w: %w", errUnseen, err)})
		}
		select {
		case <-s.ctx.Done():
			return
		case <-s.looks:
		case <-time.After(s.ttl / looksInTTL):
		}
	}
}

// look reads all keys, as of now. Keys that are nobody's are removed first, each as it was found.
func (s *session) look() (place, error) {
	for {
		ctx, cancel := context.WithTimeout(s.ctx, requestTime)
		got, err := s.etcd.Get(ctx, s.prefix, clientv3.WithPrefix())
		cancel()
		if err != nil {
			return place{}, err
		}
		var found []candidate
		for _, kv := range got.Kvs {
			found = append(found, candidate{string(kv.Key), string(kv.Value), kv.CreateRevision, kv.ModRevision, kv.Lease})
		}
		p := placeOf(s.prefix, found, s.mine)
		if len(p.strays) == 0 {
			return p, nil
		}
		if err := s.remove(p.strays); err != nil {
			return place{}, err
		}
	}
}

func (s *session) remove(strays []candidate) error {
	ctx, cancel := context.WithTimeout(s.ctx, requestTime)
	defer cancel()
	for _, c := range strays {
		asFound := clientv3.Compare(clientv3.ModRevision(c.key), "=", c.modified)
		if _, err := s.etcd.Txn(ctx).If(asFound).Then(clientv3.OpDelete(c.key)).Commit(); err != nil {
			return fmt.Errorf("remove the key %s, which is on no lease of its own and would hold all candidates up: %w", c.key,
				err)
		}
		s.log.Warn("a candidate's key was removed: it was on no lease of its own, so nobody kept it, and it would have "+
			"held all others up", "key", c.key)
	}
	return nil
}

// follow does what follows from where this candidate stands, and returns behind whom it was said to be.
func (s *session) follow(p place, said string) string {
	elected := false
	select {
	case <-s.elected:
		elected = true
	default:
	}
	switch p.standing {
	case standAgain:
		s.cancel(ended{errKeyGone})
	case standsBy:
		if elected {
			s.cancel(ended{errOvertaken})
		} else if p.behind.name != said {
			s.log.Info("standing by; another process is before this one", "holder", p.behind.name, "key", s.prefix)
			if s.standsBy != nil {
				s.standsBy()
			}
		}
		return p.behind.name
	case leads:
		if !elected {
			close(s.elected)
		}
	}
	return said
}
