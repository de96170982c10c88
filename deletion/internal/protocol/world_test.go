package protocol

import (
	"slices"
	"time"
)

// The exhaustive check tries everything that can happen, in every order, with one table in one database, one or two
// czar processes and the coordinators, within small bounds. Czars and coordinators are the real ones, driven through
// Step alone. What etcd does is written by hand, for speed; each write names the builder of the transaction that it
// stands for.
//
// Time passes in ticks; messages arrive late or never; leases, registrations and decisions go at any moment.

const tick = time.Second

// The names, as indexes. Queries use the table and, where the bounds have one, its database.
const (
	theTable = iota
	theDB
	allNames
)

var names = [allNames]Name{TableName("d", "t"), DatabaseName("d")}

func place(n Name) int {
	if n == names[theDB] {
		return theDB
	}
	return theTable
}

const (
	maxIDs   = 4
	maxCzars = 2
)

// bounds say how much of what may happen.
type bounds struct {
	ids, marks int // at most
	creates    int // beside what is there when it begins
	czars      int // processes; 0 is 1
	db         bool
	dbMarks    bool // the database may be dropped, too
	byHand     bool // statuses written by hand
	delays     bool // a changed delay
	requests   bool // marks that are asked for and made later
	leaving    bool // czars that leave by themselves
	repeats    bool // a watch that repeats itself, and a view that leaves out what is no longer so
	misses     bool // a view that misses a creation, and finds it later
	leases     bool // leases of czars are lost, and made again by confirmations: coordinators begin to end registrations
	evicts     bool // operators begin to end any registration at any time
	// coordinators that read registrations late; without, they know everything at once, which lets them do the most
	slowReads bool
	slowSends bool // every decision of a coordinator may arrive late, not only the point of no return
	deposes   bool // coordinators that are deposed
	slowEntry bool // answers to registrations that come late or never
	cancels   bool // drops do not wait for queries, but abort them
	plans     bool // queries planned long before they are counted
	full      bool // proofs that are had by reading, since etcd is full
	restores  bool // etcd is restored from a backup
	looks     bool // queries that look at the fence and later at the snapshot, not at both at once
}

func (b bounds) names() int {
	if b.db {
		return allNames
	}
	return 1
}

// world is a state of everything. A copy is another world: what it points to is never changed in place, but replaced;
// see [world.own].
type world struct {
	now     int
	rev     Revision
	keys    [allNames]Entry
	intents [allNames]intent
	asked   [allNames]asked
	regs    [maxIDs]reg
	log     []change // of the keys, as views see them

	marks, creates, ids, delays, asks int

	czars [maxCzars]*process

	coord   Coordinator
	read    [maxIDs]reg // the registrations as the coordinator read them, at readAt
	readAt  Revision
	decided [allNames]*decision // points of no return on their way
	slow    *decision           // something else on its way
	term    int                 // counts the coordinators that led

	backup   *image
	restored bool

	owned [maxCzars]bool // czars that no other world has
}

// ids is a set of registrations.
type ids uint8

func (s ids) has(id int) bool { return s&(1<<id) != 0 }

type intent struct {
	there, dropping, held, cancels bool
	mark, modified                 Revision
	present, acks                  ids
}

// asked is a mark to be made later.
type asked struct {
	there, early               bool // early: its lease has not gone
	incarnation, key, modified Revision
}

type reg struct {
	there, ending, alive bool
	modified             Revision
}

// change is what a revision changed.
type change struct {
	at      Revision
	changed [allNames]bool
	entries [allNames]Entry
}

// decision is an action of a coordinator on its way to etcd.
type decision struct {
	term int
	Action
}

// process is a czar process: the czar, and what carries out its effects.
type process struct {
	czar      Czar
	seen      int // how much of the log its view has seen
	before    change
	foreign   bool           // its view follows another history than that of etcd
	missed    [allNames]bool // created, and the view does not show it; see bounds.misses
	useCounts []counted
	query     query

	proof   proofSent
	acks    [allNames]ackSent
	entry   entrySent
	leaving leaveSent
	note    [allNames]Revision // of which it has yet to be told that they are drained; see variant.lateDrain
}

type counted struct {
	incarnation Revision
	count       UseCount
}

// The stages of a query.
const (
	noQuery = iota
	planned
	countedOnFirst // on the table, not yet on the database
	countedOnAll
	lookedOnce
	admitted
	aborted
)

type query struct {
	stage int
	uses  [allNames]Revision // the incarnations it was planned with
	on    [allNames]bool     // it is counted on these
}

// The stages of a message that is answered.
const (
	notSent = iota
	sent
	accepted
	refused
)

type proofSent struct {
	stage      int
	id         string
	registered Revision
	at         int
	look       []Name       // drops to look at
	cancel     []Cancelling // those of them whose queries are to be aborted, as was found
}

type ackSent struct {
	there            bool
	id               string
	mark, registered Revision
}

type entrySent struct {
	stage int
	id    string
	at    Revision
}

type leaveSent struct {
	stage      int
	id         string
	registered Revision
}

func idOf(i int) string { return string(rune('a' + i)) }

func index(id string) int { return int(id[0] - 'a') }

func (w *world) time() Time { return at(w.now) }

func at(now int) Time { return Time{Mono: time.Duration(now) * tick, Wall: time.Duration(now) * tick} }

// own returns a czar process that may be changed.
func (w *world) own(i int) *process {
	if !w.owned[i] {
		p := *w.czars[i]
		p.czar, p.useCounts = p.czar.Clone(), slices.Clone(p.useCounts)
		w.czars[i], w.owned[i] = &p, true
	}
	return w.czars[i]
}

// write makes a revision of keys.
func (w *world) write(s Standing, keys ...int) {
	w.rev++
	c := change{at: w.rev}
	for _, n := range keys {
		inc := w.keys[n].Incarnation
		switch {
		case s == Gone:
			inc = 0
		case inc == 0:
			inc = w.rev
		}
		w.keys[n] = Entry{s, inc, w.rev}
		c.changed[n], c.entries[n] = true, w.keys[n]
	}
	w.log = append(w.log[:len(w.log):len(w.log)], c)
}

// as reports whether a registration is as it was written.
func (w *world) as(id string, registered Revision) bool {
	if id == "" {
		return false
	}
	r := w.regs[index(id)]
	return r.there && r.modified == registered
}

func (w *world) present() (all ids) {
	for i, r := range w.regs {
		if r.there {
			all |= 1 << i
		}
	}
	return all
}

// reads lets the coordinator know the registrations.
func (w *world) reads() {
	w.read, w.readAt = w.regs, w.rev
	w.coord.See(w.registered(), w.time())
}

func (w *world) registered() (all []Registered) {
	for i, r := range w.read {
		if r.there {
			all = append(all, Registered{ID: idOf(i), Modified: r.modified, Ending: r.ending,
				Fence: w.czars[0].czar.Timing.Fence, Alive: r.alive})
		}
	}
	return all
}

// facts are what the coordinator reads: registrations as of when it read them last, all else now.
func (w *world) facts(b bounds, timing Timing) Facts {
	f := Facts{At: w.rev, Registrations: w.registered(), RegistrationsAt: w.readAt, Timing: timing}
	if !b.slowReads {
		f.RegistrationsAt = w.rev
	}
	for n := b.names() - 1; n >= 0; n-- {
		found := Found{Name: names[n], Entry: w.keys[n]}
		if n == theTable {
			found.Parent, found.ParentDropping = w.keys[theDB].Modified, w.intents[theDB].there
		}
		i, a := w.intents[n], w.asked[n]
		if i.there {
			f.Drops = append(f.Drops, w.drop(n, found))
		} else if found.Entry.Standing == DropPending {
			f.Unasked = append(f.Unasked, found)
		}
		if a.there {
			r := Request{Incarnation: a.incarnation, Modified: a.key, Terms: Terms{Delay: 1}}
			f.Requests = append(f.Requests, Requested{Found: found, Request: r, Modified: a.modified, Due: !a.early,
				Marked: i.there})
		}
	}
	return f
}

func (w *world) drop(n int, found Found) Drop {
	i := w.intents[n]
	d := Drop{Found: found, Intent: Intent{Phase: Marked}, Mark: i.mark, Modified: i.modified, Held: i.held}
	if i.dropping {
		d.Intent.Phase = Dropping
	}
	if n == theDB {
		d.Occupied = w.intents[theTable].there || w.asked[theTable].there
	}
	for id := range maxIDs {
		if i.present.has(id) {
			d.Present = append(d.Present, idOf(id))
		}
		if i.acks.has(id) {
			d.Acknowledged = append(d.Acknowledged, idOf(id))
		}
	}
	return d
}

func (p *process) useCount(inc Revision) UseCount {
	for _, c := range p.useCounts {
		if c.incarnation == inc {
			return c.count
		}
	}
	return 0
}

func (p *process) setUseCount(inc Revision, count UseCount) {
	for i := range p.useCounts {
		if p.useCounts[i].incarnation == inc {
			p.useCounts[i].count = count
			return
		}
	}
	p.useCounts = append(p.useCounts, counted{inc, count})
}

func (p *process) queries() (n int) {
	for _, c := range p.useCounts {
		n += c.count.Queries()
	}
	return n
}

// mayDispatch reports whether a query may send a chunk query now.
func (p *process) mayDispatch(now Time) bool {
	if p.query.stage != admitted {
		return false
	}
	f := p.czar.Fence()
	return f.MayDispatch(now)
}
