package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What has to happen in the end, after all faults have healed:
//
//	L1  a drop that nothing stands in the way of any more is executed, and what it waits for comes about
//	L2  the registration of a czar that is gone ends
//	L4  nothing is left over of a drop that has ended
//	L5  czars know what is there; queries on what nobody drops are admitted
const (
	soon = 14 * time.Second // several rounds of a coordinator and a czar
	// A silent czar's registration: its lease, half as long again, and W on the slowest clock.
	longWait = 38 * time.Second
	// The longest chain of a drop: a request, its mark, the delay, the czars, a database after its tables.
	whole = 4*longWait + 60*time.Second
)

// heal ends all faults. From now on the world has to come to rest.
func (w *world) heal() {
	w.tell("all heals")
	w.healing = true
	w.user.heal()
	w.queue.hurry(w.now)
	w.etcd.fullUntil = w.now
	for _, c := range w.czars {
		c.process.heal()
		c.view.blind = w.now
		w.after(&c.process, 0, c.compare)
	}
	for _, k := range w.coords {
		k.process.heal()
	}
	if alive := w.living(); len(alive) == 0 {
		w.startCoordinator("coordinator of last resort")
	}
	w.after(nil, timing.Confirm, func() { w.look(w.now) })
}

func (w *world) living() (all []*coordinator) {
	for _, k := range w.coords {
		if !k.dead {
			all = append(all, k)
		}
	}
	return all
}

// look sees how far the world has come to rest.
func (w *world) look(began time.Duration) {
	if !w.etcd.up() {
		began = w.now
	}
	w.punctual(began)
	invariant, what := w.unsettled()
	if what == "" {
		w.settled = true
		return
	}
	if w.now > began+whole {
		w.fail(invariant, "in the end: %s", what)
	}
	w.after(nil, timing.Confirm, func() { w.look(began) })
}

// punctual looks at what has to happen within a stated time.
func (w *world) punctual(began time.Duration) {
	if w.now > began+longWait && w.etcd.up() {
		for p := range w.etcd.now.Range(kv.Below(csskey.Czars)) {
			if id := string(p[strings.LastIndexByte(string(p), '/')+1:]); !w.registered(id) && w.old(id, p) {
				w.fail("L2", "the registration %s of a czar that is gone is still there", id)
			}
		}
	}
	judge := protocol.Coordinator{Rules: w.rules}
	f := w.etcd.fact()
	for _, d := range f.Drops {
		if d.Intent.Phase != protocol.Marked || !judge.MayExecute(f, d) {
			delete(w.oracle.since, d.Mark)
			continue
		}
		since, known := w.oracle.since[d.Mark]
		if !known {
			w.oracle.since[d.Mark] = w.now
		} else if w.now > max(since, began)+soon {
			w.fail("L1", "nothing has stood in the way of the drop of %s for %s", d.Name, w.now-since)
		}
	}
}

// old reports whether a registration was written or ended long ago; one that a late message made is given its time.
func (w *world) old(id string, p kv.Path) bool {
	if w.lingering == nil {
		w.lingering = map[string]time.Duration{}
	}
	since, known := w.lingering[id]
	if !known {
		w.lingering[id] = w.now
		return false
	}
	return w.now > since+longWait
}

func (w *world) registered(id string) bool {
	for _, c := range w.czars {
		if !c.dead && c.state.ID == id {
			return true
		}
	}
	return false
}

// unsettled returns what has not come to rest, and what it breaks if it never does; "" when all has.
func (w *world) unsettled() (invariant, what string) {
	if f := w.etcd.fact(); len(f.Drops)+len(f.Requests) > 0 {
		return "L1", fmt.Sprintf("%d drops and %d requests have not ended", len(f.Drops), len(f.Requests))
	}
	for p := range w.etcd.now.Range(kv.Below(csskey.Drops)) {
		return "L4", "there is still " + string(p)
	}
	for i, p := range w.paths {
		if protocol.EntryOf(w.etcd.now.At(p), 0).Standing == protocol.DropPending {
			return "L1", "there is still a mark on " + string(w.names[i])
		}
	}
	for p := range w.etcd.now.Range(kv.Below(csskey.Czars)) {
		if id := string(p[strings.LastIndexByte(string(p), '/')+1:]); !w.registered(id) {
			return "L2", "there is still the registration " + id
		}
	}
	for _, c := range w.czars {
		if what := c.unsettled(); !c.dead && what != "" {
			return "L5", c.name + ": " + what
		}
	}
	return "", ""
}

// unsettled returns why the czar does not admit queries on the untouched table, or does not know all that is there.
func (c *czar) unsettled() string {
	if c.state.Leaving {
		return "it has not left"
	}
	fence := c.state.Fence()
	if !fence.Admits(c.clock()) {
		return "it has no proof"
	}
	for i, p := range c.w.paths {
		is, knows := protocol.EntryOf(c.w.etcd.now.At(p), 0), c.state.Entry(c.w.names[i])
		if is.Standing != knows.Standing || is.Incarnation != knows.Incarnation {
			return "it does not know of " + string(c.w.names[i])
		}
		if u := (protocol.Use{Name: c.w.names[i], Incarnation: is.Incarnation}); is.Standing == protocol.Ready &&
			c.useCounts[u].Blocked() {
			return "it blocks " + string(c.w.names[i])
		}
	}
	if q := c.plan([]protocol.Name{untouched}); q == nil || !c.state.Knows(q.uses) {
		return "it refuses queries on the untouched table"
	}
	return ""
}
