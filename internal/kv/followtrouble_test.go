package kv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/proxy"
)

// TestFollowSilence (V3): a connection on which nothing arrives any more, without an error, does not stop the
// following.
func TestFollowSilence(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]proxy.Direction{"both ways": proxy.Both, "to the server": proxy.ToServer,
		"to the client": proxy.ToClient} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, newStore(t))
			f := startFollowing(t, n.over, nil)
			kvtest.MustPut(t, n.direct, "dir/before", "")
			f.reachNow(n.direct)
			n.Pause(d)
			kvtest.MustPut(t, n.direct, "dir/during", "")
			f.wait("the watch ends", func() bool { return f.said("etcd fell silent") })
			f.wait("and the next one, too", func() bool {
				return strings.Count(strings.Join(f.trouble, "\n"), "etcd fell silent") > 1
			})
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

// TestFollowLeavesALostConnection: a connection that is gone for ever without a sign is left, for another member by the
// following itself, for the same one by the client's keep-alive.
func TestFollowLeavesALostConnection(t *testing.T) {
	t.Parallel()
	t.Run("another member", func(t *testing.T) {
		t.Parallel()
		direct := newStore(t)
		a, b := newNetwork(t, direct), newNetwork(t, direct)
		over := storeWithPrefix(t, newClient(t, a.Addr(), func(cfg *clientv3.Config) {
			cfg.Endpoints = append(cfg.Endpoints, b.Addr())
		}), direct).Hurry()
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
			before, cluster := f.now(), f.from()

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
			assert.Equal(t, strings.HasPrefix(c.name, "another cluster"), u.Cluster != cluster)
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

// TestFollowEndsAtOnce: whatever goes on, it ends with its context and leaves no goroutine, while the client stays
// open. The delays after which something would happen by itself last for an hour, so that an end that waits for one of
// them does not come.
func TestFollowEndsAtOnce(t *testing.T) {
	const never = time.Hour
	for name, c := range map[string]struct {
		silence time.Duration
		prepare func(n network, f *following)
	}{
		"following": {never, func(network, *following) {}},
		"silent":    {never, func(n network, _ *following) { n.Pause(proxy.Both) }},
		"silent for long": {time.Second, func(n network, f *following) {
			n.Pause(proxy.Both)
			f.wait("silence", func() bool { return f.said("silent") })
		}},
		"no server": {never, func(n network, _ *following) { n.Down() }},
		"no server for long": {time.Second, func(n network, f *following) {
			n.Down()
			f.wait("an error", func() bool { return len(f.trouble) > 0 })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, newStore(t))
			f := startFollowing(t, n.over.Silence(c.silence).Backoff(never), nil)
			f.reachNow(n.direct)
			c.prepare(n, f)
			f.stop()
			requireNoneOf(t, "v3.(*watchGRPCStream)", "kv.(*follower)", "kv.(*loader)")
		})
	}
	t.Run("after many new tries", func(t *testing.T) {
		n := newNetwork(t, newStore(t))
		f := startFollowing(t, n.over, nil)
		f.reachNow(n.direct)
		churn(n, f)
		f.stop()
		requireNoneOf(t, "v3.(*watchGRPCStream)", "kv.(*follower)", "kv.(*loader)")
	})
}

// TestFollowLeavesNoStream: a question about progress that comes when its watch has just ended opens no stream that
// stays.
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
	f.wait("many watches", func() bool { return watches.Load() > 300 })
	f.stop()
	requireNoneOf(t, "v3.(*watchGRPCStream)")
}

// churn ends many watches in many ways.
func churn(n network, f *following) {
	for i := range 20 {
		n.Cut()
		if i == 10 {
			n.Pause(proxy.Both)
			f.wait("silence", func() bool { return f.said("silent") })
			n.Resume()
		}
		kvtest.MustPut(f.t, n.direct, "dir/a", fmt.Sprint(i))
		f.reachNow(n.direct)
	}
}

// TestFollowThroughACluster: members go down one after the other, and nothing is lost, loaded anew or seen twice.
func TestFollowThroughACluster(t *testing.T) {
	t.Parallel()
	members := must(embedetcd.StartClusterWith(t.Context(), 3, embedetcd.Options{UnsafeNoFsync: true,
		Tick: 20 * time.Millisecond}))(t)
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
			_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "dir/n", Value: fmt.Sprint(n)},
				{Path: "dir/z", Value: fmt.Sprint(n)}}})
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
	assert.Zero(t, f.count(isResync))
}
