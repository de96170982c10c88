package protocol

// What a czar's view shows, and what its queries do.

func (c *checker) viewing(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	c.meets(w, i, m, next)
	if c.bounds.misses {
		c.missing(w, i, m, next)
	}
	switch {
	// a change of what is not known shows that something is missing
	case p.seen < len(w.log) && p.missesAny(w.log[p.seen]):
	case p.seen < len(w.log):
		next(m.sees, func(w *world) string { c.sees(w, i, w.log[w.czars[i].seen], 1); return "" })
	case p.czar.ID != "" && p.czar.Seen < p.czar.Registered && !c.kept.keep(ResyncCompares): // else nothing depends on it
		next(m.told, func(w *world) string { c.step(w, i, CzarEvent{Kind: CzarSaw, At: w.rev}); return "" })
	}
	if p.czar.ID != "" && !p.czar.compared {
		next(m.reads, func(w *world) string { c.readsNames(w, i); return "" })
	}
	if !c.bounds.repeats {
		return
	}
	if unseen := w.log[p.seen:]; len(unseen) > 1 && p.missed == ([allNames]bool{}) {
		next(m.jumps, func(w *world) string {
			var all change
			for _, ch := range w.log[w.czars[i].seen:] {
				all.add(ch)
			}
			c.sees(w, i, all, len(w.log)-w.czars[i].seen)
			return ""
		})
	}
	if p.before.at != 0 {
		next(m.repeats, func(w *world) string {
			p := w.own(i)
			again := p.before
			p.before = change{}
			c.step(w, i, CzarEvent{Kind: CzarSaw, At: again.at, Observations: again.observations()})
			return ""
		})
	}
}

// missing lets a view miss that something was created, and find it when it reads all anew.
func (c *checker) missing(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	if p.seen < len(w.log) && p.seen > 0 && !p.missesAny(w.log[p.seen]) && w.log[p.seen].creates() {
		next(m.misses, func(w *world) string {
			p := w.own(i)
			ch := w.log[p.seen]
			p.seen++
			for n, changed := range ch.changed {
				p.missed[n] = p.missed[n] || changed
			}
			c.step(w, i, CzarEvent{Kind: CzarSaw, At: ch.at})
			return ""
		})
	}
	if p.missed == ([allNames]bool{}) {
		return
	}
	next(m.finds, func(w *world) string {
		p := w.own(i)
		all := change{at: w.rev, changed: p.missed}
		for _, ch := range w.log[p.seen:] {
			all.add(ch)
		}
		all.at, all.entries = w.rev, w.keys
		healed := false
		for _, s := range all.observations() {
			healed = healed || s.Entry.Standing != Gone && s.Entry.Modified <= p.czar.Seen
		}
		p.seen, p.missed = len(w.log), [allNames]bool{}
		if healed {
			c.readsNames(w, i)
			return ""
		}
		c.step(w, i, CzarEvent{Kind: CzarSaw, At: all.at, Observations: all.observations()})
		return ""
	})
}

// missesAny reports whether the view has missed anything that a revision changed.
func (p *process) missesAny(ch change) bool {
	for n, changed := range ch.changed {
		if changed && p.missed[n] {
			return true
		}
	}
	return false
}

// creates reports whether all that a revision changed was created by it.
func (c *change) creates() bool {
	for n, changed := range c.changed {
		if changed && c.entries[n].Incarnation != c.at {
			return false
		}
	}
	return true
}

// readsNames shows a czar all that etcd holds, which may be later than what its view shows.
func (c *checker) readsNames(w *world, i int) {
	p := w.own(i)
	e := w.whole(p.czar.Seen)
	e.ID = p.czar.ID
	if !p.foreign && !c.bounds.repeats {
		p.seen, p.missed = len(w.log), [allNames]bool{} // what the view shows of it later is no news
	}
	c.step(w, i, e)
}

// sees shows a czar's view what the next revisions of the log changed.
func (c *checker) sees(w *world, i int, ch change, revisions int) {
	p := w.own(i)
	p.seen += revisions
	if c.bounds.repeats {
		p.before = change{}
		for n, changed := range ch.changed {
			if e, known := p.czar.entries[names[n]]; changed && known {
				p.before.changed[n], p.before.entries[n], p.before.at = true, e, max(p.before.at, e.Modified)
			}
		}
	}
	c.step(w, i, CzarEvent{Kind: CzarSaw, At: ch.at, Observations: ch.observations()})
}

// add lets a later change hide an earlier one.
func (c *change) add(later change) {
	c.at = later.at
	for n, changed := range later.changed {
		if changed {
			c.changed[n], c.entries[n] = true, later.entries[n]
		}
	}
}

func (c change) observations() (all []Observation) {
	for n, changed := range c.changed {
		if changed {
			all = append(all, Observation{names[n], c.entries[n]})
		}
	}
	return all
}

func (c *checker) querying(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	switch p.query.stage {
	case noQuery:
		uses, ok := c.plan(p)
		switch {
		case !ok || p.czar.Leaving:
		case c.bounds.plans:
			next(m.plan, func(w *world) string { w.own(i).query = query{stage: planned, uses: uses}; return "" })
		case !p.useCount(uses[theTable]).Blocked():
			next(m.count, func(w *world) string { w.own(i).query.uses = uses; c.count(w, i, theTable); return "" })
		}
	case planned:
		if !p.useCount(p.query.uses[theTable]).Blocked() && !p.czar.Leaving {
			next(m.count, func(w *world) string { c.count(w, i, theTable); return "" })
		}
		next(m.giveUp, func(w *world) string { w.own(i).query = query{}; return "" })
	case countedOnFirst:
		next(m.countAll, func(w *world) string { c.count(w, i, theDB); return "" })
		if !c.kept.keep(AdmitIsWhole) { // it does not wait for the rest
			c.admitting(w, i, m, next)
		}
	case countedOnAll, lookedOnce:
		c.admitting(w, i, m, next)
	default:
		next(m.end, func(w *world) string { c.endQuery(w, i); return "" })
	}
	for n, inc := range p.note {
		if inc != 0 {
			next(m.hears, func(w *world) string {
				w.own(i).note[n] = 0
				c.step(w, i, CzarEvent{Kind: CzarDrained, Name: names[n], Incarnation: inc})
				return ""
			})
		}
	}
}

// plan returns what a query uses that is planned now.
func (c *checker) plan(p *process) (uses [allNames]Revision, ok bool) {
	for n := range c.bounds.names() {
		e := p.czar.Entry(names[n])
		if e.Standing != Ready {
			return uses, false
		}
		uses[n] = e.Incarnation
	}
	return uses, true
}

// count counts a query on one of what it uses, or undoes it.
func (c *checker) count(w *world, i, n int) {
	p := w.own(i)
	if n < c.bounds.names() && (n == theTable || c.kept.keep(AdmitCountsDatabase)) {
		count, ok := p.useCount(p.query.uses[n]).Admit()
		if !ok {
			c.endQuery(w, i)
			return
		}
		p.setUseCount(p.query.uses[n], count)
		p.query.on[n] = true
	}
	p.query.stage = countedOnAll
	if n == theTable && c.bounds.db {
		p.query.stage = countedOnFirst
	}
}

// admitting looks at the fence and at the snapshot. Where it looks at both at once, nothing depends on the order.
func (c *checker) admitting(w *world, i int, m *moves, next nexter) {
	fence := func(p *process, now Time) bool { f := p.czar.Fence(); return f.Admits(now) }
	known := func(p *process, _ Time) bool { return p.czar.Knows(c.uses(p)) }
	first, second := fence, known
	if c.kept.snapshotFirst {
		first, second = known, fence
	}
	look := func(stage int, holds ...func(*process, Time) bool) func(*world) string {
		return func(w *world) string {
			p := w.own(i)
			for _, h := range holds {
				if !h(p, w.time()) {
					c.endQuery(w, i)
					return ""
				}
			}
			p.query.stage = stage
			return c.wrongToAdmit(w, p)
		}
	}
	switch {
	case !c.bounds.looks:
		next(m.look, look(admitted, first, second))
	case w.czars[i].query.stage == lookedOnce:
		next(m.look, look(admitted, second))
	default:
		next(m.fence, look(lookedOnce, first))
	}
}

func (c *checker) uses(p *process) (all []Use) {
	for n := range c.bounds.names() {
		all = append(all, Use{names[n], p.query.uses[n]})
	}
	return all
}

// endQuery counts a query no more.
func (c *checker) endQuery(w *world, i int) {
	p := w.own(i)
	for n, on := range p.query.on {
		if count := p.useCount(p.query.uses[n]); on && count.Queries() > 0 {
			p.setUseCount(p.query.uses[n], count.Release())
		}
	}
	p.query = query{}
	c.settle(w, i)
}
