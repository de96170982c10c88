package simulation

import (
	"slices"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// query is one query of a czar, from its plan to its end.
type query struct {
	c        *czar
	uses     []protocol.Use
	alone    bool // it uses the untouched table and no other
	counted  []protocol.Use
	admitted bool
	aborted  bool
	ended    bool
	left     int // chunk queries to dispatch
}

func (c *czar) queryLoop() {
	c.startQuery()
	c.w.after(&c.process, c.w.between(c.w.options.every/2, c.w.options.every*3/2), c.queryLoop)
}

// startQuery plans a query on what the czar sees now. It is counted at once, or long after.
func (c *czar) startQuery() {
	w := c.w
	var ready []protocol.Name
	for _, n := range w.names {
		if !n.IsDatabase() && n != untouched && c.state.Entry(n).Standing == protocol.Ready {
			ready = append(ready, n)
		}
	}
	var tables []protocol.Name
	if len(ready) > 0 && !w.chance(0.15) {
		tables = append(tables, ready[w.rng.IntN(len(ready))])
		if other := ready[w.rng.IntN(len(ready))]; other != tables[0] && w.chance(0.4) {
			tables = append(tables, other)
		}
	}
	if len(tables) == 0 || w.chance(0.15) {
		tables = append(tables, untouched)
	}
	q := c.plan(tables)
	if q == nil || c.state.Leaving {
		return
	}
	delay := w.between(0, 50*time.Millisecond)
	if !w.healing && w.chance(0.2) {
		delay = w.between(0, 2*timing.Wait)
	}
	w.after(&c.process, delay, q.count)
}

// plan returns a query on tables and their databases as the czar sees them; nil when it does not see one.
func (c *czar) plan(tables []protocol.Name) *query {
	q := &query{c: c, alone: len(tables) == 1 && tables[0] == untouched, left: 1 + c.w.rng.IntN(4)}
	for _, t := range tables {
		for _, n := range []protocol.Name{t, t.Database()} {
			e := c.state.Entry(n)
			if e.Standing != protocol.Ready {
				return nil
			}
			u := protocol.Use{Name: n, Incarnation: e.Incarnation}
			if !slices.Contains(q.uses, u) {
				q.uses = append(q.uses, u)
			}
		}
	}
	return q
}

// toCount returns on what a query is counted.
func (q *query) toCount() (all []protocol.Use) {
	for _, u := range q.uses {
		if u.Name.IsDatabase() && q.c.w.without&protocol.AdmitCountsDatabase != 0 {
			continue
		}
		all = append(all, u)
	}
	if q.c.w.without&protocol.AdmitIsWhole != 0 {
		all = all[:1]
	}
	return all
}

// count counts the query on all that it uses, or on nothing.
func (q *query) count() {
	c := q.c
	if c.state.Leaving {
		return
	}
	for _, u := range q.toCount() {
		next, ok := c.useCounts[u].Admit()
		if !ok {
			c.w.counts.Refused++
			c.release(q)
			c.w.oracle.refused(q, "blocked")
			return
		}
		c.useCounts[u] = next
		q.counted = append(q.counted, u)
	}
	c.queries = append(c.queries, q)
	delay := time.Duration(0)
	if !c.w.healing && c.w.chance(0.1) {
		delay = c.w.between(0, 2*timing.Wait)
	}
	c.w.after(&c.process, delay, q.admit)
}

// admit looks again, after the query was counted.
func (q *query) admit() {
	c, w := q.c, q.c.w
	if q.ended {
		return
	}
	fence := c.state.Fence()
	switch {
	case q.aborted:
		q.end()
	case !fence.Admits(c.clock()):
		w.counts.Refused++
		q.end()
	case !c.state.Knows(q.uses):
		w.counts.Refused++
		w.oracle.refused(q, "not as planned")
		q.end()
	default:
		w.counts.Admitted++
		q.admitted = true
		w.oracle.passes(q, "admission")
		w.after(&c.process, w.between(0, 20*time.Millisecond), q.dispatch)
	}
}

// dispatch sends a chunk query, if it may.
func (q *query) dispatch() {
	c, w := q.c, q.c.w
	if q.ended || q.aborted {
		return
	}
	fence := c.state.Fence()
	if !fence.MayDispatch(c.clock()) {
		if !w.options.stubborn && w.chance(0.5) {
			q.end()
		} else {
			w.after(&c.process, c.local(timing.Confirm/2), q.dispatch)
		}
		return
	}
	w.counts.Dispatched++
	w.oracle.passes(q, "dispatch")
	q.reachWorkers()
	if q.left--; q.left > 0 {
		w.after(&c.process, w.between(0, q.gap()), q.dispatch)
		return
	}
	w.after(&c.process, w.between(0, q.gap()), q.end)
}

func (q *query) gap() time.Duration {
	if q.c.w.healing {
		return timing.Confirm
	}
	return q.c.w.options.longest
}

// reachWorkers is the arrival of a chunk query, at once. What arrives late is the window that nothing but the worker
// can close: it is counted.
func (q *query) reachWorkers() {
	w := q.c.w
	w.oracle.reads(q)
	if w.chance(0.02) {
		w.after(nil, w.between(0, 3*timing.Wait), func() {
			w.counts.Late++
			for _, u := range q.uses {
				if rows, there := w.rows[u.Name]; there && rows != u.Incarnation {
					w.counts.Stray++
				}
			}
		})
	}
}

// end ends a query whose chunk queries have all ended.
func (q *query) end() {
	if q.ended {
		return
	}
	q.ended = true
	q.c.release(q)
}

// abort tells queries on something, or on anything that is blocked, to end: they dispatch no more at once, and end when
// their chunk queries have.
func (c *czar) abort(on protocol.Use) {
	for _, q := range slices.Clone(c.queries) {
		hit := slices.ContainsFunc(q.uses, func(u protocol.Use) bool {
			return u == on || on.Name == "" && c.useCounts[u].Blocked()
		})
		if !hit || q.aborted {
			continue
		}
		q.aborted = true
		c.w.oracle.aborted(q)
		c.w.after(&c.process, c.w.between(0, 2*time.Second), q.end)
	}
}
