package deletion_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

// Records that nobody can read hold nothing up but themselves, and can be removed.
func TestUnreadableRecords(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	f.Put("drop/table/LSST/Source", "garbage")
	f.Put("drop/table/LSST", `{"phase":"dropping"}`)
	f.Put("drop/db/LSST/Object", `{"phase":"dropping"}`)
	f.Put("drop/nothing/known", "")
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
	_, err = f.Czars(t.Context())
	require.NoError(t, err)
	all, err := f.Drops(t.Context())
	require.ErrorContains(t, err, "drop/table/LSST/Source")
	assert.Empty(t, all)
	_, err = f.DropTable(t.Context(), source)
	require.ErrorIs(t, err, deletion.ErrDropPending)
	require.NoError(t, f.Abandon(t.Context(), "LSST.Source"))
	_, err = f.DropTable(t.Context(), source)
	require.NoError(t, err)
}

// Whatever is below czar/ is taken for a czar, and ends as a silent one does.
func TestStrayRegistrations(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	f.Put("czar/a/b", `{"name":"stray","fence":"1s"}`)
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
	assert.Empty(t, f.Keys("czar/"))
}

// A gate that is closing keeps its registration for the queries that run, and gets another when it loses it.
func TestClosingGateRegistersAnew(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("closing")
	running := c.Query(t, object)
	closed := make(chan error, 1)
	go func() { closed <- c.Close(f.Soon()) }()
	require.Eventually(t, func() bool { return c.Healthy() != nil }, within, time.Millisecond)
	before, err := f.Czars(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.Evict(t.Context(), before[0].ID))
	require.Eventually(t, func() bool {
		now, err := f.Czars(t.Context())
		require.NoError(t, err)
		return len(now) == 1 && now[0].ID != before[0].ID
	}, within, 10*time.Millisecond)
	time.Sleep(2 * quick.Fence)
	require.NoError(t, running.MayDispatch())
	running.Release()
	require.NoError(t, <-closed)
	assert.Empty(t, f.Keys("czar/"))
}

// A status that was written by hand over another one gives way to that one again.
func TestCancelBringsBackWhatWas(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	_, err := f.CSS.SetTableStatus(t.Context(), object, cssetcd.StatusIgnore)
	require.NoError(t, err)
	_, err = f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.Undo(t.Context(), "LSST.Object") == nil }, within, 10*time.Millisecond)
	now, err := f.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	assert.Equal(t, cssetcd.StatusIgnore, now.Status)
}

// Durations with which nothing can be calculated, or that would keep everybody busy, are refused.
func TestDurationsBeyondReason(t *testing.T) {
	for _, change := range []func(*deletion.Timing){
		func(t *deletion.Timing) { t.Confirm = time.Nanosecond },
		func(t *deletion.Timing) { t.Confirm = math.MaxInt64 },
		func(t *deletion.Timing) { t.Fence = math.MaxInt64 },
		func(t *deletion.Timing) { t.Wait = -1 },
		func(t *deletion.Timing) { t.Alive = 100_000 * time.Hour },
	} {
		timing := deletion.DefaultTiming
		change(&timing)
		require.ErrorIs(t, timing.Check(), deletion.ErrTiming, "%+v", timing)
	}
}

// A table that is marked cannot be created, also not if it does not exist: it will go.
func TestCreatingWhatIsMarked(t *testing.T) {
	f := newFleet(t)
	_, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	_, err = f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: object, Schema: "(id BIGINT)"}, cssetcd.IfNotExists())
	require.ErrorIs(t, err, cssetcd.ErrDropPending)
	_, err = f.DropDatabase(t.Context(), "Gaia")
	require.NoError(t, err)
	_, err = f.CSS.CreateDatabase(t.Context(), cssetcd.Database{Name: "Gaia"}, cssetcd.IfNotExists())
	require.ErrorIs(t, err, cssetcd.ErrDropPending)
}

// Queries that asked to be told, and those that come too late for it.
func TestDoneAfterTheEnd(t *testing.T) {
	f := newFleet(t)
	c := f.Czar("one")
	released := c.Query(t, object)
	released.Release()
	<-released.Done()
	running := c.Query(t, object)
	waiting := running.Done()
	gone, cancel := contextThatIsOver(t)
	defer cancel()
	require.Error(t, c.Close(gone))
	<-waiting
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrClosed)
	require.Error(t, c.Close(gone), "the registration is still there")
	running.Release()
}

// A database of more tables than an intent can name is not marked, since it could never be executed; forced or not.
func TestDatabaseThatIsTooLarge(t *testing.T) {
	f := newFleet(t)
	const tables, together = 10_001, 100
	for first := 0; first < tables; first += together {
		var puts []clientv3.Op
		for i := first; i < min(first+together, tables); i++ {
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("%s/css/DBS/Gaia/TABLES/T%d", f.CSS.Prefix(), i), "READY"))
		}
		_, err := f.Etcd.Txn(t.Context()).Then(puts...).Commit()
		require.NoError(t, err)
	}
	_, err := f.DropDatabase(t.Context(), "Gaia")
	require.ErrorIs(t, err, cssetcd.ErrTooLarge)
	_, err = f.DropDatabase(t.Context(), "Gaia", deletion.Force())
	require.ErrorIs(t, err, cssetcd.ErrTooLarge)
	assert.Empty(t, f.Keys("drop/"))
}
