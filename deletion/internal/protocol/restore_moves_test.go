package protocol

// What becomes of everybody when etcd is restored from a backup. Nobody tells them: that the history has another name
// now is left out, since it may come later than all of this.

// image is what a backup has.
type image struct {
	rev     Revision
	keys    [allNames]Entry
	intents [allNames]intent
	asked   [allNames]asked
	regs    [maxIDs]reg
}

func (c *checker) restoring(w *world, next nexter) {
	if !c.bounds.restores || w.restored {
		return
	}
	if w.backup == nil {
		next("a backup is taken", func(w *world) string {
			w.backup = &image{w.rev, w.keys, w.intents, w.asked, w.regs}
			return ""
		})
		return
	}
	next("etcd is restored", func(w *world) string { c.restore(w, w.rev+1); return "" })
	again := "etcd is restored, and revisions are given out again"
	next(again, func(w *world) string { c.restore(w, w.backup.rev); return "" })
}

// restore brings etcd back after every proof has run out, as whoever restores it has to see to. Nothing that was sent
// before arrives.
func (c *checker) restore(w *world, at Revision) {
	if !c.kept.hasty {
		w.now += int(c.timing.Fence/tick) + 1
	}
	b := w.backup
	w.rev, w.keys, w.intents, w.asked, w.regs = at, b.keys, b.intents, b.asked, b.regs
	w.log, w.backup, w.restored = nil, nil, true
	w.decided, w.slow = [allNames]*decision{}, nil
	c.know(w)
	for i := range max(c.bounds.czars, 1) {
		p := w.own(i)
		p.seen, p.before, p.foreign = 0, change{}, true
		c.breaks(w, i)
	}
}

// breaks loses all that a czar has on its way to etcd.
func (c *checker) breaks(w *world, i int) {
	p := w.own(i)
	proof, acks, entry, leaving := p.proof, p.acks, p.entry, p.leaving
	p.proof, p.acks, p.entry, p.leaving = proofSent{}, [allNames]ackSent{}, entrySent{}, leaveSent{}
	if proof.stage != notSent {
		c.step(w, i, CzarEvent{Kind: CzarUnanswered, ID: proof.id})
	}
	if entry.stage != notSent {
		c.step(w, i, CzarEvent{Kind: CzarKeptOut})
	}
	if leaving.stage != notSent {
		c.step(w, i, CzarEvent{Kind: CzarLeaveFailed})
	}
	for n, a := range acks {
		if a.there {
			c.step(w, i, CzarEvent{Kind: CzarAckFailed, Name: names[n], Mark: a.mark, ID: a.id})
		}
	}
}

// meets is how a view meets an etcd that was restored. It notices, if etcd is at an older revision, or it compares
// itself with etcd, or neither.
func (c *checker) meets(w *world, i int, m *moves, next nexter) {
	p := w.czars[i]
	if !p.foreign {
		return
	}
	if p.czar.Seen > w.rev {
		next(m.notices, func(w *world) string { c.shows(w, i, CzarSawAnother); return "" })
		return
	}
	next(m.compares, func(w *world) string { c.shows(w, i, CzarSaw); return "" })
}

// shows has a view show all that etcd holds.
func (c *checker) shows(w *world, i int, kind CzarEventKind) {
	p := w.own(i)
	p.foreign, p.seen = false, len(w.log)
	e := w.whole(p.czar.Seen)
	if e.Kind = kind; kind == CzarSawAnother {
		e.Whole, e.Since = false, 0
	}
	c.step(w, i, e)
}

// whole is all that etcd holds, read by a view that has shown a revision.
func (w *world) whole(since Revision) CzarEvent {
	e := CzarEvent{Kind: CzarSaw, At: w.rev, Whole: true, Since: since}
	for n, is := range w.keys {
		if is.Standing != Gone {
			e.Observations = append(e.Observations, Observation{names[n], is})
		}
	}
	return e
}
