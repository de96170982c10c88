package deletion

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/testkit"
)

// lonely is a gate without an etcd: what it begins is noted, and what comes of that is up to the test.
type lonely struct {
	*Gate
	t     testing.TB
	begun []protocol.CzarEffect
	there map[protocol.Name]protocol.Entry // what etcd holds
}

const survey = "Sky"

// unopened returns a gate that nobody has opened.
func unopened(t testing.TB) *Gate {
	config, err := gateConfigOf(nil)
	require.NoError(t, err)
	return closedGate(config)
}

// newLonely returns a gate that is registered, has a proof that lasts, and sees a database of tables.
func newLonely(t testing.TB, tables int) (*lonely, []*cssetcd.Table) {
	var all []*cssetcd.Table
	for i := range tables {
		all = append(all, &cssetcd.Table{Name: cssetcd.TableName{DB: survey, Table: fmt.Sprint("T", i)},
			Incarnation: cssetcd.Revision(10 + i)})
	}
	return lonelyWith(t, all), all
}

func lonelyWith(t testing.TB, tables []*cssetcd.Table) *lonely {
	g := &lonely{Gate: unopened(t), t: t, there: map[protocol.Name]protocol.Entry{}}
	g.latest = func() *cssetcd.Snapshot { return nil } // as seen
	g.act = func(_ context.Context, x protocol.CzarEffect) { g.begun = append(g.begun, x) }
	g.czar.Timing = DefaultTiming
	g.sees(protocol.DatabaseName(survey), protocol.Ready, 1, 1)
	for _, one := range tables {
		g.sees(nameOf(one), protocol.Ready, one.Incarnation, one.Incarnation)
	}
	g.register("one", 100)
	return g
}

func nameOf(t *cssetcd.Table) protocol.Name { return protocol.TableName(t.Name.DB, t.Name.Table) }

func (g *lonely) event(e protocol.CzarEvent) { g.step(g.t.Context(), e) }

// sees shows the gate something as a revision left it.
func (g *lonely) sees(n protocol.Name, s protocol.Standing, incarnation, modified protocol.Revision) {
	e := protocol.Entry{Standing: s, Incarnation: incarnation, Modified: modified}
	if g.there[n] = e; s == protocol.Gone {
		delete(g.there, n)
	}
	g.event(protocol.CzarEvent{Kind: protocol.CzarSaw, At: modified, Observations: []protocol.Observation{{Name: n,
		Entry: e}}})
}

// register has etcd accept a registration and its first proof.
func (g *lonely) register(id string, at protocol.Revision) {
	g.event(protocol.CzarEvent{Kind: protocol.CzarTicked})
	g.event(protocol.CzarEvent{Kind: protocol.CzarEntered, ID: id, At: at})
	whole := protocol.CzarEvent{Kind: protocol.CzarSaw, ID: id, At: at, Whole: true}
	for n, e := range g.there {
		whole.Observations = append(whole.Observations, protocol.Observation{Name: n, Entry: e})
	}
	g.event(whole)
	g.event(protocol.CzarEvent{Kind: protocol.CzarConfirmed, ID: id, Sent: g.clock.Now()})
}

func (g *lonely) query(tables ...*cssetcd.Table) Ref {
	g.t.Helper()
	ref, err := g.Admit(tables...)
	require.NoError(g.t, err)
	return ref
}

func (g *lonely) queries(t *cssetcd.Table) int { return g.slots.queriesOn(nameOf(t), t.Incarnation) }

func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// All copies of a Ref are one use, which ends once, whoever releases it how often.
func TestCopiesOfARefAreOneUse(t *testing.T) {
	g, tables := newLonely(t, 2)
	bystander := g.query(tables[0])
	for range 200 {
		ref := g.query(tables...)
		var all sync.WaitGroup
		for range 4 {
			held := ref
			all.Go(held.Release)
			all.Go(func() { _, _ = held.MayDispatch(), held.Done() })
		}
		all.Wait()
		require.Equal(t, 1, g.queries(tables[0]))
		require.Zero(t, g.queries(tables[1]))
	}
	require.NoError(t, bystander.MayDispatch())
	bystander.Release()
	require.Zero(t, g.slots.total())
}

// A Ref that was released has nothing to do with the query that got what it had.
func TestLateCallsOnARef(t *testing.T) {
	g, tables := newLonely(t, 1)
	var late []Ref
	for range 10 {
		ref := g.query(tables...)
		require.False(t, over(ref.Done()))
		for _, was := range late {
			was.Release()
			require.ErrorIs(t, was.MayDispatch(), ErrReleased)
			require.True(t, over(was.Done()))
		}
		require.NoError(t, ref.MayDispatch())
		require.Equal(t, 1, g.queries(tables[0]))
		require.False(t, over(ref.Done()))
		before, held := ref.Done(), ref
		assert.Equal(t, before, held.Done())
		held.Release()
		require.True(t, over(before), "it was asked for before Release")
		require.True(t, over(ref.Done()), "and after")
		late = append(late, ref)
	}
	assert.Empty(t, g.watches.all)
	var zero Ref // is one that was released
	zero.Release()
	require.ErrorIs(t, zero.MayDispatch(), ErrReleased)
	require.True(t, over(zero.Done()))
}

// What is no table of etcd's is refused, and nothing stays counted.
func TestAdmitRefusesWhatIsNoTable(t *testing.T) {
	g, tables := newLonely(t, 1)
	for _, wrong := range []*cssetcd.Table{nil, {}, {Name: tables[0].Name}} {
		ref, err := g.Admit(tables[0], wrong)
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		require.Zero(t, ref)
		require.Zero(t, g.slots.total())
	}
}

// A query without tables goes by the proof alone.
func TestQueryWithoutTables(t *testing.T) {
	g, _ := newLonely(t, 0)
	ref := g.query()
	require.NoError(t, ref.MayDispatch())
	require.Zero(t, g.slots.total())
	waiting := ref.Done()
	g.closing.Store(true)
	require.ErrorIs(t, testkit.Err(g.Admit()), ErrClosed)
	g.stopped.Store(true)
	g.watches.tellAll()
	require.True(t, over(waiting), "Close gave up")
	require.True(t, over(ref.Done()))
	require.ErrorIs(t, ref.MayDispatch(), ErrClosed)
}

// A query on more tables than have room inline is told of each of them, and counted on each.
func TestQueryOnManyTables(t *testing.T) {
	for told := range 7 {
		g, tables := newLonely(t, 7)
		ref, bystander := g.query(tables...), g.query(tables[(told+1)%7])
		waiting := ref.Done()
		name, incarnation := nameOf(tables[told]), tables[told].Incarnation
		g.sees(name, protocol.DropPending, incarnation, 200)
		g.event(protocol.CzarEvent{Kind: protocol.CzarConfirmed, ID: "one", Sent: g.clock.Now(),
			Cancel: []protocol.Cancelling{{Name: name, Mark: 200}}})
		require.ErrorIs(t, ref.MayDispatch(), ErrAborted, "table %d", told)
		require.True(t, over(waiting))
		require.NoError(t, bystander.MayDispatch())
		ref.Release()
		bystander.Release()
		require.Zero(t, g.slots.total())
	}
}

// A query that is refused because a database is blocked counts nowhere, and one that runs on its tables keeps the
// database.
func TestBlockedDatabase(t *testing.T) {
	g, tables := newLonely(t, 3)
	sky := protocol.DatabaseName(survey)
	running := g.query(tables[0], tables[1])
	g.sees(sky, protocol.DropPending, 1, 200)
	for _, planned := range tables {
		require.False(t, g.count(&Ref{gate: &g.admission}, planned))
	}
	require.Equal(t, 2, g.slots.total())
	require.NotContains(t, g.acknowledged(), sky)
	require.Empty(t, g.slots.drained())
	running.Release()
	require.True(t, over(g.kicks))
	g.drain(t.Context())
	require.Contains(t, g.acknowledged(), sky)
	// Made again, it is used by queries on what was made in it, and by no others.
	for i, old := range tables {
		g.sees(nameOf(old), protocol.Gone, 0, cssetcd.Revision(210+i))
	}
	g.sees(sky, protocol.Gone, 0, 220)
	assert.Empty(t, g.slots.databases, "nothing of it is kept")
	g.sees(sky, protocol.Ready, 230, 230)
	again := &cssetcd.Table{Name: tables[0].Name, Incarnation: 231}
	g.sees(nameOf(again), protocol.Ready, 231, 231)
	require.False(t, g.count(&Ref{gate: &g.admission}, tables[0]))
	later := g.query(again)
	g.sees(sky, protocol.DropPending, 230, 240)
	g.begun = nil
	g.drain(t.Context())
	require.NotContains(t, g.acknowledged(), sky, "a query uses the one that was made anew")
	later.Release()
	g.drain(t.Context())
	require.Contains(t, g.acknowledged(), sky)
}

// A table that appears in a database that is marked, or not there, is not open.
func TestTableOfADatabaseThatIsNotOpen(t *testing.T) {
	g, _ := newLonely(t, 0)
	g.sees(protocol.DatabaseName(survey), protocol.DropPending, 1, 200)
	inMarked := &cssetcd.Table{Name: cssetcd.TableName{DB: survey, Table: "New"}, Incarnation: 210}
	g.sees(nameOf(inMarked), protocol.Ready, 210, 210)
	early := &cssetcd.Table{Name: cssetcd.TableName{DB: "Early", Table: "T"}, Incarnation: 220}
	g.sees(nameOf(early), protocol.Ready, 220, 220)
	for _, closed := range []*cssetcd.Table{inMarked, early} {
		require.False(t, g.count(&Ref{gate: &g.admission}, closed))
	}
	g.sees(protocol.DatabaseName("Early"), protocol.Ready, 219, 230)
	g.sees(protocol.DatabaseName(survey), protocol.Ready, 1, 231)
	g.query(inMarked, early).Release()
	require.Zero(t, g.slots.total())
}

func (g *lonely) acknowledged() (names []protocol.Name) {
	for _, x := range g.begun {
		if x.Kind == protocol.CzarAcknowledge {
			names = append(names, x.Name)
		}
	}
	return names
}

// Without a proof no query is admitted, from the step in which that is known, and those that run go by the proof that
// they had.
func TestLostProofIsPublished(t *testing.T) {
	g, tables := newLonely(t, 1)
	running := g.query(tables...)
	g.event(protocol.CzarEvent{Kind: protocol.CzarRefused, ID: "one"})
	require.ErrorIs(t, testkit.Err(g.Admit(tables...)), ErrStale)
	require.ErrorIs(t, g.Healthy(), ErrStale)
	require.NoError(t, running.MayDispatch())
	// It registers anew; its queries are told to end before the new proof counts for them.
	g.sees(nameOf(tables[0]), protocol.DropPending, tables[0].Incarnation, 200)
	g.register("two", 300)
	require.ErrorIs(t, running.MayDispatch(), ErrAborted)
	running.Release()
}

// An etcd that went back takes all proofs with it.
func TestAnotherEtcdTakesTheProof(t *testing.T) {
	g, tables := newLonely(t, 1)
	running, idle := g.query(tables...), g.query()
	g.event(protocol.CzarEvent{Kind: protocol.CzarSawAnother, At: 5})
	require.ErrorIs(t, running.MayDispatch(), ErrAborted)
	require.ErrorIs(t, idle.MayDispatch(), ErrStale)
	require.ErrorIs(t, testkit.Err(g.Admit()), ErrStale)
	require.True(t, over(running.Done()))
	running.Release()
	g.drain(t.Context())
	assert.Zero(t, g.slots.index.live, "nothing of the other etcd is kept")
}

// A count cannot fall below nothing.
func TestSlotDoesNotUnderflow(t *testing.T) {
	var s slot
	require.False(t, s.release())
	require.Zero(t, s.queries())
	s.block(protocol.ByTable)
	s.block(protocol.ByDatabase)
	require.True(t, s.release())
	require.Zero(t, s.queries())
	s.open(protocol.ByTable)
	require.False(t, s.admit(), "its database is blocked")
	s.open(protocol.ByDatabase)
	require.True(t, s.admit())
}

// What is wrong with options is reported by the one who opens the gate, all of it.
func TestGateOptionsAreChecked(t *testing.T) {
	for name, opt := range map[string]GateOption{
		"nil": nil, "GateLogger": GateLogger(nil), "GateTrace": GateTrace(nil), "CzarName": CzarName(""),
		"printable": CzarName("two\nlines"), "bytes": CzarName(string(make([]byte, maxNameLength+1))),
		"CzarName: \"\\xff\"": CzarName("\xff"),
	} {
		_, err := gateConfigOf([]GateOption{CzarName("one"), opt, nil})
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, ";", "both are reported")
	}
	_, err := gateConfigOf([]GateOption{CzarName("czar-1, Zürich"), GateLogger(slog.Default()),
		GateTrace(func(CzarStep) {})})
	require.NoError(t, err)
}

// A gate that is closing leaves when the last query is released, whatever else is going on.
func TestClosingGateLeavesWhenEmpty(t *testing.T) {
	g, tables := newLonely(t, 2)
	one, two := g.query(tables[0]), g.query(tables[1])
	g.closing.Store(true)
	left := func() bool {
		g.leave(t.Context())
		return len(g.begun) > 0 && g.begun[len(g.begun)-1].Kind == protocol.CzarLeave
	}
	require.False(t, left())
	one.Release()
	require.True(t, over(g.kicks), "a release of a gate that is closing is told")
	require.False(t, left())
	two.Release()
	require.True(t, left())
	g.event(protocol.CzarEvent{Kind: protocol.CzarGone, ID: "one"})
	g.leave(t.Context())
	require.True(t, over(g.gone), "who waits is told that it left")
}

// shows are what views show: two tables that are READY, the first of them marked, and their database.
type shows struct{ ready, marked, databaseMarked *cssetcd.Snapshot }

func showsOf(t *testing.T) (s shows) {
	etcd := testkit.EtcdClient(t)
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	show := func(_ cssetcd.Revision, err error) *cssetcd.Snapshot {
		require.NoError(t, err)
		s, err := css.Snapshot(t.Context(), 0)
		require.NoError(t, err)
		return s
	}
	show(css.CreateDatabase(t.Context(), cssetcd.Database{Name: survey}))
	zero, one := cssetcd.TableName{DB: survey, Table: "T0"}, cssetcd.TableName{DB: survey, Table: "T1"}
	show(css.CreateTable(t.Context(), cssetcd.Table{Name: zero, Schema: "(a INT)"}))
	s.ready = show(css.CreateTable(t.Context(), cssetcd.Table{Name: one, Schema: "(a INT)"}))
	s.marked = show(css.SetTableStatus(t.Context(), zero, cssetcd.PendingDrop("")))
	show(css.SetTableStatus(t.Context(), zero, cssetcd.StatusReady))
	s.databaseMarked = show(css.SetDatabaseStatus(t.Context(), survey, cssetcd.PendingDrop("")))
	return s
}

func (s shows) tables(t testing.TB) (all []*cssetcd.Table) {
	for one, err := range s.ready.Tables(survey) {
		require.NoError(t, err)
		all = append(all, one)
	}
	return all
}

// What the view shows and the gate has not taken in yet is ErrStale where it is new, and refuses where it is marked;
// nothing stays counted.
func TestAdmitWhatIsNotSeenYet(t *testing.T) {
	s := showsOf(t)
	tables := s.tables(t)
	g := lonelyWith(t, tables[:1])
	g.seen.Store(s.ready)
	for _, one := range []struct {
		shown *cssetcd.Snapshot
		table *cssetcd.Table
		err   error
	}{
		{s.ready, tables[1], ErrStale}, {s.ready, tables[0], nil},
		{s.marked, tables[0], ErrDropPending},
		{s.databaseMarked, tables[0], ErrDropPending}, {s.databaseMarked, tables[1], ErrDropPending},
	} {
		g.latest = func() *cssetcd.Snapshot { return one.shown }
		ref, err := g.Admit(one.table)
		require.ErrorIs(t, err, one.err)
		ref.Release()
		require.Zero(t, g.slots.total())
	}
	g.closing.Store(true)
	require.ErrorIs(t, testkit.Err(g.Admit(tables[1])), ErrClosed, "whatever else is wrong")
}
