package protocol

import (
	"slices"
	"strings"
)

// variant is the protocol as it is checked: less some rules, or with a mistake in it that no rule names.
type variant struct {
	Rules
	asRead        bool // the point of no return needs the key as it was read, not as the mark left it
	snapshotFirst bool // a query looks at the snapshot first and at the fence later
	lateDrain     bool // a czar is told late that it counted no query
	hasty         bool // etcd is restored before all proofs have run out
	// what ends queries reaches those that are counted and not admitted: no mistake, but no look at the snapshot either
	abortsCounted bool
}

// checker explores all states, those first that are reached by the fewest steps.
type checker struct {
	bounds bounds
	kept   variant
	timing Timing
	only   string // the invariants to look at; "": all

	seen    map[stateKey]struct{}
	steps   []step // by which the states were found first
	queue   []reached
	later   []reached
	scratch world // in which the next state is made
	encoder encoder
	taken   map[string]bool // the moves that were possible somewhere
	broken  string
	coarse  map[stateKey]struct{} // nil, or: explore by exact keys, and these are the usual ones
}

// step is how a state was found; a state is named by its place among all.
type step struct {
	from int32
	name string
}

type reached struct {
	state int32
	world world
}

// checkTiming has proofs of two ticks. What W lacks is made good by WaitOutlastsProof.
var checkTiming = Timing{Fence: 2 * tick, Wait: tick}

func (c *checker) run() {
	if c.timing == (Timing{}) {
		c.timing = checkTiming
	}
	c.seen, c.taken = map[stateKey]struct{}{}, map[string]bool{}
	c.begin()
	c.add(&c.scratch, -1, "begin")
	for len(c.later) > 0 && c.broken == "" {
		c.queue, c.later = c.later, c.queue[:0]
		for i := range c.queue {
			if c.broken == "" {
				c.expand(&c.queue[i])
			}
			c.queue[i] = reached{}
		}
	}
}

// oldAge is how many ticks after which a proof is over, and the wait for one on another clock.
func (c *checker) oldAge() int { return int(max(c.timing.Wait, Outlasts(c.timing.Fence))/tick) + 1 }

func (c *checker) begin() {
	w := world{now: c.oldAge(), rev: 1, coord: Coordinator{Rules: c.kept.Rules}}
	for i := range max(c.bounds.czars, 1) {
		w.czars[i] = &process{czar: Czar{Timing: c.timing, Rules: c.kept.Rules}}
	}
	for n := c.bounds.names() - 1; n >= 0; n-- {
		w.write(Ready, n)
	}
	c.scratch = w
}

func (c *checker) add(w *world, from int32, name string) {
	key := c.key(w, c.coarse != nil)
	if c.coarse != nil {
		c.coarse[c.key(w, false)] = struct{}{}
	}
	if _, known := c.seen[key]; known {
		return
	}
	c.seen[key] = struct{}{}
	c.steps = append(c.steps, step{from, name})
	state := int32(len(c.steps) - 1)
	if wrong := c.wrong(w); wrong != "" {
		c.broken = wrong + c.tell(state)
		return
	}
	c.later = append(c.later, reached{state, *w})
}

func (c *checker) expand(r *reached) {
	next := func(name string, change func(*world) string) {
		if c.broken != "" {
			return
		}
		c.taken[name] = true
		c.scratch = r.world
		c.scratch.owned = [maxCzars]bool{}
		if wrong := change(&c.scratch); wrong != "" {
			c.broken = wrong + c.tell(r.state) + ", " + name
			return
		}
		c.add(&c.scratch, r.state, name)
	}
	c.users(&r.world, next)
	for i := range max(c.bounds.czars, 1) {
		c.czar(&r.world, i, next)
	}
	c.coordinators(&r.world, next)
}

// tell returns what led to a state.
func (c *checker) tell(state int32) string {
	var all []string
	for ; state >= 0; state = c.steps[state].from {
		all = append(all, c.steps[state].name)
	}
	slices.Reverse(all)
	return " after " + strings.Join(all, ", ")
}
