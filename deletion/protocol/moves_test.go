package protocol

import "slices"

type nexter func(name string, change func(*world) string)

func (c *checker) users(w world, next nexter) {
	next("a tick", func(n *world) string { n.pass(); return "" })
	none := w.intent.Phase == 0
	if w.entry.Standing == Gone && none && w.creates < c.bounds.creates {
		next("create", func(n *world) string { n.creates++; n.write(Ready, 0); return "" })
	}
	if w.entry.Standing == Ready && none && w.marks < c.bounds.marks {
		next("mark", func(n *world) string { n.mark(); return "" })
	}
	if c.bounds.byHand && w.entry.Standing == Ready && none && w.marks < c.bounds.marks {
		next("mark by hand", func(n *world) string { n.marks++; n.write(DropPending, n.entry.Incarnation); return "" })
	}
	if w.entry.Standing == DropPending && none {
		next("adopt", func(n *world) string { n.marks--; n.mark(); return "" })
		next("unmark by hand", func(n *world) string { n.write(Ready, n.entry.Incarnation); return "" })
	}
	if w.intent.Phase != Marked {
		return
	}
	if w.held {
		next("the delay is over", func(n *world) string { n.held = false; return "" })
	}
	if w.entry.Standing == DropPending && w.entry.Modified == w.intent.Mark {
		next("undrop", func(n *world) string { n.endIntent(); n.write(Ready, n.entry.Incarnation); return "" })
		if c.bounds.byHand {
			next("READY by hand", func(n *world) string { n.write(Ready, n.entry.Incarnation); return "" })
		}
		if w.delays == 0 && c.bounds.delays {
			next("another delay", func(n *world) string {
				n.delays++
				n.rev++
				n.intent.Modified, n.held = n.rev, true
				return ""
			})
		}
	} else {
		next("the intent ends", func(n *world) string { n.endIntent(); n.rev++; return "" })
	}
}

func (w *world) mark() {
	w.marks++
	w.write(DropPending, w.entry.Incarnation)
	w.intent = Intent{theName, w.entry.Incarnation, w.rev, w.rev, Marked}
	w.held, w.acks, w.present, w.leased = true, nil, nil, nil
	for _, r := range w.regs {
		w.present = append(w.present, r.ID)
		if r.Alive {
			w.leased = append(w.leased, r.ID)
		}
	}
}

func (w *world) endIntent() {
	w.intent, w.held, w.acks, w.present, w.leased = Intent{}, false, nil, nil, nil
}

func (c *checker) czars(w world, next nexter) {
	c.registering(w, next)
	c.viewing(w, next)
	c.querying(w, next)
	for _, a := range w.czar.Acknowledgements(w.word) {
		if w.acking == (Acknowledgement{}) {
			next("acknowledge", func(n *world) string { n.acking = a; return "" })
		}
	}
	if w.acking != (Acknowledgement{}) {
		next("the acknowledgement is lost", func(n *world) string { n.acking = Acknowledgement{}; return "" })
		next("the acknowledgement arrives", func(n *world) string {
			a := n.acking
			n.acking = Acknowledgement{}
			r := n.registration(a.ID)
			named := n.intent.Mark == a.Mark || !n.czar.Rules.keep(AckNamesMark)
			if n.intent.Phase != Marked || !named || r == nil || r.Modified != a.Registered {
				return ""
			}
			if !slices.Contains(n.acks, a.ID) {
				n.acks = append(n.acks, a.ID)
			}
			n.czar.Acknowledged(a)
			return ""
		})
	}
}

func (c *checker) registering(w world, next nexter) {
	if w.czar.ID == "" && w.ids < c.bounds.ids && !w.czar.Leaving {
		next("register", func(n *world) string {
			n.rev++
			n.ids++
			id := string(rune('a' + n.ids - 1))
			n.regs = append(n.regs, Registration{ID: id, Modified: n.rev, Fence: n.czar.Timing.Fence, Alive: true})
			if !n.czar.Rules.keep(CountOutlivesRegistration) {
				for i := range n.words {
					for n.words[i].word.Queries() > 0 {
						n.words[i].word = n.words[i].word.Release()
					}
				}
			}
			n.czar.Enter(id, n.rev, noon)
			return ""
		})
	}
	if w.proving.stage == 0 {
		probe := w.clone()
		if _, due := probe.czar.Confirmation(noon); due {
			next("send a proof", func(n *world) string {
				if n.query.stage >= 2 && n.query.turn != n.czar.Turn && !n.czar.proof.Valid && !n.czar.Survives(theName, n.query.incarnation) {
					n.endQuery()
				}
				n.proving.c, _ = n.czar.Confirmation(noon)
				n.proving.stage = 1
				return ""
			})
		}
	} else {
		next("the proof or its answer is lost", func(n *world) string { n.proving = proving{}; return "" })
	}
	switch w.proving.stage {
	case 1:
		next("the proof arrives", func(n *world) string {
			r := n.registration(n.proving.c.ID)
			n.proving.stage = 3
			if r != nil && r.Modified == n.proving.c.Registered || !n.czar.Rules.keep(ProofNeedsRegistration) {
				n.proving.stage = 2
				if r != nil {
					r.Alive = true
				}
			}
			return ""
		})
	case 2, 3:
		next("the answer to the proof arrives", func(n *world) string {
			p := n.proving
			n.proving = proving{}
			switch {
			case p.c.ID != n.czar.ID:
			case p.stage == 2:
				n.czar.Accept(p.c.Sent, noon)
			default:
				n.czar.Lose()
			}
			return ""
		})
	}
	if c.bounds.leaving && w.czar.ID != "" && !w.czar.Leaving {
		next("begin to leave", func(n *world) string { n.czar.Leaving = true; return "" })
	}
	queries := 0
	for _, c := range w.words {
		queries += c.word.Queries()
	}
	if w.czar.MayLeave(queries) {
		next("leave", func(n *world) string {
			if r := n.registration(n.czar.ID); r != nil && r.Modified == n.czar.Registered {
				n.rev++
				n.regs = slices.DeleteFunc(n.regs, func(r Registration) bool { return r.ID == n.czar.ID })
			}
			n.czar.Lose()
			n.czar.Leaving = false
			return ""
		})
	}
}

func (c *checker) viewing(w world, next nexter) {
	see := func(n *world, e Entry) {
		t := n.czar.See(theName, e)
		for _, inc := range t.Block {
			n.setWord(inc, n.word(inc).Block())
		}
		for _, inc := range t.Open {
			n.setWord(inc, n.word(inc).Open())
		}
	}
	if len(w.unseen) > 0 {
		next("the view sees", func(n *world) string {
			if c.bounds.repeats {
				n.before = n.czar.Entry(theName)
			}
			see(n, n.unseen[0])
			n.czar.Seen = n.unseen[0].Modified
			n.unseen = n.unseen[1:]
			return ""
		})
	} else if w.czar.Seen < w.czar.Registered {
		next("the view is told the revision", func(n *world) string { n.czar.Seen = n.rev; return "" })
	}
	if c.bounds.repeats && w.before.Modified != 0 {
		next("the watch repeats itself", func(n *world) string { see(n, n.before); n.before = Entry{}; return "" })
	}
}

func (w *world) endQuery() {
	if word := w.word(w.query.incarnation); word.Queries() > 0 {
		w.setWord(w.query.incarnation, word.Release())
	}
	w.query = query{}
}

func (c *checker) querying(w world, next nexter) {
	switch w.query.stage {
	case 0:
		if e := w.czar.Entry(theName); e.Standing == Ready {
			if c.bounds.plans {
				next("plan", func(n *world) string { n.query = query{1, e.Incarnation, 0}; return "" })
			}
			if word, ok := w.word(e.Incarnation).Admit(); ok && w.czar.ID != "" {
				next("plan and count", func(n *world) string {
					n.setWord(e.Incarnation, word)
					n.query = query{2, e.Incarnation, n.czar.Turn}
					return ""
				})
			}
		}
	case 1:
		if word, ok := w.word(w.query.incarnation).Admit(); ok && w.czar.ID != "" {
			next("count", func(n *world) string {
				n.setWord(n.query.incarnation, word)
				n.query.stage, n.query.turn = 2, n.czar.Turn
				return ""
			})
		}
		next("give up", func(n *world) string { n.query = query{}; return "" })
	case 2:
		next("admit", func(n *world) string {
			if n.query.turn == n.czar.Turn && n.czar.Admits([]Use{{theName, n.query.incarnation}}, noon) {
				n.query.stage = 3
			} else {
				n.endQuery()
			}
			return ""
		})
	case 3:
		if w.czar.MayDispatch(w.query.turn, noon) && w.entry.Incarnation != w.query.incarnation {
			next("dispatch", func(*world) string { return "S1: a chunk query is sent to a table that is gone" })
		}
		next("the query ends", func(n *world) string { n.endQuery(); return "" })
	}
}

func (c *checker) coordinators(w world, next nexter) {
	if c.bounds.stale && (w.coord.ReadAt < w.intent.Mark || !slices.Equal(w.coord.Registrations, w.regs)) {
		next("the coordinator reads", func(n *world) string {
			n.coord.See(n.rev, slices.Clone(n.regs), noon)
			return ""
		})
	}
	for i, r := range w.regs {
		if r.Alive && c.bounds.leases {
			next("a lease is lost", func(n *world) string { n.regs[i].Alive = false; return "" })
		}
		if !r.Ending && (!r.Alive || !c.bounds.leases) {
			next("an ending begins", func(n *world) string {
				n.rev++
				n.regs[i].Ending, n.regs[i].Modified = true, n.rev
				return ""
			})
		}
	}
	for _, ended := range w.coord.Ended(noon) {
		if r := w.registration(ended.ID); r != nil && r.Modified == ended.Modified {
			next("a registration is deleted", func(n *world) string {
				n.rev++
				n.regs = slices.DeleteFunc(n.regs, func(r Registration) bool { return r.ID == ended.ID })
				return ""
			})
		}
	}
	if w.decided.Intent.Phase == 0 && w.intent.Phase == Marked {
		f := Facts{w.intent, w.entry, w.held, w.present, w.leased, w.acks}
		if x, ok := w.coord.Execution(f); ok {
			next("the coordinator decides", func(n *world) string { n.decided = x; return "" })
		}
	}
	if w.decided.Intent.Phase != 0 {
		next("the decision is lost", func(n *world) string { n.decided = Execution{}; return "" })
		next("the decision arrives", (*world).execute)
	}
	if w.intent.Phase == Dropping {
		next("all is dropped", func(n *world) string { n.endIntent(); n.rev++; return "" })
	}
}

func (w *world) execute() string {
	x := w.decided
	w.decided = Execution{}
	switch {
	case w.intent != x.Intent,
		x.NeedMark && w.entry.Modified != x.Intent.Mark,
		x.NeedDelay && w.held,
		w.entry.Incarnation == 0:
		return ""
	}
	if w.entry.Standing == Ready {
		return "S4: a drop that was cancelled is carried out"
	}
	if w.held {
		return "S4: a drop is carried out before its delay is over"
	}
	if w.query.stage == 3 && w.query.incarnation == w.entry.Incarnation && w.czar.MayDispatch(w.query.turn, noon) {
		return "S2: a table is dropped while a query uses it"
	}
	w.write(Gone, 0)
	w.intent.Phase, w.intent.Modified = Dropping, w.rev
	return ""
}
