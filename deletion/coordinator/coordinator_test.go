package coordinator_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { fleettest.Main(m) }

const within = fleettest.Within

var ok, errOf = testkit.OK, testkit.Err

var object = fleettest.Object

type fleet struct{ *fleettest.Fleet }

func newFleet(t testing.TB) *fleet {
	t.Helper()
	return &fleet{fleettest.New(t)}
}

// dropper is a Dropper that fails as often as it is told to.
type dropper struct {
	mu    sync.Mutex
	fails int
	jobs  []coordinator.Job
}

func (d *dropper) Drop(_ context.Context, j coordinator.Job) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	j.Held, j.Tell = nil, nil // so that jobs can be compared
	d.jobs = append(d.jobs, j)
	if d.fails > 0 {
		d.fails--
		return errors.New("the disk of worker 3 is on fire")
	}
	return nil
}

func (d *dropper) asked() []coordinator.Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]coordinator.Job(nil), d.jobs...)
}

func with(d coordinator.Dropper) func(*coordinator.Config) {
	return func(c *coordinator.Config) { c.Dropper = d }
}

// A removal of data that fails is shown with its reason and tried again; the name is free only when it succeeds.
func TestFailedRemovalIsShownAndRetried(t *testing.T) {
	f := newFleet(t)
	d := &dropper{fails: 1000}
	f.Coordinate(with(d))
	before := f.Table(object)
	drop := f.Drop(object, deletion.Delay(0))
	f.Await(func() bool { s := f.Shown("LSST.Object"); return s.Phase == deletion.PhaseFailed && s.Attempts >= 1 })
	assert.Contains(t, f.Shown("LSST.Object").Summary(), "the disk of worker 3 is on fire")
	require.ErrorIs(t, errOf(f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: object})), cssetcd.ErrDropPending)
	require.ErrorIs(t, drop.Cancel(t.Context()), deletion.ErrTooLate)
	identity, err := f.CSS.Identity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, coordinator.Job{
		Database: "LSST", Incarnation: before.Incarnation, History: identity.History, Mark: drop.Mark(),
		Tables: []coordinator.JobTable{{Table: "Object", Incarnation: before.Incarnation}},
	}, d.asked()[0])

	d.mu.Lock()
	d.fails = 0
	d.mu.Unlock()
	require.NoError(t, f.Retry(t.Context(), "LSST.Object"))
	require.NoError(t, drop.Wait(f.Soon()))
	require.ErrorIs(t, f.Retry(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	f.Create(object)
}

// A drop whose data cannot be removed is abandoned by hand, which frees the name.
func TestAbandonedDropFreesTheName(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate(with(&dropper{fails: 1000}))
	drop := f.Drop(object)
	require.ErrorIs(t, f.Abandon(t.Context(), "LSST.Object"), deletion.ErrTooEarly)
	f.Await(func() bool { return f.Abandon(t.Context(), "LSST.Object") == nil })
	require.NoError(t, drop.Wait(f.Soon()))
	assert.Empty(t, f.Keys("drop/"))
	f.Create(object)
}

// A job of a database names its tables, as they are when nothing can be added to them any more.
func TestJobOfADatabase(t *testing.T) {
	f := newFleet(t)
	d := &dropper{}
	f.Coordinate(with(d))
	require.NoError(t, f.Begin("LSST", deletion.Delay(0)).Wait(f.Soon()))
	jobs := d.asked()
	require.Len(t, jobs, 1)
	assert.True(t, jobs[0].Whole)
	require.Len(t, jobs[0].Tables, 2)
	assert.Equal(t, "Object", jobs[0].Tables[0].Table)
	assert.Equal(t, "Source", jobs[0].Tables[1].Table)
}

// When the coordinator is gone another one goes on, and what the first one still sends is refused.
func TestAnotherCoordinatorGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var mu sync.Mutex
	leads := map[string]bool{}
	traced := func(name string) func(*coordinator.Config) {
		return func(c *coordinator.Config) {
			c.Name = name
			c.Trace = func(s coordinator.Step) {
				mu.Lock()
				leads[name] = s.Leading
				mu.Unlock()
			}
		}
	}
	leading := func(name string) bool {
		mu.Lock()
		defer mu.Unlock()
		return leads[name]
	}
	stop := f.Coordinate(traced("first"))
	f.Await(func() bool { return leading("first") })
	f.Coordinate(traced("second"))
	key := f.Keys("coordinator/")[0]
	drop := f.Drop(object)
	stop()
	f.Await(func() bool { return leading("second") })
	require.NoError(t, drop.Wait(f.Soon()))
	assert.NotContains(t, f.Keys("coordinator/"), key)
}

// tracker is asked in vain until it is clear.
type tracker struct {
	asked chan coordinator.Job
	clear chan struct{}
}

func (k tracker) Clear(ctx context.Context, j coordinator.Job) (bool, string, error) {
	select {
	case k.asked <- j:
		return false, "query 17 of a C++ czar", nil
	case <-k.clear:
		return true, "", nil
	case <-ctx.Done():
		return false, "", ctx.Err()
	}
}

// A drop waits for queries of czars that do not speak the protocol.
func TestTrackerHoldsADropUp(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := tracker{make(chan coordinator.Job), make(chan struct{})}
	f.Coordinate(func(c *coordinator.Config) { c.Tracker = k })
	drop := f.Drop(object, deletion.Delay(0))
	for range 2 { // it is asked again and again
		assert.Equal(t, drop.Mark(), (<-k.asked).Mark)
	}
	f.Table(object)
	close(k.clear)
	require.NoError(t, drop.Wait(f.Soon()))
}

// A lease of a coordinator lasts whole seconds.
func TestTTLOfACoordinator(t *testing.T) {
	f := newFleet(t)
	for ttl, fits := range map[time.Duration]bool{time.Second: true, 0: true, 3 * time.Second: true,
		999 * time.Millisecond: false, 1500 * time.Millisecond: false, -time.Second: false} {
		_, err := coordinator.New(coordinator.Config{Catalogue: f.CSS, View: f.View(), TTL: ttl})
		if fits {
			require.NoError(t, err, ttl)
		} else {
			require.ErrorIs(t, err, cssetcd.ErrInvalid, ttl)
		}
	}
}

// Coordinators whose election keys are deleted while their leases live stand again by themselves, and drops go on.
func TestElectionKeysAreDeleted(t *testing.T) {
	for name, n := range map[string]int{"of the only one": 1, "of two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			for range n {
				f.Coordinate()
			}
			f.Await(func() bool { return len(f.Keys("coordinator/")) == n })
			for _, name := range []string{"LSST.Object", "LSST"} { // the second time by those that stood again
				old := f.Keys("coordinator/")
				for _, key := range old {
					ok(t)(f.Etcd.Delete(t.Context(), f.CSS.Prefix()+"/"+key))
				}
				require.NoError(t, f.Begin(name, deletion.Delay(0)).Wait(f.Soon()))
				f.Await(func() bool { return len(f.Keys("coordinator/")) == n })
				require.NotSubset(t, old, f.Keys("coordinator/"))
			}
		})
	}
}
