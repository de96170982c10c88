package simulation

import (
	"fmt"
	"time"

	"errors"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// coordinator is one process that coordinates drops, or stands by.
type coordinator struct {
	process
	state protocol.Coordinator
	lead  protocol.Leadership
	lease int64
	leads bool // so it believes
	terms int
	last  protocol.Facts
	busy  map[string]bool
}

// electionTTL is how long a coordinator that says nothing stands in the way of others.
const electionTTL = 4 * time.Second

func (w *world) startCoordinator(name string) {
	k := &coordinator{process: w.newProcess(name), busy: map[string]bool{}}
	k.state.Rules = w.rules
	w.coords = append(w.coords, k)
	w.after(&k.process, w.between(0, timing.Confirm), k.poll)
}

// answer is what a coordinator hears from one look at etcd.
type answer struct {
	facts   protocol.Facts
	oldest  bool // of the keys of the election, its own is
	present bool // its own key is there
}

func (k *coordinator) poll() {
	w := k.w
	var a answer
	k.send(func() { a = k.ask() }, func(heard bool) {
		if heard {
			k.hear(a)
		}
		w.after(&k.process, k.local(w.between(timing.Confirm/2, timing.Confirm)), k.poll)
	})
}

// ask reads, keeps its lease alive, and campaigns where it has no key.
func (k *coordinator) ask() answer {
	e := &k.w.etcd
	e.renew(k.lease)
	a := answer{facts: e.fact()}
	oldest := kv.Revision(0)
	for p, entry := range e.now.Range(kv.Below(csskey.Coordinators)) {
		if p == k.lead.Key && entry.Create == k.lead.Created {
			a.present = true
		}
		if oldest == 0 || entry.Create < oldest {
			oldest = entry.Create
		}
	}
	a.oldest = a.present && oldest == k.lead.Created
	return a
}

// hear takes in what was read, and acts on it where it believes that it leads. A phantom goes on to believe so without
// its key.
func (k *coordinator) hear(a answer) {
	w := k.w
	phantom := !w.healing && k.leads && w.chance(0.3)
	if a.oldest || !phantom && w.chance(0.97) {
		k.leads = a.oldest
	} else if k.leads {
		w.counts.Phantoms++
	}
	if !a.present && !phantom {
		k.campaign()
	}
	facts := k.mixed(a.facts)
	for _, action := range k.state.Step(facts, k.clock()) {
		if k.leads && k.lead.Key != "" {
			w.after(&k.process, w.between(0, 20*time.Millisecond), func() { k.perform(action) })
		}
	}
}

// mixed are facts whose registrations were read earlier than the rest, as they may have been.
func (k *coordinator) mixed(f protocol.Facts) protocol.Facts {
	last := k.last
	k.last = f
	if last.At != 0 && last.At <= f.At && !k.w.healing && k.w.chance(0.1) {
		f.Registrations, f.RegistrationsAt = last.Registrations, last.At
	}
	return f
}

func (k *coordinator) campaign() {
	k.terms++
	key := kv.Path(fmt.Sprintf("%s/%s-%d", csskey.Coordinators, k.name, k.terms))
	var got *kv.Snapshot
	var err error
	var lease int64
	k.send(func() {
		lease = k.w.etcd.grant(electionTTL)
		got, err = k.w.etcd.commit("campaign of "+k.name, kv.Change{
			Guards: []kv.Guard{{Kind: kv.Absent, Path: key}}, Puts: []kv.Put{{Path: key, Lease: lease}},
		})
	}, func(heard bool) {
		if heard && err == nil {
			k.leads, k.lease = false, lease
			k.lead = protocol.Leadership{Key: key, Created: got.Revision, Rules: k.w.rules}
		}
	})
}

// perform makes the transaction of an action, once at a time.
func (k *coordinator) perform(a protocol.Action) {
	what := fmt.Sprintf("%s %s%s", a.Kind, a.Name, a.ID)
	if k.busy[what] {
		return
	}
	k.busy[what] = true
	done := func() { delete(k.busy, what) }
	lead := k.lead
	switch {
	case a.Kind == protocol.Remove:
		k.remove(lead, a, done)
	case a.NeedsLease():
		lease := int64(0)
		k.send(func() { lease = k.w.etcd.grant(time.Duration(a.Delay()) * time.Second) }, func(heard bool) {
			if !heard {
				done()
				return
			}
			k.decided(func() { k.commit(lead, a, lease, done) })
		})
	default:
		k.decided(func() { k.commit(lead, a, 0, done) })
	}
}

// decided lets time pass between a decision and its transaction, sometimes much.
func (k *coordinator) decided(then func()) {
	if !k.w.healing && k.w.chance(0.05) {
		k.w.after(&k.process, k.w.between(0, timing.Wait), then)
		return
	}
	then()
}

func (k *coordinator) commit(lead protocol.Leadership, a protocol.Action, lease int64, done func()) {
	w := k.w
	tables := k.tables(a)
	k.send(func() {
		before := w.etcd.now
		if !k.write(lead, fmt.Sprintf("%s %s%s at %d", a.Kind, a.Name, a.ID, a.Mark), lead.Change(a, lease, tables)) {
			return
		}
		switch a.Kind {
		case protocol.Execute:
			w.oracle.executed(w, a, before)
		case protocol.Adopt:
			w.counts.Adopted++
		}
	}, func(bool) { done() })
}

// write makes a transaction of a coordinator and reports whether that changed anything. What failed is tried again.
func (k *coordinator) write(lead protocol.Leadership, what string, c kv.Change) bool {
	e := &k.w.etcd
	before := e.now
	_, _ = e.commit(k.name+": "+what, c)
	if e.now != before {
		k.w.oracle.led(k.w, lead, before, what)
	}
	return e.now != before
}

// tables describes what an execution removes.
func (k *coordinator) tables(a protocol.Action) (all []protocol.Table) {
	if a.Kind != protocol.Execute {
		return nil
	}
	db, table := a.Name.Parts()
	if table != "" {
		return []protocol.Table{{Table: table, Incarnation: a.Found.Entry.Incarnation}}
	}
	for p, e := range k.w.etcd.now.Range(kv.Below(csskey.Of(csskey.TablesKey(db)))) {
		name := p[len(csskey.Of(csskey.TablesKey(db)))+1:]
		all = append(all, protocol.Table{Table: string(name), Incarnation: e.Create})
	}
	return all
}

var errDropper = errors.New("the workers do not answer")

// remove has the data removed, and then frees the name. An attempt that is given up may still arrive at the workers,
// much later.
func (k *coordinator) remove(lead protocol.Leadership, a protocol.Action, done func()) {
	w := k.w
	delay := w.between(10*time.Millisecond, 300*time.Millisecond)
	if w.healing || !w.chance(0.3) {
		w.after(nil, delay, func() {
			w.removeRows(a)
			w.after(&k.process, delay, func() { k.removed(lead, a, done) })
		})
		return
	}
	w.tell("%s: the removal of %s is late", k.name, a.Name)
	w.after(nil, w.between(0, 3*timing.Wait), func() { w.removeRows(a) })
	w.after(&k.process, timeout, func() {
		k.send(func() {
			k.write(lead, fmt.Sprintf("the removal of %s failed", a.Name), lead.Failed(a, errDropper))
		}, func(bool) { done() })
	})
}

func (k *coordinator) removed(lead protocol.Leadership, a protocol.Action, done func()) {
	k.send(func() {
		have := k.w.etcd.read(protocol.SpellingReads(a.Name)...)
		k.write(lead, fmt.Sprintf("%s is removed", a.Name), lead.Removed(a, have))
	}, func(bool) { done() })
}

// removeRows is what the workers do when they are told to drop: they know the incarnation of what they hold.
func (w *world) removeRows(a protocol.Action) {
	db, _ := a.Name.Parts()
	for _, t := range a.Intent.Tables {
		n := protocol.TableName(db, t.Table)
		rows, there := w.rows[n]
		if !there || rows != t.Incarnation && w.without&protocol.RemoveByIncarnation == 0 {
			continue
		}
		w.oracle.removes(w, n, rows, t.Incarnation)
		w.tell("rows of %s, incarnation %d, are removed", n, rows)
		delete(w.rows, n)
	}
}
