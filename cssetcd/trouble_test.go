package cssetcd_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/wait"
)

// The kinds of trouble.
const (
	lostCommitted = "answers lost of what was committed"
	lostDropped   = "commits that never arrived"
	lostLate      = "commits that came late"
	lostLanded    = "late commits that still took effect"
	neverTold     = "outcomes that nobody found out"
	leaderStops   = "stops of the leader"
)

// loseAnswers is trouble: of each four commits, one is lost in some way, and now and then its sender gives up on
// finding out. Writers interleave at every call where a store is so fast that they would hardly meet.
func loseAnswers(interleave bool) func(*testing.T, *cssetcd.Client, int) ([]*cssetcd.Client, func() map[string]int) {
	return func(t *testing.T, first *cssetcd.Client, n int) (writers []*cssetcd.Client, end func() map[string]int) {
		return lossy(t, first, n, interleave)
	}
}

func lossy(t *testing.T, first *cssetcd.Client, n int, interleave bool) (writers []*cssetcd.Client,
	end func() map[string]int) {
	seed := rand.Uint64()
	t.Logf("seed of the faults %d", seed)
	faults := kvtest.NewFaults(first.Store(), kvtest.Random(seed, 1.0/4, 20))
	untold := make([]int, n)
	meet := make(meeting)
	for i := range n {
		writers = append(writers, first.Through(func(kv.Store) kv.Store {
			st := deaf(rand.New(rand.NewPCG(seed, uint64(i))), faults, &untold[i])
			if interleave {
				st = meet.at(rand.New(rand.NewPCG(seed, uint64(n+i))), st)
			}
			return st
		}))
	}
	return writers, func() map[string]int {
		faults.Flush()
		counts := map[string]int{
			lostCommitted: faults.Count(kvtest.Committed), lostDropped: faults.Count(kvtest.Dropped),
			lostLate:   faults.Count(kvtest.Late),
			lostLanded: faults.Landed(),
		}
		for _, n := range untold {
			counts[neverTold] += n
		}
		return counts
	}
}

// deaf is the store of one writer who is now and then refused access right after an answer was lost, and so never
// learns what became of the commit. It counts these. The first comes soon, whatever is drawn.
func deaf(r *rand.Rand, st kv.Store, count *int) kv.Store {
	refused, until := false, r.IntN(10)
	return kvtest.Hooks{
		Store: st,
		OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot, error) {
			s, err := next(ctx, c)
			if errors.Is(err, kv.ErrOutcomeUnknown) {
				if until--; until < 0 {
					refused, until = true, r.IntN(120)
					*count++
				}
			}
			return s, err
		},
		OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
			if refused {
				refused = false
				return nil, kv.ErrUnauthorized
			}
			return next(ctx, at, spans...)
		},
	}
}

// meeting is where writers wait for one another between the calls of their operations, so that any call of one may come
// between any two of another.
type meeting chan struct{}

// at is the store of one writer: before each second call, by chance, it waits until another makes a call, or for a
// moment when none does.
func (m meeting) at(r *rand.Rand, st kv.Store) kv.Store {
	wait := func() {
		select {
		case m <- struct{}{}: // somebody waited for this call
		default:
		}
		if r.IntN(2) == 0 {
			select {
			case <-m:
			case <-time.After(time.Millisecond):
			}
		}
	}
	return beforeEach(st, wait)
}

// beforeEach returns the store with something done before each call.
func beforeEach(st kv.Store, do func()) kv.Store {
	return kvtest.Hooks{
		Store: st,
		OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
			do()
			return next(ctx, at, spans...)
		},
		OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot, error) {
			do()
			return next(ctx, c)
		},
	}
}

// cluster is an etcd of three members.
type cluster struct {
	members []*embedetcd.Server
	client  *clientv3.Client
}

// newCluster starts a cluster for one test.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	members := must(embedetcd.StartClusterWith(t.Context(), 3, embedetcd.Options{UnsafeNoFsync: true,
		Tick: 50 * time.Millisecond}))(t)
	t.Cleanup(func() {
		for _, m := range members {
			assert.NoError(t, m.Close())
		}
	})
	client := must(embedetcd.ClusterClient(members))(t)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	return &cluster{members, client}
}

func (c *cluster) open(t *testing.T, prefix string) *cssetcd.Client {
	t.Helper()
	css := must(cssetcd.New(t.Context(), c.client, cssetcd.WithPrefix(prefix)))(t)
	return css
}

// harness is the suite's on this cluster.
func (c *cluster) harness() csstest.Harness {
	return csstest.Harness{
		Open:   func(t *testing.T) *cssetcd.Client { return c.open(t, csstest.NewPrefix()) },
		Again:  func(t *testing.T, first *cssetcd.Client) *cssetcd.Client { return c.open(t, first.Prefix()) },
		Stored: stored,
	}
}

// leader returns the member that leads, or nil while none does.
func (c *cluster) leader(ctx context.Context) *embedetcd.Server {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, m := range c.members {
		status, err := c.client.Status(ctx, m.Endpoints()[0])
		if err == nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
			return m
		}
	}
	return nil
}

// stopLeaders is trouble: answers are lost, and each time that so many calls were made, whoever leads is stopped, and
// started again a moment later.
func (c *cluster) stopLeaders(every int) func(*testing.T, *cssetcd.Client, int) ([]*cssetcd.Client,
	func() map[string]int) {
	return func(t *testing.T, first *cssetcd.Client, n int) ([]*cssetcd.Client, func() map[string]int) {
		writers, endLosses := lossy(t, first, n, false)
		stopper := &leaderStopper{cluster: c, t: t, every: every}
		for i, w := range writers {
			writers[i] = w.Through(func(st kv.Store) kv.Store { return beforeEach(st, stopper.called) })
		}
		return writers, func() map[string]int {
			stopper.restarts.Wait()
			counts := map[string]int{leaderStops: stopper.stops}
			maps.Insert(counts, maps.All(endLosses()))
			return counts
		}
	}
}

// leaderStopper stops the leader by the number of calls, so that there are as many stops on a quick machine.
type leaderStopper struct {
	*cluster
	t     *testing.T
	every int

	mu       sync.Mutex
	calls    int
	stops    int
	restarts sync.WaitGroup
}

// called counts a call. The one that is due waits until the leader is down.
func (s *leaderStopper) called() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls++; s.calls%s.every != 0 {
		return
	}
	s.restarts.Wait()
	leader := s.leader(s.t.Context())
	for ; leader == nil && s.t.Context().Err() == nil; leader = s.leader(s.t.Context()) {
		_ = wait.For(s.t.Context(), 20*time.Millisecond)
	}
	if leader == nil {
		return
	}
	assert.NoError(s.t, leader.Stop())
	s.stops++
	s.restarts.Go(func() {
		_ = wait.For(s.t.Context(), 300*time.Millisecond)
		assert.NoError(s.t, leader.Restart(s.t.Context()))
	})
}

// troubled returns the harness with the trouble, of which there must be enough, for so many operations: ten thousand in
// the long form.
func troubled(h csstest.Harness, operations int) csstest.Harness {
	h.Operations = testkit.Steps(operations, 10_000)
	if h.Trouble == nil {
		h.Trouble = loseAnswers(h.Again == nil)
	}
	h.Least = map[string]int{
		lostCommitted: h.Operations / 100, lostDropped: h.Operations / 100, lostLate: h.Operations / 100,
		lostLanded: h.Operations / 500, neverTold: 1,
	}
	return h
}

// TestTwoWriters: a thousand operations and more of two writers, on every store, with lost answers and leaders that are
// stopped.
func TestTwoWriters(t *testing.T) {
	for name, h := range storesUnderTest() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			csstest.TestWriters(t, troubled(h, 1_500))
		})
	}
	t.Run("three members", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t)
		h := troubled(c.harness(), 1_000)
		h.Trouble = c.stopLeaders(h.Operations / 4)
		h.Least[leaderStops] = 3
		csstest.TestWriters(t, h)
	})
}
