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

// behindProxy returns the same fleet for czars whose connection can be cut off.
func (f *fleet) behindProxy() (*fleettest.Fleet, *proxy.Proxy) {
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
	return f.With(etcd), p
}

// stopsBeforeRemoval goes on with a query on Object that is cut off, until the table is removed: by then it may not.
func (f *fleet) stopsBeforeRemoval(running *deletion.Ref) {
	f.T.Helper()
	var stopped error
	for soon := f.Soon(); ; time.Sleep(time.Millisecond) {
		now := running.MayDispatch()
		require.False(f.T, now == nil && stopped != nil, "a czar that has stopped goes on only with etcd")
		stopped = now
		if _, gone := f.CSS.Table(soon, object); gone != nil {
			require.ErrorIs(f.T, gone, cssetcd.ErrNoSuchTable)
			require.ErrorIs(f.T, stopped, deletion.ErrStale, "the table is removed while a query may dispatch")
			return
		}
	}
}

// A czar that is cut off stops by itself before the drop goes on without it, and goes on when it has etcd back.
func TestCzarThatIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	cut, link := f.behindProxy()
	c := cut.Czar("cut off")
	running, bystander := c.Query(t, object), c.Query(t, source)
	link.Pause(proxy.Both)
	d := f.Drop(object)
	f.stopsBeforeRemoval(running)
	require.ErrorIs(t, errOf(c.Admit(c.Plan(t, source))), deletion.ErrStale)
	require.ErrorIs(t, c.Healthy(), deletion.ErrStale)
	require.NoError(t, d.Wait(f.Soon()))

	link.Resume()
	f.Await(func() bool { return c.Healthy() == nil })
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
	ok(t)(f.SetTiming(t.Context(), long))
	cut, link := f.behindProxy()
	c := cut.Czar("cut off")
	running := c.Query(t, object)
	goesOn := func(d time.Duration) {
		for began := time.Now(); time.Since(began) < d; time.Sleep(time.Millisecond) {
			require.NoError(t, running.MayDispatch())
			c.Query(t, source).Release()
		}
	}
	link.Pause(proxy.Both)
	goesOn(long.Fence / 4)
	link.Resume()
	goesOn(long.Fence / 10)
	running.Release()
}

// A czar that was evicted while it is cut off is left the time in which it may still dispatch.
func TestEvictedWhileCutOff(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	cut, link := f.behindProxy()
	running := cut.Czar("cut off").Query(t, object)
	link.Pause(proxy.Both)
	require.NoError(t, f.Evict(t.Context(), f.Registration().ID))
	d := f.Drop(object, deletion.Delay(0))
	f.stopsBeforeRemoval(running)
	require.NoError(t, d.Wait(f.Soon()))
	link.Resume()
	<-running.Done()
	running.Release()
}

// A gate that is closed admits nothing, waits for what runs, and can be closed again.
func TestCloseWaitsForQueries(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	running := c.Query(t, object)
	closed := make(chan error, 1)
	go func() { closed <- c.Close(f.Soon()) }()
	f.Await(func() bool {
		ref, err := c.Admit(c.Plan(t, source))
		ref.Release()
		return err != nil
	})
	require.ErrorIs(t, errOf(c.Admit(c.Plan(t, source))), deletion.ErrClosed)
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
	f, c := newFleet(t).withCzar()
	running := c.Query(t, object)
	c.View.Close()
	f.Await(func() bool { return c.Healthy() != nil })
	require.ErrorIs(t, c.Healthy(), deletion.ErrClosed)
	assert.Len(t, f.Keys("czar/"), 1)
	running.Release()
	f.AwaitNone("czar/")
	f.Dropped(object, deletion.Delay(0))
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
	ok(t)(f.Etcd.Revoke(t.Context(), before))
	require.Eventually(t, func() bool { now := lease(); return now != clientv3.NoLease && now != before }, within,
		time.Millisecond)
	confirmations := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(confirmed)
	}
	known := confirmations()
	f.Await(func() bool { return confirmations() > known+1 })
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
	cut, link := f.behindProxy()
	c := cut.Czar("cut off")
	link.Pause(proxy.Both)
	f.Await(func() bool { return c.Healthy() != nil })
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
