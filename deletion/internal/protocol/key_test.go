package protocol

import (
	"crypto/sha256"
	"math/bits"
	"slices"
)

// stateKey names a state: two states of one key have the same future.
type stateKey [16]byte

// encoder writes down what makes a difference in a state, and nothing else. Of revisions only the order counts, and of
// times only how long ago they were.
type encoder struct {
	b    []byte
	revs []int // where in b revisions are
	used [4]uint64
	now  int
	old  int // what is older than that is just old
	kept variant

	// write down all that there is: see TestKeysLoseNothing; where etcd is restored always: what did not count may count
	// again
	exact bool
}

func (e *encoder) rev(all ...Revision) {
	for _, r := range all {
		if r < 0 || r > 255 {
			panic("more revisions than the key of a state can hold")
		}
		if r != 0 {
			e.revs = append(e.revs, len(e.b))
			e.used[r/64] |= 1 << (r % 64)
		}
		e.b = append(e.b, byte(r))
	}
}

// rank returns how many of the revisions of the state are before.
func (e *encoder) rank(r byte) (n int) {
	for i := range r / 64 {
		n += bits.OnesCount64(e.used[i])
	}
	return n + bits.OnesCount64(e.used[r/64]&(1<<(r%64)-1))
}

func (e *encoder) number(all ...int) {
	for _, n := range all {
		e.b = append(e.b, byte(n))
	}
}

func (e *encoder) flags(all ...bool) {
	var b byte
	for i, f := range all {
		if f {
			b |= 1 << i
		}
	}
	e.b = append(e.b, b)
}

func (e *encoder) id(id string) {
	if id == "" {
		id = "-"
	}
	e.b = append(e.b, id[0])
}

// age writes how long ago something was.
func (e *encoder) age(then int) {
	e.number(min(e.now-then, e.old))
}

func (e *encoder) entry(x Entry) {
	e.number(int(x.Standing))
	e.rev(x.Incarnation, x.Modified)
}

func (e *encoder) sum() stateKey {
	for _, i := range e.revs {
		e.b[i] = byte(e.rank(e.b[i]) + 1)
	}
	sum := sha256.Sum256(e.b)
	return stateKey(sum[:16])
}

func (c *checker) key(w *world, exact bool) stateKey {
	e, b := &c.encoder, c.bounds
	*e = encoder{b: e.b[:0], revs: e.revs[:0], now: w.now, old: c.oldAge(), kept: c.kept, exact: exact || b.restores}
	if e.exact {
		e.old++
	}
	e.number(w.marks, w.creates, w.ids, w.delays, w.asks, w.term)
	for n := range b.names() {
		e.name(w, n, b)
	}
	for i, r := range w.regs[:b.ids] {
		e.flags(r.there, r.ending, r.alive)
		e.rev(r.modified)
		ending, ok := w.coord.endings[idOf(i)]
		e.flags(ok)
		if ok {
			e.rev(ending.modified)
			e.age(int(ending.since.Mono / tick))
		}
	}
	e.image(w)
	if b.slowReads {
		e.regs(w.read[:b.ids])
	}
	if b.slowSends {
		e.decision(w, w.slow)
	}
	for i := range max(b.czars, 1) {
		e.process(w, w.czars[i], b)
	}
	return e.sum()
}

// image writes a backup. Who was registered then and is not any more may be again.
func (e *encoder) image(w *world) {
	e.flags(w.restored, w.backup != nil)
	if w.backup == nil {
		return
	}
	e.rev(w.backup.rev)
	for n := range allNames {
		i, a := w.backup.intents[n], w.backup.asked[n]
		e.entry(w.backup.keys[n])
		e.flags(i.there, i.dropping, i.held, i.cancels, a.there, a.early)
		e.number(int(i.present), int(i.acks))
		e.rev(i.mark, i.modified, a.incarnation, a.key, a.modified)
	}
	e.regs(w.backup.regs[:])
}

func (e *encoder) regs(all []reg) {
	for _, r := range all {
		e.flags(r.there, r.ending, r.alive)
		e.rev(r.modified)
	}
}

func (e *encoder) name(w *world, n int, b bounds) {
	e.entry(w.keys[n])
	i, a := w.intents[n], w.asked[n]
	if !b.slowReads && !b.restores && !e.exact {
		i.present &= w.present() // who is gone does not come back
		i.acks &= i.present
	}
	e.flags(i.there, i.dropping, i.held, a.there, a.early, b.slowReads && w.readAt < i.mark)
	e.number(int(i.present), int(i.acks))
	e.rev(i.mark, i.modified, a.incarnation, a.key, a.modified)
	e.decision(w, w.decided[n])
}

func (e *encoder) decision(w *world, d *decision) {
	if d == nil || w.outdated(d, e.kept) && !e.exact {
		e.number(0)
		return
	}
	e.number(len(d.Kind), d.term)
	e.b = append(e.b, d.Name...)
	e.rev(d.Mark, d.Modified, d.Found.Entry.Modified, d.Found.Parent)
}

func (e *encoder) process(w *world, p *process, b bounds) {
	c := &p.czar
	e.id(c.ID)
	e.rev(c.Registered)
	e.flags(p.foreign)
	if b.restores { // revisions of two histories are compared with each other
		e.rev(w.rev, c.Seen)
	}
	e.flags(c.Resynced(), c.compared)
	if c.ID != "" && !c.proof.Valid || e.exact { // else it is that of the proof
		e.age(int(c.base.Mono / tick))
	}
	if c.entering {
		e.age(int(c.asked.Mono / tick))
	}
	e.flags(c.Seen >= c.Registered && !e.kept.keep(ResyncCompares), c.Leaving, c.proving, c.entering, c.departing,
		c.stayed, c.reconciled)
	if e.exact {
		e.rev(c.Seen)
		e.proof(c.tried)
		e.id(p.leaving.id)
		e.rev(p.leaving.registered)
	}
	e.proof(c.proof)
	q := p.query
	e.flags(q.stage == admitted)
	if q.stage == admitted && !c.proof.Valid || e.exact { // no other query lives by it, and none will
		e.proof(c.carried)
	}
	for n := range b.names() {
		e.known(p, n)
		e.ack(w, p.acks[n])
		e.rev(p.note[n])
	}
	e.query(p, b)
	e.messages(w, p, b)
	for _, ch := range w.log[p.seen:] {
		e.change(ch)
	}
	if b.repeats {
		e.change(p.before)
	}
	if b.misses {
		e.flags(p.missed[theTable], p.missed[theDB])
	}
}

func (e *encoder) proof(p Proof) {
	e.flags(p.Valid)
	if p.Valid {
		e.age(int(p.Sent.Mono / tick))
	}
}

func (e *encoder) known(p *process, n int) {
	entry := p.czar.entries[names[n]]
	e.entry(entry)
	pending, ok := p.czar.pending[names[n]]
	e.flags(ok, pending.drained, pending.aborted, pending.asked == entry.Modified, pending.acked == entry.Modified,
		pending.failed)
}

func (e *encoder) query(p *process, b bounds) {
	q := p.query
	e.number(q.stage)
	for n := range b.names() {
		e.flags(q.on[n])
		e.rev(q.uses[n])
	}
	counts := slices.Clone(p.useCounts)
	slices.SortFunc(counts, func(a, b counted) int { return int(a.incarnation - b.incarnation) })
	e.number(len(counts))
	for _, c := range counts {
		e.rev(c.incarnation)
		e.number(c.count.Queries())
		e.flags(c.count.Blocked())
	}
}

func (e *encoder) ack(w *world, a ackSent) {
	if w.dead(a, e.kept) && !(e.exact && a.there) {
		e.number(0)
		return
	}
	e.id(a.id)
	e.rev(a.mark, a.registered)
}

func (e *encoder) messages(w *world, p *process, b bounds) {
	m := p.proof
	if e.exact {
		e.number(m.stage)
		e.id(m.id)
		e.rev(m.registered)
		e.age(m.at)
	}
	m.stage = w.fate(m, e.kept)
	if m.stage != notSent && m.id != p.czar.ID {
		m.stage = notSent // the czar does not listen any more
	}
	e.number(m.stage, p.entry.stage, p.leaving.stage)
	if m.stage == sent || m.stage == accepted {
		e.age(m.at)
		if b.cancels {
			e.names(m.look)
			e.number(len(m.cancel))
			for _, told := range m.cancel {
				e.number(place(told.Name))
				e.rev(told.Mark)
			}
		}
	}
	if p.entry.stage != notSent {
		e.id(p.entry.id)
		e.rev(p.entry.at)
	}
}

func (e *encoder) names(all []Name) {
	e.number(len(all))
	for _, n := range all {
		e.number(place(n))
	}
}

func (e *encoder) change(c change) {
	for n, changed := range c.changed {
		e.flags(changed)
		if changed {
			e.entry(c.entries[n])
		}
	}
}
