package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestFollowRemembersThatEtcdWentBack (V4): once seen, it is told, although etcd has grown beyond what is shown when it
// is loaded.
func TestFollowRemembersThatEtcdWentBack(t *testing.T) {
	t.Parallel()
	direct := newStoreAlone(t)
	kvtest.MustPut(t, direct, "dir/a", "1")
	var loading atomic.Bool
	var loaded atomic.Pointer[time.Time] // when the last load was under way
	over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], onStream(func() func(func() error) error {
		if loading.Load() {
			now := time.Now()
			loaded.Store(&now)
			for i := range 30 {
				kvtest.MustPut(t, direct, "elsewhere", fmt.Sprint(i))
			}
		}
		return func(next func() error) error { return next() }
	})), direct).Hurry()
	s, cluster := mustLoad(t, over, 0, dir)
	loading.Store(true)
	f := follow(t, over, kv.Followed{Snapshot: s.WithRevision(s.Revision + 10), Cluster: cluster}, nil)
	f.wait("it loads", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Resync })
	f.mu.Lock()
	defer f.mu.Unlock()
	require.ErrorIs(t, f.updates[0].Trouble, kv.ErrWentBack)
	last := f.updates[len(f.updates)-1]
	assert.Greater(t, last.Snapshot.Revision, s.Revision+10)
	assert.True(t, last.Regressed)
	assert.True(t, last.Asked.Before(*loaded.Load()), "a load is as fresh as when it began (V6)")
	assert.False(t, last.Asked.IsZero())
}

// onAnswer changes what heads the answers to questions for the revision, and to other small reads.
func onAnswer(change func(*etcdserverpb.ResponseHeader)) func(*clientv3.Config) {
	return onCall(func(_ string, reply any, call func() error) error {
		err := call()
		if r, ok := reply.(*etcdserverpb.RangeResponse); ok && err == nil {
			change(r.Header)
		}
		return err
	})
}

// TestFollowNoticesAnAnswerOfAnotherCluster (V4), also when its watch does not.
func TestFollowNoticesAnAnswerOfAnotherCluster(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	kvtest.MustPut(t, direct, "dir/a", "1")
	var other atomic.Uint64
	over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0],
		onAnswer(func(h *etcdserverpb.ResponseHeader) { h.ClusterId += other.Swap(0) })), direct).Hurry()
	f := startFollowing(t, over, nil)
	f.reachNow(direct)
	other.Store(1)
	f.wait("it is noticed", func() bool {
		return slices.ContainsFunc(f.updates, func(u kv.Update) bool { return errors.Is(u.Trouble, kv.ErrWentBack) })
	})
}

// TestFollowNoticesALostAnswer (V4): a revision that etcd has told and does not have any more is one that it went back
// behind, although nothing of it was shown.
func TestFollowNoticesALostAnswer(t *testing.T) {
	t.Parallel()
	direct := newStoreAlone(t)
	kvtest.MustPut(t, direct, "dir/a", "1")
	var more atomic.Int64
	raise := onAnswer(func(h *etcdserverpb.ResponseHeader) { h.Revision += more.Swap(0) })
	over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], raise), direct).Hurry()
	f := startFollowing(t, over, nil)
	f.reachNow(direct)
	told := time.Now()
	more.Store(10)
	f.wait("it is noticed", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Regressed })
	f.wait("and confirmed again", func() bool {
		for _, u := range f.updates {
			if u.Asked.After(told) && u.Trouble == nil && !u.Resync {
				return true
			}
		}
		return false
	})
}

// TestFollowNoticesAnotherIncarnation (V3): an event on a key that was created at another revision tells of events that
// were lost.
func TestFollowNoticesAnotherIncarnation(t *testing.T) {
	t.Parallel()
	st := newStore(t).Hurry()
	kvtest.MustPut(t, st, "dir/t", "old", "dir/t/x", "1")
	old, cluster := mustLoad(t, st, 0, dir)
	kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("dir/t"), kv.Key("dir/t/x")}})
	at := kvtest.MustPut(t, st, "dir/t", "new")
	// as if these events had been lost
	f := follow(t, st, kv.Followed{Snapshot: old.WithRevision(at), Cluster: cluster}, nil)
	kvtest.MustPut(t, st, "dir/t", "newer")
	f.wait("it loads", func() bool { return len(f.updates) > 0 && f.updates[len(f.updates)-1].Resync })
	f.reachNow(st)
	assert.False(t, f.now().At("dir/t/x").Exists())
}

// TestAHangingComparisonEnds (V5): and the next one begins, while the watch goes on.
func TestAHangingComparisonEnds(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	kvtest.MustPut(t, direct, "dir/a", "1")
	var streams atomic.Int64
	hang := grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn,
		method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := streamer(ctx, desc, cc, method, opts...)
		if err == nil && strings.HasSuffix(method, "/RangeStream") && streams.Add(1) == 2 { // after that of the load
			return hanging{stream}, nil
		}
		return stream, err
	})
	over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], func(c *clientv3.Config) {
		c.DialOptions = append(c.DialOptions, hang)
	}), direct).Hurry()
	s, cluster := mustLoad(t, over, 0, dir)
	f := follow(t, over, kv.Followed{Snapshot: s, Cluster: cluster, CompareEvery: 20 * time.Millisecond}, nil)
	f.wait("one that comes to its end", func() bool {
		for _, u := range f.updates {
			if u.Compared {
				return true
			}
		}
		return false
	})
	assert.Zero(t, f.count(isResync))
}

// hanging is a stream that says nothing.
type hanging struct{ grpc.ClientStream }

func (h hanging) RecvMsg(any) error {
	<-h.Context().Done()
	return h.Context().Err()
}
