package simulation

import (
	"fmt"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// planFaults draws what goes wrong, and when.
func (w *world) planFaults() {
	most := []int{2, 5, 9}[w.rng.IntN(3)]
	for range w.rng.IntN(most + 1) {
		w.at(nil, w.between(0, w.options.chaos), w.fault)
	}
	if w.options.restores {
		w.at(nil, w.between(w.options.chaos/4, w.options.chaos), w.restore)
	}
}

func (w *world) someCzar() *czar {
	c := w.czars[w.rng.IntN(len(w.czars))]
	if c.dead {
		return nil
	}
	return c
}

// long is how long a fault lasts: mostly about as long as what it has to do with.
func (w *world) long() time.Duration {
	return w.between(0, []time.Duration{timing.Confirm, timing.Fence, 2 * timing.Wait}[w.rng.IntN(3)])
}

func (w *world) fault() {
	switch roll := w.rng.IntN(21); {
	case roll < 10:
		if c := w.someCzar(); c != nil {
			w.czarFault(c, roll)
		}
	case roll < 14:
		w.coordinatorFault(w.coords[w.rng.IntN(len(w.coords))], roll)
	case roll < 15:
		w.evict()
	case roll < 16:
		w.etcd.compact(w.etcd.now.Revision - kv.Revision(w.rng.IntN(4)))
	case roll < 17:
		w.tell("etcd is down")
		w.etcd.downUntil = max(w.etcd.downUntil, w.now+[]time.Duration{timing.Fence / 2, 2 * timing.Fence}[w.rng.IntN(2)])
	case roll < 18:
		for id := int64(1); id <= w.etcd.granted; id++ { // a new leader of etcd begins all leases anew
			w.etcd.renew(id)
		}
	case roll < 20:
		w.revokeAlive()
	default:
		w.tell("etcd is full")
		w.etcd.fullUntil = max(w.etcd.fullUntil, w.now+w.long())
	}
}

func (w *world) czarFault(c *czar, roll int) {
	d := w.long()
	w.tell("%s: fault %d for %s", c.name, roll, d)
	switch roll {
	case 0, 1:
		c.pause(d)
	case 2:
		c.sleep(d)
	case 3, 4:
		c.cutUntil = w.now + d
	case 5:
		c.deafUntil = w.now + d
	case 6, 7:
		c.view.blind = w.now + d
	case 8:
		w.end(c)
	default:
		c.set([]time.Duration{time.Hour, -time.Hour}[w.rng.IntN(2)])
	}
}

// end ends a czar process, in order or not, and starts another in its place.
func (w *world) end(c *czar) {
	if w.chance(0.5) {
		c.feed(protocol.CzarEvent{Kind: protocol.CzarAskedToGo})
	} else {
		c.crash()
	}
	if w.chance(0.7) {
		name := fmt.Sprintf("czar%d", len(w.czars))
		w.after(nil, w.between(0, timing.Wait), func() { w.startCzar(name) })
	}
}

func (w *world) coordinatorFault(k *coordinator, roll int) {
	d := w.long()
	w.tell("%s: fault %d for %s", k.name, roll, d)
	switch roll {
	case 10:
		k.pause(d)
	case 11:
		k.cutUntil = w.now + d
	case 12:
		w.etcd.revoke(k.lease)
	default:
		k.dead = true
		w.after(nil, d, func() { w.startCoordinator(fmt.Sprintf("coordinator%d", len(w.coords))) })
	}
}

// revokeAlive ends the lease of a czar early.
func (w *world) revokeAlive() {
	c := w.someCzar()
	if c == nil || c.state.ID == "" {
		return
	}
	if l := w.etcd.leaseAt(csskey.Alive + "/" + kv.Path(c.state.ID)); l != nil {
		w.etcd.revoke(l.id)
	}
}

// restore sets etcd back to what it was. It is down until every proof has lapsed, as whoever restores it has to see to:
// who registered since is forgotten, so nobody could wait for those. Its history has a new name at once or, as it
// should not be, some time later.
func (w *world) restore() {
	down := time.Duration(float64(slowTiming.Fence)/0.9) + time.Second
	if w.options.hasty {
		down = 0
	}
	w.tell("etcd is down to be restored")
	w.etcd.downUntil = w.now + down
	w.after(nil, down, func() {
		w.etcd.restore(1 + w.rng.IntN(12))
		w.after(nil, w.options.gap, w.etcd.resetHistory)
	})
}

func (e *etcd) restore(back int) {
	w := e.w
	from := e.past[max(0, len(e.past)-back)]
	at := from.Revision
	if w.options.bumps {
		at += 1000
	}
	w.counts.Restores++
	e.timeline++
	e.leases, e.leaseOf, e.compacted, e.fullUntil = map[int64]*lease{}, map[kv.Path]int64{}, 0, 0
	e.load(from.WithRevision(at))
	e.relevant++
	w.tell("restored as of %d", from.Revision)
	e.release()
	w.oracle.restored(w)
	for _, c := range w.czars {
		c.lookSoon()
	}
}

// resetHistory gives the history of a restored etcd a name of its own.
func (e *etcd) resetHistory() {
	if !e.up() || e.fullUntil > e.w.now {
		e.w.after(nil, time.Second, e.resetHistory)
		return
	}
	_, _ = e.commit("reset the history", kv.Change{ // has no guard
		Puts: []kv.Put{{Path: csskey.History, Value: fmt.Sprintf("history %d", e.timeline)}},
	})
}

// release gives what lived on a lease one that begins anew, as a restored etcd does.
func (e *etcd) release() {
	for _, root := range []kv.Path{csskey.Alive, csskey.Coordinators, csskey.Drops} {
		for p := range e.now.Range(kv.Below(root)) {
			if ttl, leased := e.lasted[p]; leased {
				e.leaseOf[p] = e.grant(ttl)
			}
		}
	}
}
