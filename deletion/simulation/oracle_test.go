package simulation

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// oracle knows all and says when something happens that must not. S1 to S9 are the promises of the protocol:
//
//	S1  after the point of no return no query is admitted on what is gone, and no chunk query is sent
//	S2  at the point of no return no query is counted on it that could send one
//	S3  queries on what nobody drops are not refused because of drops, nor ended
//	S4  nothing is dropped that was undone, nor before its delay is over, and what was dropped is never READY again
//	S5  a chunk query reads rows of its incarnation only, and only rows of what was dropped are removed
//	S7  a name has one bearer at a time: the next one comes after the drop has ended
//	S8  what a czar knows of a name never goes back, and only a READY after the mark opens it again
//	S9  a coordinator writes only while the key is there that it was elected with
//	S10 no query is told to end by a drop whose agreed delay is not over
//
// S6 would need workers that look at the time of a chunk query; Qserv's do not.
type oracle struct {
	gone     map[protocol.Use]bool         // past the point of no return
	earliest map[kv.Revision]time.Duration // by mark: when its delay is over
	known    map[protocol.Name]kv.Revision // what the czar that takes a step knew before
	since    map[kv.Revision]time.Duration // by mark: since when nothing stands in the way of a drop
	strange  map[protocol.Name]bool        // tables whose rows are not those of the catalogue since etcd was restored
}

func (o *oracle) begin() {
	o.gone, o.earliest = map[protocol.Use]bool{}, map[kv.Revision]time.Duration{}
	o.strange = map[protocol.Name]bool{}
	o.known, o.since = map[protocol.Name]kv.Revision{}, map[kv.Revision]time.Duration{}
}

// passes looks at a query that has passed the checks before its admission or before a chunk query (S1).
func (o *oracle) passes(q *query, check string) {
	for _, u := range q.uses {
		if o.gone[u] {
			q.c.w.fail("S1", "%s of %s on %s, incarnation %d, which is gone", check, q.c.name, u.Name, u.Incarnation)
		}
	}
}

// reads looks at the rows that a chunk query finds (S5).
func (o *oracle) reads(q *query) {
	w := q.c.w
	for _, u := range q.uses {
		rows, there := w.rows[u.Name]
		if !there || rows == u.Incarnation || o.strange[u.Name] {
			continue
		}
		w.fail("S5", "%s reads rows of incarnation %d of %s for %d", q.c.name, rows, u.Name, u.Incarnation)
	}
}

// removes looks at a removal of data (S5). Revisions that are used again after a restore are the one thing that
// incarnations cannot tell apart.
func (o *oracle) removes(w *world, n protocol.Name, rows, dropped kv.Revision) {
	gone := o.gone[protocol.Use{Name: n, Incarnation: rows}]
	switch {
	case rows != dropped:
		w.fail("S5", "rows of incarnation %d of %s are removed for %d", rows, n, dropped)
	case !gone && w.etcd.timeline > 0:
		w.counts.Mistaken++
	case !gone:
		w.fail("S5", "rows of %s, incarnation %d, are removed before the point of no return", n, rows)
	}
}

// refused looks at a query that was not admitted (S3).
func (o *oracle) refused(q *query, why string) {
	if q.alone {
		q.c.w.fail("S3", "%s refuses a query on the untouched table: %s", q.c.name, why)
	}
}

// aborted looks at a query that is told to end (S3). Another etcd is a reason for all of them.
func (o *oracle) aborted(q *query) {
	if q.alone && q.c.w.etcd.timeline == 0 {
		q.c.w.fail("S3", "%s aborts a query on the untouched table", q.c.name)
	}
}

// changed looks at what happened to the key of a name (S4).
func (o *oracle) changed(w *world, n protocol.Name, was, is kv.Entry) {
	switch {
	case !was.Exists() && is.Exists():
		o.created(w, n, is)
	case was.Exists() && is.Exists() && o.gone[protocol.Use{Name: n, Incarnation: is.Create}]:
		w.fail("S4", "%s, incarnation %d, is written after the point of no return", n, is.Create)
	}
}

// created looks at a name that is used again (S7).
func (o *oracle) created(w *world, n protocol.Name, is kv.Entry) {
	delete(o.gone, protocol.Use{Name: n, Incarnation: is.Create}) // of another history
	w.counts.Creates++
	if w.etcd.now.At(csskey.Intent(n.Parts())).Exists() {
		w.fail("S7", "%s is created before its drop has ended", n)
	}
	if n.IsDatabase() {
		return
	}
	db := n.Database()
	if !w.etcd.now.At(db.Path()).Exists() || w.etcd.now.At(csskey.Intent(db.Parts())).Exists() {
		w.fail("S7", "%s is created in a database that is being dropped", n)
	}
	if rows, there := w.rows[n]; there && !o.strange[n] {
		w.fail("S7", "%s is created while rows of incarnation %d are there", n, rows)
	}
	delete(o.strange, n)
	w.rows[n] = is.Create
}

// marked notes when the delay of a mark is over: a hold counts from when its lease was granted.
func (o *oracle) marked(w *world, c kv.Change, intent kv.Path, mark kv.Revision) {
	db, table, request, ok := csskey.Dropped(intent)
	if !ok || request {
		return
	}
	o.earliest[mark] = w.now
	var i protocol.Intent
	if err := json.Unmarshal([]byte(w.etcd.now.At(intent).Value), &i); err != nil {
		w.fail("faults", "%s: %s", intent, err)
	}
	delete(o.since, mark)
	at := slices.IndexFunc(c.Puts, func(p kv.Put) bool { return p.Path == csskey.Hold(db, table) })
	switch {
	case at >= 0:
		o.earliest[mark] = w.etcd.leases[c.Puts[at].Lease].granted + time.Duration(i.Delay)*time.Second
	case i.Delay > 0:
		w.fail("S4", "%s is marked without its hold", intent)
	}
}

// executed looks at a point of no return that has just been passed (S2, S4). before is what it was passed on.
func (o *oracle) executed(w *world, a protocol.Action, before *kv.Snapshot) {
	w.counts.Executes++
	delete(o.since, a.Mark)
	o.rightful(w, a, before)
	for i, n := range w.names {
		was := before.At(w.paths[i])
		if !was.Exists() || n != a.Name && n.Database() != a.Name {
			continue
		}
		if n != a.Name {
			o.undecided(w, n, before)
		}
		o.gone[protocol.Use{Name: n, Incarnation: was.Create}] = true
		for _, c := range w.czars {
			o.unused(c, protocol.Use{Name: n, Incarnation: was.Create})
		}
	}
}

// rightful: the drop is the one that was decided on, was not undone, and its delay is over.
func (o *oracle) rightful(w *world, a protocol.Action, before *kv.Snapshot) {
	key, intent := before.At(a.Name.Path()), before.At(csskey.Intent(a.Name.Parts()))
	switch {
	case intent.Create != a.Mark || intent.Mod != a.Modified:
		w.fail("S4", "%s is dropped by a stale decision: the intent is another", a.Name)
	case key.Mod != a.Mark || protocol.EntryOf(key, 0).Standing != protocol.DropPending:
		w.fail("S4", "%s is dropped although it is %q since %d and was marked at %d", a.Name, key.Value, key.Mod, a.Mark)
	case before.At(csskey.Hold(a.Name.Parts())).Exists() || w.now < o.earliest[a.Mark]:
		w.fail("S4", "%s is dropped before its delay is over", a.Name)
	}
}

// undecided: a table that goes with its database must not have a drop of its own, which could be undone or is under
// way.
func (o *oracle) undecided(w *world, n protocol.Name, before *kv.Snapshot) {
	db, table := n.Parts()
	for _, p := range []kv.Path{csskey.Intent(db, table), csskey.Request(db, table)} {
		if before.At(p).Exists() {
			w.fail("S4", "%s is dropped with its database before its own drop is decided", n)
		}
	}
}

// unused: no query of the czar could send a chunk query on the incarnation, now or later.
func (o *oracle) unused(c *czar, gone protocol.Use) {
	if c.dead {
		return
	}
	fence, now := c.state.Fence(), c.clock()
	for _, q := range c.queries {
		if !slices.Contains(q.uses, gone) || q.aborted || q.ended {
			continue
		}
		if q.admitted && fence.MayDispatch(now) || !q.admitted && fence.Admits(now) && c.state.Knows(q.uses) {
			c.w.fail("S2", "%s, incarnation %d, is dropped while %s has a query on it", gone.Name, gone.Incarnation, c.name)
		}
	}
}

// led looks at a write of a coordinator (S9).
func (o *oracle) led(w *world, lead protocol.Leadership, before *kv.Snapshot, what string) {
	if before.At(lead.Key).Create != lead.Created {
		w.fail("S9", "%s was written under %s, which is gone", what, lead.Key)
	}
}

// before and after look at a step of a czar that its view led to (S8).
func (o *oracle) before(c *czar, e protocol.CzarEvent) {
	if c.another = e.Kind == protocol.CzarSawAnother || e.Whole && c.w.etcd.timeline > 0; c.another {
		c.blockedAt = nil
	}
	if e.Kind == protocol.CzarSaw && !c.another {
		for _, s := range e.Observations {
			o.known[s.Name] = c.knowsAsOf(s.Name)
		}
	}
}

func (o *oracle) after(c *czar, e protocol.CzarEvent) {
	if e.Kind == protocol.CzarSaw && !c.another {
		for _, s := range e.Observations {
			if is := c.knowsAsOf(s.Name); is < o.known[s.Name] {
				c.w.fail("S8", "%s knew %s as of %d and now as of %d", c.name, s.Name, o.known[s.Name], is)
			}
		}
	}
}

// knowsAsOf returns the revision of what a czar knows of a name: of one that it does not know, that nothing was there
// up to what it has seen.
func (c *czar) knowsAsOf(n protocol.Name) kv.Revision {
	if e := c.state.Entry(n); e != (protocol.Entry{}) {
		return e.Modified
	}
	return c.state.Seen
}

// cancels looks at what a czar is told to end (S10).
func (o *oracle) cancels(w *world, told []protocol.Cancelling) {
	for _, t := range told {
		if w.etcd.now.At(csskey.Hold(t.Name.Parts())).Exists() {
			w.fail("S10", "queries on %s are told to end before the agreed delay is over", t.Name)
		}
	}
}

// blocked and opened look at what becomes of a count (S8).
func (o *oracle) blocked(c *czar, f protocol.CzarEffect) {
	if c.another {
		return // all is blocked, and what the other etcd says is ready is opened at once
	}
	if c.blockedAt == nil {
		c.blockedAt = map[protocol.Use]kv.Revision{}
	}
	c.blockedAt[protocol.Use{Name: f.Name, Incarnation: f.Incarnation}] = c.knowsAsOf(f.Name)
}

func (o *oracle) opened(c *czar, f protocol.CzarEffect) {
	u := protocol.Use{Name: f.Name, Incarnation: f.Incarnation}
	at, was := c.blockedAt[u]
	e := c.state.Entry(f.Name)
	if was && c.useCounts[u].Blocked() && e.Modified <= at {
		c.w.fail("S8", "%s opens %s, blocked at %d, by what is of %d", c.name, f.Name, at, e.Modified)
	}
	delete(c.blockedAt, u)
}

// restored forgets what another history says of what is there again.
func (o *oracle) restored(w *world) {
	for i, p := range w.paths {
		e := w.etcd.now.At(p)
		if e.Exists() {
			delete(o.gone, protocol.Use{Name: w.names[i], Incarnation: e.Create})
		}
		if rows, there := w.rows[w.names[i]]; there && rows != e.Create {
			o.strange[w.names[i]] = true
		}
	}
}
