package deletion_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// What cannot be done is refused with a reason, and nothing is changed.
func TestRefusedDrops(t *testing.T) {
	f := newFleet(t)
	f.CreateChildren(director, child)
	before := f.Written()
	drop := func(n cssetcd.TableName, opts ...deletion.Option) error {
		return errOf(f.DropTable(t.Context(), n, opts...))
	}
	require.ErrorIs(t, drop(director), deletion.ErrHasChildren)
	require.ErrorIs(t, drop(cssetcd.TableName{DB: "Gaia", Table: "None"}), cssetcd.ErrNoSuchTable)
	require.ErrorIs(t, drop(cssetcd.TableName{DB: "None", Table: "None"}), cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, errOf(f.DropDatabase(t.Context(), "None")), cssetcd.ErrNoSuchDB)
	for _, bad := range []deletion.Option{
		deletion.Delay(time.Second), deletion.Delay(2500 * time.Millisecond), deletion.Delay(-1),
		deletion.After(time.Millisecond), deletion.Delay(48 * time.Hour), deletion.WithPolicy("soon"),
	} {
		require.ErrorIs(t, drop(object, bad), cssetcd.ErrInvalid)
	}
	require.ErrorIs(t, f.Undo(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Abandon(t.Context(), "LSST.Object"), deletion.ErrNoDrop)
	require.ErrorIs(t, f.Undo(t.Context(), "a.b.c"), cssetcd.ErrInvalid)
	assert.Equal(t, before, f.Written())
	require.NoError(t, drop(director, deletion.Force()))
}

// While czars are registered nothing is removed past the protocol, unless it is forced.
func TestNoSideDoor(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	running := c.Query(t, object)
	require.ErrorIs(t, errOf(f.CSS.DropTable(t.Context(), object)), cssetcd.ErrCzarsRegistered)
	require.ErrorIs(t, errOf(f.CSS.DropDatabase(t.Context(), "LSST")), cssetcd.ErrCzarsRegistered)
	require.ErrorIs(t, errOf(f.CSS.Raw().Delete(t.Context(), "/DBS/LSST/TABLES/Object")), cssetcd.ErrCzarsRegistered)
	rev, err := f.CSS.DropTable(t.Context(), object, cssetcd.Unsafe())
	require.NoError(t, err)
	ok(t)(c.View.WaitRevision(f.Soon(), rev))
	require.NoError(t, running.MayDispatch(), "the query knows nothing of it: that is what is unsafe")
}

// A delay that etcd cannot keep is refused, and is not made a longer one.
func TestDelayThatEtcdCannotKeep(t *testing.T) {
	t.Parallel()
	f := fleettest.On(t, testkit.Etcd(t, embedetcd.Options{Tick: 400 * time.Millisecond}))
	_, err := f.DropTable(t.Context(), object, deletion.Delay(2*time.Second))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	require.ErrorContains(t, err, "2s is shorter than the leases of this etcd, which last 6s at least")
	leases, err := f.Etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
	f.Drop(object, deletion.Delay(6*time.Second))
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
	assert.ErrorContains(t, err, "wait is 3s")
	assert.ErrorContains(t, err, "alive is 1.5s")
	now, err := f.Timing(t.Context())
	require.NoError(t, err)
	assert.Equal(t, quick, now)

	f.Put("config", `{"fence":"1h"}`)
	require.ErrorIs(t, errOf(deletion.OpenGate(t.Context(), f.CSS, f.View())), deletion.ErrTiming)
	c, err := coordinator.New(coordinator.Config{Catalogue: f.CSS, View: f.View()})
	require.NoError(t, err)
	require.ErrorIs(t, c.Run(t.Context()), deletion.ErrTiming)
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), object)), deletion.ErrTiming)
}
