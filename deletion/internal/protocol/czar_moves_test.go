package protocol

// What czars do, and what becomes of their messages.

// moves names what a czar does; of two czars, each has its own.
type moves struct {
	register, entered, keptOut, proofArrives, proofRead, proofAnswered, proofLost, ackArrives, ackLost, goAway, empty,
	leaveArrives, leaveAnswered,
	leaveLost, sees, told, reads, jumps, repeats, misses, finds, notices, compares, plan, count, countAll, giveUp, fence,
	look, end, hears string
}

var czarMoves = [maxCzars]moves{named(""), named(" of the other czar")}

func named(of string) moves {
	return moves{
		"register" + of, "the answer to the registration" + of + " arrives", "the answer to the registration" + of +
			" is lost",
		"the proof" + of + " arrives", "the proof" + of + " is had by reading", "the answer to the proof" + of + " arrives",
		"the proof" + of + " or its answer is lost",
		"the acknowledgement" + of + " arrives", "the acknowledgement" + of + " is lost", "be asked to go" + of, "be empty" +
			of,
		"the leave" + of + " arrives", "the answer to the leave" + of + " arrives", "the leave" + of +
			" or its answer is lost",
		"the view" + of + " sees", "the view" + of + " is told the revision", "all names" + of + " are read anew",
		"the view" + of + " jumps to the present", "the watch" + of + " repeats itself", "the view" + of +
			" misses a creation",
		"the view" + of + " finds what it missed", "the view" + of + " notices that etcd was restored",
		"the view" + of + " compares itself with the restored etcd", "plan" + of, "count" + of, "count on the database" + of,
		"give up" + of,
		"look at the fence" + of, "look and admit" + of, "the query" + of + " ends", "hear late of being drained" + of,
	}
}

// step lets an event happen to a czar and carries out what it does about it.
func (c *checker) step(w *world, i int, e CzarEvent) {
	p := w.own(i)
	e.Now = w.time()
	for _, effect := range p.czar.Step(e) {
		c.carryOut(w, i, effect)
	}
	c.settle(w, i)
}

func (c *checker) carryOut(w *world, i int, e CzarEffect) {
	p := w.own(i)
	switch e.Kind {
	case CzarBlock:
		p.setUseCount(e.Incarnation, p.useCount(e.Incarnation).Block())
	case CzarOpen:
		p.setUseCount(e.Incarnation, p.useCount(e.Incarnation).Open())
	case CzarAbort:
		p.abort(e.Incarnation, c.kept.abortsCounted)
	case CzarRegister:
		c.register(w, i)
	case CzarConfirm:
		p.proof = proofSent{stage: sent, id: e.ID, registered: e.Registered, at: w.now, look: e.Look}
	case CzarAcknowledge:
		n := place(e.Name)
		if !w.dead(p.acks[n], c.kept) { // one on its way is enough; this one is lost, and made again
			c.step(w, i, CzarEvent{Kind: CzarAckFailed, Name: e.Name, Mark: e.Mark, ID: e.ID})
			return
		}
		p.acks[n] = ackSent{true, e.ID, e.Mark, e.Registered}
	case CzarLeave:
		p.leaving = leaveSent{sent, e.ID, e.Registered}
	}
}

// abort ends what a query sends. One that is counted and not admitted need not be told: it looks for itself.
func (p *process) abort(inc Revision, counted bool) {
	if s := p.query.stage; s != admitted && (!counted || s < countedOnFirst) {
		return
	}
	for _, use := range p.query.uses {
		if use != 0 && (use == inc || inc == 0 && p.useCount(use).Blocked()) {
			p.query.stage = aborted
		}
	}
}

// settle tells the czar what it counts no more, at once. Told later, it would acknowledge later.
func (c *checker) settle(w *world, i int) {
	p := w.own(i)
	for n := range c.bounds.names() {
		inc := p.czar.entries[names[n]].Incarnation
		pending, ok := p.czar.pending[names[n]]
		count := p.useCount(inc)
		switch {
		case !ok || pending.drained || !count.Blocked() || count.Queries() != 0:
		case c.kept.lateDrain:
			p.note[n] = inc
		default:
			c.step(w, i, CzarEvent{Kind: CzarDrained, Name: names[n], Incarnation: inc})
			return
		}
	}
	p.forgetUseCounts()
}

// forgetUseCounts drops the counts of incarnations that have been replaced: a czar cannot keep them all for ever.
func (p *process) forgetUseCounts() {
	kept := p.useCounts[:0]
	for _, c := range p.useCounts {
		current := false
		for _, e := range p.czar.entries {
			current = current || e.Incarnation == c.incarnation
		}
		if current || c.count.Queries() > 0 {
			kept = append(kept, c)
		}
	}
	p.useCounts = kept
}

// register stands for RegistrationContext.Register, under a new id.
func (c *checker) register(w *world, i int) {
	if w.ids == c.bounds.ids { // it has had enough of them
		c.step(w, i, CzarEvent{Kind: CzarKeptOut})
		return
	}
	w.rev++
	w.regs[w.ids] = reg{there: true, alive: true, modified: w.rev}
	w.own(i).entry = entrySent{accepted, idOf(w.ids), w.rev}
	w.ids++
	c.know(w)
}

func (c *checker) entered(w *world, i int) {
	p := w.own(i)
	m := p.entry
	p.entry = entrySent{}
	if !c.kept.keep(CountOutlivesRegistration) {
		for i := range p.useCounts {
			for p.useCounts[i].count.Queries() > 0 {
				p.useCounts[i].count = p.useCounts[i].count.Release()
			}
		}
	}
	c.step(w, i, CzarEvent{Kind: CzarEntered, ID: m.id, At: m.at})
}

func (c *checker) czar(w *world, i int, next nexter) {
	m := &czarMoves[i]
	c.registering(w, i, m, next)
	c.proving(w, i, m, next)
	c.acknowledging(w, i, m, next)
	c.leaving(w, i, m, next)
	c.viewing(w, i, m, next)
	c.querying(w, i, m, next)
}

// ticks lets a czar do what is due. Where it registers, it mostly hears of it at once.
func (c *checker) ticks(w *world, i int) {
	c.step(w, i, CzarEvent{Kind: CzarTicked})
	if w.czars[i].entry.stage == accepted && !c.bounds.slowEntry {
		c.entered(w, i)
	}
}

func (c *checker) registering(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	first := i == 0 || w.ids > 0 // whoever registers first is the first: they are alike
	if p.czar.ID == "" && !p.czar.entering && !p.czar.Leaving && w.ids < c.bounds.ids && first {
		next(m.register, func(w *world) string { c.ticks(w, i); return "" })
	}
	if p.entry.stage == accepted {
		next(m.entered, func(w *world) string { c.entered(w, i); return "" })
		next(m.keptOut, func(w *world) string {
			w.own(i).entry = entrySent{}
			c.step(w, i, CzarEvent{Kind: CzarKeptOut})
			return ""
		})
	}
}

func (c *checker) proving(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	if p.proof.stage == notSent || p.proof.id != p.czar.ID {
		return
	}
	next(m.proofLost, func(w *world) string {
		p := w.own(i)
		id := p.proof.id
		p.proof = proofSent{}
		c.step(w, i, CzarEvent{Kind: CzarUnanswered, ID: id})
		return ""
	})
	latest := w.as(p.proof.id, p.proof.registered) || !c.kept.keep(ProofReadsLatest)
	if c.bounds.full && p.proof.stage == sent && latest {
		next(m.proofRead, func(w *world) string { // RegistrationContext.ConfirmByReading
			p := w.own(i)
			told, wrong := w.toCancel(p.proof.look, c.kept)
			p.proof.stage, p.proof.cancel = accepted, told
			return wrong
		})
	}
	if w.fate(p.proof, c.kept) == sent {
		next(m.proofArrives, func(w *world) string { // RegistrationContext.Confirm
			p := w.own(i)
			if p.proof.stage = accepted; !w.as(p.proof.id, p.proof.registered) && c.kept.keep(ProofNeedsRegistration) {
				p.proof.stage = refused
				return ""
			}
			told, wrong := w.toCancel(p.proof.look, c.kept)
			p.proof.cancel = told
			if r := &w.regs[index(p.proof.id)]; r.there && !r.alive {
				r.alive = true
				c.know(w)
			}
			return wrong
		})
		return
	}
	next(m.proofAnswered, func(w *world) string {
		p := w.own(i)
		sent, kind := p.proof, CzarConfirmed
		if w.fate(sent, c.kept) == refused {
			kind = CzarRefused
		}
		p.proof = proofSent{}
		c.step(w, i, CzarEvent{Kind: kind, ID: sent.id, Sent: at(sent.at), Cancel: sent.cancel})
		return ""
	})
}

// toCancel stands for ToCancel.
func (w *world) toCancel(look []Name, kept variant) (all []Cancelling, wrong string) {
	for _, n := range look {
		i := w.intents[place(n)]
		if !i.there || i.dropping || !i.cancels || i.held && kept.keep(CancelNeedsDelay) {
			continue
		}
		if i.held {
			wrong = "S10: queries are told to end before the agreed delay is over"
		}
		all = append(all, Cancelling{n, i.mark})
	}
	return all, wrong
}

// fate is the stage of a proof; one that can only be refused counts as refused.
func (w *world) fate(p proofSent, kept variant) int {
	if p.stage == sent && !w.as(p.id, p.registered) && kept.keep(ProofNeedsRegistration) && kept.keep(ProofReadsLatest) {
		return refused
	}
	return p.stage
}

// dead reports whether an acknowledgement can have no effect any more.
func (w *world) dead(a ackSent, kept variant) bool {
	if !a.there || !w.as(a.id, a.registered) {
		return true
	}
	for _, i := range w.intents {
		if i.there && i.mark == a.mark {
			return i.dropping
		}
	}
	return kept.keep(AckNamesMark)
}

func (c *checker) acknowledging(w *world, i int, m *moves, next nexter) {
	for n := range c.bounds.names() {
		if w.dead(w.czars[i].acks[n], c.kept) {
			continue
		}
		next(m.ackLost, func(w *world) string {
			a := w.own(i).acks[n]
			w.own(i).acks[n] = ackSent{}
			c.step(w, i, CzarEvent{Kind: CzarAckFailed, Name: names[n], Mark: a.mark, ID: a.id})
			c.ticks(w, i)
			return ""
		})
		next(m.ackArrives, func(w *world) string { // RegistrationContext.Acknowledge
			a := w.own(i).acks[n]
			w.own(i).acks[n] = ackSent{}
			in := &w.intents[n]
			if in.there && !in.dropping && (in.mark == a.mark || !c.kept.keep(AckNamesMark)) {
				in.acks |= 1 << index(a.id)
			}
			c.step(w, i, CzarEvent{Kind: CzarAcked, Name: names[n], Mark: a.mark, ID: a.id})
			return ""
		})
	}
}

func (c *checker) leaving(w *world, i int, m *moves, next nexter) {
	if !c.bounds.leaving {
		return
	}
	p := w.czars[i]
	if p.czar.ID != "" && !p.czar.Leaving {
		next(m.goAway, func(w *world) string { c.step(w, i, CzarEvent{Kind: CzarAskedToGo}); return "" })
	}
	if p.czar.Leaving && p.czar.ID != "" && !p.czar.departing && (p.queries() == 0 || !c.kept.keep(LeaveOnlyDrained)) {
		next(m.empty, func(w *world) string { c.step(w, i, CzarEvent{Kind: CzarEmpty}); return "" })
	}
	if p.leaving.stage == sent {
		next(m.leaveArrives, func(w *world) string { // RegistrationContext.Leave
			l := &w.own(i).leaving
			l.stage = accepted
			if w.as(l.id, l.registered) {
				w.rev++
				w.regs[index(l.id)] = reg{}
				c.know(w)
			}
			return ""
		})
	}
	if p.leaving.stage == accepted {
		next(m.leaveAnswered, func(w *world) string {
			w.own(i).leaving = leaveSent{}
			c.step(w, i, CzarEvent{Kind: CzarGone})
			return ""
		})
	}
	if p.leaving.stage != notSent {
		next(m.leaveLost, func(w *world) string {
			w.own(i).leaving = leaveSent{}
			c.step(w, i, CzarEvent{Kind: CzarLeaveFailed})
			return ""
		})
	}
}
