package inbox

// The exhaustive check tries everything that can happen, in every order, with three keys, one or two foreign writers
// and one or two mirrors, within small bounds. What is decided and what a step does is worked out by the functions that
// production calls, see convert_test.go; etcd, MySQL and the order of the mirror's steps are written by hand, for
// speed.
//
// A mirror takes its step with the rows that it has decided on, and does not read the inbox again before. Messages are
// lost where a mirror ends after the step that they belong to. A mirror that another one took over from goes on with
// what it knows.

// The keys, as indexes.
const (
	aName  = iota // a database: it has an incarnation
	below1        // a key below it: its row has the name's as its parent
	apart1        // a key elsewhere
	allKeys
)

var keyOf = [allKeys]string{"/DBS/n", "/DBS/n/c", "/m"}

// The values, as indexes.
const (
	nothing = iota
	initial // and that of each creation, so that a value can come back
	byGo
	byForeign // of the first foreign writer; that of the second follows
	_
	dropping
	byDrift
	allValues
)

var textOf = [allValues]string{"", "READY", "FAILED:go", "FAILED:0", "FAILED:1", dropStatus, "FAILED:drift"}

const (
	maxRevision = 14
	maxRows     = 7
	maxWriters  = 2
	maxMirrors  = 2
)

// A world is bytes and flags alone, so that it is its own name.
type world struct {
	// etcd
	revision uint8
	history  [maxRevision]etcd // those that somebody may still look at
	goLeft   uint8             // transactions
	goWrote  bool              // ghost
	// MySQL, as committed
	rows    [allKeys]kvRow
	life    uint8 // ghost: which incarnation the row of the name shows
	holder  uint8 // the mirror whose session has the term; noMirror: none that lives
	applied uint8
	inbox   [maxRows]row
	rowsEnd uint8
	// MySQL, in transactions
	locks      [allKeys]uint8 // who has the row: writer(w) or mirror(i); 0: nobody
	written    [allKeys]kvRow // by the foreign transaction that has the lock
	lifeThere  uint8          // ghost
	shares     uint8          // writers that have a shared lock on the row of the name, for their row below it
	stateLock  uint8          // the mirror in whose step the row of the state is locked
	foreign    [maxWriters]foreign
	mirrors    [maxMirrors]daemon
	crashes    uint8 // left
	takeOvers  uint8 // left, from mirrors that live
	driftsLeft uint8
	drifted    bool
}

func writer(w int) uint8 { return 1 + uint8(w) }

func mirrorLock(i int) uint8 { return 1 + maxWriters + uint8(i) }

const noMirror = maxMirrors

// cell is a key of etcd.
type cell struct{ value, create, mod uint8 }

// etcd is what it holds at one revision.
type etcd struct {
	keys  [allKeys]cell
	taken takenKey
	czar  bool
	life  uint8 // ghost: which incarnation of the name; its revision, or lifeOfRow
}

// takenKey is a [Taken].
type takenKey struct {
	ids, overruled, requested rowSet
	revisions                 revisionSet
	applied, at               uint8
}

// lifeOfRow is the incarnation that a row of the inbox made.
func lifeOfRow(id int) uint8 { return 0x80 | uint8(id) }

// kvRow is a row of kvData. The zero one says that there is none.
type kvRow struct{ value, id uint8 }

// row is a row of the inbox.
type row struct {
	state         uint8
	key           uint8
	writer, txn   uint8
	before, after uint8
	kvID, parent  uint8
	life          uint8 // ghost: the incarnation that the foreign statement was about
	verdict       uint8 // ghost
}

// The states of a row of the inbox.
const (
	unused = iota
	uncommitted
	inInbox
	left
)

// The ghost's verdicts.
const (
	undecided = iota
	took
	wasOverruled
	asked // it became a request
)

// foreign is a foreign writer.
type foreign struct {
	open         bool
	transactions uint8 // left
	statements   uint8 // left in this one
	txn          uint8
	parent       uint8 // kvId of the name's row, as this transaction read it
	life         uint8 // ghost
}

// The stages of a mirror.
const (
	off      = iota
	started  // it has the term, and knows nothing of what was decided on
	early    // it has read MySQL and not what was decided on: only without a rule
	knows    // it knows what was decided on
	reads    // it has read rows to decide on
	decides  // it has read etcd
	aims     // it has read rows, and all are decided on
	planned  // it has a plan
	stepping // it is within its transaction
	looked   // it has looked at the inbox after its writes
)

var stageNames = [...]string{"off", "started", "early", "knows", "reads", "decides", "aims", "planned", "stepping",
	"looked"}

// What a mirror knows of kvData.
const (
	unread    = iota
	merging   // it has read all, and has not yet made it equal
	following // it knows what it left, and what others are known to have written
)

// daemon is a mirror: all it remembers.
type daemon struct {
	stage   uint8
	table   uint8
	failed  bool // the last step met what was not expected
	taken   takenKey
	rows    rowSet // that it has read
	applied uint8  // as read with them
	grouped rowSet // those of them that were decided on when they were grouped
	decided uint8  // by how many transactions since
	aim     uint8  // the revision that it decides on, or steps to
	keys    rowSet // that may differ, of a step
	done    uint8  // statements of the step
	rowsOf  [allKeys]kvRow
}

// rowSet is a set of rows of the inbox, or of keys.
type rowSet uint8

func (s rowSet) has(i int) bool { return s>>i&1 == 1 }

func setOf(i int) rowSet { return 1 << i }

// revisionSet is a set of revisions.
type revisionSet [2]uint8

func (s revisionSet) has(r int) bool { return s[r/8]>>(r%8)&1 == 1 }

func (s revisionSet) with(r int) revisionSet {
	s[r/8] |= 1 << (r % 8)
	return s
}

func (w *world) now() *etcd { return &w.history[w.revision] }

// visible returns the rows of the inbox that a consistent read sees.
func (w *world) visible() (s rowSet) {
	for i := range w.inbox {
		if w.inbox[i].state == inInbox {
			s |= setOf(i)
		}
	}
	return s
}

// freshID returns a kvId that nothing refers to: AUTO_INCREMENT never repeats one, and neither does this as far as
// anyone can see.
func (w *world) freshID() uint8 {
	var used uint32
	for k := range w.rows {
		used |= 1<<w.rows[k].id | 1<<w.written[k].id
		for i := range w.mirrors {
			used |= 1 << w.mirrors[i].rowsOf[k].id
		}
	}
	for i := range w.inbox {
		used |= 1<<w.inbox[i].kvID | 1<<w.inbox[i].parent
	}
	for i := range w.foreign {
		used |= 1 << w.foreign[i].parent
	}
	for id := uint8(1); ; id++ {
		if used>>id&1 == 0 {
			return id
		}
	}
}

// commits makes a revision of etcd, like the one before; nil when the world has no more.
func (w *world) commits() *etcd {
	if int(w.revision)+1 >= maxRevision {
		return nil
	}
	w.history[w.revision+1] = w.history[w.revision]
	w.revision++
	return w.now()
}

// put writes a key at the newest revision.
func (w *world) put(key int, value uint8) {
	c := &w.now().keys[key]
	switch {
	case value == nothing:
		*c = cell{}
	case c.value == nothing:
		*c = cell{value, w.revision, w.revision}
	default:
		c.value, c.mod = value, w.revision
	}
}

// forget erases what no step can look at any more, so that worlds which do not differ otherwise are one.
func (w *world) forget(v variant) {
	used, oldest := w.visible(), w.applied
	for i := range w.mirrors {
		d := &w.mirrors[i]
		d.forget(v)
		if d.holdsRows() {
			used |= d.rows
		}
		if d.aim != 0 {
			oldest = min(oldest, d.aim)
		}
		if d.stage >= reads && d.stage <= aims {
			oldest = min(oldest, d.applied)
		}
	}
	for i := range oldest {
		w.history[i] = etcd{}
	}
	for i := range w.inbox {
		switch r := &w.inbox[i]; {
		case r.state == uncommitted:
			used |= setOf(i)
		case r.state == left && !used.has(i):
			*r = row{state: left}
		}
	}
	for i := range w.mirrors {
		w.mirrors[i].taken.keep(used)
	}
	for r := oldest; r <= w.revision; r++ {
		w.history[r].taken.keep(used)
	}
	for i := range w.foreign {
		if f := &w.foreign[i]; !f.open {
			f.statements, f.parent, f.life = 0, 0, 0
			if f.transactions == 0 {
				f.txn = 0
			}
		}
	}
	w.forgetWritten()
}

// keep forgets rows that nobody will see again.
func (t *takenKey) keep(rows rowSet) {
	t.ids &= rows
	t.overruled &= rows
	t.requested &= rows
}

func (w *world) forgetWritten() {
	if w.rows[aName].value == nothing {
		w.life = 0
	}
	for k, lock := range w.locks {
		if lock == 0 || lock > maxWriters {
			w.written[k] = kvRow{}
			if k == aName {
				w.lifeThere = 0
			}
		}
	}
}

func (d *daemon) holdsRows() bool { return d.stage == early || d.stage >= reads }

func (d *daemon) forget(v variant) {
	switch d.stage {
	case off:
		*d = daemon{}
	case started:
		d.taken = takenKey{}
	}
	if !d.holdsRows() {
		d.rows = 0
		if !v.appliedBefore {
			d.applied = 0
		}
	}
	if d.stage != reads && d.stage != decides {
		d.grouped, d.decided = 0, 0
	}
	if d.stage != decides && d.stage < planned {
		d.aim = 0
	}
	if d.stage < planned {
		d.keys = 0
	}
	if d.stage != stepping && d.stage != looked {
		d.done = 0
	}
	if d.table == unread && d.stage != early {
		d.rowsOf = [allKeys]kvRow{}
	}
}
