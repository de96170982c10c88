package inbox

// What a mirror's transactions do, and what is wrong with them. The invariants, as texts that begin with their names:
//
//	T1   at rest kvData shows etcd
//	T2   a foreign change is in etcd, or recorded
//	T2q  no foreign change is overruled unless something in etcd explains it
//	T3   no change in etcd is undone by somebody who had not seen it
//	T4   of a foreign transaction all is taken or nothing
//	T5   the mirror's own writes are not taken for others'
//	T6   no row is decided on twice, and the revision that kvData shows never falls
//	T7   rest can be reached
//	T8   a change takes effect on the incarnation that it was made for, and nothing is without what is above it
//	T9   what a session knows of kvData is true
//	T10  no name is removed while a czar is registered

// commitsDecision is the transaction of etcd that decides on rows.
func (a *actor) commitsDecision(w *world, d *daemon) string {
	answer := a.decision(w, d)
	before := *w.now()
	if !before.commits(answer, a.kept) {
		d.stage = reads // and etcd is read anew
		return ""
	}
	if w.commits() == nil {
		return "T7: there is no end"
	}
	wrong := a.writes(w, d, answer, &before)
	e := w.now()
	e.taken = answer.next
	e.taken.at = w.revision
	d.taken = e.taken
	d.decided++
	d.goesOn()
	return first3(wrong, a.wrongVerdicts(w, d, answer, &before), a.orphan(w))
}

func first3(all ...string) string {
	for _, wrong := range all {
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// writes puts and removes keys.
func (a *actor) writes(w *world, d *daemon, answer *answer, before *etcd) (wrong string) {
	base := w.baseOf(answer)
	for k := range keyOf {
		puts, removes := answer.puts[k], answer.removes.has(k)
		if puts == nothing && !removes {
			continue
		}
		now := before.keys[k].value
		if (!removes || now != nothing) && now != base[k] && now != puts && a.watches("T3") {
			wrong = "T3: " + keyOf[k] + " in etcd is not what the foreign change was made on"
		}
		if k == aName && removes && now != nothing && before.czar && a.watches("T10") {
			wrong = "T10: a name is removed while a czar is registered"
		}
		w.put(k, puts)
	}
	e := w.now()
	switch was, is := there(before, aName), there(e, aName); {
	case !is:
		e.life = 0
	case !was:
		e.life = lifeOfRow(a.lastInsert(w, answer))
	}
	if wrong == "" && answer.spells != (e.keys[aName].create == w.revision) || answer.unspells != there(before, aName) &&
		!there(e, aName) && answer.unspells == false {
		wrong = "the record of the spelling is not that of the name"
	}
	return wrong
}

// baseOf returns what kvData held before the rows that a decision takes.
func (w *world) baseOf(answer *answer) (base [allKeys]uint8) {
	for i := maxRows - 1; i >= 0; i-- {
		if answer.takes.has(i) {
			base[w.inbox[i].key] = w.inbox[i].before
		}
	}
	return base
}

func (a *actor) lastInsert(w *world, answer *answer) (id int) {
	for i := range w.inbox {
		if r := &w.inbox[i]; answer.takes.has(i) && r.key == aName && r.before == nothing {
			id = i
		}
	}
	return id
}

// wrongVerdicts notes what was decided, and returns what is wrong with it.
func (a *actor) wrongVerdicts(w *world, d *daemon, answer *answer, before *etcd) string {
	for i := range w.inbox {
		r := &w.inbox[i]
		if !answer.takes.has(i) {
			continue
		}
		if r.verdict != undecided && a.watches("T6") {
			return "T6: a row is decided on twice"
		}
		r.verdict = took
		switch {
		case answer.overruled.has(i):
			r.verdict = wasOverruled
		case answer.requested.has(i):
			r.verdict = asked
		}
	}
	base := w.baseOf(answer)
	for i := range w.inbox {
		r := &w.inbox[i]
		switch {
		case !answer.takes.has(i):
		case r.verdict == wasOverruled && !w.explains(answer):
			if a.watches("T2q") {
				return "T2q: a change is overruled, and nothing in etcd explains it"
			}
		case base[r.key] == r.after: // it comes to nothing
		case r.verdict == took && w.isLast(i, answer) && a.watches("T8"):
			if wrong := w.wrongLife(r, answer, before); wrong != "" {
				return wrong
			}
		}
	}
	return a.halves(w, d, answer)
}

func (w *world) isLast(id int, answer *answer) bool {
	for i := id + 1; i < maxRows; i++ {
		if answer.takes.has(i) && w.inbox[i].key == w.inbox[id].key {
			return false
		}
	}
	return true
}

// wrongLife looks at the incarnation that a change took effect on.
func (w *world) wrongLife(r *row, answer *answer, before *etcd) string {
	is := w.now().life
	was := is
	if !there(w.now(), aName) {
		was = before.life
	}
	removed := answer.removes.has(int(r.key)) && before.keys[r.key].value != nothing
	switch {
	case r.key == below1 && r.after != nothing && is != r.life:
		return "T8: a change below another incarnation than it was made for"
	case r.key == below1 && r.after == nothing && removed && was != r.life:
		return "T8: a key below another incarnation is removed"
	case r.key == aName && r.after != nothing && is != r.life:
		return "T8: the name in etcd is not that of kvData"
	case r.key == aName && r.after == nothing && removed && before.life != r.life:
		return "T8: another incarnation is removed"
	}
	return ""
}

// explains reports whether what Go wrote, or a change that was overruled before, can be why a row was overruled.
func (w *world) explains(answer *answer) bool {
	if w.goWrote || w.drifted || w.now().keys[aName].value == dropping {
		return true
	}
	for i := range w.inbox {
		r := &w.inbox[i]
		if r.verdict == wasOverruled && !answer.takes.has(i) || r.verdict == asked {
			return true
		}
	}
	return false
}

// halves looks for foreign transactions that were decided on in part.
func (a *actor) halves(w *world, d *daemon, answer *answer) string {
	waits := d.rows &^ d.taken.ids
	if waits != 0 || !a.watches("T4") { // the rest is that of a name's second life
		return ""
	}
	for i := range w.inbox {
		for j := range w.inbox {
			one, other := &w.inbox[i], &w.inbox[j]
			if !answer.takes.has(i) || other.state == unused || other.state == left || one.writer != other.writer ||
				one.txn != other.txn {
				continue
			}
			same := answer.takes.has(j) &&
				(one.verdict == other.verdict || one.verdict == asked || other.verdict == asked)
			if !same && !(one.verdict == took && one.key == aName && one.after == nothing) && !w.twoLives() {
				return "T4: half a foreign transaction"
			}
		}
	}
	return ""
}

// twoLives reports whether others removed the name and made it again: that takes two transactions of etcd.
func (w *world) twoLives() bool {
	gone, made := false, false
	for i := range w.inbox {
		if r := &w.inbox[i]; r.key == aName && r.state != unused {
			gone, made = gone || r.after == nothing, made || r.before == nothing
		}
	}
	return gone && made
}

func (c *checker) orphan(w *world) string {
	if e := w.now(); there(e, below1) && !there(e, aName) && c.watches("T8") {
		return "T8: a key is without what is above it"
	}
	return ""
}

// commitsStep is the end of a step.
func (a *actor) commitsStep(w *world, d *daemon) string {
	answer := a.stepped(w.toStep(d))
	to := w.history[d.aim]
	if d.aim < w.applied && a.watches("T6") {
		return "T6: kvData shows an older revision than before"
	}
	if a.kept.heard && len(answer.statements) > 0 {
		return "T5: a mirror's own write is in the inbox"
	}
	for _, st := range answer.statements {
		k := st.key
		switch st.verb {
		case deletes:
			w.rows[k] = kvRow{}
		case inserts:
			w.rows[k] = kvRow{to.keys[k].value, w.freshID()}
		case updates:
			w.rows[k].value = to.keys[k].value
		}
		d.rowsOf[k] = w.rows[k]
	}
	pending, wrong := a.leaves(w, answer)
	if w.rows[aName] != (kvRow{}) && !pending {
		w.life = to.life
	}
	w.applied = d.aim
	w.release(a.n)
	d.stage, d.table, d.failed, d.applied = knows, following, false, d.aim
	return wrong
}

// leaves takes rows out of the inbox; pending says that one of the name stays.
func (a *actor) leaves(w *world, answer *stepAnswer) (pending bool, wrong string) {
	for i := range w.inbox {
		r := &w.inbox[i]
		switch {
		case r.state != inInbox:
			continue
		case !answer.leave.has(i):
			pending = pending || r.key == aName
			continue
		case r.verdict == undecided:
			wrong = "T2: a foreign change is lost"
		case answer.conflicts.has(i) != (r.verdict == wasOverruled), answer.requests.has(i) != (r.verdict == asked):
			wrong = "T2: what was overruled is not recorded, or what was not is"
		}
		r.state = left
	}
	if !a.watches("T2") {
		wrong = ""
	}
	return pending, wrong
}
