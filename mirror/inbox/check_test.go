package inbox

import (
	"fmt"
	"hash/maphash"
	"strings"
)

// variant is how the check keeps the rules: less some, or with a mistake in what is outside of this package.
type variant struct {
	Rules
	takenUnguarded bool // a decision does not need what was decided on to be as it was read
	keysUnguarded  bool // nor the keys
	aboveUnguarded bool // nor what is above them
	inboxFirst     bool // the inbox is read before what was decided on
	appliedBefore  bool // the revision that kvData shows is known from before the inbox is read
	looksBefore    bool // a step looks at the inbox before its writes
	insertsFirst   bool // a step inserts rows before it clears any
	noTerm         bool // a step does not need the term
	noApplied      bool // nor kvData to show what it showed
	errorsIgnored  bool // a session goes on after what no row explains
	heard          bool // the triggers hear the mirror
}

// bounds say how much of what may happen.
type bounds struct {
	begin        [allKeys]uint8 // the values at first, on both sides
	goes         uint           // what Go programs do
	goWrites     uint8
	sql          [maxWriters]uint // what foreign writers do
	transactions [maxWriters]uint8
	statements   [maxWriters]uint8
	mirrors      int
	crashes      uint8
	takeOvers    uint8
	drifts       uint8
	lag          bool // steps may go to older revisions than the newest
	staleReads   bool // what was decided on may be read from an etcd that lags
	czar         bool // one is registered from the beginning
	byUnit       bool // a transaction of etcd decides on one unit
	asUpstream   bool // the foreign writer makes the name as upstream does, in three transactions
}

// kind says what a move is.
type kind uint8

const (
	work  kind = iota // what is done without new faults and new work
	fault             // a crash, or that a mirror is deposed that lives
	input             // a writer begins or goes on
)

type nexter func(k kind, actor, name string, change func(*world) string)

// stateKey names a state.
type stateKey [2]uint64

// checker explores all states, those first that are reached by the fewest steps.
type checker struct {
	bounds bounds
	kept   variant
	only   string // the invariants to look at; "": all
	harm   bool   // what a session knows of kvData may be wrong: it shows what that leads to
	most   int    // states; 0: all
	live   bool   // whether rest can be reached from everywhere

	seeds  [2]maphash.Seed
	seen   map[stateKey]uint32
	keys   []stateKey
	parent []uint32
	rest   []bool
	from   []uint32 // moves that are work
	to     []uint32
	queue  []world
	later  []world
	moves  map[string]bool
	broken string

	layings   map[toLay][allKeys]kvRow
	decisions map[toDecide]*answer
	steps     map[toStep]*stepAnswer
	aimsAt    map[toStep]uint8
}

// watches reports whether the check looks at an invariant.
func (c *checker) watches(invariant string) bool {
	return (c.only == "" || strings.HasPrefix(invariant, c.only)) && !(c.harm && invariant == "T9")
}

func (c *checker) run() {
	if c.bounds.byUnit {
		defer func(usual int) { regroupAt = usual }(regroupAt)
		regroupAt = 0
	}
	c.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	c.seen, c.moves = map[stateKey]uint32{}, map[string]bool{}
	c.layings, c.decisions = map[toLay][allKeys]kvRow{}, map[toDecide]*answer{}
	c.steps, c.aimsAt = map[toStep]*stepAnswer{}, map[toStep]uint8{}
	w := c.begin()
	c.add(&w, 0)
	for n := uint32(0); len(c.later) > 0 && c.broken == "" && (c.most == 0 || len(c.keys) < c.most); {
		c.queue, c.later = c.later, c.queue[:0]
		for i := range c.queue {
			if c.broken == "" {
				c.expand(&c.queue[i], n)
			}
			n++
		}
	}
	if c.live && c.broken == "" {
		c.findStuck()
	}
}

func (c *checker) begin() (w world) {
	b := &c.bounds
	w.revision, w.applied, w.holder = 1, 1, noMirror
	w.goLeft, w.crashes, w.takeOvers, w.driftsLeft = b.goWrites, b.crashes, b.takeOvers, b.drifts
	e := w.now()
	for k, v := range b.begin {
		if v != nothing {
			e.keys[k], w.rows[k] = cell{v, 1, 1}, kvRow{v, uint8(k) + 1}
		}
	}
	if there(e, aName) {
		e.life, w.life = 1, 1
	}
	e.czar = b.czar
	for i := range w.foreign {
		w.foreign[i].transactions = b.transactions[i]
	}
	w.forget(c.kept)
	return w
}

func (c *checker) add(w *world, from uint32) uint32 {
	key := c.key(w)
	if n, known := c.seen[key]; known {
		return n
	}
	n := uint32(len(c.keys))
	c.seen[key] = n
	c.keys, c.parent = append(c.keys, key), append(c.parent, from)
	if c.live {
		c.rest = append(c.rest, w.atRest())
	}
	c.later = append(c.later, *w)
	return n
}

func (c *checker) key(w *world) stateKey {
	return stateKey{maphash.Comparable(c.seeds[0], *w), maphash.Comparable(c.seeds[1], *w)}
}

func (c *checker) expand(w *world, n uint32) {
	var scratch world
	c.allMoves(w, func(k kind, actor, name string, change func(*world) string) {
		if c.broken != "" {
			return
		}
		c.moves[name] = true
		scratch = *w
		if wrong := change(&scratch); wrong != "" {
			c.broken = wrong + c.tell(n) + "\n" + actor + name
			return
		}
		scratch.forget(c.kept)
		if to := c.add(&scratch, n); c.live && k == work && to != n {
			c.from, c.to = append(c.from, n), append(c.to, to)
		}
	})
}

func (c *checker) allMoves(w *world, next nexter) {
	c.goWrites(w, next)
	for i := range w.foreign {
		c.foreignWrites(w, i, next)
	}
	if w.driftsLeft > 0 && w.locks[apart1] == 0 {
		next(input, "", "/m drifts", func(w *world) string {
			w.driftsLeft--
			w.drifted = true
			id := w.rows[apart1].id
			if id == 0 {
				id = w.freshID()
			}
			w.rows[apart1] = kvRow{byDrift, id}
			return ""
		})
	}
	for i := range c.bounds.mirrors {
		c.mirrorMoves(w, i, next)
	}
}

// atRest reports whether both sides are equal and nothing is under way.
func (w *world) atRest() bool {
	if w.foreign[0].open || w.foreign[1].open || w.applied != w.revision || w.visible() != 0 {
		return false
	}
	for k := range w.rows {
		if w.rows[k].value != w.now().keys[k].value {
			return false
		}
	}
	return true
}

// findStuck looks for states from which work alone leads to no rest.
func (c *checker) findStuck() {
	for grown := true; grown; {
		grown = false
		for i := len(c.from) - 1; i >= 0; i-- {
			if c.rest[c.to[i]] && !c.rest[c.from[i]] {
				c.rest[c.from[i]], grown = true, true
			}
		}
	}
	for n, rests := range c.rest {
		if !rests && c.watches("T7") {
			c.broken = "T7: rest cannot be reached" + c.tell(uint32(n))
			return
		}
	}
}

// tell returns what led to a state: the moves, and the states between them.
func (c *checker) tell(n uint32) string {
	var path []uint32
	for ; n != 0; n = c.parent[n] {
		path = append(path, n)
	}
	var b strings.Builder
	w := c.begin()
	for i := len(path) - 1; i >= 0; i-- {
		var reached *world
		c.allMoves(&w, func(_ kind, actor, name string, change func(*world) string) {
			to := w
			if reached != nil || change(&to) != "" {
				return
			}
			if to.forget(c.kept); c.key(&to) == c.keys[path[i]] {
				reached = &to
				fmt.Fprintf(&b, "\n%-60s %s", actor+name, to.String())
			}
		})
		w = *reached
	}
	return " after" + b.String()
}

// String prints a world for people.
func (w world) String() string {
	var b strings.Builder
	e := w.now()
	fmt.Fprintf(&b, "etcd %d %v taken %v; kvData %d %v inbox %b", w.revision, e.keys, e.taken, w.applied, w.rows,
		w.visible())
	for i, d := range w.mirrors {
		fmt.Fprintf(&b, "; %s", stageNames[d.stage])
		if int(w.holder) == i {
			b.WriteByte('*')
		}
	}
	return b.String()
}

func (c *checker) laid(q toLay) [allKeys]kvRow { return known(c.layings, q, toLay.answer) }

func (c *checker) decided(q toDecide) *answer {
	return known(c.decisions, q, func(q toDecide) *answer { return q.answer(c.kept.Rules, c.bounds.byUnit) })
}

func (c *checker) stepped(q toStep) *stepAnswer {
	return known(c.steps, q, func(q toStep) *stepAnswer { return q.answer(c.kept) })
}

func (c *checker) atLeast(q toStep) uint8 {
	q.rows, q.image = [allKeys]kvRow{}, image{}
	return known(c.aimsAt, q, func(q toStep) uint8 { return q.atLeast(c.kept.Rules) })
}

func known[Q comparable, A any](answers map[Q]A, q Q, answer func(Q) A) A {
	a, ok := answers[q]
	if !ok {
		a = answer(q)
		answers[q] = a
	}
	return a
}
