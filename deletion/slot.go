package deletion

import (
	"iter"
	"maps"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// slot counts the queries on one incarnation of a table. There is one for each incarnation and process, whatever
// becomes of the czar's registration. It fills a cache line, so that queries on different tables do not wait for each
// other.
type slot struct {
	key    slotKey
	count  atomicUint64 // a protocol.UseCount
	aborts atomicUint32 // how often its queries were told to end
	_      [8]byte
}

// admit counts a query, where nothing is blocked.
func (s *slot) admit() bool {
	for {
		old := s.count.Load()
		next, ok := protocol.UseCount(old).Admit()
		if !ok {
			return false
		}
		if s.count.CompareAndSwap(old, uint64(next)) {
			return true
		}
	}
}

// release counts a query no more and reports whether somebody waits for that.
func (s *slot) release() (awaited bool) {
	for {
		old := s.count.Load()
		next := protocol.UseCount(old).Release()
		if s.count.CompareAndSwap(old, uint64(next)) {
			return next.Blocked()
		}
	}
}

// block keeps queries out; it returns how many are in.
func (s *slot) block(by protocol.UseCount) int {
	return protocol.UseCount(s.count.Or(uint64(by))).Queries()
}

func (s *slot) open(by protocol.UseCount) { s.count.And(^uint64(by)) }

func (s *slot) queries() int  { return protocol.UseCount(s.count.Load()).Queries() }
func (s *slot) blocked() bool { return protocol.UseCount(s.count.Load()).Blocked() }

// slots are those of all incarnations that queries can use or still use. Only the gate's own goroutine adds and
// removes. A database has none of its own: it is blocked in the slot of each of its tables, and used when one of them
// is. So a query is counted once for a table, and not where the queries on all tables meet.
type slots struct {
	index     *slotIndex
	databases map[string]*database
	waiting   map[protocol.Use][]*slot // what is blocked, with the slots that counted queries when last seen
}

// database is what is known of the tables of a database, of whatever incarnation they are.
type database struct {
	open   bool
	tables map[*slot]bool
}

func newSlots() slots {
	return slots{index: newSlotIndex(), databases: map[string]*database{}, waiting: map[protocol.Use][]*slot{}}
}

func keyOf(n protocol.Name, incarnation cssetcd.Revision) slotKey {
	db, table := n.Parts()
	return slotKey{cssetcd.TableName{DB: db, Table: table}, incarnation}
}

// open lets queries use an incarnation.
func (s *slots) open(n protocol.Name, incarnation cssetcd.Revision) {
	key := keyOf(n, incarnation)
	db := s.database(key.name.DB)
	delete(s.waiting, protocol.Use{Name: n, Incarnation: incarnation})
	if !n.IsDatabase() {
		s.table(key, db).open(protocol.ByTable)
		return
	}
	db.open = true
	for t := range db.tables {
		t.open(protocol.ByDatabase)
	}
	// Whatever was waited for under this name is not blocked any more.
	maps.DeleteFunc(s.waiting, func(u protocol.Use, _ []*slot) bool { return u.Name == n })
}

func (s *slots) database(name string) *database {
	d := s.databases[name]
	if d == nil {
		d = &database{tables: map[*slot]bool{}}
		s.databases[name] = d
	}
	return d
}

// table returns the slot of a table. A new one is blocked where its database is.
func (s *slots) table(key slotKey, db *database) *slot {
	t := s.index.find(key)
	if t == nil {
		t = &slot{key: key}
		if !db.open {
			t.block(protocol.ByDatabase)
		}
		db.tables[t] = true
		s.index.add(t)
	}
	return t
}

// of returns the slots in which an incarnation is counted.
func (s *slots) of(n protocol.Name, incarnation cssetcd.Revision) iter.Seq[*slot] {
	key := keyOf(n, incarnation)
	if db := s.databases[key.name.DB]; n.IsDatabase() && db != nil {
		return maps.Keys(db.tables)
	}
	return func(yield func(*slot) bool) {
		if t := s.index.find(key); t != nil {
			yield(t)
		}
	}
}

// block keeps queries from an incarnation and reports whether none uses it any more. Each slot is blocked before its
// count is looked at, so what has drained stays so.
func (s *slots) block(n protocol.Name, incarnation cssetcd.Revision) (drained bool) {
	by := protocol.ByTable
	if n.IsDatabase() {
		by = protocol.ByDatabase
		s.database(keyOf(n, incarnation).name.DB).open = false
	}
	var used []*slot
	for t := range s.of(n, incarnation) {
		if t.block(by) > 0 {
			used = append(used, t)
		}
	}
	if len(used) > 0 {
		s.waiting[protocol.Use{Name: n, Incarnation: incarnation}] = used
	}
	return len(used) == 0
}

// drained returns what was waited for and is not used any more.
func (s *slots) drained() (all []protocol.Use) {
	for u, used := range s.waiting {
		if used = slices.DeleteFunc(used, func(t *slot) bool { return t.queries() == 0 }); len(used) > 0 {
			s.waiting[u] = used
			continue
		}
		delete(s.waiting, u)
		all = append(all, u)
	}
	return all
}

// forget removes what cannot be opened again as things are. Where a query still uses it, that is done later.
func (s *slots) forget(n protocol.Name, incarnation cssetcd.Revision) {
	key := keyOf(n, incarnation)
	db := s.databases[key.name.DB]
	if t := s.index.find(key); t != nil && t.blocked() && t.queries() == 0 {
		s.index.remove(key)
		delete(db.tables, t)
	}
	if db != nil && !db.open && len(db.tables) == 0 {
		delete(s.databases, key.name.DB)
	}
}

// queriesOn counts the queries on an incarnation.
func (s *slots) queriesOn(n protocol.Name, incarnation cssetcd.Revision) (queries int) {
	for t := range s.of(n, incarnation) {
		queries += t.queries()
	}
	return queries
}

// total counts all queries, each once for each of its tables.
func (s *slots) total() (n int) {
	for t := range s.index.all() {
		n += t.queries()
	}
	return n
}
