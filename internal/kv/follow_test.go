package kv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/freeport"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/proxy"
)

// following is a running Follow with what it has told so far. Every update is checked as it comes.
type following struct {
	t      testing.TB
	ask    chan struct{}
	cancel context.CancelFunc
	ended  chan error
	call   func(kv.Update) // if not nil, called for every update

	mu      sync.Mutex
	have    *kv.Snapshot
	updates []kv.Update
	trouble []string // messages of the log
	changed chan struct{}
}

// startFollowing loads and follows what lies below "dir".
func startFollowing(t testing.TB, st *kv.Etcd, call func(kv.Update)) *following {
	t.Helper()
	s, cluster, err := st.Load(t.Context(), 0, dir)
	require.NoError(t, err)
	return follow(t, st, kv.Followed{Snapshot: s, Cluster: cluster}, call)
}

func follow(t testing.TB, st *kv.Etcd, start kv.Followed, call func(kv.Update)) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{
		t: t, ask: make(chan struct{}, 1), cancel: cancel, ended: make(chan error, 1), call: call,
		have: start.Snapshot, changed: make(chan struct{}),
	}
	log := slog.New(slog.NewTextHandler(writerFunc(f.log), nil))
	go func() { f.ended <- st.Follow(ctx, start, f.ask, log, f.update) }()
	t.Cleanup(func() { f.stop() })
	return f
}

// stop ends the following and returns how long that took.
func (f *following) stop() time.Duration {
	f.t.Helper()
	if f.ended == nil {
		return 0
	}
	began := time.Now()
	f.cancel()
	select {
	case err := <-f.ended:
		assert.ErrorIs(f.t, err, context.Canceled)
	case <-time.After(soon):
		assert.Fail(f.t, "Follow does not end")
	}
	f.ended = nil
	return time.Since(began)
}

func (f *following) log(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = append(f.trouble, string(bytes.TrimSpace(p)))
	f.changedLocked()
	return len(p), nil
}

func (f *following) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *following) update(u kv.Update) {
	if f.call != nil {
		f.call(u)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.changedLocked()
	switch {
	case u.Resync:
		assert.Nil(f.t, u.Touched)
	default:
		assert.NotNil(f.t, u.Touched)
		assert.GreaterOrEqual(f.t, u.Snapshot.Revision, f.have.Revision)
		assert.False(f.t, u.Regressed)
		assert.True(f.t, slices.Equal(kv.Diff(f.have, u.Snapshot), kv.DiffAt(f.have, u.Snapshot, u.Touched)), "touched is all that changed")
	}
	f.have = u.Snapshot
	f.updates = append(f.updates, u)
}

// wait waits until a condition holds, which is looked at after each update and each message.
func (f *following) wait(what string, holds func() bool) {
	f.t.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		changed := f.changed
		if holds() {
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		select {
		case <-changed:
		case <-deadline.C:
			f.mu.Lock()
			defer f.mu.Unlock()
			last := f.trouble[max(0, len(f.trouble)-10):]
			require.Fail(f.t, "did not happen: "+what, "at revision %d; %s", f.have.Revision, strings.Join(last, "\n"))
		}
	}
}

// now returns the newest snapshot.
func (f *following) now() *kv.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.have
}

// reach waits until the snapshot has a revision, by asking, and returns it.
func (f *following) reach(at kv.Revision) *kv.Snapshot {
	f.t.Helper()
	var s *kv.Snapshot
	f.wait(fmt.Sprintf("revision %d is reached", at), func() bool {
		s = f.have
		select {
		case f.ask <- struct{}{}:
		default:
		}
		return s.Revision >= at
	})
	return s
}

// reachNow waits until the following shows what the store holds, and checks that it is the same.
func (f *following) reachNow(st kv.Store) {
	f.t.Helper()
	want := kvtest.MustFetch(f.t, st, dir)
	s := f.reach(want.Revision)
	if s.Revision > want.Revision {
		at, err := st.Fetch(f.t.Context(), s.Revision, dir)
		require.NoError(f.t, err)
		want = at
	}
	assert.Empty(f.t, kv.Diff(want, s))
}

func (f *following) count(which func(kv.Update) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, u := range f.updates {
		if which(u) {
			n++
		}
	}
	return n
}

func isResync(u kv.Update) bool { return u.Resync }

func (f *following) said(text string) bool { // with the lock held, as in wait
	return strings.Contains(strings.Join(f.trouble, "\n"), text)
}

// network is an etcd with a proxy in front of it.
type network struct {
	*proxy.Proxy
	direct, over *kv.Etcd // past the proxy and through it
}

func newNetwork(t testing.TB, direct *kv.Etcd, more ...func(*clientv3.Config)) network {
	t.Helper()
	p, err := proxy.Start("tcp", hostPort(t, direct.Client().Endpoints()[0]))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return network{p, direct, storeWithPrefix(t, newClient(t, p.Addr(), more...), direct).Hurry()}
}

// TestFollowShowsWholeRevisions (V1): a writer gives several keys one value in each transaction, and no update ever shows two, over
// lost connections and compactions.
func TestFollowShowsWholeRevisions(t *testing.T) {
	t.Parallel()
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	n := newNetwork(t, storeOn(t, client))
	const keys, rounds = 40, 250
	path := func(i int) string { return fmt.Sprintf("dir/%02d", i) }
	var shown atomic.Int64
	f := startFollowing(t, n.over, func(u kv.Update) {
		values := map[string]int{}
		for _, e := range u.Snapshot.Range(dir) {
			values[e.Value]++
		}
		if u.Snapshot.Len() > 0 {
			shown.Add(1)
			assert.Len(t, values, 1, "revision %d", u.Snapshot.Revision)
			assert.Equal(t, 0, u.Snapshot.Len()%10, "revision %d", u.Snapshot.Revision)
		}
	})
	r := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		var c kv.Change
		for i := range keys {
			switch {
			case i/10 == round%7: // these go, and come back with the next round
				c.Deletes = append(c.Deletes, kv.Key(kv.Path(path(i))))
			default:
				c.Puts = append(c.Puts, kv.Put{Path: kv.Path(path(i)), Value: fmt.Sprint(round), Touch: true})
			}
		}
		at := kvtest.MustCommit(t, n.direct, c)
		switch r.IntN(40) {
		case 0:
			n.Cut()
		case 1:
			n.Down()
			compact(t, client, at)
			n.Up()
		case 2:
			n.Pause(proxy.Both)
			kvtest.MustPut(t, n.direct, "elsewhere", "")
			n.Resume()
		}
	}
	f.reachNow(n.direct)
	t.Logf("%d updates, %d full loads", shown.Load(), f.count(isResync))
	assert.Greater(t, shown.Load(), int64(rounds/10))
}

// TestFollowAfterCompaction (V2): what was compacted while the connection was down still becomes the exact net change.
func TestFollowAfterCompaction(t *testing.T) {
	t.Parallel()
	client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
	n := newNetwork(t, storeOn(t, client))
	kvtest.MustPut(t, n.direct, "dir/same", "1", "dir/changed", "1", "dir/deleted", "1", "dir/replaced", "1")
	f := startFollowing(t, n.over, nil)
	f.reachNow(n.direct)
	before := f.now()

	n.Down()
	kvtest.MustPut(t, n.direct, "dir/changed", "2", "dir/passing", "", "dir/new", "1")
	kvtest.MustCommit(t, n.direct, kv.Change{Deletes: []kv.Span{kv.Key("dir/passing"), kv.Key("dir/deleted"), kv.Key("dir/replaced")}})
	kvtest.MustPut(t, n.direct, "dir/replaced", "1")
	compact(t, client, kvtest.MustPut(t, n.direct, "dir/changed", "3"))
	n.Up()
	f.wait("it loads anew", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Resync })
	f.reachNow(n.direct)
	require.Equal(t, 1, f.count(isResync))
	assert.Zero(t, f.count(func(u kv.Update) bool { return u.Regressed }))
	got := map[kv.Path]string{}
	for _, d := range kv.Diff(before, f.now()) {
		got[d.Path] = fmt.Sprintf("%s>%s", d.Old.Value, d.New.Value)
	}
	assert.Equal(t, map[kv.Path]string{"dir/changed": "1>3", "dir/deleted": "1>", "dir/new": ">1", "dir/replaced": "1>1"}, got)

	// From there on it is told again.
	kvtest.MustPut(t, n.direct, "dir/after", "")
	f.reachNow(n.direct)
	assert.Equal(t, 1, f.count(isResync))
}

// TestFollowResumes: a connection that is cut loses nothing and needs no full load.
func TestFollowResumes(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, newStore(t))
	f := startFollowing(t, n.over, nil)
	for i := range 30 {
		kvtest.MustPut(t, n.direct, fmt.Sprintf("dir/%d", i), "")
		n.Cut()
		kvtest.MustCommit(t, n.direct, kv.Change{Deletes: []kv.Span{kv.Key(kv.Path(fmt.Sprintf("dir/%d", i-3)))}})
		if i%5 == 0 {
			f.reachNow(n.direct)
		}
	}
	f.reachNow(n.direct)
	assert.Zero(t, f.count(isResync))
}

// TestFollowSilence (V3): a connection on which nothing arrives any more, without an error, does not stop the following.
func TestFollowSilence(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]proxy.Direction{"both ways": proxy.Both, "to the server": proxy.ToServer, "to the client": proxy.ToClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, newStore(t))
			f := startFollowing(t, n.over, nil)
			kvtest.MustPut(t, n.direct, "dir/before", "")
			f.reachNow(n.direct)
			n.Pause(d)
			kvtest.MustPut(t, n.direct, "dir/during", "")
			f.wait("the watch ends", func() bool { return f.said("etcd fell silent") })
			f.wait("and the next one, too", func() bool { return strings.Count(strings.Join(f.trouble, "\n"), "etcd fell silent") > 1 })
			n.Resume()
			kvtest.MustPut(t, n.direct, "dir/after", "")
			f.reachNow(n.direct)
			assert.Zero(t, f.count(isResync))
		})
	}
	// The same while a full load is under way.
	t.Run("during a load", func(t *testing.T) {
		t.Parallel()
		client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
		direct := storeOn(t, client)
		var n network
		var silent atomic.Bool
		n = newNetwork(t, direct, onStream(func() func(func() error) error {
			if silent.Load() {
				n.Pause(proxy.Both)
			}
			return func(next func() error) error { return next() }
		}))
		f := startFollowing(t, n.over, nil)
		n.Down()
		kvtest.MustPut(t, direct, "dir/a", "")
		compact(t, client, kvtest.MustPut(t, direct, "dir/b", ""))
		silent.Store(true)
		n.Up()
		f.wait("the load ends", func() bool { return f.said("etcd fell silent") })
		silent.Store(false)
		n.Resume()
		f.reachNow(direct)
		assert.Positive(t, f.count(isResync))
	})
}

// TestFollowEndsASilentWatchInTime has the delays of real use.
func TestFollowEndsASilentWatchInTime(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	n := newNetwork(t, direct)
	usual := storeWithPrefix(t, n.over.Client(), direct)
	f := startFollowing(t, usual, nil)
	f.reachNow(direct)
	began := time.Now()
	n.Pause(proxy.Both)
	f.wait("the watch ends", func() bool { return f.said("etcd fell silent") })
	took := time.Since(began)
	t.Logf("ended after %v", took)
	assert.Less(t, took, 10*time.Second)
	assert.Greater(t, took, 5*time.Second)
	n.Resume()
	kvtest.MustPut(t, direct, "dir/after", "")
	f.reachNow(direct)
}

// TestFollowLeavesALostConnection: a connection that is gone for ever without a sign is left, for another member by the
// following itself, for the same one by the client's keep-alive.
func TestFollowLeavesALostConnection(t *testing.T) {
	t.Parallel()
	t.Run("another member", func(t *testing.T) {
		t.Parallel()
		direct := newStore(t)
		a, b := newNetwork(t, direct), newNetwork(t, direct)
		over := storeWithPrefix(t, newClient(t, a.Addr(), func(cfg *clientv3.Config) { cfg.Endpoints = append(cfg.Endpoints, b.Addr()) }), direct).Hurry()
		f := startFollowing(t, over, nil)
		f.reachNow(direct)
		for i := range 3 {
			lost, other := a, b
			if i%2 == 1 {
				lost, other = b, a
			}
			require.Eventually(t, func() bool { return lost.Links() > 0 && other.Links() > 0 }, soon, time.Millisecond)
			lost.Strand()
			kvtest.MustPut(t, direct, fmt.Sprintf("dir/%d", i), "")
			f.reachNow(direct)
			lost.Cut()
			f.reachNow(direct)
		}
		assert.Zero(t, f.count(isResync))
	})
	t.Run("the same member", func(t *testing.T) {
		t.Parallel()
		n := newNetwork(t, newStore(t), func(cfg *clientv3.Config) {
			cfg.DialKeepAliveTime, cfg.DialKeepAliveTimeout = 10*time.Second, time.Second // less than ten is not to be had
		})
		f := startFollowing(t, n.over, nil)
		f.reachNow(n.direct)
		n.Strand()
		began := time.Now()
		kvtest.MustPut(t, n.direct, "dir/after", "")
		f.reachNow(n.direct)
		t.Logf("followed again after %v", time.Since(began))
		assert.Zero(t, f.count(isResync))
	})
}

func TestFollowDeletesManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	const keys = 100_000
	st := storeOn(t, newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])).Silence(time.Minute)
	kvtest.Fill(t, st, "dir/many/", keys)
	kvtest.MustPut(t, st, "dir/many0", "beside")
	f := startFollowing(t, st, nil)
	began := time.Now()
	at, err := kv.Run(t.Context(), st, kv.Op{Name: "delete", Plan: func(*kv.Snapshot) (kv.Change, error) {
		return kv.Change{Deletes: []kv.Span{kv.Below("dir/many")}}, nil
	}})
	require.NoError(t, err)
	t.Logf("%d keys deleted in %v", keys, time.Since(began))
	f.wait("the keys go", func() bool { return f.have.Len() == 1 })
	t.Logf("and seen after %v", time.Since(began))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.updates {
		if n := len(u.Touched); n > 0 {
			assert.Equal(t, keys, n, "all in one update")
			assert.Equal(t, at, u.Snapshot.Revision)
		}
	}
	old, _, err := st.Load(t.Context(), at-1, dir)
	require.NoError(t, err)
	assert.Equal(t, keys+1, old.Len(), "all in one revision")
}

func TestFollowLeaseExpiry(t *testing.T) {
	t.Parallel()
	// A short tick makes short leases.
	client := newClient(t, newServer(t, embedetcd.Options{Tick: 10 * time.Millisecond}).Endpoints()[0])
	st := storeOn(t, client)
	lease, err := client.Grant(t.Context(), 1)
	require.NoError(t, err)
	c := kv.Change{Puts: []kv.Put{{Path: "dir/stays"}}}
	for i := range 50 {
		c.Puts = append(c.Puts, kv.Put{Path: kv.Path(fmt.Sprintf("dir/leased/%d", i)), Lease: int64(lease.ID)})
	}
	kvtest.MustCommit(t, st, c)
	f := startFollowing(t, st, func(u kv.Update) {
		if n := u.Snapshot.Len(); n != 1 {
			assert.Equal(t, 51, n, "all or none")
		}
	})
	f.wait("the lease expires", func() bool { return f.have.Len() == 1 })
	f.reachNow(st)
}

func TestFollowOverARestart(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{})
	st := storeOn(t, newClient(t, server.Endpoints()[0])).Hurry()
	kvtest.MustPut(t, st, "dir/a", "1")
	f := startFollowing(t, st, nil)
	f.reachNow(st)
	for i := range 2 {
		require.NoError(t, server.Stop())
		require.NoError(t, server.Restart(t.Context()))
		eventuallyPut(t, st, "dir/b", fmt.Sprint(i))
		f.reachNow(st)
	}
	assert.Zero(t, f.count(isResync))
}

// eventuallyPut puts a key on an etcd that is just coming up.
func eventuallyPut(t testing.TB, st kv.Store, p kv.Path, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: p, Value: value}}})
		return err == nil
	}, soon, 10*time.Millisecond)
}

// TestFollowAsked: who asks is told up to where the snapshot is complete, on an etcd where nothing is written and on one where
// everything is written elsewhere.
func TestFollowAsked(t *testing.T) {
	t.Parallel()
	st := storeOn(t, newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])).Silence(time.Minute)
	kvtest.MustPut(t, st, "dir/a", "")
	f := startFollowing(t, st, nil)
	asked := func() time.Duration {
		t.Helper()
		began := time.Now()
		want := kvtest.MustFetch(t, st).Revision
		f.ask <- struct{}{}
		f.wait("an answer", func() bool {
			for _, u := range f.updates {
				if u.Asked.After(began) {
					assert.GreaterOrEqual(t, u.Snapshot.Revision, want)
					return true
				}
			}
			return false
		})
		return time.Since(began)
	}
	for range 10 {
		t.Logf("idle: %v", asked())
		for _, p := range []string{"elsewhere", "dir/a"} {
			kvtest.MustPut(t, st, p, "")
			t.Logf("written to %s: %v", p, asked())
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	assert.Empty(t, f.trouble, "an idle etcd is not a silent one")
}

// TestFollowAskedByItself: nobody has to ask; it is told about once in every interval.
func TestFollowAskedByItself(t *testing.T) {
	t.Parallel()
	st := newStore(t).Hurry()
	f := startFollowing(t, st, nil)
	at := kvtest.MustPut(t, st, "elsewhere", "")
	f.wait("it is told", func() bool { return f.have.Revision >= at })
	began := time.Now()
	f.wait("and again", func() bool { return f.updates[len(f.updates)-1].Asked.After(began) })
}

// TestFollowNeverClaimsTooMuch: an update with Asked shows all that was committed before. The connection stutters, so that
// answers come late and in heaps.
func TestFollowNeverClaimsTooMuch(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, newStore(t))
	type ack struct {
		at  time.Time
		rev kv.Revision
	}
	var mu sync.Mutex
	var acks []ack
	claims := 0
	f := startFollowing(t, n.over, func(u kv.Update) {
		if u.Asked.IsZero() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		claims++
		for _, a := range slices.Backward(acks) {
			if a.at.Before(u.Asked) {
				assert.GreaterOrEqual(t, u.Snapshot.Revision, a.rev, "asked after this was committed")
				return
			}
		}
	})
	r := rand.New(rand.NewPCG(3, 4))
	for enough, began := false, time.Now(); !enough && time.Since(began) < soon; {
		rev := kvtest.MustPut(t, n.direct, []string{"dir/a", "elsewhere"}[r.IntN(2)], "")
		mu.Lock()
		acks = append(acks, ack{time.Now(), rev})
		enough = claims >= 50
		mu.Unlock()
		select {
		case f.ask <- struct{}{}:
		default:
		}
		switch r.IntN(12) {
		case 0:
			n.Pause(proxy.ToClient)
		case 1:
			n.Pause(proxy.ToServer)
		case 2, 3, 4:
			n.Resume()
		case 5:
			if r.IntN(20) == 0 {
				n.Cut()
			}
		}
	}
	n.Resume()
	f.reachNow(n.direct)
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d claims over %d commits", claims, len(acks))
	assert.GreaterOrEqual(t, claims, 50)
}

// TestFollowSlowConsumer: the time that the consumer takes is not taken for silence.
func TestFollowSlowConsumer(t *testing.T) {
	t.Parallel()
	const silence = 2 * time.Second
	st := newStore(t).Silence(silence)
	// On a machine that is busy enough etcd may really be silent for that long, but not every time.
	for range 4 {
		held := make(chan struct{})
		f := startFollowing(t, st, func(u kv.Update) {
			if len(u.Touched) > 0 {
				<-held
			}
		})
		kvtest.MustPut(t, st, "dir/a", "")
		time.AfterFunc(silence*5/4, func() { close(held) })
		f.reachNow(st)
		f.mu.Lock()
		quiet := len(f.trouble) == 0
		f.mu.Unlock()
		f.stop()
		if quiet {
			return
		}
	}
	t.Error("the watch was ended every time")
}

// TestFollowRegression (V4): an etcd that went back, or another one in its place, is noticed and loaded.
func TestFollowRegression(t *testing.T) {
	t.Parallel()
	nothing := func(*testing.T, string, string) {}
	for _, c := range []struct {
		name    string
		replace func(t *testing.T, dir, old string)
		writes  int // before the following can look
		left    []kv.Path
	}{
		{"an older state", copyDir, 0, []kv.Path{"dir/a"}},
		{"an older state that goes on", copyDir, 3, []kv.Path{"dir/a", "dir/new"}},
		{"another cluster", nothing, 1, []kv.Path{"dir/new"}},
		{"another cluster that is further", nothing, 50, []kv.Path{"dir/new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
			server := newServer(t, embedetcd.Options{Dir: data})
			endpoint := server.Endpoints()[0]
			st := storeOn(t, newClient(t, endpoint))
			n := newNetwork(t, st)
			kvtest.MustPut(t, st, "dir/a", "1")
			require.NoError(t, server.Stop())
			copyDir(t, backup, data)
			require.NoError(t, server.Restart(t.Context()))
			eventuallyPut(t, st, "dir/b", "2")
			for range 20 {
				kvtest.MustPut(t, st, "dir/b", "2")
			}
			f := startFollowing(t, n.over, nil)
			f.reachNow(st)
			before := f.now()

			n.Down()
			require.NoError(t, server.Close())
			require.NoError(t, os.RemoveAll(data))
			c.replace(t, data, backup)
			newServer(t, embedetcd.Options{Dir: data, Listen: endpoint})
			for i := range c.writes {
				eventuallyPut(t, st, []kv.Path{"dir/new", "elsewhere"}[min(i, 1)], "3")
			}
			n.Up()
			f.wait("it is noticed", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Regressed })
			f.mu.Lock()
			u := f.updates[len(f.updates)-1]
			f.mu.Unlock()
			assert.True(t, u.Resync)
			assert.Equal(t, c.writes > 20, u.Snapshot.Revision > before.Revision)
			assert.Len(t, kvtest.Contents(u.Snapshot), len(c.left))
			for _, p := range c.left {
				assert.True(t, u.Snapshot.At(p).Exists(), p)
			}
			// It is followed from there on.
			eventuallyPut(t, st, "dir/after", "")
			f.wait("it is followed", func() bool { return f.have.At("dir/after").Exists() })
			assert.Equal(t, 1, f.count(func(u kv.Update) bool { return u.Regressed }))
		})
	}
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

// TestFollowNoticesALostEvent (V3): what the watch tells must fit what is there; where it does not, all is loaded.
func TestFollowNoticesALostEvent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*kv.Builder)
		then  func(*testing.T, kv.Store)
	}{
		"a created key was not told": {
			func(b *kv.Builder) { b.Delete("dir/a") },
			func(t *testing.T, st kv.Store) { kvtest.MustPut(t, st, "dir/a", "2") },
		},
		"a created key was not told, and is deleted": {
			func(b *kv.Builder) { b.Delete("dir/a") },
			func(t *testing.T, st kv.Store) {
				kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("dir/a")}})
			},
		},
		"a deleted key was not told": {
			func(b *kv.Builder) { b.Put("dir/n", kv.Entry{Value: "1", Create: 1, Mod: 1}) },
			func(t *testing.T, st kv.Store) { kvtest.MustPut(t, st, "dir/n", "2") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t).Hurry()
			kvtest.MustPut(t, st, "dir/a", "1", "dir/b", "1")
			s, cluster, err := st.Load(t.Context(), 0, dir)
			require.NoError(t, err)
			b := s.Edit()
			c.spoil(b)
			f := follow(t, st, kv.Followed{Snapshot: b.Snapshot(s.Revision), Cluster: cluster}, nil)
			c.then(t, st)
			f.wait("it loads anew", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Resync })
			f.reachNow(st)
		})
	}
}

// TestFollowEndsAtOnce: whatever goes on, it ends with its context and leaves no goroutine, while the client stays open.
func TestFollowEndsAtOnce(t *testing.T) {
	for name, prepare := range map[string]func(n network, f *following){
		"following": func(network, *following) {},
		"silent":    func(n network, _ *following) { n.Pause(proxy.Both) },
		"silent for long": func(n network, f *following) {
			n.Pause(proxy.Both)
			f.wait("silence", func() bool { return f.said("silent") })
		},
		"no server":            func(n network, _ *following) { n.Down() },
		"no server for long":   func(n network, f *following) { n.Down(); f.wait("an error", func() bool { return len(f.trouble) > 0 }) },
		"after many new tries": func(n network, f *following) { churn(n, f) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, newStore(t))
			f := startFollowing(t, n.over, nil)
			f.reachNow(n.direct)
			prepare(n, f)
			took := f.stop()
			assert.Less(t, took, 2*time.Second)
			assert.Empty(t, goroutinesOf("v3.(*watchGRPCStream)", "kv.(*follower)", "kv.(*loader)"))
		})
	}
}

// TestFollowLeavesNoStream: a question about progress that comes when its watch has just ended opens no stream that stays.
func TestFollowLeavesNoStream(t *testing.T) {
	direct := newStore(t)
	var watches atomic.Int64
	n := newNetwork(t, direct,
		onGet(func() { _, _ = direct.Commit(t.Context(), put("elsewhere", "")) }), // so that there is always a question
		onStreamOf("/Watch", func() func(func() error) error {
			watches.Add(1)
			heard := 0
			return func(next func() error) error {
				if heard++; heard > 1 {
					return rpctypes.ErrGRPCNoLeader
				}
				return next()
			}
		}))
	f := startFollowing(t, n.over.Rush(), nil)
	f.wait("many watches", func() bool { return watches.Load() > 1000 })
	f.stop()
	assert.Empty(t, goroutinesOf("v3.(*watchGRPCStream)"))
}

// churn ends many watches in many ways.
func churn(n network, f *following) {
	for i := range 30 {
		n.Cut()
		if i%15 == 0 {
			n.Pause(proxy.Both)
			f.wait("silence", func() bool { return f.said("silent") })
			n.Resume()
		}
		kvtest.MustPut(f.t, n.direct, "dir/a", fmt.Sprint(i))
		f.reachNow(n.direct)
	}
}

// goroutinesOf returns the stacks of goroutines in which one of the names appears, once they have had time to end.
func goroutinesOf(names ...string) (left []string) {
	buf := make([]byte, 4<<20)
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
		left = nil
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			for _, name := range names {
				if strings.Contains(stack, name) {
					left = append(left, stack)
					break
				}
			}
		}
		if len(left) == 0 {
			return nil
		}
		runtime.Gosched()
	}
	return left
}

// newAuthServer starts an etcd whose passwords are cheap to check and whose tokens do not live long. It returns what restarts it,
// and its endpoint.
func newAuthServer(t *testing.T) (restart func(), endpoint string) {
	t.Helper()
	port, err := freeport.Pick()
	require.NoError(t, err)
	client := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	cfg := embed.NewConfig()
	cfg.Dir = t.TempDir()
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls, cfg.ListenPeerUrls = []url.URL{client}, []url.URL{client}, nil
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	cfg.UnsafeNoFsync = true
	cfg.BcryptCost = 4
	cfg.AuthTokenTTL = 1
	var server *embed.Etcd
	start := func() {
		var err error
		server, err = embed.StartEtcd(cfg)
		require.NoError(t, err)
		<-server.Server.ReadyNotify()
	}
	start()
	t.Cleanup(func() { server.Close() })
	return func() {
		server.Close()
		start()
	}, client.String()
}

// TestFollowWithAccessControl: tokens that etcd no longer knows are renewed, and a permission that is taken away is noticed.
func TestFollowWithAccessControl(t *testing.T) {
	t.Parallel()
	restart, endpoint := newAuthServer(t)
	root := newClient(t, endpoint)
	direct := storeOn(t, root)
	prefix := direct.EtcdKey("")
	for _, do := range []func() error{
		func() error { _, err := root.UserAdd(t.Context(), "root", "secret"); return err },
		func() error { _, err := root.UserGrantRole(t.Context(), "root", "root"); return err },
		func() error { _, err := root.RoleAdd(t.Context(), "reader"); return err },
		func() error {
			_, err := root.RoleGrantPermission(t.Context(), "reader", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermRead))
			return err
		},
		func() error { _, err := root.UserAdd(t.Context(), "czar", "word"); return err },
		func() error { _, err := root.UserGrantRole(t.Context(), "czar", "reader"); return err },
		func() error { _, err := root.AuthEnable(t.Context()); return err },
	} {
		require.NoError(t, do())
	}
	as := func(user, password string) func(*clientv3.Config) {
		return func(cfg *clientv3.Config) { cfg.Username, cfg.Password = user, password }
	}
	admin := newClient(t, endpoint, as("root", "secret"))
	writer := storeWithPrefix(t, admin, direct)
	czar := storeWithPrefix(t, newClient(t, endpoint, as("czar", "word")), direct).Hurry()

	kvtest.MustPut(t, writer, "dir/a", "1")
	_, err := direct.Fetch(t.Context(), 0, dir)
	require.ErrorIs(t, err, kv.ErrUnauthorized, "without a name")
	_, _, err = direct.Load(t.Context(), 0, dir)
	require.ErrorIs(t, err, kv.ErrUnauthorized, "without a name")
	_, err = czar.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "dir/a", Value: "2"}}})
	require.ErrorIs(t, err, kv.ErrUnauthorized, "may not write")
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
	_, err = czar.Fetch(t.Context(), 0, kv.Key("dir/a"))
	require.NoError(t, err)

	f := startFollowing(t, czar, nil)
	f.reachNow(writer)
	restart() // which forgets all tokens
	eventuallyPut(t, writer, "dir/b", "1")
	f.reachNow(writer)
	s, _, err := czar.Load(t.Context(), 0, dir)
	require.NoError(t, err)
	assert.Equal(t, 2, s.Len())
	assert.Zero(t, f.count(isResync))

	_, err = admin.RoleRevokePermission(t.Context(), "reader", prefix, clientv3.GetPrefixRangeEnd(prefix))
	require.NoError(t, err)
	f.wait("it is refused", func() bool { return f.said("permission denied") })
	kvtest.MustPut(t, writer, "dir/c", "1")
	_, err = admin.RoleGrantPermission(t.Context(), "reader", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermRead))
	require.NoError(t, err)
	f.reachNow(writer)

	_, err = clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop(), Username: "czar", Password: "wrong", DialTimeout: soon})
	require.Error(t, err)
	assert.False(t, errors.Is(err, context.DeadlineExceeded))
}

// TestFollowThroughACluster: members go down one after the other, and nothing is lost, loaded anew or seen twice.
func TestFollowThroughACluster(t *testing.T) {
	t.Parallel()
	members, err := embedetcd.StartClusterWith(t.Context(), 3, embedetcd.Options{UnsafeNoFsync: true, Tick: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, m := range members {
			assert.NoError(t, m.Close())
		}
	})
	client := newClient(t, members[0].Endpoints()[0], func(cfg *clientv3.Config) {
		cfg.Endpoints = append(cfg.Endpoints, members[1].Endpoints()[0], members[2].Endpoints()[0])
	})
	st := storeOn(t, client).Hurry()
	last := 0
	f := startFollowing(t, st, func(u kv.Update) {
		if e := u.Snapshot.At("dir/n"); e.Exists() {
			var n int
			fmt.Sscan(e.Value, &n)
			assert.GreaterOrEqual(t, n, last, "time goes forward")
			assert.Equal(t, e.Value, u.Snapshot.At("dir/z").Value)
			last = n
		}
	})
	n := 0
	write := func() {
		n++
		require.Eventually(t, func() bool {
			_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "dir/n", Value: fmt.Sprint(n)}, {Path: "dir/z", Value: fmt.Sprint(n)}}})
			return err == nil
		}, soon, 10*time.Millisecond)
	}
	for _, m := range members {
		write()
		require.NoError(t, m.Stop())
		for range 10 {
			write()
		}
		f.wait("the change is told", func() bool { return f.have.At("dir/n").Value == fmt.Sprint(n) })
		require.NoError(t, m.Restart(t.Context()))
	}
	// Without a majority there is nothing to follow, and afterwards there is.
	require.NoError(t, members[0].Stop())
	require.NoError(t, members[1].Stop())
	f.wait("it is in trouble", func() bool { return len(f.trouble) > 0 })
	require.NoError(t, embedetcd.RestartAll(t.Context(), members))
	write()
	f.wait("the change is told", func() bool { return f.have.At("dir/n").Value == fmt.Sprint(n) })
	assert.Zero(t, f.count(isResync))
}
