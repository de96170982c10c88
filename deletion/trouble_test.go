package deletion_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/proxy"
)

// behindProxy returns a client of the fleet's catalogue whose connection can be cut off.
func (f *fleet) behindProxy() (*cssetcd.Client, *proxy.Proxy) {
	f.T.Helper()
	at, err := url.Parse(fleettest.Server.Endpoints()[0])
	require.NoError(f.T, err)
	p, err := proxy.Start("tcp", at.Host)
	require.NoError(f.T, err)
	f.T.Cleanup(func() { _ = p.Close() })
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{p.Addr()}, DialTimeout: time.Second,
		Logger: zap.NewNop()})
	require.NoError(f.T, err)
	f.T.Cleanup(func() { _ = etcd.Close() })
	css, err := cssetcd.New(f.T.Context(), etcd, cssetcd.WithPrefix(f.CSS.Prefix()))
	require.NoError(f.T, err)
	return css, p
}

// A czar that is cut off stops by itself before the drop goes on without it, and goes on when it has etcd back.
func TestCzarThatIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	css, link := f.behindProxy()
	cut := f.With(css)
	c := cut.Czar("cut off")
	running, bystander := c.Query(t, object), c.Query(t, source)
	link.Pause(proxy.Both)
	began := time.Now()
	d, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	var stale time.Time
	for {
		err := running.MayDispatch()
		if err != nil && stale.IsZero() {
			require.ErrorIs(t, err, deletion.ErrStale)
			stale = time.Now()
		}
		require.False(t, err == nil && !stale.IsZero(), "a czar that has stopped goes on only with etcd")
		_, gone := f.CSS.Table(t.Context(), object)
		if gone != nil {
			require.False(t, stale.IsZero(), "the table is removed while a query may dispatch")
			break
		}
		require.Less(t, time.Since(began), within)
		time.Sleep(5 * time.Millisecond)
	}
	_, err = c.Admit(c.Plan(t, source))
	require.ErrorIs(t, err, deletion.ErrStale)
	require.ErrorIs(t, c.Healthy(), deletion.ErrStale)
	require.NoError(t, d.Wait(f.Soon()))

	link.Resume()
	require.Eventually(t, func() bool { return c.Healthy() == nil }, within, 10*time.Millisecond)
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrAborted)
	<-running.Done()
	require.NoError(t, bystander.MayDispatch())
	running.Release()
	bystander.Release()
}

// An etcd that is away for less than the fence stops no query.
func TestShortOutageStopsNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	long := quick
	long.Fence, long.Wait = 10*time.Second, 13*time.Second
	_, err := f.SetTiming(t.Context(), long)
	require.NoError(t, err)
	css, link := f.behindProxy()
	c := f.With(css).Czar("cut off")
	running := c.Query(t, object)
	link.Pause(proxy.Both)
	for began := time.Now(); time.Since(began) < long.Fence/4; time.Sleep(time.Millisecond) {
		require.NoError(t, running.MayDispatch())
		c.Query(t, source).Release()
	}
	link.Resume()
	for began := time.Now(); time.Since(began) < long.Fence/10; time.Sleep(time.Millisecond) {
		require.NoError(t, running.MayDispatch())
		c.Query(t, source).Release()
	}
	running.Release()
}

// A czar that was evicted while it is cut off is left the time in which it may still dispatch.
func TestEvictedWhileCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	css, link := f.behindProxy()
	c := f.With(css).Czar("cut off")
	running := c.Query(t, object)
	czars, err := f.Czars(t.Context())
	require.NoError(t, err)
	link.Pause(proxy.Both)
	require.NoError(t, f.Evict(t.Context(), czars[0].ID))
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	for {
		stopped := running.MayDispatch()
		if _, gone := f.CSS.Table(t.Context(), object); gone != nil {
			require.ErrorIs(t, stopped, deletion.ErrStale, "the table is removed while a query may dispatch")
			break
		}
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, d.Wait(f.Soon()))
	link.Resume()
	<-running.Done()
	running.Release()
}

// After etcd's history was reset each czar registers anew.
func TestResetHistory(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	running := c.Query(t, object)
	before, err := f.Czars(t.Context())
	require.NoError(t, err)
	_, err = f.ResetHistory(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		now, err := f.Czars(t.Context())
		require.NoError(t, err)
		return len(now) == 1 && now[0].ID != before[0].ID
	}, within, 50*time.Millisecond)
	require.NoError(t, c.Healthy())
	require.NoError(t, running.MayDispatch())
	running.Release()
}

// A query is admitted on all of its tables or on none.
func TestAdmitIsAllOrNothing(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	o, s := c.Plan(t, object), c.Plan(t, source)
	d, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	_, err = c.View.WaitRevision(f.Soon(), d.Mark())
	require.NoError(t, err)
	for range 100 {
		_, err := c.Admit(s, o)
		require.ErrorIs(t, err, deletion.ErrDropPending)
	}
	later, err := f.DropTable(t.Context(), source, deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, later.Wait(f.Soon()), "nothing of the refused queries is counted")
	none, err := c.Admit()
	require.NoError(t, err)
	none.Release()
	none.Release()
}

// A gate that is closed admits nothing, waits for what runs, and can be closed again.
func TestCloseWaitsForQueries(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	running := c.Query(t, object)
	closed := make(chan error, 1)
	go func() { closed <- c.Close(f.Soon()) }()
	require.Eventually(t, func() bool {
		ref, err := c.Admit(c.Plan(t, source))
		ref.Release()
		return err != nil
	}, within, time.Millisecond)
	_, err := c.Admit(c.Plan(t, source))
	require.ErrorIs(t, err, deletion.ErrClosed)
	time.Sleep(3 * quick.Confirm)
	require.NoError(t, running.MayDispatch())
	assert.Len(t, f.Keys("czar/"), 1)
	select {
	case err := <-closed:
		t.Fatal("it did not wait", err)
	default:
	}
	running.Release()
	require.NoError(t, <-closed)
	assert.Empty(t, f.Keys("czar/"))
	assert.Empty(t, f.Keys("alive/"))
	require.NoError(t, c.Close(f.Soon()))
	require.ErrorIs(t, c.Healthy(), deletion.ErrClosed)
}

// A gate without eyes does not hold drops up.
func TestGateClosesWithItsView(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("blind")
	running := c.Query(t, object)
	c.View.Close()
	require.Eventually(t, func() bool { return c.Healthy() != nil }, within, time.Millisecond)
	require.ErrorIs(t, c.Healthy(), deletion.ErrClosed)
	assert.Len(t, f.Keys("czar/"), 1)
	running.Release()
	require.Eventually(t, func() bool { return len(f.Keys("czar/")) == 0 }, within, 10*time.Millisecond)
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
}

// A lease that etcd has lost is replaced, and a proof that had to be sent twice for that is as old as it was when it
// was first sent.
func TestLostLeaseDatesNoProofLater(t *testing.T) {
	f := newFleet(t)
	var mu sync.Mutex
	sent, confirmed := map[protocol.Time]bool{}, []protocol.Time{}
	c := f.Czar("one", deletion.GateTrace(func(s deletion.CzarStep) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range s.Effects {
			if x.Kind == protocol.CzarConfirm {
				sent[x.Sent] = true
			}
		}
		if s.Event.Kind == protocol.CzarConfirmed {
			confirmed = append(confirmed, s.Event.Sent)
		}
	}))
	lease := func() clientv3.LeaseID {
		got, err := f.Etcd.Get(t.Context(), f.CSS.Prefix()+"/alive/", clientv3.WithPrefix())
		require.NoError(t, err)
		if len(got.Kvs) == 0 {
			return clientv3.NoLease
		}
		return clientv3.LeaseID(got.Kvs[0].Lease)
	}
	before := lease()
	require.NotEqual(t, clientv3.NoLease, before)
	_, err := f.Etcd.Revoke(t.Context(), before)
	require.NoError(t, err)
	require.Eventually(t, func() bool { now := lease(); return now != clientv3.NoLease && now != before }, within,
		time.Millisecond)
	confirmations := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(confirmed)
	}
	known := confirmations()
	require.Eventually(t, func() bool { return confirmations() > known+1 }, within, time.Millisecond)
	require.NoError(t, c.Close(f.Soon()))
	mu.Lock()
	defer mu.Unlock()
	for _, at := range confirmed {
		assert.True(t, sent[at], "a proof counts from %v, when none was sent", at)
	}
}

// Whoever closes a gate that has given its registration up is told that drops may wait for it; nothing keeps it
// waiting.
func TestCloseWithoutAProof(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	css, link := f.behindProxy()
	c := f.With(css).Czar("cut off")
	link.Pause(proxy.Both)
	require.Eventually(t, func() bool { return c.Healthy() != nil }, within, time.Millisecond)
	err := c.Close(f.Soon())
	require.ErrorContains(t, err, "the registration that it had may stay until the coordinator ends it")
	require.EqualError(t, c.Close(f.Soon()), err.Error(), "again")
	assert.Len(t, f.Keys("czar/"), 1, "it stays")
}

// A gate does not open on a view that shows nothing any more.
func TestOpenGateOnAClosedView(t *testing.T) {
	f := newFleet(t)
	view := f.View()
	view.Close()
	_, err := deletion.OpenGate(f.Soon(), f.CSS, view)
	require.ErrorIs(t, err, deletion.ErrClosed)
	require.ErrorContains(t, err, "open the gate: the view was closed")
	assert.Empty(t, f.Keys("czar/"))
}
