package kv

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Rehearser is a Store that can be asked whether it would take a transaction.
type Rehearser interface {
	// Rehearse fails as Commit would with a change that the store refuses for what it is: too large, or not permitted.
	// It writes nothing, and whether guards hold does not matter.
	Rehearse(ctx context.Context, c Change) error
	// CheckRoom fails with ErrNoRoom when the store cannot hold so many bytes more, as far as that can be known.
	CheckRoom(ctx context.Context, bytes int64) error
}

// Rehearse implements [Rehearser] with the transaction itself, under a guard that never holds. Etcd checks a
// transaction before it looks at guards, and would even raise its alarm: ask CheckRoom first.
func (s *Etcd) Rehearse(ctx context.Context, c Change) error {
	c.Guards = append([]Guard{}, c.Guards...)
	for _, p := range c.Puts {
		if p.Touch {
			continue
		}
		c.Guards = append(c.Guards, Guard{Kind: ModIs, Path: p.Path})
	}
	c.Puts = append([]Put{{Path: CommitPath, Touch: true}}, c.Puts...)
	never := clientv3.Compare(clientv3.Version(s.EtcdKey(FencePath)), "<", 0)
	_, err := s.client.Txn(ctx).If(append(s.compares(c.Guards), never)...).Then(s.writes(c)...).Commit()
	if err != nil {
		return commitError(err)
	}
	return nil
}

// CheckRoom implements [Rehearser] by what each member says of its database and its quota. What lies free in the
// database counts as room, but etcd refuses all writes once the file itself has reached the quota. An etcd before 3.6
// tells no quota, and passes.
func (s *Etcd) CheckRoom(ctx context.Context, bytes int64) error {
	for _, endpoint := range s.client.Endpoints() {
		st, err := s.client.Status(ctx, endpoint)
		if err != nil {
			return readError(err)
		}
		full := st.DbSizeInUse+bytes > st.DbSizeQuota || st.DbSize+maxRequestBytes > st.DbSizeQuota
		if st.DbSizeQuota > 0 && full {
			const mb = 1e6
			return fmt.Errorf("%w: at least %.1f MB are needed, and of the quota of %s, %.1f MB, its file has %.1f MB, %.1f "+
				"of them in use",
				ErrNoRoom, float64(bytes)/mb, endpoint, float64(st.DbSizeQuota)/mb, float64(st.DbSize)/mb,
				float64(st.DbSizeInUse)/mb)
		}
	}
	return nil
}
