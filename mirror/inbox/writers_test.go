package inbox

// What Go programs do: each one transaction of etcd, guarded by what it read.
const (
	goSetsName = 1 << iota
	goSetsBelow
	goSetsApart
	goRemovesApart
	goDropsName
	goMakesName
	goMakesBoth
	goAddsBelow
	goRemovesBelow
	goSetsTwo
	goSetsBack // below the name, to the value that all begin with
	goRegisters
	goAll  = 1<<iota - 1
	goTree = goSetsName | goDropsName | goMakesName | goMakesBoth | goAddsBelow
)

// goMove is one of them: when it can be done, and what it writes.
type goMove struct {
	move   uint
	name   string
	may    func(e *etcd) bool
	writes func(w *world)
}

func there(e *etcd, key int) bool { return e.keys[key].value != nothing }

func usable(e *etcd) bool { return there(e, aName) && e.keys[aName].value != dropping }

func sets(key int, value uint8) (may func(e *etcd) bool, writes func(w *world)) {
	return func(e *etcd) bool {
		return (key == apart1 || usable(e) && there(e, key)) && e.keys[key].value != value
	}, func(w *world) { w.put(key, value) }
}

func goMoves() []goMove {
	moves := []goMove{
		{goRemovesApart, "Go removes /m", func(e *etcd) bool { return there(e, apart1) },
			func(w *world) { w.put(apart1, nothing) }},
		{goDropsName, "Go drops n", func(e *etcd) bool {
			return there(e, aName) && (!e.czar || e.keys[aName].value == dropping)
		}, func(w *world) { w.put(aName, nothing); w.put(below1, nothing) }},
		{goMakesName, "Go makes n", func(e *etcd) bool { return !there(e, aName) },
			func(w *world) { w.put(aName, initial) }},
		{goMakesBoth, "Go makes n and n/c", func(e *etcd) bool { return !there(e, aName) },
			func(w *world) { w.put(aName, initial); w.put(below1, initial) }},
		{goAddsBelow, "Go adds n/c", func(e *etcd) bool { return usable(e) && !there(e, below1) },
			func(w *world) { w.put(below1, byGo) }},
		{goRemovesBelow, "Go removes n/c", func(e *etcd) bool { return there(e, below1) },
			func(w *world) { w.put(below1, nothing) }},
		{goSetsTwo, "Go sets n/c and /m", func(e *etcd) bool {
			return usable(e) && there(e, below1) && e.keys[below1].value != byGo && e.keys[apart1].value != byGo
		}, func(w *world) { w.put(below1, byGo); w.put(apart1, byGo) }},
		{goRegisters, "a czar registers", func(e *etcd) bool { return !e.czar },
			func(w *world) { w.now().czar = true }},
	}
	for _, s := range []struct {
		move  uint
		name  string
		key   int
		value uint8
	}{
		{goSetsName, "Go sets n", aName, byGo}, {goSetsBelow, "Go sets n/c", below1, byGo},
		{goSetsApart, "Go sets /m", apart1, byGo}, {goSetsBack, "Go sets n/c back", below1, initial},
	} {
		may, writes := sets(s.key, s.value)
		moves = append(moves, goMove{s.move, s.name, may, writes})
	}
	return moves
}

var allGoMoves = goMoves()

func (c *checker) goWrites(from *world, next nexter) {
	if from.goLeft == 0 {
		return
	}
	for i := range allGoMoves {
		m := &allGoMoves[i]
		if c.bounds.goes&m.move == 0 || !m.may(from.now()) {
			continue
		}
		next(input, "", m.name, func(w *world) string {
			before := w.now().keys
			w.commits()
			w.goLeft--
			m.writes(w)
			w.goWrote = w.goWrote || w.now().keys != before
			e := w.now()
			if there(e, aName) && e.keys[aName].create == w.revision {
				e.life = w.revision
			} else if !there(e, aName) {
				e.life = 0
			}
			return c.orphan(w)
		})
	}
}

// What foreign writers do: blind SQL, by key.
const (
	setsName = 1 << iota
	setsBelow
	setsApart
	removesBelow
	removesName
	removesApart
	setsBack // below the name, to the value that all begin with
	sqlAll   = 1<<iota - 1
	sqlTree  = setsName | removesName | setsBelow | removesBelow
)

var writerNames = [maxWriters]string{"SQL 0 ", "SQL 1 "}

// verb is a statement's name for each key.
type verb [allKeys]string

func verbOf(name string) (v verb) {
	for k := range v {
		v[k] = name + " " + keyOf[k]
	}
	return v
}

var insertsRow, setsRow, deletesRow = verbOf("inserts"), verbOf("sets"), verbOf("deletes")

// session is one foreign writer in a world.
type session struct {
	*checker
	n     int // which
	me    uint8
	from  *world
	next  nexter
	waits bool // a statement would wait for a lock
}

func (c *checker) foreignWrites(from *world, n int, next nexter) {
	s := &session{checker: c, n: n, me: writer(n), from: from, next: next}
	f := &from.foreign[n]
	if f.open {
		s.move(work, "commits", func(w *world) { s.commit(w) })
	}
	if !f.open && f.transactions == 0 || f.open && f.statements == 0 {
		return
	}
	menu := c.bounds.sql[n]
	if c.bounds.asUpstream { // a name, what is below it, and the name's own value, in transactions of their own
		txn := int(f.txn)
		if !f.open {
			txn++
		}
		menu = [...]uint{0, setsName, setsBelow, setsName}[min(3, txn)]
	}
	s.statements(menu)
	if s.waits && f.open {
		s.move(work, "is rolled back: a deadlock, or a lock", s.rollBack)
	}
}

func (s *session) move(kind kind, name string, change func(w *world)) {
	s.next(kind, writerNames[s.n], name, func(w *world) string { change(w); return "" })
}

func (s *session) statements(menu uint) {
	own := byForeign + uint8(s.n)
	if shared := s.from.shares &^ (1 << s.n); menu&setsName != 0 && shared != 0 && s.from.locks[aName] != s.me {
		s.waits = true
	} else if menu&setsName != 0 {
		s.set(aName, own)
	}
	for _, st := range []struct {
		bit   uint
		key   int
		value uint8
	}{{setsBelow, below1, own}, {setsBack, below1, initial}, {setsApart, apart1, own}} {
		if menu&st.bit != 0 {
			s.set(st.key, st.value)
		}
	}
	for _, st := range []struct {
		bit uint
		key int
	}{{removesBelow, below1}, {removesName, aName}, {removesApart, apart1}} {
		if menu&st.bit != 0 {
			s.remove(st.key)
		}
	}
}

// sees is what the transaction sees of a row.
func (s *session) sees(w *world, key int) kvRow {
	if w.locks[key] == s.me {
		return w.written[key]
	}
	return w.rows[key]
}

func (s *session) lifeSeen(w *world) uint8 {
	if w.locks[aName] == s.me {
		return w.lifeThere
	}
	return w.life
}

func (s *session) locked(key int) bool { l := s.from.locks[key]; return l != 0 && l != s.me }

func (s *session) set(key int, value uint8) {
	if s.locked(key) {
		s.waits = true
		return
	}
	now := s.sees(s.from, key)
	switch {
	case now.value == value:
	case now.value != nothing:
		s.write(key, kvRow{value, now.id}, s.lifeSeen(s.from), &setsRow)
	case key == below1:
		s.insertBelow(value)
	case key == aName:
		s.write(aName, kvRow{initial, s.from.freshID()}, 0, &insertsRow)
	default:
		s.write(key, kvRow{value, s.from.freshID()}, 0, &insertsRow)
	}
}

// insertBelow is two statements: the kvId of the row above is read first, without a lock.
func (s *session) insertBelow(value uint8) {
	f := &s.from.foreign[s.n]
	if f.parent == 0 || !f.open {
		if above := s.sees(s.from, aName); above.value != nothing {
			s.move(input, "reads the kvId of n", func(w *world) {
				f := s.begin(w)
				f.parent, f.life = above.id, s.lifeSeen(s.from)
			})
		}
		return
	}
	if s.locked(aName) {
		s.waits = true
		return
	}
	if above := s.sees(s.from, aName); above.value == nothing || above.id != f.parent {
		s.move(work, "is rolled back: the row above is gone", s.rollBack)
		return
	}
	s.write(below1, kvRow{value, s.from.freshID()}, f.life, &insertsRow)
}

func (s *session) remove(key int) {
	if s.locked(key) {
		s.waits = true
		return
	}
	if s.sees(s.from, key).value == nothing {
		return
	}
	if key == aName {
		if s.locked(below1) || s.from.shares&^(1<<s.n) != 0 {
			s.waits = true
			return
		}
		if s.sees(s.from, below1).value != nothing {
			return // the foreign key does not let it
		}
	}
	s.write(key, kvRow{}, s.lifeSeen(s.from), &deletesRow)
}

func (s *session) begin(w *world) *foreign {
	f := &w.foreign[s.n]
	if !f.open {
		f.open = true
		f.transactions--
		f.txn++
		f.statements = s.bounds.statements[s.n]
	}
	return f
}

// write is a statement that changes a row, and what the trigger makes of it.
func (s *session) write(key int, to kvRow, about uint8, as *verb) {
	s.move(input, as[key], func(w *world) {
		was := s.sees(w, key)
		f := s.begin(w)
		f.statements--
		id := w.rowsEnd
		w.rowsEnd++
		r := row{state: uncommitted, key: uint8(key), writer: uint8(s.n), txn: f.txn, before: was.value, after: to.value,
			kvID: max(to.id, was.id), life: about}
		if to.id != 0 {
			r.kvID = to.id
		}
		if key == below1 {
			r.parent = s.sees(w, aName).id
		}
		if key == aName && was.value == nothing {
			r.life = lifeOfRow(int(id))
		}
		w.inbox[id], w.locks[key], w.written[key] = r, s.me, to
		if key == below1 && was.value == nothing {
			w.shares |= 1 << s.n
		}
		if key == aName {
			w.lifeThere = r.life
			if to.value == nothing {
				w.lifeThere = 0
			}
		}
	})
}

func (s *session) commit(w *world) {
	for k, lock := range w.locks {
		if lock != s.me {
			continue
		}
		w.rows[k] = w.written[k]
		if k == aName {
			w.life = w.lifeThere
		}
	}
	s.end(w, inInbox)
}

func (s *session) rollBack(w *world) { s.end(w, left) }

// end lets go what the transaction has, and makes its rows of the inbox what they are then.
func (s *session) end(w *world, state uint8) {
	for i := range w.inbox {
		if r := &w.inbox[i]; r.state == uncommitted && int(r.writer) == s.n {
			r.state = state
		}
	}
	for k := range w.locks {
		if w.locks[k] == s.me {
			w.locks[k] = 0
		}
	}
	w.shares &^= 1 << s.n
	w.foreign[s.n].open = false
}
