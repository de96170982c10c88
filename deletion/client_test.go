package deletion_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// What cannot be done is refused with a reason, and nothing is changed.
func TestRefusedDrops(t *testing.T) {
	f := newFleet(t)
	director := cssetcd.TableName{DB: "Gaia", Table: "Director"}
	for _, name := range []string{"Director", "Child"} {
		_, err := f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "Gaia", Table: name},
			Schema:       "(id BIGINT)",
			Partitioning: &cssetcd.Partitioning{DirDB: "Gaia", DirTable: "Director", DirColumn: "id"}},
			cssetcd.AllowUnqueryable())
		require.NoError(t, err)
	}
	before, err := f.CSS.Snapshot(t.Context(), 0)
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
		deletion.Delay(time.Second), deletion.Delay(2500 * time.Millisecond), deletion.Delay(-1),
		deletion.After(time.Millisecond),
		deletion.Delay(48 * time.Hour), deletion.WithPolicy("soon"),
	} {
		require.ErrorIs(t, drop(object, bad), cssetcd.ErrInvalid)
	}
	require.ErrorIs(t, f.Undo(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Abandon(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Undo(t.Context(), "a.b.c"), cssetcd.ErrInvalid)
	after, err := f.CSS.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, before.Revision(), after.Revision())
	require.NoError(t, drop(director, deletion.Force()))
}

// While czars are registered nothing is removed past the protocol, unless it is forced.
func TestNoSideDoor(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	running := c.Query(t, object)
	_, err := f.CSS.DropTable(t.Context(), object)
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	_, err = f.CSS.DropDatabase(t.Context(), "LSST")
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	_, err = f.CSS.Raw().Delete(t.Context(), "/DBS/LSST/TABLES/Object")
	require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	dump, err := f.CSS.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	_ = dump
	rev, err := f.CSS.DropTable(t.Context(), object, cssetcd.Unsafe())
	require.NoError(t, err)
	_, err = c.View.WaitRevision(f.Soon(), rev)
	require.NoError(t, err)
	require.NoError(t, running.MayDispatch(), "the query knows nothing of it: that is what is unsafe")
}

// A trace of a real czar, replayed through the same step functions, has the same effects.
func TestTraceOfACzarReplays(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	var mu sync.Mutex
	var steps []deletion.CzarStep
	c := f.Czar("one", deletion.GateTrace(func(s deletion.CzarStep) {
		mu.Lock()
		steps = append(steps, s)
		mu.Unlock()
	}))
	running := c.Query(t, object)
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0), deletion.WithPolicy(deletion.Cancel))
	require.NoError(t, err)
	<-running.Done()
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
	require.NoError(t, c.Close(f.Soon()))

	replayed := protocol.Czar{Timing: quick}
	kinds := map[protocol.CzarEffectKind]int{}
	for i, s := range steps {
		require.Equal(t, s.Effects, replayed.Step(s.Event), "step %d: %+v", i, s.Event)
		for _, e := range s.Effects {
			kinds[e.Kind]++
		}
	}
	for _, kind := range []protocol.CzarEffectKind{
		protocol.CzarRegister, protocol.CzarConfirm, protocol.CzarBlock, protocol.CzarOpen, protocol.CzarAbort,
		protocol.CzarAcknowledge, protocol.CzarLeave,
	} {
		assert.Positive(t, kinds[kind], kind)
	}
}

// A delay that etcd cannot keep is refused, and is not made a longer one.
func TestDelayThatEtcdCannotKeep(t *testing.T) {
	etcd, err := testkit.Etcd(t, embedetcd.Options{Tick: 400 * time.Millisecond}).Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	f := fleettest.Of(t, etcd)
	_, err = f.DropTable(t.Context(), object, deletion.Delay(2*time.Second))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, "2s is shorter than the leases of this etcd, which last 6s at least")
	leases, err := etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
	_, err = f.DropTable(t.Context(), object, deletion.Delay(6*time.Second))
	require.NoError(t, err)
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

	_, err = f.Etcd.Put(t.Context(), f.CSS.Prefix()+"/config", `{"fence":"1h"}`)
	require.NoError(t, err)
	_, err = deletion.OpenGate(t.Context(), f.CSS, f.View())
	require.ErrorIs(t, err, deletion.ErrTiming)
	c, err := coordinator.New(coordinator.Config{Catalogue: f.CSS, View: f.View()})
	require.NoError(t, err)
	require.ErrorIs(t, c.Run(t.Context()), deletion.ErrTiming)
	_, err = f.DropTable(t.Context(), object)
	require.ErrorIs(t, err, deletion.ErrTiming)
}
