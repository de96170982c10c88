package deletion_test

import (
	"fmt"
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
	f.Dropped(object, deletion.Delay(0))
	ok(t)(f.Czars(t.Context()))
	all, err := f.Drops(t.Context())
	require.ErrorContains(t, err, "drop/table/LSST/Source")
	assert.Empty(t, all)
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), source)), deletion.ErrDropPending)
	require.NoError(t, f.Abandon(t.Context(), "LSST.Source"))
	f.Drop(source)
}

// Whatever is below czar/ is taken for a czar, and ends as a silent one does.
func TestStrayRegistrations(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	f.Put("czar/a/b", `{"name":"stray","fence":"1s"}`)
	f.Dropped(object, deletion.Delay(0))
	assert.Empty(t, f.Keys("czar/"))
}

// A gate that is closing keeps its registration for the queries that run, and gets another when it loses it.
func TestClosingGateRegistersAnew(t *testing.T) {
	t.Parallel()
	f, c := newFleet(t).withCzar()
	running := c.Query(t, object)
	closed := make(chan error, 1)
	go func() { closed <- c.Close(f.Soon()) }()
	f.Await(func() bool { return c.Healthy() != nil })
	before := f.Registration()
	require.NoError(t, f.Evict(t.Context(), before.ID))
	f.AwaitAnother(before)
	time.Sleep(2 * quick.Fence)
	require.NoError(t, running.MayDispatch())
	running.Release()
	require.NoError(t, <-closed)
	f.AwaitNone("czar/")
}

// A status that was written by hand over another one gives way to that one again.
func TestCancelBringsBackWhatWas(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	ok(t)(f.CSS.SetTableStatus(t.Context(), object, cssetcd.StatusIgnore))
	ok(t)(f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand")))
	f.Await(func() bool { return f.Undo(t.Context(), "LSST.Object") == nil })
	assert.Equal(t, cssetcd.StatusIgnore, f.Table(object).Status)
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
		ok(t)(f.Etcd.Txn(t.Context()).Then(puts...).Commit())
	}
	require.ErrorIs(t, errOf(f.DropDatabase(t.Context(), "Gaia")), cssetcd.ErrTooLarge)
	require.ErrorIs(t, errOf(f.DropDatabase(t.Context(), "Gaia", deletion.Force())), cssetcd.ErrTooLarge)
	assert.Empty(t, f.Keys("drop/"))
}
