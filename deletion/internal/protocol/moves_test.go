package protocol

// What people and coordinators do.

type nexter func(name string, change func(*world) string)

var (
	create      = [allNames]string{"create", "create the database"}
	mark        = [allNames]string{"mark", "mark the database"}
	markByHand  = [allNames]string{"mark by hand", "mark the database by hand"}
	readyByHand = [allNames]string{"READY by hand", "READY by hand for the database"}
	ask         = [allNames]string{"request a mark", "request a mark of the database"}
	askedEnough = [allNames]string{"the request is due", "the request for the database is due"}
	unask       = [allNames]string{"cancel the request", "cancel the request for the database"}
	heldEnough  = [allNames]string{"the delay is over", "the delay of the database is over"}
	undo        = [allNames]string{"undrop", "undrop the database"}
	redelay     = [allNames]string{"another delay", "another delay for the database"}
	decide      = [allNames]string{"the coordinator decides", "the coordinator decides on the database"}
	arrive      = [allNames]string{"the decision arrives", "the decision on the database arrives"}
)

func (c *checker) users(w *world, next nexter) {
	c.restoring(w, next)
	next("a tick", func(n *world) string { n.now++; return "" })
	for n := range c.bounds.names() {
		c.wishes(w, n, next)
		if c.bounds.byHand {
			c.byHand(w, n, next)
		}
		if w.intents[n].there && !w.intents[n].dropping {
			c.underWay(w, n, next)
		}
	}
}

func (c *checker) wishes(w *world, n int, next nexter) {
	if n == theDB && !c.bounds.dbMarks {
		return
	}
	if w.keys[n].Standing == Gone && w.creates < c.bounds.creates && !w.mayNotCreate(n, c.kept) {
		next(create[n], func(w *world) string { return w.create(n) })
	}
	ready := w.keys[n].Standing == Ready && !w.mayNotMark(n, c.kept)
	if ready && w.marks < c.bounds.marks {
		next(mark[n], func(w *world) string { w.mark(n, c.bounds); return "" })
	}
	a := w.asked[n]
	if ready && c.bounds.requests && !a.there && w.asks < c.bounds.marks {
		next(ask[n], func(w *world) string { // MarkLater
			w.rev++
			w.asks++
			w.asked[n] = asked{true, true, w.keys[n].Incarnation, w.keys[n].Modified, w.rev}
			return ""
		})
	}
	if a.early {
		next(askedEnough[n], func(w *world) string { w.asked[n].early = false; return "" })
	}
	if a.there && !w.intents[n].there { // otherwise an undrop cancels both
		next(unask[n], func(w *world) string { w.rev++; w.asked[n] = asked{}; return "" }) // Undo
	}
}

// mayNotCreate stands for the guards of the creation of a table or a database, in package cssetcd.
func (w *world) mayNotCreate(n int, kept variant) bool {
	switch {
	case w.intents[n].there && kept.keep(CreateNeedsNoIntent):
		return true
	case n == theDB || w.keys[theDB] == Entry{}: // the latter: the bounds have no database
		return false
	}
	return kept.keep(TableNeedsDatabase) && (w.keys[theDB].Standing == Gone || w.intents[theDB].there)
}

func (w *world) create(n int) string {
	switch {
	case w.intents[n].there:
		return "S7: a name is used again before the drop of its last bearer has ended"
	case n == theTable && (w.intents[theDB].there || w.keys[theDB].Standing == Gone && w.keys[theDB].Modified != 0):
		return "S7: a table is created in a database whose drop has not ended, or that is gone"
	}
	w.creates++
	w.write(Ready, n)
	return ""
}

// mayNotMark stands for the guards of marking.
func (w *world) mayNotMark(n int, kept variant) bool {
	return w.intents[n].there || n == theTable && w.intents[theDB].there && kept.keep(TableNeedsDatabase)
}

// mark stands for Mark and for the writes of marks.
func (w *world) mark(n int, b bounds) {
	w.marks++
	w.write(DropPending, n)
	w.asked[n] = asked{}
	w.intents[n] = intent{there: true, held: true, mark: w.rev, modified: w.rev, present: w.present(), cancels: b.cancels}
}

func (w *world) endIntent(n int) { w.intents[n] = intent{} }

// byHand is what people and old programs do to statuses without a thought for the protocol.
func (c *checker) byHand(w *world, n int, next nexter) {
	dropping := w.intents[n].there && w.intents[n].dropping
	if n == theDB && !c.bounds.dbMarks || dropping {
		return
	}
	if s := w.keys[n].Standing; (s == Ready || s == DropPending && w.intents[n].there) && w.marks < c.bounds.marks {
		next(markByHand[n], func(w *world) string { w.marks++; w.write(DropPending, n); return "" })
	}
	if w.keys[n].Standing == DropPending {
		next(readyByHand[n], func(w *world) string { w.write(Ready, n); return "" })
	}
}

// underWay is what becomes of a drop that can be undone still.
func (c *checker) underWay(w *world, n int, next nexter) {
	if w.intents[n].held {
		next(heldEnough[n], func(w *world) string { w.intents[n].held = false; return "" })
	}
	next(undo[n], func(w *world) string { // Undo
		if w.mod(n) == w.intents[n].mark {
			w.write(Ready, n)
		} else {
			w.rev++
		}
		w.endIntent(n)
		w.asked[n] = asked{}
		return ""
	})
	if w.delays == 0 && c.bounds.delays {
		next(redelay[n], func(w *world) string { // the intent is written anew, with a new hold
			w.delays++
			w.rev++
			w.intents[n].modified, w.intents[n].held = w.rev, true
			return ""
		})
	}
}

func (c *checker) coordinators(w *world, next nexter) {
	if c.bounds.slowReads && (w.read != w.regs || c.readsLate(w)) {
		next("the coordinator reads", func(n *world) string { n.reads(); return "" })
	}
	if c.bounds.deposes && w.term == 0 {
		next("another coordinator leads", func(n *world) string { n.term++; return "" })
	}
	c.ends(w, next)
	leader := w.coord
	for _, a := range leader.Step(w.facts(c.bounds, c.timing), w.time()) {
		c.action(w, &decision{w.term, a}, next)
	}
	for n, d := range w.decided {
		if d != nil {
			next(arrive[n], func(w *world) string { w.decided[n] = nil; return c.commit(w, d) })
		}
	}
	if d := w.slow; d != nil {
		next("the slow "+string(d.Kind)+" arrives", func(w *world) string { w.slow = nil; return c.commit(w, d) })
	}
}

// readsLate reports whether there is a drop that the coordinator has read no registrations for.
func (c *checker) readsLate(w *world) bool {
	for _, i := range w.intents {
		if w.readAt < i.mark {
			return true
		}
	}
	return false
}

// action lets what a coordinator decided arrive: the point of no return, on which all depends, whenever; the rest in
// most bounds at once, or not now. That leaves nothing out, since what is guarded there stays true or never becomes
// true again: what arrives late could as well be decided late.
func (c *checker) action(w *world, d *decision, next nexter) {
	n := place(d.Name)
	switch {
	case d.Kind == Execute:
		if w.decided[n] == nil || c.outdated(w, w.decided[n]) {
			next(decide[n], func(w *world) string { w.decided[n] = d; return "" })
		}
		return
	case d.Kind == Remove, d.Kind == BeginEnding, d.Kind == Deregister:
	case c.bounds.slowSends && (w.slow == nil || c.outdated(w, w.slow)):
		next("decide on "+string(d.Kind), func(w *world) string { w.slow = d; return "" })
	}
	next("the coordinator does "+string(d.Kind), func(w *world) string { return c.commit(w, d) })
}

// outdated reports whether an action will be refused whenever it arrives.
func (c *checker) outdated(w *world, d *decision) bool { return w.outdated(d, c.kept) }

func (w *world) outdated(d *decision, kept variant) bool {
	n := place(d.Name)
	if d.term != w.term && kept.keep(LeaderProves) {
		return true
	}
	otherIntent := !w.intents[n].there || w.intents[n].modified != d.Modified
	otherAsked := !w.asked[n].there || w.asked[n].modified != d.Modified
	switch d.Kind {
	case MarkNow:
		return otherAsked || w.otherwise(n, d.Found, kept)
	case Withdraw:
		return otherAsked
	case Adopt:
		return w.intents[n].there || w.otherwise(n, d.Found, kept)
	case EndIntent:
		return otherIntent || w.mod(n) != d.seenAt()
	case Execute:
		return otherIntent && kept.keep(ExecuteNeedsIntent) || w.mod(n) != d.Mark && kept.keep(ExecuteNeedsMark) ||
			kept.asRead && w.mod(n) != d.seenAt()
	case Remove:
		return otherIntent
	}
	id := index(d.ID) // BeginEnding, Deregister
	return !w.regs[id].there || w.regs[id].modified != d.Modified
}

// mod is the ModRevision of a key, 0 when it is not there.
func (w *world) mod(n int) Revision {
	if w.keys[n].Standing == Gone {
		return 0
	}
	return w.keys[n].Modified
}

// otherwise reports whether the key to be marked is not as it was found, nor its database.
func (w *world) otherwise(n int, f Found, kept variant) bool {
	return w.keys[n] != f.Entry || n == theTable && w.keys[theDB].Modified != f.Parent && kept.keep(TableNeedsDatabase)
}

// tooEarly reports whether an action is refused now, but need not be later.
func (w *world) tooEarly(d *decision, n int, kept variant) bool {
	switch d.Kind {
	case MarkNow:
		return w.asked[n].early || w.mayNotMark(n, kept)
	case Adopt:
		return w.mayNotMark(n, kept)
	case Execute:
		occupied := w.intents[theTable].there || w.asked[theTable].there
		return w.intents[n].held && kept.keep(ExecuteNeedsDelay) || n == theDB && occupied && kept.keep(DatabaseNeedsEmpty)
	case BeginEnding:
		return w.regs[index(d.ID)].alive
	}
	return false
}

// commit stands for Leadership.Change: the guards, and what is written.
func (c *checker) commit(w *world, d *decision) string {
	n := place(d.Name)
	if c.outdated(w, d) || w.tooEarly(d, n, c.kept) {
		return ""
	}
	if d.term != w.term && c.watches("S9") {
		return "S9: a transaction of a coordinator that was deposed is committed"
	}
	switch d.Kind {
	case MarkNow:
		w.mark(n, c.bounds)
	case Adopt:
		w.marks--
		w.mark(n, c.bounds)
	case Withdraw:
		w.rev++
		w.asked[n] = asked{}
	case EndIntent, Remove: // Remove: Removed
		w.rev++
		w.endIntent(n)
	case Execute:
		return c.execute(w, n, d)
	case BeginEnding:
		c.beginEnding(w, index(d.ID))
	case Deregister:
		w.rev++
		w.regs[index(d.ID)] = reg{}
		c.know(w)
	}
	return ""
}

// execute stands for Leadership.execute.
func (c *checker) execute(w *world, n int, d *decision) string {
	if w.keys[n].Standing == Gone {
		return ""
	}
	if wrong := c.wrongToExecute(w, n, d); wrong != "" {
		return wrong
	}
	gone := []int{n}
	if n == theDB && w.keys[theTable].Standing != Gone {
		gone = []int{theTable, theDB}
	}
	w.write(Gone, gone...)
	w.intents[n] = intent{there: true, dropping: true, mark: w.intents[n].mark, modified: w.rev}
	return ""
}

// ends is the beginning of the end of registrations, by people and by leases.
func (c *checker) ends(w *world, next nexter) {
	for i, r := range w.regs {
		if r.alive && c.bounds.leases {
			next("a lease is lost", func(n *world) string { n.regs[i].alive = false; c.know(n); return "" })
		}
		if r.there && !r.ending && c.bounds.evicts {
			next("a czar is evicted", func(n *world) string { c.beginEnding(n, i); return "" }) // Evict
		}
	}
}

// beginEnding stands for endRegistration.
func (c *checker) beginEnding(w *world, id int) {
	w.rev++
	w.regs[id].ending, w.regs[id].modified = true, w.rev
	c.know(w)
}

// know lets a coordinator know at once what became of the registrations, unless the bounds say that it reads late.
func (c *checker) know(w *world) {
	if !c.bounds.slowReads {
		w.reads()
	}
}
