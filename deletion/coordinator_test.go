package deletion_test

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
	"github.com/qserv/css-etcd/deletion/protocol"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/embedetcd/embedetcdtest"
)

// dropper is a Dropper that fails as often as it is told to.
type dropper struct {
	mu    sync.Mutex
	fails int
	jobs  []deletion.Job
}

func (d *dropper) Drop(_ context.Context, j deletion.Job) error {
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

func (d *dropper) asked() []deletion.Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]deletion.Job(nil), d.jobs...)
}

func with(d deletion.Dropper) func(*deletion.CoordinatorConfig) {
	return func(c *deletion.CoordinatorConfig) { c.Dropper = d }
}

// A removal of data that fails is shown with its reason and tried again; the name is free only when it succeeds.
func TestFailedRemovalIsShownAndRetried(t *testing.T) {
	f := newFleet(t)
	d := &dropper{fails: 1000}
	f.coordinate(with(d))
	before, err := f.css.Table(t.Context(), object)
	require.NoError(t, err)
	drop, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context(), "LSST.Object")
		return err == nil && s.Phase == deletion.PhaseFailed && s.Attempts >= 1
	}, within, 10*time.Millisecond)
	s, err := f.Status(t.Context(), "LSST.Object")
	require.NoError(t, err)
	assert.Contains(t, s.Summary(), "the disk of worker 3 is on fire")
	_, err = f.css.CreateTable(t.Context(), cssetcd.Table{Name: object, Schema: "(id BIGINT)"})
	require.ErrorIs(t, err, cssetcd.ErrDropPending)
	require.ErrorIs(t, drop.Cancel(t.Context()), deletion.ErrTooLate)
	identity, err := f.css.Identity(t.Context())
	require.NoError(t, err)
	assert.Equal(t, deletion.Job{
		Database: "LSST", Incarnation: before.Incarnation, History: identity.History, Mark: drop.Mark(),
		Tables: []deletion.JobTable{{Table: "Object", Incarnation: before.Incarnation}},
	}, d.asked()[0])

	d.mu.Lock()
	d.fails = 0
	d.mu.Unlock()
	require.NoError(t, f.Retry(t.Context(), "LSST.Object"))
	require.NoError(t, drop.Wait(f.soon()))
	require.ErrorIs(t, f.Retry(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	f.create(object)
}

// A drop whose data cannot be removed is abandoned by hand, which frees the name.
func TestAbandonedDropFreesTheName(t *testing.T) {
	f := newFleet(t)
	f.coordinate(with(&dropper{fails: 1000}))
	drop, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	require.ErrorIs(t, f.Abandon(t.Context(), "LSST.Object"), deletion.ErrTooEarly)
	require.Eventually(t, func() bool { return f.Abandon(t.Context(), "LSST.Object") == nil }, within, 20*time.Millisecond)
	require.NoError(t, drop.Wait(f.soon()))
	assert.Empty(t, f.keys("drop/"))
	f.create(object)
}

// A job of a database names its tables, as they are when nothing can be added to them any more.
func TestJobOfADatabase(t *testing.T) {
	f := newFleet(t)
	d := &dropper{}
	f.coordinate(with(d))
	drop, err := f.DropDatabase(t.Context(), "LSST", deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, drop.Wait(f.soon()))
	jobs := d.asked()
	require.Len(t, jobs, 1)
	assert.True(t, jobs[0].Whole)
	require.Len(t, jobs[0].Tables, 2)
	assert.Equal(t, "Object", jobs[0].Tables[0].Table)
	assert.Equal(t, "Source", jobs[0].Tables[1].Table)
}

// When the coordinator is gone another one goes on, and what the first one still sends is refused.
func TestAnotherCoordinatorGoesOn(t *testing.T) {
	f := newFleet(t)
	var mu sync.Mutex
	leads := map[string]bool{}
	traced := func(name string) func(*deletion.CoordinatorConfig) {
		return func(c *deletion.CoordinatorConfig) {
			c.Name = name
			c.Trace = func(s deletion.CoordinatorStep) {
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
	stop := f.coordinate(traced("first"))
	require.Eventually(t, func() bool { return leading("first") }, within, 10*time.Millisecond)
	f.coordinate(traced("second"))
	key := f.keys("coordinator/")[0]
	drop, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	stop()
	require.Eventually(t, func() bool { return leading("second") }, within, 10*time.Millisecond)
	require.NoError(t, drop.Wait(f.soon()))
	assert.NotContains(t, f.keys("coordinator/"), key)
}

// tracker says what it is told to.
type tracker struct {
	mu     sync.Mutex
	reason string
	jobs   []deletion.Job
}

func (k *tracker) Clear(_ context.Context, j deletion.Job) (bool, string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.jobs = append(k.jobs, j)
	return k.reason == "", k.reason, nil
}

// A drop waits for queries of czars that do not speak the protocol.
func TestTrackerHoldsADropUp(t *testing.T) {
	f := newFleet(t)
	k := &tracker{reason: "query 17 of a C++ czar"}
	f.coordinate(func(c *deletion.CoordinatorConfig) { c.Tracker = k })
	drop, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	time.Sleep(3 * time.Second)
	_, err = f.css.Table(t.Context(), object)
	require.NoError(t, err)
	k.mu.Lock()
	k.reason = ""
	assert.Equal(t, drop.Mark(), k.jobs[0].Mark)
	k.mu.Unlock()
	require.NoError(t, drop.Wait(f.soon()))
}

// Settings that do not fit together are refused when they are set, and nobody runs against them.
func TestSettingsAreChecked(t *testing.T) {
	require.NoError(t, deletion.DefaultTiming.Check())
	f := newFleet(t)
	bad := quick
	bad.Wait = bad.Fence
	bad.Alive = 1500 * time.Millisecond
	_, err := f.SetTiming(t.Context(), bad)
	require.ErrorIs(t, err, deletion.ErrTiming)
	assert.ErrorContains(t, err, "wait is 1s")
	assert.ErrorContains(t, err, "alive is 1.5s")
	now, err := f.Timing(t.Context())
	require.NoError(t, err)
	assert.Equal(t, quick, now)

	_, err = f.etcd.Put(t.Context(), f.css.Prefix()+"/config", `{"fence":"1h"}`)
	require.NoError(t, err)
	_, err = deletion.OpenGate(t.Context(), f.css, f.view())
	require.ErrorIs(t, err, deletion.ErrTiming)
	c, err := deletion.NewCoordinator(deletion.CoordinatorConfig{Catalogue: f.css, View: f.view()})
	require.NoError(t, err)
	require.ErrorIs(t, c.Run(t.Context()), deletion.ErrTiming)
	_, err = f.DropTable(t.Context(), object)
	require.ErrorIs(t, err, deletion.ErrTiming)
}

// What cannot be done is refused with a reason, and nothing is changed.
func TestRefusedDrops(t *testing.T) {
	f := newFleet(t)
	director := cssetcd.TableName{DB: "Gaia", Table: "Director"}
	for _, name := range []string{"Director", "Child"} {
		_, err := f.css.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "Gaia", Table: name}, Schema: "(id BIGINT)",
			Partitioning: &cssetcd.Partitioning{DirDB: "Gaia", DirTable: "Director", DirColumn: "id"}}, cssetcd.AllowUnqueryable())
		require.NoError(t, err)
	}
	before, err := f.css.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	drop := func(n cssetcd.TableName, opts ...deletion.Option) error {
		_, err := f.DropTable(t.Context(), n, opts...)
		return err
	}
	require.ErrorIs(t, drop(director), deletion.ErrHasChildren)
	require.ErrorIs(t, drop(cssetcd.TableName{DB: "Gaia", Table: "None"}), cssetcd.ErrNoSuchTable)
	require.ErrorIs(t, drop(cssetcd.TableName{DB: "None", Table: "None"}), cssetcd.ErrNoSuchDB)
	_, err = f.DropDatabase(t.Context(), "None")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	for _, bad := range []deletion.Option{
		deletion.Delay(time.Second), deletion.Delay(2500 * time.Millisecond), deletion.Delay(-1), deletion.After(time.Millisecond),
		deletion.Delay(48 * time.Hour), deletion.WithPolicy("soon"),
	} {
		require.ErrorIs(t, drop(object, bad), cssetcd.ErrInvalid)
	}
	require.ErrorIs(t, f.Undo(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Abandon(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Undo(t.Context(), "a.b.c"), cssetcd.ErrInvalid)
	after, err := f.css.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, before.Revision(), after.Revision())
	require.NoError(t, drop(director, deletion.Force()))
}

// While czars are registered nothing is removed past the protocol, unless it is forced.
func TestNoSideDoor(t *testing.T) {
	f := newFleet(t)
	c := f.czar("one")
	running := c.query(t, object)
	_, err := f.css.DropTable(t.Context(), object)
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	_, err = f.css.DropDatabase(t.Context(), "LSST")
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	_, err = f.css.Raw().Delete(t.Context(), "/DBS/LSST/TABLES/Object")
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	dump, err := f.css.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	_ = dump
	rev, err := f.css.DropTable(t.Context(), object, cssetcd.Unsafe())
	require.NoError(t, err)
	_, err = c.view.WaitRevision(f.soon(), rev)
	require.NoError(t, err)
	require.NoError(t, running.MayDispatch(), "the query knows nothing of it: that is what is unsafe")
}

// A trace of a real czar, replayed through the same step functions, has the same effects.
func TestTraceOfACzarReplays(t *testing.T) {
	f := newFleet(t)
	f.coordinate()
	var mu sync.Mutex
	var steps []deletion.CzarStep
	c := f.czar("one", deletion.GateTrace(func(s deletion.CzarStep) {
		mu.Lock()
		steps = append(steps, s)
		mu.Unlock()
	}))
	running := c.query(t, object)
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0), deletion.WithPolicy(deletion.Cancel))
	require.NoError(t, err)
	<-running.Done()
	running.Release()
	require.NoError(t, d.Wait(f.soon()))
	require.NoError(t, c.Close(f.soon()))

	replayed := protocol.Czar{Timing: quick}
	kinds := map[protocol.CzarEffectKind]int{}
	for i, s := range steps {
		require.Equal(t, s.Effects, replayed.Step(s.Event), "step %d: %+v", i, s.Event)
		for _, e := range s.Effects {
			kinds[e.Kind]++
		}
	}
	for _, kind := range []protocol.CzarEffectKind{
		protocol.CzarRegister, protocol.CzarConfirm, protocol.CzarBlock, protocol.CzarOpen, protocol.CzarAbort, protocol.CzarAcknowledge, protocol.CzarLeave,
	} {
		assert.Positive(t, kinds[kind], kind)
	}
}

// A delay that etcd cannot keep is refused, and is not made a longer one.
func TestDelayThatEtcdCannotKeep(t *testing.T) {
	etcd, err := embedetcdtest.ForTest(t, embedetcd.Options{Tick: 400 * time.Millisecond}).Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	f := fleetOf(t, etcd)
	_, err = f.DropTable(t.Context(), object, deletion.Delay(2*time.Second))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, "2s is shorter than the leases of this etcd, which last 6s at least")
	leases, err := etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
	_, err = f.DropTable(t.Context(), object, deletion.Delay(6*time.Second))
	require.NoError(t, err)
}

// A lease of a coordinator lasts whole seconds.
func TestTTLOfACoordinator(t *testing.T) {
	f := newFleet(t)
	for ttl, fits := range map[time.Duration]bool{time.Second: true, 0: true, 3 * time.Second: true, 999 * time.Millisecond: false, 1500 * time.Millisecond: false, -time.Second: false} {
		_, err := deletion.NewCoordinator(deletion.CoordinatorConfig{Catalogue: f.css, View: f.view(), TTL: ttl})
		if fits {
			require.NoError(t, err, ttl)
		} else {
			require.ErrorIs(t, err, cssetcd.ErrInvalid, ttl)
		}
	}
}
