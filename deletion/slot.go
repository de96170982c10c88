package deletion

import (
	"sync/atomic"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/protocol"
)

// slot counts the queries on one incarnation of a table or a database. There is one for each incarnation and process, whatever becomes
// of the czar's registration.
type slot struct {
	key    slotKey
	name   protocol.Name
	parent *database     // of a table; nil for a database
	word   atomic.Uint64 // a protocol.Word
	aborts atomic.Uint32 // how often its queries were told to end
}

// database is where the slot of the database that is there now is found.
type database struct{ now atomic.Pointer[slot] }

// admit counts a query, where nothing is blocked.
func (s *slot) admit() bool {
	for {
		old := s.word.Load()
		next, ok := protocol.Word(old).Admit()
		if !ok {
			return false
		}
		if s.word.CompareAndSwap(old, uint64(next)) {
			return true
		}
	}
}

// release counts a query no more and reports whether somebody waits for that.
func (s *slot) release() (awaited bool) {
	now := s.word.Add(^uint64(0)) // as protocol.Word.Release
	return protocol.Word(now).Blocked()
}

// block keeps queries out; it returns how many are in.
func (s *slot) block() int {
	return protocol.Word(s.word.Or(uint64(protocol.Word(0).Block()))).Queries()
}

func (s *slot) open() { s.word.And(^uint64(protocol.Word(0).Block())) }

func (s *slot) queries() int  { return protocol.Word(s.word.Load()).Queries() }
func (s *slot) blocked() bool { return protocol.Word(s.word.Load()).Blocked() }

// slots are those of all incarnations that queries can use or still use. Only the gate's own goroutine adds and removes.
type slots struct {
	index     *slotIndex
	databases map[string]*database
	waiting   map[slotKey]*slot // blocked, and counting queries when last seen
}

func newSlots() slots {
	return slots{index: newSlotIndex(), databases: map[string]*database{}, waiting: map[slotKey]*slot{}}
}

func keyOf(n protocol.Name, incarnation cssetcd.Revision) slotKey {
	db, table := n.Parts()
	return slotKey{cssetcd.TableName{DB: db, Table: table}, incarnation}
}

// open lets queries use an incarnation.
func (s *slots) open(n protocol.Name, incarnation cssetcd.Revision) {
	key := keyOf(n, incarnation)
	found := s.index.find(key)
	if found == nil {
		found = &slot{key: key, name: n}
		if !n.IsDatabase() {
			found.parent = s.database(key.name.DB)
		}
		s.index.add(found)
	}
	found.open()
	delete(s.waiting, key)
	if n.IsDatabase() {
		s.database(key.name.DB).now.Store(found)
	}
}

func (s *slots) database(name string) *database {
	d := s.databases[name]
	if d == nil {
		d = &database{}
		s.databases[name] = d
	}
	return d
}

// block keeps queries from an incarnation and reports whether none uses it any more.
func (s *slots) block(n protocol.Name, incarnation cssetcd.Revision) (drained bool) {
	key := keyOf(n, incarnation)
	found := s.index.find(key)
	if found == nil {
		return true // nothing can have been admitted
	}
	if found.block() > 0 {
		s.waiting[key] = found
		return false
	}
	return true
}

// drained returns the slots that were waited for and count no query now.
func (s *slots) drained() (all []*slot) {
	for key, w := range s.waiting {
		if w.blocked() && w.queries() == 0 {
			all = append(all, w)
			delete(s.waiting, key)
		}
	}
	return all
}

// forget removes a slot that cannot be opened again as things are. Where a query still uses it, that is done later.
func (s *slots) forget(n protocol.Name, incarnation cssetcd.Revision) {
	key := keyOf(n, incarnation)
	if found := s.index.find(key); found != nil && found.blocked() && found.queries() == 0 {
		s.index.remove(key)
	}
}

// queriesOn counts the queries on an incarnation.
func (s *slots) queriesOn(n protocol.Name, incarnation cssetcd.Revision) int {
	if found := s.index.find(keyOf(n, incarnation)); found != nil {
		return found.queries()
	}
	return 0
}

// total counts all queries.
func (s *slots) total() (n int) {
	for each := range s.index.all() {
		n += each.queries()
	}
	return n
}
