package leader_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/leader"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	key    = "/qserv/mirror/test"
	ttl    = 2 * time.Second
	within = 15 * time.Second
	tick   = 10 * time.Millisecond
)

func newClient(t *testing.T, server *embedetcd.Server) *clientv3.Client {
	t.Helper()
	client := testkit.ClientOf(t, server)
	return client
}

// newEtcd returns a client of an etcd of its own, which ticks so fast that leases of two seconds are allowed.
func newEtcd(t *testing.T) *clientv3.Client {
	return newClient(t, testkit.Etcd(t, embedetcd.Options{}))
}

// candidate runs leader.Run in the background.
type candidate struct {
	leading atomic.Bool
	terms   atomic.Int32
	term    atomic.Pointer[leader.Term]
	stop    context.CancelFunc
	done    chan error
	log     testkit.Text
}

// losses counts how often it was said that a candidacy has ended.
func losses(log *testkit.Text) int { return strings.Count(log.String(), "trying again") }

func campaign(t *testing.T, client *clientv3.Client, name string, work func(context.Context) error,
	ttls ...time.Duration) *candidate {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &candidate{stop: cancel, done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.done <- leader.Run(ctx, leader.Config{
			Etcd: client, Key: key, Name: name, TTL: append(ttls, ttl)[0], Log: slog.New(slog.NewTextHandler(&c.log, nil)),
		}, func(ctx context.Context, term leader.Term) error {
			c.terms.Add(1)
			c.term.Store(&term)
			c.leading.Store(true)
			defer c.leading.Store(false)
			return work(ctx)
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return c
}

func (c *candidate) awaitLeading(t *testing.T) {
	t.Helper()
	require.Eventually(t, c.leading.Load, within, tick)
}

func untilTheEnd(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// newTwo returns a candidate that leads and one that may stand by, each with a client of its own, and the first client.
func newTwo(t *testing.T, ttls ...time.Duration) (client *clientv3.Client, leads, second *candidate) {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	client = newClient(t, server)
	leads = campaign(t, client, "a", untilTheEnd, ttls...)
	leads.awaitLeading(t)
	return client, leads, campaign(t, newClient(t, server), "b", untilTheEnd, ttls...)
}

// names returns those of the candidates whose keys are in etcd, the oldest first.
func names(t *testing.T, client *clientv3.Client) (all []string) {
	t.Helper()
	for _, k := range found(t, client) {
		all = append(all, k.name)
	}
	return all
}

// revoke ends the session of a candidate, as an etcd would that has not heard of it.
func revoke(t *testing.T, client *clientv3.Client, name string) {
	t.Helper()
	for _, k := range found(t, client) {
		if k.name == name {
			testkit.OK(t)(client.Revoke(t.Context(), clientv3.LeaseID(k.lease)))
		}
	}
}

func TestWorkThatEndsEndsTheCandidacy(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	boom := errors.New("boom")
	c := campaign(t, client, "a", func(context.Context) error { return boom })
	require.Equal(t, boom, <-c.done)
	assert.Empty(t, names(t, client))

	c = campaign(t, client, "a", func(context.Context) error { return nil })
	require.NoError(t, <-c.done)
}

func TestOneLeadsAndTheNextTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	client, a, b := newTwo(t, 10*within) // neither a lease that ends nor a look from time to time is what helps here
	require.Eventually(t, func() bool { return len(found(t, client)) == 2 }, within, tick)
	assert.Equal(t, []string{"a", "b"}, names(t, client))
	assert.False(t, b.leading.Load())

	a.stop()
	require.ErrorIs(t, <-a.done, context.Canceled)
	b.awaitLeading(t)
	b.stop()
	require.ErrorIs(t, <-b.done, context.Canceled)
	assert.Empty(t, names(t, client))
}

func TestLostSessionEndsTheWorkAndIsFollowedByAnother(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	a := campaign(t, client, "a", untilTheEnd)
	a.awaitLeading(t)
	revoke(t, client, "a")
	require.Eventually(t, func() bool { return a.terms.Load() == 2 && a.leading.Load() }, within, tick)
	assert.Equal(t, []string{"a"}, names(t, client))
}

// A session that ends while its owner waits must not make it the leader when those before it are gone.
func TestLostSessionOfOneWhoWaitsDoesNotLead(t *testing.T) {
	t.Parallel()
	client, a, b := newTwo(t)
	require.Eventually(t, func() bool { return len(found(t, client)) == 2 }, within, tick)
	revoke(t, client, "b")
	require.Eventually(t, func() bool { return len(found(t, client)) == 2 }, within, tick, "b campaigns anew")
	assert.True(t, a.leading.Load())
	assert.Zero(t, b.terms.Load())
	a.stop()
	b.awaitLeading(t)
	assert.EqualValues(t, 1, b.terms.Load())
}

func TestLossOfEtcdEndsTheWorkAndItsReturnStartsItAgain(t *testing.T) {
	t.Parallel()
	server := testkit.Etcd(t, embedetcd.Options{})
	a := campaign(t, newClient(t, server), "a", untilTheEnd, 2*ttl) // so that the old key is there still when etcd is back
	a.awaitLeading(t)
	require.NoError(t, server.Stop())
	require.Eventually(t, func() bool { return strings.Contains(a.log.String(), "trying again") }, within, tick)
	assert.False(t, a.leading.Load())
	assert.Contains(t, a.log.String(), "the lease has ended", "which comes before the key was not seen for too long")
	require.NoError(t, server.Restart(t.Context()))
	a.awaitLeading(t)
	assert.NotContains(t, a.log.String(), "another process is before this one", "it would be this process itself")
}

func TestStopDoesNotWaitForAnEtcdThatIsGone(t *testing.T) {
	t.Parallel()
	server := testkit.Etcd(t, embedetcd.Options{})
	a := campaign(t, newClient(t, server), "a", untilTheEnd)
	a.awaitLeading(t)
	require.NoError(t, server.Stop())
	a.stop()
	select {
	case err := <-a.done:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(within):
		t.Fatal("it still waits for etcd")
	}
}

// Whoever ends Run is told so, whatever work returns then, and nothing is said of a loss.
func TestEndIsNoLoss(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	a := campaign(t, client, "a", func(ctx context.Context) error { <-ctx.Done(); return nil })
	a.awaitLeading(t)
	a.stop()
	require.ErrorIs(t, <-a.done, context.Canceled)
	assert.Empty(t, a.log.String())
}

// refusing is an etcd that grants no lease.
type refusing struct {
	clientv3.Lease
	asked atomic.Int64
	err   atomic.Pointer[error]
}

func (r *refusing) refuse(text string) {
	err := errors.New(text)
	r.err.Store(&err)
}

// awaitAsked waits for some more requests.
func (r *refusing) awaitAsked(t *testing.T, more int64) {
	t.Helper()
	asked := r.asked.Load()
	require.Eventually(t, func() bool { return r.asked.Load() >= asked+more }, within, tick)
}

func (r *refusing) Grant(context.Context, int64) (*clientv3.LeaseGrantResponse, error) {
	r.asked.Add(1)
	return nil, *r.err.Load()
}

// An etcd that refuses for the same reason again and again is told of once, and once more when the reason is another
// one.
func TestAnOutageIsToldOnce(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	lease := &refusing{Lease: client.Lease}
	client.Lease = lease
	lease.refuse("it is away")
	a := campaign(t, client, "a", untilTheEnd)
	lease.awaitAsked(t, 3)
	assert.Equal(t, 1, losses(&a.log))
	lease.refuse("it is full")
	lease.awaitAsked(t, 3)
	assert.Equal(t, 2, losses(&a.log))
	assert.Contains(t, a.log.String(), "open a session: it is full")
	a.stop()
	require.ErrorIs(t, <-a.done, context.Canceled)
}

// TestStepsBack: work that cannot be done here lets the next one try, and stands by behind it.
func TestStepsBack(t *testing.T) {
	t.Parallel()
	client := newEtcd(t)
	cannot := make(chan error, 1)
	a := campaign(t, client, "a", func(ctx context.Context) error {
		select {
		case err := <-cannot:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	a.awaitLeading(t)
	b := campaign(t, client, "b", untilTheEnd)
	require.Eventually(t, func() bool { return len(names(t, client)) == 2 }, within, tick)
	cannot <- fmt.Errorf("no MySQL: %w", leader.ErrStepBack)
	b.awaitLeading(t)
	require.Eventually(t, func() bool { return slices.Equal(names(t, client), []string{"b", "a"}) }, within, tick)
	assert.Contains(t, a.log.String(), "no MySQL")
	b.stop()
	a.awaitLeading(t)
}
