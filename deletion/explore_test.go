//go:build explore

package deletion

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// explorer runs some threads one at a time, in every order of their uses of what they share that can make a difference:
// of two uses that do not depend on each other it tries one order (sleep sets). The code that runs is that of the gate.
type explorer struct {
	threads []*thread
	running *thread
	ignored []any  // what may be used in any order
	wrong   string // the first violation
	path    []choice
	runs    int
}

type thread struct {
	name     string
	next     func() (access, bool)
	stop     func()
	yield    func(access) bool
	pending  access
	finished bool
}

// choice is one place where it was to be decided who goes on.
type choice struct {
	enabled, asleep uint
	chosen          int
}

// abandoned ends a thread whose run is not of interest any more.
type abandoned struct{}

// violated notes that something must not have happened.
func (x *explorer) violated(format string, args ...any) {
	if x.wrong == "" {
		x.wrong = fmt.Sprintf(format, args...)
	}
}

// note is a use of what the test itself knows of all threads, so that it is tried in every order, too. What queries
// note of themselves, without a write, does not depend on each other.
func (x *explorer) note(write bool) { reach(x, write) }

func (x *explorer) spawn(name string, body func()) {
	t := &thread{name: name}
	t.next, t.stop = iter.Pull(func(yield func(access) bool) {
		t.yield = yield
		defer func() {
			if r := recover(); r != nil && r != (abandoned{}) {
				x.violated("%s panics: %v", name, r)
			}
		}()
		body()
	})
	x.threads = append(x.threads, t)
}

// reached is called by the thread that runs.
func (x *explorer) reached(a access) {
	if x.running == nil || slices.Contains(x.ignored, a.of) {
		return // before the threads, or after them
	}
	if !x.running.yield(a) {
		x.running = nil
		panic(abandoned{})
	}
}

// advance lets a thread go on until its next use of something shared.
func (x *explorer) advance(t *thread) {
	x.running = t
	a, more := t.next()
	x.running = nil
	t.pending, t.finished = a, !more
}

func (a access) dependsOn(b access) bool { return a.of == b.of && (a.write || b.write) }

// explore tries a scenario, which sets up threads and returns what has to be true in the end. It returns the first
// violation.
func (x *explorer) explore(setUp func(*explorer) (finally func())) string {
	reached = x.reached
	defer func() { reached = nil }()
	for {
		x.runs++
		x.threads = nil
		finally := setUp(x)
		if whole := x.run(); whole && x.wrong == "" {
			finally()
		}
		for _, t := range x.threads {
			x.running = t
			t.stop()
		}
		x.running = nil
		if x.wrong != "" || !x.backtrack() {
			return x.wrong
		}
	}
}

// run runs the threads along the path, and beyond its end where nobody was yet. It reports false when what is left was
// tried in another order.
func (x *explorer) run() bool {
	for _, t := range x.threads {
		x.advance(t)
	}
	var asleep uint
	for depth := 0; x.wrong == ""; depth++ {
		if depth == len(x.path) {
			enabled, left := x.enabled()
			if !left {
				return true
			}
			x.path = append(x.path, choice{enabled: enabled, asleep: asleep, chosen: -1})
			if enabled == 0 {
				x.violated("nobody can go on")
			}
			if enabled == 0 || !x.path[depth].choose() {
				return false
			}
		}
		c := x.path[depth]
		chosen := x.threads[c.chosen]
		asleep = 0
		for i, t := range x.threads {
			if c.asleep&(1<<i) != 0 && !t.finished && !t.pending.dependsOn(chosen.pending) {
				asleep |= 1 << i
			}
		}
		x.advance(chosen)
	}
	return false
}

func (x *explorer) enabled() (enabled uint, left bool) {
	for i, t := range x.threads {
		if !t.finished {
			left = true
			if t.pending.free == nil || t.pending.free() {
				enabled |= 1 << i
			}
		}
	}
	return enabled, left
}

// choose takes the next thread that is to be tried here.
func (c *choice) choose() bool {
	for i := range 8 {
		if bit := uint(1) << i; c.enabled&bit != 0 && c.asleep&bit == 0 {
			c.chosen = i
			return true
		}
	}
	return false
}

// backtrack goes to the last place where somebody else can go on first.
func (x *explorer) backtrack() bool {
	for len(x.path) > 0 {
		last := &x.path[len(x.path)-1]
		if last.chosen >= 0 {
			last.asleep |= 1 << last.chosen
			if last.choose() {
				return true
			}
		}
		x.path = x.path[:len(x.path)-1]
	}
	return false
}

// explored is a gate under exploration, and what is known of its queries.
type explored struct {
	*lonely
	*explorer
	shows
	shown  atomicPointer[cssetcd.Snapshot]
	tables []*cssetcd.Table
	using  map[string]int  // queries that may use a table, or anything as ""
	ended  map[string]bool // tables, or all as "", of which the gate said that no query uses them
}

func (s shows) explorable(t testing.TB, x *explorer) *explored {
	stubs.free = nil
	e := &explored{explorer: x, shows: s, using: map[string]int{}, ended: map[string]bool{}}
	e.tables = s.tables(t)
	e.lonely = lonelyWith(t, e.tables)
	x.ignored = []any{&stubs, e.kicks}
	e.shown.Store(s.ready)
	e.seen.Store(s.ready)
	e.latest = e.shown.Load
	e.act = func(_ context.Context, a protocol.CzarEffect) {
		e.note(true)
		switch a.Kind {
		case protocol.CzarAcknowledge:
			e.over(a.Name.String())
		case protocol.CzarLeave:
			e.over("")
		}
	}
	return e
}

// over notes that the gate says that no query uses a table, a database, or anything.
func (e *explored) over(what string) {
	e.ended[what] = true
	if e.using[what] > 0 {
		e.violated("the gate says that nobody uses %q, and a query does", what)
	}
}

// use begins a query, if it is admitted.
func (e *explored) use(tables ...*cssetcd.Table) (ref Ref, ok bool) {
	shown := e.shown.Load()
	ref, err := e.Admit(tables...)
	if err != nil {
		return ref, false
	}
	now := e.shown.Load()
	for _, t := range tables {
		if refusalIn(shown, t) != nil && refusalIn(now, t) != nil {
			e.violated("a query began on %s after the view showed its mark", t.Name)
		}
	}
	e.note(false)
	e.uses(1, tables)
	return ref, true
}

func (e *explored) uses(n int, tables []*cssetcd.Table) {
	for _, what := range namesOf(tables) {
		e.using[what] += n
		if e.ended[what] && n > 0 {
			e.violated("a query is admitted on %q after the gate said that nobody uses it", what)
		}
	}
}

// namesOf returns what a query on tables uses.
func namesOf(tables []*cssetcd.Table) []string {
	names := []string{"", survey}
	for _, t := range tables {
		names = append(names, t.Name.String())
	}
	return names
}

// query is the life of a query.
func (e *explored) query(tables ...*cssetcd.Table) func() {
	return func() {
		ref, ok := e.use(tables...)
		if !ok {
			return
		}
		_ = ref.MayDispatch()
		e.note(false)
		e.uses(-1, tables)
		ref.Release()
	}
}

func (e *explored) observation(n protocol.Name, s protocol.Standing, incarnation, modified protocol.Revision,
	as *cssetcd.Snapshot) {
	e.shown.Store(as)
	entry := protocol.Entry{Standing: s, Incarnation: incarnation, Modified: modified}
	e.look(e.t.Context(), protocol.CzarEvent{Kind: protocol.CzarSaw, Observations: []protocol.Observation{{Name: n,
		Entry: entry}}}, as)
}

// mark has the view show that the first table is marked, and the gate look at it.
func (e *explored) mark() {
	e.observation(nameOf(e.tables[0]), protocol.DropPending, e.tables[0].Incarnation, 200, e.marked)
}

func (e *explored) markDatabase() {
	e.observation(protocol.DatabaseName(survey), protocol.DropPending, 1, 200, e.databaseMarked)
}

// markUnseen is what follows from a mark, without the view.
func (e *explored) markUnseen() {
	entry := protocol.Entry{Standing: protocol.DropPending, Incarnation: e.tables[0].Incarnation, Modified: 200}
	e.look(e.t.Context(), protocol.CzarEvent{Kind: protocol.CzarSaw,
		Observations: []protocol.Observation{{Name: nameOf(e.tables[0]), Entry: entry}}}, e.marked)
}

// cancel is a proof that comes with the order to end queries on the first table.
func (e *explored) cancel() {
	e.event(protocol.CzarEvent{
		Kind: protocol.CzarConfirmed, ID: "one", Sent: e.clock.Now(),
		Cancel: []protocol.Cancelling{{Name: nameOf(e.tables[0]), Mark: 200}},
	})
}

// outdated lets the proof end, and not the registration with it.
func (e *explored) outdated() {
	e.czar.Timing.Fence, e.czar.Rules = -1, protocol.Without(protocol.LapsedRegistersAnew)
	e.event(protocol.CzarEvent{Kind: protocol.CzarConfirmed, ID: "one", Sent: e.clock.Now()})
	e.czar.Timing.Fence, e.czar.Rules = DefaultTiming.Fence, protocol.Rules{}
}

// await waits for a signal.
func (e *explored) await(s signal) {
	e.reached(access{of: s, write: true, free: func() bool { return len(s) > 0 }})
	<-s
}

// settled is when all queries have ended: nothing is counted, and what the gate was told is enough for it to find out.
func (e *explored) settled(what ...string) {
	if n := e.slots.total(); n != 0 {
		e.violated("%d uses are counted, and no query runs", n)
	}
	if len(e.watches.all) > 0 {
		e.violated("somebody watches a query that has ended")
	}
	if over(e.kicks) {
		e.drain(e.t.Context())
		e.leave(e.t.Context())
	}
	for _, w := range what {
		if !e.ended[w] {
			e.violated("nobody tells the gate that %q is not used any more", w)
		}
	}
}

// scenarios are what is explored: threads, and what has to be true when they have ended. Those with few orders come
// first.
var scenarios = []struct {
	name  string
	setUp func(*explored) (finally func())
}{
	{"a registration is made anew", func(e *explored) func() {
		ref := e.lonely.query(e.tables[0])
		e.outdated()
		e.event(protocol.CzarEvent{Kind: protocol.CzarRefused, ID: "one"})
		e.spawn("query", func() {
			if ref.MayDispatch() == nil {
				e.violated("a query that was to end dispatches by a proof that came later")
			}
		})
		e.spawn("gate", func() {
			e.mark()
			e.register("two", 300)
		})
		return func() {
			ref.Release()
			e.settled()
		}
	}},
	{"a registration is lost", func(e *explored) func() {
		e.spawn("query", e.query(e.tables[0]))
		e.spawn("gate", func() {
			e.event(protocol.CzarEvent{Kind: protocol.CzarRefused, ID: "one"})
			if e.slots.total() == 0 {
				e.note(true)
				e.over("")
			}
		})
		return func() { e.settled() }
	}},
	{"a proof comes with the order to end", func(e *explored) func() {
		ref := e.lonely.query(e.tables[0])
		e.outdated()
		e.mark()
		e.spawn("query", func() {
			if ref.MayDispatch() == nil {
				e.violated("a query dispatches by the proof that came with the order to end it")
			}
		})
		e.spawn("gate", e.cancel)
		return func() {
			ref.Release()
			e.settled()
		}
	}},
	{"a query is told to end", func(e *explored) func() {
		e.latest = func() *cssetcd.Snapshot { return e.ready } // what the view shows refuses nothing
		var ref Ref
		var done <-chan struct{}
		e.spawn("query", func() {
			if admitted, ok := e.use(e.tables[0]); ok {
				ref = admitted
				done = ref.Done()
			}
		})
		e.spawn("gate", func() {
			e.markUnseen()
			e.cancel()
		})
		return func() {
			if ref.stub != nil && (ref.MayDispatch() == nil || !over(done)) {
				e.violated("a query on what is marked is not told to end")
			}
			clear(e.using)
			ref.Release()
			e.settled()
		}
	}},
	{"counts alone keep a table", func(e *explored) func() {
		e.latest = func() *cssetcd.Snapshot { return e.ready } // what the view shows refuses nothing
		e.spawn("query", e.query(e.tables[0]))
		e.spawn("gate", e.markUnseen)
		return func() { e.settled(e.tables[0].Name.String()) }
	}},
	{"a database is marked", func(e *explored) func() {
		e.spawn("query on both tables", e.query(e.tables...))
		e.spawn("gate", e.markDatabase)
		return func() { e.settled(survey) }
	}},
	{"a mark is taken back", func(e *explored) func() {
		e.spawn("query", e.query(e.tables[1], e.tables[0]))
		e.spawn("gate", func() {
			e.mark()
			e.note(true)
			clear(e.ended)
			e.observation(nameOf(e.tables[0]), protocol.Ready, e.tables[0].Incarnation, 210, e.ready)
			e.drain(e.t.Context())
		})
		return func() {
			e.settled()
			e.query(e.tables...)()
			if len(e.slots.waiting) > 0 {
				e.violated("what is open is waited for")
			}
		}
	}},
	{"a database with a query on each table is marked", func(e *explored) func() {
		e.spawn("query", e.query(e.tables[0]))
		e.spawn("another", e.query(e.tables[1]))
		e.spawn("gate", e.markDatabase)
		return func() { e.settled(survey) }
	}},
	{"the gate closes", func(e *explored) func() {
		e.ignored = []any{&stubs}
		e.spawn("query", e.query(e.tables[0]))
		e.spawn("another", e.query(e.tables[1]))
		e.spawn("closing", func() {
			e.closing.Store(true)
			e.kick()
		})
		e.spawn("gate", func() {
			for !e.ended[""] {
				e.await(e.kicks)
				e.leave(e.t.Context())
			}
		})
		return func() { e.settled() }
	}},
	{"copies", func(e *explored) func() {
		e.ignored = []any{e.kicks} // which query gets whose stub is what matters here
		ref := e.lonely.query(e.tables[0])
		var done <-chan struct{}
		e.spawn("release, and another query", func() {
			ref.Release()
			next, err := e.Admit(e.tables[0])
			if err != nil || next.MayDispatch() != nil || e.slots.total() < 1 {
				e.violated("a query is ended by the release of another one")
			}
			next.Release()
		})
		e.spawn("release", ref.Release)
		e.spawn("done", func() { done = ref.Done() })
		return func() {
			e.settled()
			if !over(done) {
				e.violated("who waits for Done of a query that was released waits for ever")
			}
		}
	}},
	{"a table is marked", func(e *explored) func() {
		e.spawn("query", e.query(e.tables[0]))
		e.spawn("another", e.query(e.tables[0]))
		e.spawn("gate", e.mark)
		return func() { e.settled(e.tables[0].Name.String()) }
	}},
}

// Whatever the order in which queries and the gate come to what they share: what is acknowledged is not used, who is
// told to end does, and all that is counted is counted no more in the end.
func TestExplore(t *testing.T) {
	s := showsOf(t)
	for _, one := range scenarios {
		t.Run(one.name, func(t *testing.T) {
			x := &explorer{}
			require.Empty(t, x.explore(func(x *explorer) func() { return one.setUp(s.explorable(t, x)) }))
			t.Logf("%d orders", x.runs)
		})
	}
}
