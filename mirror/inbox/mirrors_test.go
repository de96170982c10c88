package inbox

// What a mirror does, step by step.

var mirrorNames = [maxMirrors]string{"mirror 0 ", "mirror 1 "}

// actor is one mirror in a world.
type actor struct {
	*checker
	n    int
	from *world
	next nexter
}

func (c *checker) mirrorMoves(from *world, n int, next nexter) {
	a := &actor{c, n, from, next}
	d := &from.mirrors[n]
	if d.stage != off && from.crashes > 0 {
		a.move(fault, "dies", func(w *world, d *daemon) string {
			w.crashes--
			w.release(n)
			a.ends(w)
			return ""
		})
	}
	switch d.stage {
	case off:
		a.takesOver()
	case started:
		a.starts()
	case early:
		a.learns(from.revision, "reads what was decided on")
	case knows:
		a.readsInbox()
	case reads:
		a.readsEtcd()
	case decides:
		name := "decides"
		if d.decided > 0 {
			name = "decides on more of what it has read"
		}
		a.move(work, name, a.commitsDecision)
	case aims:
		a.takesAim()
	case planned:
		a.begins()
	case stepping:
		a.steps()
	case looked:
		a.move(work, "commits its step", a.commitsStep)
	}
}

func (a *actor) move(k kind, name string, change func(w *world, d *daemon) string) {
	a.next(k, mirrorNames[a.n], name, func(w *world) string { return change(w, &w.mirrors[a.n]) })
}

// ends the session.
func (a *actor) ends(w *world) {
	if int(w.holder) == a.n {
		w.holder = noMirror
	}
	w.mirrors[a.n] = daemon{}
}

// release lets go what a step has locked.
func (w *world) release(n int) {
	for k := range w.locks {
		if w.locks[k] == mirrorLock(n) {
			w.locks[k] = 0
		}
	}
	if w.stateLock == mirrorLock(n) {
		w.stateLock = 0
	}
}

func (a *actor) takesOver() {
	if a.from.stateLock != 0 {
		return
	}
	k := work
	if int(a.from.holder) == 1-a.n {
		if a.from.takeOvers == 0 {
			return
		}
		k = fault
	}
	a.move(k, "takes over", func(w *world, d *daemon) string {
		if k == fault {
			w.takeOvers--
		}
		w.holder = uint8(a.n)
		*d = daemon{stage: started}
		if a.kept.appliedBefore {
			d.applied = w.applied
		}
		return ""
	})
}

func (a *actor) starts() {
	if a.kept.inboxFirst {
		a.move(work, "reads the inbox first", func(w *world, d *daemon) string {
			wrong := a.snapshot(w, d)
			d.stage = early
			return wrong
		})
		return
	}
	a.learns(a.from.revision, "reads what was decided on")
	if !a.bounds.staleReads {
		return
	}
	for at := a.from.revision - 1; at > 0 && a.from.history[at] != (etcd{}); at-- {
		a.learns(at, "reads what was decided on, of an etcd that lags")
	}
}

func (a *actor) learns(at uint8, name string) {
	a.move(work, name, func(w *world, d *daemon) string {
		d.taken = w.history[at].taken
		if d.stage == early {
			return a.sorts(w, d)
		}
		d.stage = knows
		return ""
	})
}

func (a *actor) readsInbox() {
	a.move(work, "reads the inbox", func(w *world, d *daemon) string {
		if wrong := a.snapshot(w, d); wrong != "" {
			return wrong
		}
		return a.sorts(w, d)
	})
	d := &a.from.mirrors[a.n]
	if d.table == following && a.from.drifted && a.from.visible() == 0 && a.from.rows != d.rowsOf {
		a.move(work, "finds drift", func(w *world, _ *daemon) string { a.ends(w); return "" })
	}
}

// snapshot is one consistent read of MySQL: the inbox and the revision that kvData shows, and kvData at first.
func (a *actor) snapshot(w *world, d *daemon) string {
	d.rows = w.visible()
	if !a.kept.appliedBefore {
		d.applied = w.applied
	}
	if d.table == unread {
		d.table, d.rowsOf = merging, w.rows // what the rows of the inbox did is there, and what drifted after them
	} else {
		d.rowsOf = a.laid(toLay{d.rowsOf, w.seen(d.rows), d.rows})
	}
	if int(w.holder) == a.n && d.rowsOf != w.rows && !w.drifted && a.watches("T9") {
		return "T9: the leader's table is not kvData"
	}
	return ""
}

// sorts finds whether there is something to decide on, or why the last step was taken back.
func (a *actor) sorts(w *world, d *daemon) string {
	d.grouped, d.decided = d.rows&d.taken.ids, 0
	if d.failed && d.rows&^d.taken.ids == 0 {
		a.ends(w)
		return ""
	}
	d.goesOn()
	return ""
}

// goesOn decides on the rows that are left of those read, and then takes a step: what others committed since waits for
// the next one.
func (d *daemon) goesOn() {
	d.failed = false
	if d.stage = aims; d.rows&^d.taken.ids != 0 {
		d.stage = reads
	}
}

func (a *actor) readsEtcd() {
	a.move(work, "reads etcd", func(w *world, d *daemon) string {
		d.aim = w.revision
		switch answer := a.decision(w, d); {
		case answer.again:
			d.stage = started
		case answer.ends:
			a.ends(w)
		default:
			d.stage = decides
		}
		return ""
	})
}

func (a *actor) decision(w *world, d *daemon) *answer {
	q := toDecide{w.history[d.aim], d.aim, w.seen(d.rows), d.rows, d.applied, d.taken, d.grouped, d.decided}
	q.etcd.life = 0
	return a.decided(q)
}

// toStep is the step that a mirror plans.
func (w *world) toStep(d *daemon) toStep {
	return toStep{d.rowsOf, d.table == merging, d.keys, w.history[d.aim].image(), w.seen(d.rows), d.rows, d.applied,
		d.taken}
}

// takesAim finds a revision to step to.
func (a *actor) takesAim() {
	d := &a.from.mirrors[a.n]
	for at := a.from.revision; at >= a.atLeast(a.from.toStep(d)); at-- {
		if a.from.todo(d, at) {
			a.move(work, "plans", func(w *world, d *daemon) string {
				d.aim, d.keys, d.stage = at, w.changedSince(d.applied, at), planned
				return ""
			})
		} else {
			a.move(work, "reads the inbox again", func(_ *world, d *daemon) string { d.stage = knows; return "" })
			if at == a.from.revision {
				a.rests(d)
			}
		}
		if !a.bounds.lag {
			break
		}
	}
}

// todo reports whether there is any step to take.
func (w *world) todo(d *daemon, at uint8) bool {
	return d.table == merging || d.taken.ids&d.rows != 0 || at > d.applied
}

func (w *world) changedSince(since, at uint8) (keys rowSet) {
	for k := range keyOf {
		if w.history[since].keys[k] != w.history[at].keys[k] {
			keys |= setOf(k)
		}
	}
	return keys
}

// rests looks at a world where the mirror has nothing to do.
func (a *actor) rests(d *daemon) {
	w := a.from
	e := w.now()
	if int(w.holder) != a.n || w.foreign[0].open || w.foreign[1].open || w.drifted || d.applied != w.applied ||
		w.visible() != 0 || e.taken.at != d.taken.at || !a.watches("T1") {
		return
	}
	for k := range w.rows {
		if w.rows[k].value != e.keys[k].value {
			a.move(work, "rests", func(*world, *daemon) string { return "T1: at rest, and " + keyOf[k] + " differs" })
		}
	}
}

// begins a step.
func (a *actor) begins() {
	if a.from.stateLock != 0 {
		return
	}
	a.move(work, "begins its step", func(w *world, d *daemon) string {
		switch {
		case int(w.holder) != a.n && !a.kept.noTerm, d.applied != w.applied && !a.kept.noApplied:
			a.ends(w)
		case a.kept.looksBefore && w.visible()&^d.taken.ids != 0:
			d.stage = knows
		default:
			w.stateLock, d.stage = mirrorLock(a.n), stepping
		}
		return ""
	})
}

// steps executes the next statement of a step.
func (a *actor) steps() {
	d := &a.from.mirrors[a.n]
	all := a.stepped(a.from.toStep(d)).statements
	if int(d.done) == len(all) {
		a.looks(all)
		return
	}
	st := all[d.done]
	switch {
	case a.from.waits(a.n, st):
		a.fails("its step waits for a lock", false)
	case a.from.misses(d, all[:d.done], st):
		a.fails("its step finds what it does not expect", true)
	default:
		a.move(work, statementNames[st.verb][st.key], func(w *world, d *daemon) string {
			w.locks[st.key] = mirrorLock(a.n)
			d.done++
			return ""
		})
	}
}

var statementNames = [...]verb{deletes: verbOf("deletes"), inserts: verbOf("inserts"), updates: verbOf("updates")}

func (a *actor) fails(name string, unexpected bool) {
	a.move(work, name, func(w *world, d *daemon) string {
		w.release(a.n)
		d.stage, d.failed = knows, unexpected && !a.kept.errorsIgnored
		return ""
	})
}

// waits reports whether a statement meets a lock of others.
func (w *world) waits(n int, st statement) bool {
	lock := w.locks[st.key]
	switch above := w.locks[aName]; {
	case lock != 0 && lock != mirrorLock(n):
		return true
	case st.key == aName && st.verb != inserts:
		return w.shares != 0
	case st.key == below1 && st.verb == inserts:
		return above != 0 && above != mirrorLock(n)
	}
	return false
}

// misses reports whether a statement fails, or does not find its row.
func (w *world) misses(d *daemon, done []statement, st statement) bool {
	rows := w.rows // as the transaction sees them
	own := kvRow{value: allValues}
	for _, st := range done {
		switch st.verb {
		case deletes:
			rows[st.key] = kvRow{}
		case inserts:
			rows[st.key] = own
		}
	}
	now := rows[st.key]
	switch st.verb {
	case inserts:
		above := rows[aName]
		return now != kvRow{} || st.key == below1 && (above.value == nothing || above != own &&
			above.id != d.rowsOf[aName].id)
	case deletes:
		return now != d.rowsOf[st.key] || st.key == aName && rows[below1] != kvRow{}
	}
	return now != d.rowsOf[st.key]
}

// looks looks at the inbox after the writes.
func (a *actor) looks(all []statement) {
	d := &a.from.mirrors[a.n]
	for i, r := range a.from.inbox {
		if r.state != inInbox || d.taken.ids.has(i) || !a.kept.keep(LooksAfterWrites) || a.kept.looksBefore {
			continue
		}
		for _, st := range all {
			if st.key == r.key {
				a.fails("finds a row of a key that it wrote", false)
				return
			}
		}
	}
	a.move(work, "looks at the inbox", func(_ *world, d *daemon) string { d.stage = looked; return "" })
}
