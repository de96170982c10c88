package protocol

import "strings"

// The invariants, as texts that begin with their names:
//
//	S1  no query is admitted on a table that is gone, and no chunk query is sent to one
//	S2  no table is dropped while a query uses it
//	S4  no drop is carried out that was cancelled, before its delay is over, or by a decision on what has changed since
//	S5  no query reads a table that was made under the name of its own
//	S7  no name is used again before the drop of its last bearer has ended
//	S9  no transaction of a coordinator that was deposed is committed
//	S10 no query is told to end by a drop before its delay is over

// watches reports whether the check looks at an invariant: at all, unless it was told which.
func (c *checker) watches(invariant string) bool {
	return c.only == "" || strings.HasPrefix(c.only, invariant)
}

// wrong returns what is wrong with a state.
func (c *checker) wrong(w *world) string {
	for _, p := range w.czars[:max(c.bounds.czars, 1)] {
		if !p.mayDispatch(w.time()) {
			continue
		}
		for n := range c.bounds.names() {
			switch {
			case w.keys[n].Incarnation == p.query.uses[n]:
			case w.keys[n].Standing != Gone && c.watches("S5"):
				return "S5: a query may read a table that was made under the name of its own"
			case w.keys[n].Standing == Gone && c.watches("S1"):
				return "S1: a chunk query may be sent to a table that is gone"
			}
		}
	}
	return ""
}

// wrongToAdmit returns what is wrong with an admission. A query that is paused between its two looks was admitted at
// the first, at the fence, if at all.
func (c *checker) wrongToAdmit(w *world, p *process) string {
	for n := range c.bounds.names() {
		if p.query.stage == admitted && !c.bounds.looks && w.keys[n].Incarnation != p.query.uses[n] && c.watches("S1") {
			return "S1: a query is admitted on a table that is gone"
		}
	}
	return ""
}

// wrongToExecute returns what is wrong with a point of no return that is about to come.
func (c *checker) wrongToExecute(w *world, n int, d *decision) string {
	if c.watches("S4") {
		switch i, table := w.intents[n], w.intents[theTable]; {
		case w.keys[n].Standing == Ready:
			return "S4: a drop that was cancelled is carried out"
		case i.held:
			return "S4: a drop is carried out before its delay is over"
		case n == theDB && (table.there && table.held || w.asked[theTable].early):
			return "S4: a table is dropped with its database before its delay is over"
		case !i.there || i.modified != d.Modified:
			return "S4: a drop is carried out as it was before it was changed"
		}
	}
	for _, p := range w.czars[:max(c.bounds.czars, 1)] {
		if p.mayDispatch(w.time()) && p.query.uses[n] == w.keys[n].Incarnation && c.watches("S2") {
			return "S2: a table is dropped while a query uses it"
		}
	}
	return ""
}
