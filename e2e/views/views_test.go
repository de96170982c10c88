package views_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// watched is a view whose every update is followed, which must not go back in time.
type watched struct {
	view    *cssetcd.View
	updates atomic.Int64
	end     func()
}

// watch opens a view and subscribes to it until end.
func watch(t *testing.T, etcd *clientv3.Client, opts ...cssetcd.ViewOption) *watched {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := cssetcd.New(ctx, etcd)
	require.NoError(t, err)
	v, err := cssetcd.OpenView(ctx, c, opts...)
	require.NoError(t, err)
	w := &watched{view: v}
	following, stop := context.WithCancel(context.Background())
	var subscriber sync.WaitGroup
	sub := v.Subscribe()
	subscriber.Go(func() {
		last := counter(sub.Snapshot())
		for {
			u, err := sub.Next(following)
			if err != nil {
				return
			}
			w.updates.Add(1)
			assert.False(t, u.Regressed, "etcd never went back")
			assert.Greater(t, u.To.Revision(), u.From.Revision())
			first, _ := u.To.Key(togetherKeys[0])
			for _, key := range togetherKeys {
				e, _ := u.To.Key(key)
				assert.Equal(t, first, e, "revision %d shows a part of a transaction", u.To.Revision())
			}
			now := counter(u.To)
			assert.GreaterOrEqual(t, now, last, "time goes forward")
			last = now
		}
	})
	w.end = sync.OnceFunc(func() {
		stop()
		subscriber.Wait()
		v.Close()
	})
	t.Cleanup(w.end)
	return w
}

const counterKey = "/COUNTER"

// togetherKeys are written together or not at all.
var togetherKeys = []string{"/TOGETHER/0", "/TOGETHER/1", "/TOGETHER/z"}

func counter(s *cssetcd.Snapshot) int {
	e, _ := s.Key(counterKey)
	n, _ := strconv.Atoi(e.Value)
	return n
}

// count raises the counter to n. It is guarded: a lost request that arrives late must not set it back.
func count(ctx context.Context, etcd *clientv3.Client, n int) error {
	const key = "/qserv/css" + counterKey
	before := clientv3.Compare(clientv3.Value(key), "=", fmt.Sprint(n-1))
	if n == 1 {
		before = clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	}
	for began := time.Now(); ; {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		r, err := etcd.Txn(attempt).If(before).Then(clientv3.OpPut(key, fmt.Sprint(n))).Else(clientv3.OpGet(key)).Commit()
		cancel()
		switch {
		case err == nil && r.Succeeded:
			return nil
		case err == nil:
			if kvs := r.Responses[0].GetResponseRange().Kvs; len(kvs) == 1 && string(kvs[0].Value) == fmt.Sprint(n) {
				return nil // an attempt whose answer was lost
			}
			return fmt.Errorf("somebody else counts: %v", r.Responses)
		case ctx.Err() != nil || time.Since(began) > 2*time.Minute:
			return err
		}
	}
}

// equals compares a view with etcd at the revision that it shows, also while others write, compact and break
// connections: what is compacted by then is tried again.
func (w *watched) equals(t *testing.T, c *cssetcd.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		s, err := w.view.WaitLatest(ctx)
		require.NoError(t, err)
		want, err := c.Snapshot(ctx, s.Revision())
		if err == nil {
			require.Empty(t, differences(want, s), "at revision %d", s.Revision())
			return
		}
		require.NoError(t, ctx.Err(), "%v", err)
	}
}

// differences returns a few of the keys in which two snapshots differ.
func differences(want, have *cssetcd.Snapshot) (all []string) {
	next, stop := iter.Pull2(have.Below(""))
	defer stop()
	key, e, more := next()
	for wantKey, wanted := range want.Below("") {
		for more && key < wantKey && len(all) < 5 {
			all = append(all, "not in etcd: "+key)
			key, e, more = next()
		}
		switch {
		case len(all) >= 5:
			return all
		case !more || key != wantKey:
			all = append(all, "missing: "+wantKey)
			continue
		case e != wanted:
			all = append(all, fmt.Sprintf("%s is %+v and should be %+v", key, e, wanted))
		}
		key, e, more = next()
	}
	if more {
		all = append(all, "not in etcd: "+key)
	}
	return all
}

// TestViewOfAPausedMember (V3): the member that a view follows is stopped for a while, as a process, and then tells
// what is long over. Neither that view nor one that can go to another member goes back in time or has to load.
func TestViewOfAPausedMember(t *testing.T) {
	testkit.Long(t, "members are paused for longer than a view waits")
	const pauses = 3
	m := testkit.StartMembers(t, 3, 0)
	direct := m.Client()
	defer direct.Close()
	ctx := context.Background()
	c, err := cssetcd.New(ctx, direct)
	require.NoError(t, err)
	_, err = c.CreateDatabase(ctx, cssetcd.Database{Name: "db"})
	require.NoError(t, err)
	n := 0
	for pause := range pauses {
		leader := m.Leader()
		for leader < 0 {
			leader = m.Leader()
		}
		paused := (leader + 1) % 3
		if pause == pauses-1 {
			paused = leader
		}
		near, anywhere, awake := m.Client(paused), m.Client(), m.Client((paused+1)%3, (paused+2)%3)
		write := func(times int) {
			for range times {
				n++
				require.NoError(t, count(ctx, awake, n))
			}
		}
		one, any := watch(t, near), watch(t, anywhere)
		write(5)
		shows := func(w *watched, what string) {
			t.Helper()
			require.Eventually(t, func() bool { return counter(w.view.Snapshot()) == n }, 2*time.Minute, time.Millisecond, what)
		}
		shows(one, "before")
		m.Signal(paused, syscall.SIGSTOP)
		write(30)
		shows(any, "another member tells")
		if pause == 0 {
			require.Eventually(t, func() bool { return one.view.Condition().Phase == cssetcd.Stale }, time.Minute,
				10*time.Millisecond)
		}
		assert.Less(t, counter(one.view.Snapshot()), n, "a member that is stopped tells nothing")
		m.Signal(paused, syscall.SIGCONT)
		write(5)
		for _, w := range []*watched{one, any} {
			shows(w, "afterwards")
			w.equals(t, c)
			counts := w.view.Stats().Counts
			assert.Zero(t, counts.Loads+counts.Regressions+counts.Inconsistencies)
			w.end()
		}
		for _, c := range []*clientv3.Client{near, anywhere, awake} {
			require.NoError(t, c.Close())
		}
	}
	t.Logf("%d pauses over %d writes", pauses, n)
}
