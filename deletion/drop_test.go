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
	f := newFleet(t)
	f.Coordinate()
	one, two := f.Czar("one"), f.Czar("two")
	running := one.Query(t, object)
	planned := one.Plan(t, object)

	d, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	for _, c := range []*fleettest.Czar{one, two} {
		_, err := c.View.WaitRevision(f.Soon(), d.Mark())
		require.NoError(t, err)
		_, err = c.Admit(planned)
		require.ErrorIs(t, err, deletion.ErrDropPending)
		c.Query(t, source, other).Release()
	}
	require.Eventually(t, func() bool {
		s, err := f.Status(t.Context(), "LSST.Object")
		require.NoError(t, err)
		return s.Left == 0 && len(s.Waiting) == 1 && s.Waiting[0].Name == "one" &&
			s.Waiting[0].Why == "1 query is running on it"
	}, within, 50*time.Millisecond)
	require.NoError(t, running.MayDispatch())
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
	_, err = f.CSS.Table(t.Context(), object)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	one.CatchUp(t)
	_, err = one.Admit(planned)
	require.ErrorIs(t, err, deletion.ErrGone)
	assert.Empty(t, f.Keys("drop/"))
	assert.Len(t, f.Keys("czar/"), 2)

	f.Create(object)
	assert.Len(t, f.Keys("fold/dbs/lsst/tables/object"), 1)
	again, err := f.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	_, err = one.View.WaitRevision(f.Soon(), again.Incarnation)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ref, err := one.Admit(again)
		ref.Release()
		return err == nil
	}, within, time.Millisecond)
	_, err = one.Admit(planned)
	require.ErrorIs(t, err, deletion.ErrGone)
}

// Without czars and queries a drop ends when its delay does.
func TestDropEndsWithItsDelay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("idle")
	for _, delay := range []time.Duration{0, 2 * time.Second} {
		began := time.Now()
		d, err := f.DropTable(t.Context(), object, deletion.Delay(delay))
		require.NoError(t, err)
		require.NoError(t, d.Wait(f.Soon()))
		assert.GreaterOrEqual(t, time.Since(began), delay)
		assert.Empty(t, f.Keys("drop/"))
		f.Create(object)
	}
	require.NoError(t, c.Healthy())
}

// A cancelled drop leaves everything as it was.
func TestCancelledDropLeavesNothing(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	running := c.Query(t, object)
	before := c.Plan(t, object)

	d, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	_, err = f.DropTable(t.Context(), object)
	require.ErrorIs(t, err, deletion.ErrDropPending)
	require.NoError(t, d.Cancel(t.Context()))
	require.ErrorIs(t, d.Wait(f.Soon()), deletion.ErrCancelled)
	require.ErrorIs(t, d.Cancel(t.Context()), deletion.ErrNoDrop)
	require.Eventually(t, func() bool {
		ref, err := c.Admit(before)
		ref.Release()
		return err == nil
	}, within, time.Millisecond)
	require.NoError(t, running.MayDispatch())
	running.Release()
	require.Eventually(t, func() bool { return len(f.Keys("drop/")) == 0 }, within, 50*time.Millisecond)
	now, err := f.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	assert.Equal(t, before.Incarnation, now.Incarnation)
	assert.Equal(t, cssetcd.StatusReady, now.Status)
}

// With After nothing changes for anybody until the time has come.
func TestLaterDrop(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	began := time.Now()
	d, err := f.DropTable(t.Context(), object, deletion.After(2*time.Second), deletion.Delay(0))
	require.NoError(t, err)
	s, err := f.Status(t.Context(), "LSST.Object")
	require.NoError(t, err)
	assert.Equal(t, deletion.PhaseRequested, s.Phase)
	assert.Positive(t, s.Left)
	for time.Since(began) < time.Second {
		c.Query(t, object).Release()
		time.Sleep(20 * time.Millisecond)
	}
	require.NoError(t, d.Wait(f.Soon()))
	assert.GreaterOrEqual(t, time.Since(began), 2*time.Second)

	_, err = f.DropTable(t.Context(), source, deletion.After(time.Minute))
	require.NoError(t, err)
	require.NoError(t, f.Undo(t.Context(), "LSST.Source"))
	assert.Empty(t, f.Keys("drop/"))
}

// A status that somebody writes by hand begins a drop, and READY by hand ends one.
func TestStatusesByHand(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	_, err := f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(f.Keys("drop/table/LSST/Object")) == 1 }, within, 10*time.Millisecond)
	table, err := f.CSS.Table(t.Context(), object)
	require.NoError(t, err)
	assert.Equal(t, cssetcd.PendingDrop("by=hand"), table.Status)
	_, err = f.CSS.SetTableStatus(t.Context(), object, cssetcd.StatusReady)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(f.Keys("drop/")) == 0 }, within, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		ref, err := c.Admit(c.Plan(t, object))
		ref.Release()
		return err == nil
	}, within, time.Millisecond)

	_, err = f.CSS.SetTableStatus(t.Context(), object, cssetcd.PendingDrop("by=hand"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := f.CSS.Table(t.Context(), object)
		return err != nil
	}, within, 50*time.Millisecond)
}

// A database is dropped with its tables, when no query uses any of them and drops of its tables have ended.
func TestDropOfADatabase(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	running := c.Query(t, source)
	planned := c.Plan(t, source)
	table, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	d, err := f.DropDatabase(t.Context(), "LSST")
	require.NoError(t, err)
	_, err = f.DropTable(t.Context(), source)
	require.ErrorIs(t, err, deletion.ErrDropPending)
	_, err = f.CSS.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "LSST", Table: "New"},
		Schema: "(id BIGINT)"})
	require.ErrorIs(t, err, cssetcd.ErrDropPending)
	_, err = c.View.WaitRevision(f.Soon(), d.Mark())
	require.NoError(t, err)
	_, err = c.Admit(planned)
	require.ErrorIs(t, err, deletion.ErrDropPending)
	require.NoError(t, table.Wait(f.Soon()))
	c.Query(t, other).Release()
	time.Sleep(quick.Delay)
	_, err = f.CSS.Database(t.Context(), "LSST")
	require.NoError(t, err)
	running.Release()
	require.NoError(t, d.Wait(f.Soon()))
	_, err = f.CSS.Database(t.Context(), "LSST")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	assert.Empty(t, f.Keys("drop/"))
	assert.Empty(t, f.Keys("fold/dbs/lsst"))
}

// With the policy to cancel, running queries are told to end when the agreed delay is over.
func TestPolicyCancelAbortsQueries(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	running, bystander := c.Query(t, object, source), c.Query(t, source)
	d, err := f.DropTable(t.Context(), object, deletion.WithPolicy(deletion.Cancel), deletion.Delay(2*time.Second))
	require.NoError(t, err)
	select {
	case <-running.Done():
		assert.Empty(t, f.Keys("drop/hold/"), "queries have the agreed delay")
	case <-time.After(within):
		t.Fatal("the query was not told to end")
	}
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrAborted)
	require.NoError(t, bystander.MayDispatch())
	select {
	case <-bystander.Done():
		t.Fatal("a query on another table was told to end")
	default:
	}
	_, err = f.CSS.Table(t.Context(), object)
	require.NoError(t, err, "the drop waits until the query has ended")
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

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, dead.Close(gone)) // as if it had died: the registration stays
	require.ErrorIs(t, running.MayDispatch(), deletion.ErrClosed)
	d, err := f.DropTable(t.Context(), object, deletion.Delay(0))
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
	assert.Empty(t, f.Keys("czar/"))
	assert.Empty(t, f.Keys("alive/"))
	assert.Empty(t, f.Keys("drop/"))
}

// A czar that is evicted by mistake registers anew, and its queries go on.
func TestEvictedCzarGoesOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.Coordinate()
	c := f.Czar("one")
	running := c.Query(t, object)
	czars, err := f.Czars(t.Context())
	require.NoError(t, err)
	require.Len(t, czars, 1)
	require.NoError(t, f.Evict(t.Context(), czars[0].ID))
	require.ErrorIs(t, f.Evict(t.Context(), "nobody"), deletion.ErrNoSuchCzar)
	require.Eventually(t, func() bool {
		now, err := f.Czars(t.Context())
		require.NoError(t, err)
		return len(now) == 1 && now[0].ID != czars[0].ID && now[0].Alive
	}, within, 20*time.Millisecond)
	require.NoError(t, running.MayDispatch())
	c.Query(t, object).Release()
	running.Release()
	d, err := f.DropTable(t.Context(), object)
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
}

// What one transaction created has one incarnation; a drop of one of them is none of the others.
func TestTablesOfOneTransaction(t *testing.T) {
	f := newFleet(t)
	f.Coordinate()
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{Name: "Pair"})
	one, two := cssetcd.TableName{DB: "Pair", Table: "One"}, cssetcd.TableName{DB: "Pair", Table: "Two"}
	b.CreateTable(cssetcd.Table{Name: one, Schema: "(id BIGINT)"})
	b.CreateTable(cssetcd.Table{Name: two, Schema: "(id BIGINT)"})
	_, err := f.CSS.Commit(t.Context(), &b)
	require.NoError(t, err)
	c := f.Czar("one")
	planned := c.Plan(t, one)
	require.Equal(t, planned.Incarnation, c.Plan(t, two).Incarnation)
	running := c.Query(t, two)
	d, err := f.DropTable(t.Context(), one, deletion.Delay(0), deletion.WithPolicy(deletion.Cancel))
	require.NoError(t, err)
	require.NoError(t, d.Wait(f.Soon()))
	require.NoError(t, running.MayDispatch())
	c.CatchUp(t)
	_, err = c.Admit(planned)
	require.ErrorIs(t, err, deletion.ErrGone)
	c.Query(t, two).Release()
	running.Release()
}
