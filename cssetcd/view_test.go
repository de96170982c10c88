package cssetcd_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/proxy"
)

func openView(t testing.TB, c *cssetcd.Client) *cssetcd.View {
	t.Helper()
	v := must(cssetcd.OpenView(t.Context(), c))(t)
	t.Cleanup(v.Close)
	return v
}

// soon bounds what must happen without our doing.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func waitRevision(t testing.TB, v *cssetcd.View, rev cssetcd.Revision) *cssetcd.Snapshot {
	t.Helper()
	s := must(v.WaitRevision(soon(t), rev))(t)
	require.GreaterOrEqual(t, s.Revision(), rev)
	return s
}

// next returns the first update that changes a key.
func next(t testing.TB, sub *cssetcd.Subscription) cssetcd.Update {
	t.Helper()
	for {
		u := must(sub.Next(soon(t)))(t)
		if len(u.Keys) > 0 {
			return u
		}
	}
}

// contents returns the keys of a snapshot with all that is known of them.
func contents(s *cssetcd.Snapshot) map[string]cssetcd.Entry { return maps.Collect(s.Below("")) }

// loaded returns the catalogue as a read of etcd shows it.
func loaded(t testing.TB, c *cssetcd.Client, at cssetcd.Revision) *cssetcd.Snapshot {
	t.Helper()
	s := must(c.Snapshot(t.Context(), at))(t)
	return s
}

func TestViewLoadsAndFollows(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	first := v.Snapshot()
	assert.Equal(t, contents(loaded(t, c, first.Revision())), contents(first))
	assert.Equal(t, loaded(t, c, 0).Cluster(), first.Cluster())
	before := contents(first)
	tab := must(first.Table(object))(t)
	assert.Equal(t, cssetcd.StatusReady, tab.Status)

	rev := ok(t)(c.SetTableStatus(t.Context(), object, cssetcd.StatusIgnore))
	second := waitRevision(t, v, rev)
	tab = must(second.Table(object))(t)
	assert.Equal(t, cssetcd.StatusIgnore, tab.Status, "read your writes")
	assert.Equal(t, rev, tab.Modified)

	rev = ok(t)(c.DropDatabase(t.Context(), "lsst"))
	third := waitRevision(t, v, rev)
	require.ErrorIs(t, errOf(third.Database("lsst")), cssetcd.ErrNoSuchDB)
	assert.Equal(t, contents(loaded(t, c, rev)), contents(third))

	t.Run("a snapshot does not change", func(t *testing.T) {
		assert.Equal(t, before, contents(first))
		tab := must(second.Table(object))(t)
		assert.Equal(t, cssetcd.StatusIgnore, tab.Status)
	})
}

func TestViewOfAnEmptyEtcd(t *testing.T) {
	c := csstest.New(t)
	v := openView(t, c)
	assert.Zero(t, v.Snapshot().Len())
	require.ErrorIs(t, v.Snapshot().Version(), cssetcd.ErrVersionMissing)
	rev := ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
	s := waitRevision(t, v, rev)
	require.NoError(t, s.Version())
	must(s.Database("db"))(t)
}

func TestViewDoesNotOpen(t *testing.T) {
	t.Run("on a CSS of another version", func(t *testing.T) {
		c := csstest.New(t)
		byHand(t, c, "css/css_meta/version", "2")
		require.ErrorIs(t, errOf(cssetcd.OpenView(t.Context(), c)), cssetcd.ErrVersionMismatch)
	})
	t.Run("when its context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, errOf(cssetcd.OpenView(ctx, csstest.New(t))), context.Canceled)
	})
}

// TestViewOutlivesTheContextOfOpening: the context bounds the loading only.
func TestViewOutlivesTheContextOfOpening(t *testing.T) {
	c := newCatalogue(t)
	ctx, cancel := context.WithCancel(t.Context())
	v := must(cssetcd.OpenView(ctx, c))(t)
	defer v.Close()
	cancel()
	waitRevision(t, v, ok(t)(c.SetTableStatus(t.Context(), object, "X")))
}

// TestWaitRevisionOfWritesElsewhere: etcd's revision is one for all of etcd, and no event tells of a write outside of
// the view.
func TestWaitRevisionOfWritesElsewhere(t *testing.T) {
	c := newCatalogue(t)
	began := time.Now()
	v := openView(t, c)
	resp := must(csstest.Etcd().Put(t.Context(), csstest.NewPrefix()+"/css/x", "elsewhere"))(t)
	s := waitRevision(t, v, cssetcd.Revision(resp.Header.Revision))
	_, found := s.Key("/x")
	assert.False(t, found)
	assert.GreaterOrEqual(t, v.Stats().Confirmed.Revision, cssetcd.Revision(resp.Header.Revision))
	assert.WithinRange(t, v.Stats().Confirmed.Asked, began, time.Now())

	t.Run("since etcd is asked, until it answers", func(t *testing.T) {
		start := kv.NewSnapshot(1, csskey.Catalogue)
		v, tell := cssetcd.ViewByHand(start)
		defer v.Close()
		waited := make(chan error)
		go func() {
			_, err := v.WaitRevision(t.Context(), 2)
			waited <- err
		}()
		for range 3 {
			<-v.Asking()
		}
		tell(kv.Update{Snapshot: start.WithRevision(2), Asked: time.Now()})
		require.NoError(t, <-waited)
	})
	t.Run("below a prefix that begins with ours", func(t *testing.T) {
		resp := must(csstest.Etcd().Put(t.Context(), c.Prefix()+"/css2/x", "elsewhere"))(t)
		assert.Equal(t, contents(s), contents(waitRevision(t, v, cssetcd.Revision(resp.Header.Revision))))
	})
}

func TestWaitRevisionEnds(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	far := v.Snapshot().Revision() + 1_000_000
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, errOf(v.WaitRevision(ctx, far)), context.Canceled)

	waiting := make(chan error)
	go func() {
		_, err := v.WaitRevision(t.Context(), far)
		waiting <- err
	}()
	v.Close()
	require.ErrorIs(t, <-waiting, cssetcd.ErrClosed)
	v.Close() // twice is harmless

	t.Run("what was seen before the end stays readable", func(t *testing.T) {
		s := must(v.WaitRevision(t.Context(), v.Snapshot().Revision()))(t)
		must(s.Table(object))(t)
	})
	t.Run("a closed view waits for nothing", func(t *testing.T) {
		require.ErrorIs(t, errOf(v.WaitRevision(t.Context(), far)), cssetcd.ErrClosed)
		require.ErrorIs(t, errOf(v.Subscribe().Next(t.Context())), cssetcd.ErrClosed)
	})
}

// changes returns the keys of an update with their old and new values, "-" for absent.
func changes(u cssetcd.Update) []string {
	var all []string
	text := func(e cssetcd.Entry) string {
		if !e.Exists() {
			return "-"
		}
		return e.Value
	}
	for _, k := range u.Keys {
		all = append(all, fmt.Sprintf("%s %s>%s", k.Key, text(k.Old), text(k.New)))
	}
	return all
}

// TestNextIsTheExactNetChange (V2) since what the subscriber saw last; TestUpdatesAddUp has it for any writes.
func TestNextIsTheExactNetChange(t *testing.T) {
	ctx, c := t.Context(), csstest.New(t)
	raw := c.Raw()
	ok(t)(raw.Put(ctx, "/a", "1"))
	ok(t)(raw.Put(ctx, "/b", "1"))
	v := openView(t, c)
	waitRevision(t, v, ok(t)(raw.Put(ctx, "/c", "1")))
	sub := v.Subscribe()
	assert.Same(t, v.Snapshot(), sub.Snapshot())

	t.Run("one write", func(t *testing.T) {
		rev := ok(t)(raw.Put(ctx, "/a", "2"))
		u := next(t, sub)
		assert.Equal(t, []string{"/a 1>2"}, changes(u))
		assert.Equal(t, rev, u.To.Revision())
		assert.Less(t, u.From.Revision(), rev)
		assert.Same(t, u.To, sub.Snapshot())
		assert.False(t, u.Regressed)
	})
	t.Run("what was created and deleted is no change", func(t *testing.T) {
		ok(t)(raw.Put(ctx, "/x", "1"))
		waitRevision(t, v, ok(t)(raw.Delete(ctx, "/x")))
		u := must(sub.Next(soon(t)))(t)
		assert.Empty(t, u.Keys)
		assert.Greater(t, u.To.Revision(), u.From.Revision())
	})
	t.Run("nothing twice, and the context ends the waiting", func(t *testing.T) {
		s := waitRevision(t, v, v.Snapshot().Revision())
		for sub.Snapshot() != s {
			must(sub.Next(soon(t)))(t)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		for {
			u, err := sub.Next(ctx)
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				break
			}
			assert.Empty(t, u.Keys)
		}
	})
	t.Run("what was seen before Close is still told", func(t *testing.T) {
		late := v.Subscribe()
		waitRevision(t, v, ok(t)(raw.Put(ctx, "/a", "last")))
		v.Close()
		u, err := late.Next(t.Context())
		assert.Equal(t, []string{"/a 2>last"}, changes(u))
		for err == nil {
			_, err = late.Next(t.Context())
		}
		require.ErrorIs(t, err, cssetcd.ErrClosed)
	})
}

// TestSubscribersAtEveryDistance (V2): each is behind by another number of updates, also by one more than the view
// remembers.
func TestSubscribersAtEveryDistance(t *testing.T) {
	const most, writes = 10, 12
	c := csstest.New(t)
	ok(t)(c.Raw().Put(t.Context(), "/k", "0"))
	v := must(cssetcd.OpenViewRemembering(t.Context(), c, most))(t)
	defer v.Close()
	var subs []*cssetcd.Subscription
	for i := range writes {
		subs = append(subs, v.Subscribe())
		waitRevision(t, v, ok(t)(c.Raw().Put(t.Context(), fmt.Sprintf("/k/%02d", i), "new")))
	}
	updates, touches := v.Remembered()
	assert.Less(t, updates, writes)
	assert.LessOrEqual(t, touches, most)
	for i, sub := range subs {
		var want []string
		for j := i; j < writes; j++ {
			want = append(want, fmt.Sprintf("/k/%02d ->new", j))
		}
		assert.Equal(t, want, changes(next(t, sub)))
	}
	waitRevision(t, v, ok(t)(c.Raw().Delete(t.Context(), "/k")))
	for _, sub := range subs {
		assert.Len(t, next(t, sub).Keys, 1+writes, "one revision that touches more than is remembered")
	}
}

// TestUpdatesAddUp (V2): after any history of random writes the updates of a subscriber, applied one after the other,
// are the catalogue.
func TestUpdatesAddUp(t *testing.T) {
	c := newCatalogue(t)
	v := must(cssetcd.OpenViewRemembering(t.Context(), c, 50))(t)
	defer v.Close()
	sub := v.Subscribe()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	state := contents(sub.Snapshot())
	read := func(until cssetcd.Revision) {
		for sub.Snapshot().Revision() < until {
			u := must(sub.Next(soon(t)))(t)
			for _, k := range u.Keys {
				require.Equal(t, state[k.Key], k.Old)
				require.NotEqual(t, k.Old, k.New)
				if k.New.Exists() {
					state[k.Key] = k.New
				} else {
					delete(state, k.Key)
				}
			}
		}
		require.Equal(t, contents(sub.Snapshot()), state)
	}
	var rev cssetcd.Revision
	for i := range 300 {
		key := kv.Path(fmt.Sprintf("css/r/%d/%d", rnd.IntN(4), rnd.IntN(6)))
		switch rnd.IntN(4) {
		case 0:
			rev = deleteByHand(t, c, kv.Key(key))
		case 1:
			rev = deleteByHand(t, c, kv.Tree(key.Parent())...)
		default:
			rev = byHand(t, c, key, fmt.Sprint(i%3))
		}
		if rnd.IntN(20) == 0 {
			read(rev)
		}
	}
	read(rev)
	assert.Equal(t, contents(loaded(t, c, sub.Snapshot().Revision())), state)
}

// TestCloseIsPrompt also while somebody waits for what does not come, and while nothing arrives and nothing is refused:
// it comes before the next question to etcd has found out that it is silent.
func TestCloseIsPrompt(t *testing.T) {
	p, _, _, v := behindProxy(t)
	sub := v.Subscribe()
	var waiting sync.WaitGroup
	for range 3 {
		waiting.Go(func() { assert.ErrorIs(t, errOf(v.WaitRevision(t.Context(), 1<<40)), cssetcd.ErrClosed) })
	}
	waiting.Go(func() {
		var err error
		for err == nil {
			_, err = sub.Next(t.Context())
		}
		assert.ErrorIs(t, err, cssetcd.ErrClosed)
	})
	require.Eventually(t, func() bool { return v.Stats().Waiters == 4 }, time.Minute, time.Millisecond)
	p.Pause(proxy.Both)
	v.Close()
	waiting.Wait()
	assert.Zero(t, v.Stats().Counts.Troubles)
}

// TestCloseWaits for the goroutine that it ends, here one that is held up in the middle of an update.
func TestCloseWaits(t *testing.T) {
	c := newCatalogue(t)
	v := openView(t, c)
	release := sync.OnceFunc(v.HoldUpdates())
	defer release()
	ok(t)(c.SetTableStatus(t.Context(), object, "X"))
	require.Eventually(t, func() bool {
		stacks := make([]byte, 1<<20)
		return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "(*recentTouches).add(")
	}, 30*time.Second, time.Millisecond)
	closed := make(chan struct{})
	go func() {
		v.Close()
		close(closed)
	}()
	select {
	case <-closed:
		t.Error("Close returned while an update was going on")
	case <-time.After(50 * time.Millisecond):
	}
	release()
	<-closed
}
