package protocol

import (
	"encoding/binary"
	"slices"
	"time"
)

// The exhaustive check tries everything that can happen, in every order, with one name, one czar process and one coordinator, within
// small bounds. Time passes in ticks; messages arrive late or never; leases, sessions and decisions go at any moment.

const (
	tick    = 1000 * time.Millisecond
	noon    = 1000 * tick // what every clock says: what happened before is dated back as time passes
	theName = Name("t")
)

// bounds say how much of what may happen.
type bounds struct {
	ids, marks, creates int
	byHand              bool // statuses written by hand
	delays              bool // a changed delay
	leaving             bool // czars that leave by themselves
	repeats             bool // a watch that repeats itself
	leases              bool // leases of czars that are lost and made again; without, any registration may be ended at any time
	stale               bool // coordinators that read late; without, they know everything at once, which lets them do the most
	plans               bool // queries planned long before they are counted
}

// world is a state of everything.
type world struct {
	// etcd
	rev     Revision
	entry   Entry
	intent  Intent
	held    bool
	present []string
	leased  []string // present, with a lease
	regs    []Registration
	acks    []string // of the present intent
	marks   int
	creates int
	ids     int
	delays  int

	// the czar process
	czar    Czar
	unseen  []Entry // what its view has yet to see
	before  Entry   // what its view saw before the last, for a watch that repeats itself
	words   []counted
	query   query
	proving proving
	acking  Acknowledgement

	// the coordinator
	coord   Coordinator
	decided Execution
}

type counted struct {
	incarnation Revision
	word        Word
}

type query struct {
	stage       byte // 0 none, 1 planned, 2 counted, 3 admitted
	incarnation Revision
	turn        int
}

type proving struct {
	stage byte // 0 none, 1 sent, 2 accepted, 3 refused
	c     Confirmation
}

func (w world) clone() world {
	w.present, w.leased, w.acks = slices.Clone(w.present), slices.Clone(w.leased), slices.Clone(w.acks)
	w.regs, w.unseen, w.words = slices.Clone(w.regs), slices.Clone(w.unseen), slices.Clone(w.words)
	w.czar.entries = slices.Clone(w.czar.entries)
	w.coord.Registrations, w.coord.endings = slices.Clone(w.coord.Registrations), slices.Clone(w.coord.endings)
	return w
}

func (w *world) word(inc Revision) Word {
	for _, c := range w.words {
		if c.incarnation == inc {
			return c.word
		}
	}
	return 0
}

func (w *world) setWord(inc Revision, word Word) {
	for i := range w.words {
		if w.words[i].incarnation == inc {
			w.words[i].word = word
			return
		}
	}
	w.words = append(w.words, counted{inc, word})
}

// write makes a revision of the name's key.
func (w *world) write(s Standing, inc Revision) {
	w.rev++
	if inc == 0 && s != Gone {
		inc = w.rev
	}
	w.entry = Entry{s, inc, w.rev}
	w.unseen = append(w.unseen, w.entry)
}

func (w *world) registration(id string) *Registration {
	for i := range w.regs {
		if w.regs[i].ID == id {
			return &w.regs[i]
		}
	}
	return nil
}

// revisions are all revisions of a state, so that they can be numbered anew: only their order matters.
func (w *world) revisions() []*Revision {
	e := func(e *Entry) []*Revision { return []*Revision{&e.Incarnation, &e.Modified} }
	in := func(i *Intent) []*Revision { return []*Revision{&i.Incarnation, &i.Mark, &i.Modified} }
	all := []*Revision{&w.rev, &w.czar.Registered, &w.czar.Seen, &w.query.incarnation, &w.proving.c.Registered, &w.acking.Mark, &w.acking.Registered, &w.coord.ReadAt}
	all = append(all, e(&w.entry)...)
	all = append(all, e(&w.before)...)
	all = append(all, in(&w.intent)...)
	all = append(all, in(&w.decided.Intent)...)
	for i := range w.regs {
		all = append(all, &w.regs[i].Modified)
	}
	for i := range w.czar.entries {
		all = append(append(all, e(&w.czar.entries[i].entry)...), &w.czar.entries[i].acked)
	}
	for i := range w.unseen {
		all = append(all, e(&w.unseen[i])...)
	}
	for i := range w.words {
		all = append(all, &w.words[i].incarnation)
	}
	for i := range w.coord.Registrations {
		all = append(all, &w.coord.Registrations[i].Modified)
	}
	for i := range w.coord.endings {
		all = append(all, &w.coord.endings[i].modified)
	}
	return all
}

func (w *world) times() []*Time {
	all := []*Time{&w.czar.proof.Sent, &w.czar.carried.Sent, &w.czar.tried.Sent, &w.proving.c.Sent}
	for i := range w.coord.endings {
		all = append(all, &w.coord.endings[i].since)
	}
	return all
}

// pass lets a tick pass. What is older than matters to anybody stays as old.
func (w *world) pass() {
	for _, t := range w.times() {
		if *t != 0 {
			*t = max(*t-tick, noon-4*tick)
		}
	}
}

// forget makes equal what cannot make a difference any more.
func (w *world) forget(b bounds) {
	w.czar.tried = Proof{}
	if !b.stale {
		w.coord.See(w.rev, slices.Clone(w.regs), noon)
	}
	w.forgetMessages()
	current := w.czar.Entry(theName).Incarnation
	w.words = slices.DeleteFunc(w.words, func(c counted) bool { return c.incarnation != current && c.word.Queries() == 0 })
	w.czar.Seen = before(w.czar.Seen, w.czar.Registered)
	w.coord.ReadAt = before(w.coord.ReadAt, w.intent.Mark)
	if !w.czar.proof.Valid {
		w.czar.proof = Proof{}
	}
	if w.query.stage == 0 || w.query.stage == 1 {
		w.czar.carried = Proof{} // no query lives by it, and none will
	}
	for _, p := range []*Proof{&w.czar.proof, &w.czar.carried} {
		if p.Valid && noon-p.Sent > w.czar.Timing.Fence {
			*p = Proof{}
		}
	}
	for i := range w.czar.entries {
		if k := &w.czar.entries[i]; k.acked != k.entry.Modified {
			k.acked = 0
		}
	}
	if w.acking.Mark != w.intent.Mark && w.czar.Rules.keep(AckNamesMark) {
		w.acking = Acknowledgement{}
	}
}

// forgetMessages drops what can have no effect when it arrives.
func (w *world) forgetMessages() {
	x := w.decided
	if w.intent != x.Intent || x.NeedMark && w.entry.Modified != x.Intent.Mark {
		w.decided = Execution{}
	}
	p := &w.proving
	if r := w.registration(p.c.ID); p.stage == 1 && (r == nil || r.Modified != p.c.Registered) && w.czar.Rules.keep(ProofNeedsRegistration) {
		p.stage = 3
	}
	late := noon-p.c.Sent > w.czar.Timing.Fence && w.czar.Rules.keep(ProofDatesFromSending)
	if p.stage != 0 && (p.c.ID != w.czar.ID || p.stage != 3 && late) {
		*p = proving{}
	}
	if p.stage == 3 {
		p.c.Sent, p.c.Registered = 0, 0
	}
	if r := w.registration(w.acking.ID); r == nil || r.Modified != w.acking.Registered {
		w.acking = Acknowledgement{}
	}
}

// before keeps of a revision whether it is before another.
func before(r, other Revision) Revision {
	if r < other {
		return 0
	}
	return other
}

// key names a state: two states of one key have the same future.
func (w *world) key(b0 bounds) []byte {
	w.forget(b0)
	revs := w.revisions()
	order := make([]Revision, 0, len(revs))
	for _, r := range revs {
		if *r != 0 {
			order = append(order, *r)
		}
	}
	slices.Sort(order)
	order = slices.Compact(order)
	for _, r := range revs {
		if *r != 0 {
			i, _ := slices.BinarySearch(order, *r)
			*r = Revision(i + 1)
		}
	}
	b := make([]byte, 0, 160)
	for _, r := range w.revisions() {
		b = append(b, byte(*r))
	}
	for _, t := range w.times() {
		age := byte(99)
		if *t != 0 {
			age = byte((noon - *t) / tick)
		}
		b = append(b, age)
	}
	flag := func(f bool) {
		if f {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	text := func(all ...string) {
		for _, s := range all {
			b = append(append(b, s...), ',')
		}
		b = append(b, ';')
	}
	b = append(b, byte(w.entry.Standing), byte(w.before.Standing), byte(w.intent.Phase), byte(w.decided.Intent.Phase),
		byte(w.marks), byte(w.creates), byte(w.ids), byte(w.delays), byte(w.czar.Turn), w.query.stage, byte(w.query.turn), w.proving.stage)
	flag(w.held)
	flag(w.czar.Leaving)
	for _, p := range []Proof{w.czar.proof, w.czar.carried, w.czar.tried} {
		flag(p.Valid)
	}
	text(w.present...)
	text(w.leased...)
	text(w.acks...)
	text(w.czar.ID, w.proving.c.ID, w.acking.ID)
	regs := func(all []Registration) {
		for _, r := range all {
			text(r.ID)
			flag(r.Ending)
			flag(r.Alive)
		}
		b = append(b, ';')
	}
	regs(w.regs)
	regs(w.coord.Registrations)
	for _, e := range w.coord.endings {
		text(e.id)
	}
	for _, k := range w.czar.entries {
		b = append(b, byte(k.entry.Standing))
	}
	b = append(b, ';')
	for _, e := range w.unseen {
		b = append(b, byte(e.Standing))
	}
	b = append(b, ';')
	for _, c := range w.words {
		b = binary.AppendUvarint(b, uint64(c.word.Queries()))
		flag(c.word.Blocked())
	}
	return b
}
