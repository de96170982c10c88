package kv_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

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
	cluster uint64
	updates []kv.Update
	trouble []string // messages of the log
	changed chan struct{}
}

// startFollowing loads and follows what lies below "dir".
func startFollowing(t testing.TB, st *kv.Etcd, call func(kv.Update)) *following {
	t.Helper()
	s, cluster := mustLoad(t, st, 0, dir)
	return follow(t, st, kv.Followed{Snapshot: s, Cluster: cluster}, call)
}

func follow(t testing.TB, st *kv.Etcd, start kv.Followed, call func(kv.Update)) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{
		t: t, ask: make(chan struct{}, 1), cancel: cancel, ended: make(chan error, 1), call: call,
		have: start.Snapshot, cluster: start.Cluster, changed: make(chan struct{}),
	}
	log := slog.New(slog.NewTextHandler(writerFunc(f.log), nil))
	go func() { f.ended <- st.Follow(ctx, start, f.ask, log, f.update) }()
	t.Cleanup(func() { f.stop() })
	return f
}

// stop ends the following, and fails the test when it goes on.
func (f *following) stop() {
	f.t.Helper()
	if f.ended == nil {
		return
	}
	f.cancel()
	select {
	case err := <-f.ended:
		assert.ErrorIs(f.t, err, context.Canceled)
	case <-time.After(soon):
		assert.Fail(f.t, "Follow does not end")
	}
	f.ended = nil
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
	assert.NotNil(f.t, u.Touched)
	assert.True(f.t, slices.Equal(kv.Diff(f.have, u.Snapshot), kv.DiffAt(f.have, u.Snapshot, u.Touched)),
		"touched is all that changed")
	if !u.Resync {
		assert.GreaterOrEqual(f.t, u.Snapshot.Revision, f.have.Revision)
		assert.False(f.t, u.Regressed)
	}
	assert.True(f.t, u.Cluster == f.cluster || u.Regressed, "another cluster is a regression")
	f.have, f.cluster = u.Snapshot, u.Cluster
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

// from returns the cluster that the newest snapshot came from.
func (f *following) from() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cluster
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
	p := must(proxy.Start("tcp", hostPort(t, direct.Client().Endpoints()[0])))(t)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return network{p, direct, storeWithPrefix(t, newClient(t, p.Addr(), more...), direct).Hurry()}
}

// eventuallyPut puts a key on an etcd that is just coming up.
func eventuallyPut(t testing.TB, st kv.Store, p kv.Path, value string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: p, Value: value}}})
		return err == nil
	}, soon, 10*time.Millisecond)
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
}

// requireNoneOf fails the test unless the goroutines in whose stacks one of the names appears end by themselves.
func requireNoneOf(t testing.TB, names ...string) {
	t.Helper()
	buf := make([]byte, 4<<20)
	require.Eventually(t, func() bool {
		stacks := string(buf[:runtime.Stack(buf, true)])
		return !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(stacks, name) })
	}, soon, time.Millisecond, "goroutines of %v are left", names)
}
