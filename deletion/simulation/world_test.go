package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What all worlds share. W is as short as the rules allow, so that whatever cuts it a little short is seen.
var (
	timing = protocol.Timing{
		Confirm: 2 * time.Second, Fence: 8 * time.Second, Wait: 10 * time.Second, Alive: 5 * time.Second,
		Delay: 2 * time.Second,
	}
	// slowTiming is what some worlds begin with, so that czars are registered whose proofs last longer than W in force.
	slowTiming = protocol.Timing{
		Confirm: 2 * time.Second, Fence: 16 * time.Second, Wait: 20 * time.Second, Alive: 5 * time.Second,
		Delay: 2 * time.Second,
	}
)

// timeout is when a process gives up on an answer of etcd.
const timeout = time.Second

// The untouched table, which nobody ever drops, in its untouched database.
var (
	untouchedDB = protocol.DatabaseName("Q")
	untouched   = protocol.TableName("Q", "U")
)

// world is everything there is in one schedule.
type world struct {
	seed    uint64
	without protocol.Rule
	rules   protocol.Rules
	rng     *rand.Rand
	trace   io.Writer

	now     time.Duration
	queue   queue
	healing bool
	settled bool
	loss    float64 // of messages, before all heals
	options options

	names  []protocol.Name
	paths  []kv.Path
	etcd   etcd
	czars  []*czar
	coords []*coordinator
	user   process

	rows      map[protocol.Name]protocol.Revision // whose rows the workers hold
	oracle    oracle
	lingering map[string]time.Duration // registrations that should go, since when
	broken    *failure
	counts    counts
}

// options are the sizes and dangers of a world.
type options struct {
	chaos    time.Duration
	every    time.Duration // between two queries of a czar
	restores bool
	hasty    bool          // a restore that does not wait for proofs to lapse
	bumps    bool          // a restore keeps revisions from being used again
	renames  bool          // a restore makes another cluster of etcd, which everybody notices
	gap      time.Duration // from a restore until history has its new name
	stubborn bool          // queries that may not go on try again until they may
	longest  time.Duration // between two chunk queries
	delay    time.Duration // of all marks; 0: different ones
}

// counts say what happened in a schedule, so that a test can tell whether it tested anything. Its fields are exported
// so that they can be added without being named.
type counts struct {
	Schedules, Events, Commits, Executes, Undos, Creates, Lost, Restores   int
	Admitted, Dispatched, Refused, Jumps, Repeats, Phantoms, Adopted, Late int
	Stray, Mistaken, Full, Silent                                          int
}

func (c *counts) add(d counts) {
	sum := reflect.ValueOf(c).Elem()
	for field, n := range reflect.ValueOf(d).Fields() {
		f := sum.FieldByIndex(field.Index)
		f.SetInt(f.Int() + n.Int())
	}
}

// failure is an invariant that did not hold.
type failure struct {
	invariant, what string
	seed            uint64
}

func (f *failure) String() string { return fmt.Sprintf("seed %d: %s: %s", f.seed, f.invariant, f.what) }

// newWorld makes the world of a seed, less some rules.
func newWorld(seed uint64, without protocol.Rule, trace io.Writer) *world {
	w := &world{
		seed: seed, without: without, rules: protocol.Without(without), trace: trace,
		rng:  rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		rows: map[protocol.Name]protocol.Revision{},
	}
	w.oracle.begin()
	w.user = w.newProcess("user")
	w.options = options{
		chaos:    w.between(8*time.Second, 36*time.Second),
		every:    w.between(time.Second, 6*time.Second),
		restores: w.chance(0.06), bumps: w.chance(0.5), renames: w.chance(0.3),
		longest: w.between(time.Second, 12*time.Second),
	}
	w.options.gap = []time.Duration{0, w.between(0, time.Second), w.between(0, 2*timing.Wait)}[w.rng.IntN(3)]
	w.loss = []float64{0, 0.02, 0.05, 0.15}[w.rng.IntN(4)]
	w.found()
	for i := range []int{1, 1, 1, 2, 2, 2, 3, 3, 4, 5}[w.rng.IntN(10)] {
		w.startCzar(fmt.Sprintf("czar%d", i))
	}
	for i := range []int{1, 1, 1, 2, 2, 3}[w.rng.IntN(6)] {
		w.startCoordinator(fmt.Sprintf("coordinator%d", i))
	}
	w.planUsers()
	w.planFaults()
	w.after(nil, w.options.chaos, w.heal)
	return w
}

// found writes the catalogue that the world begins with.
func (w *world) found() {
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	at := kv.Revision(2)
	together := w.chance(0.3) // one transaction made all names, so they have one incarnation
	put := func(p kv.Path, value string) {
		if !together {
			at++
		}
		b.Put(p, kv.Entry{Value: value, Create: at, Mod: at})
	}
	put(csskey.Of(csskey.Version), cssetcd.Version)
	put(csskey.History, "history 0")
	begin := timing
	if w.chance(0.1) {
		begin = slowTiming
		w.at(nil, w.between(0, w.options.chaos), func() { w.etcd.configure(timing) })
	}
	put(csskey.Config, encodeTiming(begin))
	add := func(n protocol.Name) {
		w.names, w.paths = append(w.names, n), append(w.paths, n.Path())
		put(n.Path(), string(cssetcd.StatusReady))
		put(csskey.Spelling(string(n)), string(n))
		if !n.IsDatabase() {
			w.rows[n] = b.At(n.Path()).Create
		}
	}
	add(untouchedDB)
	add(untouched)
	for _, db := range []string{"A", "B"}[:1+w.rng.IntN(2)] {
		add(protocol.DatabaseName(db))
		for _, table := range []string{"x", "y", "z"}[:1+w.rng.IntN(3)] {
			add(protocol.TableName(db, table))
		}
	}
	w.etcd.begin(w, b.Snapshot(at))
}

// run lets everything happen. It returns what went wrong, nil for nothing.
func (w *world) run() *failure {
	for len(w.queue.all) > 0 && w.broken == nil && !w.settled {
		e := w.queue.pop()
		w.now = max(w.now, e.at)
		if e.of != nil && e.of.dead {
			continue
		}
		if e.of != nil && e.of.pausedUntil > w.now {
			e.at, e.held = e.of.pausedUntil, true
			w.queue.push(e)
			continue
		}
		w.counts.Events++
		e.run()
	}
	w.counts.Schedules++
	return w.broken
}

// after lets something happen later. It is the process's to do, where there is one.
func (w *world) after(of *process, d time.Duration, run func()) { w.at(of, w.now+d, run) }

func (w *world) at(of *process, at time.Duration, run func()) {
	w.queue.push(event{at: at, of: of, run: run})
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

func (w *world) between(a, b time.Duration) time.Duration {
	if b <= a {
		return a
	}
	return a + time.Duration(w.rng.Int64N(int64(b-a)))
}

// fail notes the first invariant that does not hold; the world then ends.
func (w *world) fail(invariant, format string, args ...any) {
	if w.broken == nil {
		w.broken = &failure{invariant, fmt.Sprintf(format, args...), w.seed}
		w.tell("BROKEN %s", w.broken)
	}
}

func (w *world) tell(format string, args ...any) {
	if w.trace != nil {
		_, _ = fmt.Fprintf(w.trace, "%9.3fs r%-4d %s\n", w.now.Seconds(), w.etcd.now.Revision, fmt.Sprintf(format, args...))
	}
}
