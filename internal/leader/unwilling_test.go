package leader_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/testkit"
)

// unwilling is an etcd that refuses to take keys, to show or to remove them, or to end leases, while it is told to.
type unwilling struct {
	clientv3.KV
	clientv3.Lease
	putting, getting, removing, ending atomic.Bool
	refused                            atomic.Int64
}

var errUnwilling = errors.New("it does not want to")

func unwillingOf(client *clientv3.Client) *unwilling {
	u := &unwilling{KV: client.KV, Lease: client.Lease}
	client.KV, client.Lease = u, u
	return u
}

// refuses counts, too.
func (u *unwilling) refuses(what *atomic.Bool) bool {
	if what.Load() {
		u.refused.Add(1)
		return true
	}
	return false
}

func (u *unwilling) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse,
	error) {
	if u.refuses(&u.putting) {
		return nil, errUnwilling
	}
	return u.KV.Put(ctx, key, value, opts...)
}

func (u *unwilling) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if u.refuses(&u.getting) {
		return nil, errUnwilling
	}
	return u.KV.Get(ctx, key, opts...)
}

func (u *unwilling) Txn(ctx context.Context) clientv3.Txn {
	if u.refuses(&u.removing) {
		refused, cancel := context.WithCancel(ctx)
		cancel()
		ctx = refused
	}
	return u.KV.Txn(ctx)
}

func (u *unwilling) Revoke(ctx context.Context, lease clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	if u.refuses(&u.ending) {
		return nil, errUnwilling
	}
	return u.Lease.Revoke(ctx, lease)
}

// Without a key nobody leads, and it is tried again with another lease.
func TestAKeyThatIsRefusedIsTriedAgain(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	etcd := unwillingOf(client)
	etcd.putting.Store(true)
	a := campaign(t, client, "a", untilTheEnd)
	require.Eventually(t, func() bool { return etcd.refused.Load() > 1 }, within, tick)
	assert.Zero(t, a.terms.Load())
	assert.Contains(t, a.log.String(), errUnwilling.Error())
	etcd.putting.Store(false)
	a.awaitLeading(t)
}

// A candidate does not stand while an earlier key of its own may be there, which would be before the new one.
func TestTheLastCandidacyEndsFirst(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	etcd := unwillingOf(client)
	a := campaign(t, client, "a", untilTheEnd, 10*within) // it does not end by itself
	a.awaitLeading(t)
	etcd.ending.Store(true)
	since := deleted(t, client, a.term.Load().Key)
	require.Eventually(t, func() bool { return etcd.refused.Load() > 2 }, within, tick)
	assert.Contains(t, a.log.String(), "withdraw an earlier candidacy: "+errUnwilling.Error())
	assert.Empty(t, names(t, client))
	etcd.ending.Store(false)
	awaitOneLeader(t, client, since, map[string]*candidate{"a": a})
	leases, err := client.Leases(t.Context())
	require.NoError(t, err)
	assert.Len(t, leases.Leases, 1, "the last lease was ended")
}

// Whoever does not see the keys does not know that it leads: neither before it has seen them, nor when that is too long
// ago.
func TestKeysThatAreNotShown(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	etcd := unwillingOf(client)
	etcd.getting.Store(true)
	a := campaign(t, client, "a", untilTheEnd)
	require.Eventually(t, func() bool { return etcd.refused.Load() > 2 }, within, tick)
	assert.Zero(t, a.terms.Load())
	etcd.getting.Store(false)
	a.awaitLeading(t)

	etcd.getting.Store(true)
	require.Eventually(t, func() bool { return !a.leading.Load() }, within, tick)
	require.Eventually(t, func() bool { return losses(&a.log) > 0 }, within, tick)
	assert.Contains(t, a.log.String(), "etcd does not show the key of this candidate: "+errUnwilling.Error())
	etcd.getting.Store(false)
	a.awaitLeading(t)
}

// A key on no lease is removed, which makes nobody the leader who stands behind another one; and it is said when it is
// done.
func TestStrayKeyBeforeTwo(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	testkit.OK(t)(client.Put(t.Context(), key+"/stray", "nobody"))
	lease, err := client.Grant(t.Context(), 600)
	require.NoError(t, err)
	testkit.OK(t)(client.Put(t.Context(), fmt.Sprintf("%s/%016x", key, lease.ID), "first", clientv3.WithLease(lease.ID)))

	etcd := unwillingOf(client)
	etcd.removing.Store(true)
	a := campaign(t, client, "a", untilTheEnd)
	require.Eventually(t, func() bool { return etcd.refused.Load() > 1 }, within, tick)
	assert.NotContains(t, a.log.String(), "was removed")
	assert.Zero(t, a.terms.Load())
	etcd.removing.Store(false)
	a.awaitSaid(t, "a candidate's key was removed: it was on no lease of its own")
	a.awaitSaid(t, "standing by; another process is before this one\" holder=first")
	assert.Equal(t, []string{"first", "a"}, names(t, client))
	assert.Zero(t, a.terms.Load())
	testkit.OK(t)(client.Lease.Revoke(t.Context(), lease.ID))
	a.awaitLeading(t)
}

// awaitSaid waits until something was logged.
func (c *candidate) awaitSaid(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(c.log.String(), text) }, within, tick, text)
}
