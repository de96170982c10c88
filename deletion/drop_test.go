package deletion_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/fleettest"
)

// A drop waits for the query that is running, and for no other; a query after the mark is refused.
func TestDropWaitsForARunningQuery(t *testing.T) {
	t.Parallel()
	f := steady(t)
	f.Coordinate()
	one, two := f.Czar("one"), f.Czar("two")
	running := one.Query(t, object)
	planned := one.Plan(t, object)

	d := f.Drop(object)
	for _, c := range []*fleettest.Czar{one, two} {
		ok(t)(c.View.WaitRevision(f.Soon(), d.Mark()))
		require.ErrorIs(t, errOf(c.Admit(planned)), deletion.ErrDropPending)
		c.Query(t, source, other).Release()
	}
	f.Await(func() bool {
		s := f.Shown("LSST.Object")
		return s.Left == 0 && len(s.Waiting) == 1 && s.Waiting[0].Name == "one" &&
			s.Waiting[0].Why == "1 query is running on it"
	})
	require.NoError(t, running.MayDispatch())
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
	require.ErrorIs(t, errOf(f.CSS.Table(t.Context(), object)), cssetcd.ErrNoSuchTable)
	one.CatchUp(t)
	require.ErrorIs(t, errOf(one.Admit(planned)), deletion.ErrGone)
	assert.Empty(t, f.Keys("drop/"))
	assert.Len(t, f.Keys("czar/"), 2)

	f.Create(object)
	assert.Len(t, f.Keys("fold/dbs/lsst/tables/object"), 1)
	again := f.Table(object)
	ok(t)(one.View.WaitRevision(f.Soon(), again.Incarnation))
	one.AwaitAdmitted(t, object).Release()
	require.ErrorIs(t, errOf(one.Admit(planned)), deletion.ErrGone)
}

// Without czars and queries a drop ends when its delay does.
func TestDropEndsWithItsDelay(t *testing.T) {
	t.Parallel()
	f, c := steady(t).withCzar()
	for _, delay := range []time.Duration{0, 2 * time.Second} {
		began := time.Now()
		f.Dropped(object, deletion.Delay(delay))
		assert.GreaterOrEqual(t, time.Since(began), delay)
		assert.Empty(t, f.Keys("drop/"))
		f.Create(object)
	}
	require.NoError(t, c.Healthy())
}

// A cancelled drop leaves everything as it was.
func TestCancelledDropLeavesNothing(t *testing.T) {
	f, c := steady(t).withCzar()
	running := c.Query(t, object)
	before := c.Plan(t, object)

	d := f.Drop(object)
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), object)), deletion.ErrDropPending)
	created := errOf(f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: object}, cssetcd.IfNotExists()))
	require.ErrorIs(t, created, cssetcd.ErrDropPending, "it will go")
	require.NoError(t, d.Cancel(t.Context()))
	require.ErrorIs(t, d.Wait(f.Soon()), deletion.ErrCancelled)
	require.ErrorIs(t, d.Cancel(t.Context()), deletion.ErrNoDrop)
	c.AwaitAdmitted(t, object).Release()
	require.NoError(t, running.MayDispatch())
	running.Release()
	f.AwaitNone("drop/")
	now := f.Table(object)
	assert.Equal(t, before.Incarnation, now.Incarnation)
	assert.Equal(t, cssetcd.StatusReady, now.Status)
}

// With After nothing changes for anybody until the time has come.
func TestLaterDrop(t *testing.T) {
	t.Parallel()
	f, c := steady(t).withCzar()
	began := time.Now()
	d := f.Drop(object, deletion.After(2*time.Second), deletion.Delay(0))
	s := f.Shown("LSST.Object")
	assert.Equal(t, deletion.PhaseRequested, s.Phase)
	assert.Positive(t, s.Left)
	for time.Since(began) < time.Second {
		c.Query(t, object).Release()
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, d.Wait(f.Soon()))
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second)

	f.Drop(source, deletion.After(time.Minute))
	require.NoError(t, f.Undo(t.Context(), "LSST.Source"))
	assert.Empty(t, f.Keys("drop/"))
}

// A status that somebody writes by hand begins a drop, and READY by hand ends one.
func TestStatusesByHand(t *testing.T) {
	t.Parallel()
	f, c := steady(t).withCzar()
	ok(t)(f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand")))
	f.Await(func() bool { return len(f.Keys("drop/table/LSST/Object")) == 1 })
	assert.Equal(t, cssetcd.PendingDrop("by=hand"), f.Table(object).Status)
	ok(t)(f.CSS.SetTableStatus(t.Context(), object, cssetcd.StatusReady))
	f.AwaitNone("drop/")
	c.AwaitAdmitted(t, object).Release()

	ok(t)(f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand")))
	f.Await(func() bool {
		_, err := f.CSS.Table(t.Context(), object)
		return err != nil
	})
}

// A database is dropped with its tables, when no query uses any of them and drops of its tables have ended.
func TestDropOfADatabase(t *testing.T) {
	t.Parallel()
	f, c := steady(t).withCzar()
	running := c.Query(t, source)
	planned := c.Plan(t, source)
	table := f.Drop(object, deletion.Delay(0))
	d := f.Begin("LSST")
	require.ErrorIs(t, errOf(f.DropTable(t.Context(), source)), deletion.ErrDropPending)
	created := errOf(f.CSS.CreateDatabase(t.Context(), cssetcd.Database{Name: "LSST"}, cssetcd.IfNotExists()))
	require.ErrorIs(t, created, cssetcd.ErrDropPending, "it will go")
	ok(t)(c.View.WaitRevision(f.Soon(), d.Mark()))
	require.ErrorIs(t, errOf(c.Admit(planned)), deletion.ErrDropPending)
	require.NoError(t, table.Wait(f.Soon()))
	c.Query(t, other).Release()
	f.Await(func() bool { s := f.Shown("LSST"); return s.Left == 0 && !s.Occupied && len(s.Waiting) == 1 })
	ok(t)(f.CSS.Database(t.Context(), "LSST"))
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
	require.ErrorIs(t, errOf(f.CSS.Database(t.Context(), "LSST")), cssetcd.ErrNoSuchDB)
	assert.Empty(t, f.Keys("drop/"))
	assert.Empty(t, f.Keys("fold/dbs/lsst"))
}

// With the policy to cancel, running queries are told to end when the agreed delay is over.
func TestPolicyCancelAbortsQueries(t *testing.T) {
	t.Parallel()
	f, c := steady(t).withCzar()
	running, bystander := c.Query(t, object, source), c.Query(t, source)
	d := f.Drop(object, deletion.WithPolicy(deletion.Cancel), deletion.Delay(2*time.Second))
	select {
	case <-running.Done():
		assert.Empty(t, f.Keys("drop/hold/"), "queries have the agreed delay")
	case <-time.After(within):
		t.Fatal("the query was not told to end")
	}
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrAborted)
	require.NoError(t, bystander.MayDispatch())
	f.Table(object) // the drop waits until the query has ended
	running.Release()
	bystander.Release()
	require.NoError(t, d.Wait(f.Soon()))
}

// A czar that dies is not waited for for ever, and one that leaves in order not at all.
func TestDeadAndLeavingCzars(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	leaving, dead := f.Czar("leaving"), f.Czar("dead")
	leaving.Query(t, object).Release()
	require.NoError(t, leaving.Close(f.Soon()))
	assert.Len(t, f.Keys("czar/"), 1)
	running := dead.Query(t, object)
	told := running.Done()

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, dead.Close(gone)) // as if it had died: the registration stays
	<-told
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrClosed)
	require.Error(t, dead.Close(gone), "the registration is still there")
	f.Dropped(object, deletion.Delay(0))
	assert.Empty(t, f.Keys("czar/"))
	assert.Empty(t, f.Keys("alive/"))
	assert.Empty(t, f.Keys("drop/"))
}

// A czar that is evicted by mistake, or finds that etcd has another history, registers anew, and its queries go on.
func TestEvictedCzarGoesOn(t *testing.T) {
	t.Parallel()
	f, c := newFleet(t).withCzar()
	running := c.Query(t, object)
	before := f.Registration()
	require.NoError(t, f.Evict(t.Context(), before.ID))
	require.ErrorIs(t, f.Evict(t.Context(), "nobody"), deletion.ErrNoSuchCzar)
	now := f.AwaitAnother(before)
	ok(t)(f.ResetHistory(t.Context()))
	f.AwaitAnother(now)
	require.NoError(t, running.MayDispatch())
	c.AwaitAdmitted(t, object).Release()
	running.Release()
	f.Dropped(object)
}

// What one transaction created has one incarnation; a drop of one of them is none of the others.
func TestTablesOfOneTransaction(t *testing.T) {
	f := steady(t)
	f.Coordinate()
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{Name: "Pair"})
	one, two := cssetcd.TableName{DB: "Pair", Table: "One"}, cssetcd.TableName{DB: "Pair", Table: "Two"}
	b.CreateTable(cssetcd.Table{Name: one, Schema: "(id BIGINT)"})
	b.CreateTable(cssetcd.Table{Name: two, Schema: "(id BIGINT)"})
	ok(t)(f.CSS.Commit(t.Context(), &b))
	c := f.Czar("one")
	planned := c.Plan(t, one)
	require.Equal(t, planned.Incarnation, c.Plan(t, two).Incarnation)
	running := c.Query(t, two)
	f.Dropped(one, deletion.Delay(0), deletion.WithPolicy(deletion.Cancel))
	require.NoError(t, running.MayDispatch())
	c.CatchUp(t)
	require.ErrorIs(t, errOf(c.Admit(planned)), deletion.ErrGone)
	c.Query(t, two).Release()
	running.Release()
}
