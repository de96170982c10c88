package deletion

import (
	"hash/maphash"
	"iter"
	"math/bits"

	"github.com/qserv/css-etcd/cssetcd"
)

// slotIndex finds slots by name and incarnation, for any number of readers that never wait and one goroutine that
// changes it. A look-up is on the way of every query, so it is a hash table in one array: a third of the time of a
// general concurrent map.
type slotIndex struct {
	cells atomicPointer[[]atomicPointer[slot]] // a power of two of them, never full
	used  int                                  // cells that are not nil
	live  int                                  // cells with a slot that was not removed
}

// removed stands where a slot was, so that what was put behind it is still found.
var removed = &slot{}

const leastCells = 64

func newSlotIndex() *slotIndex {
	i := &slotIndex{}
	cells := make([]atomicPointer[slot], leastCells)
	i.cells.Store(&cells)
	return i
}

// slotKey is a table, or a database, whose table is "", in one incarnation. What one transaction created has one
// incarnation.
type slotKey struct {
	name        cssetcd.TableName
	incarnation cssetcd.Revision
}

// seed is another one in each process, so that nobody chooses names that meet.
var seed = maphash.MakeSeed()

// first is the cell where a slot is if no other was there before it. Incarnations tell almost all slots apart, and the
// ends of names those that one transaction created: it costs no look at the whole name.
func (k *slotKey) first() uint64 {
	ends := uint64(lastTwo(k.name.Table))<<16 | uint64(lastTwo(k.name.DB))
	high, low := bits.Mul64(uint64(k.incarnation)^0x9e3779b97f4a7c15, ends^0xbf58476d1ce4e5b9)
	return high ^ low
}

func lastTwo(s string) uint16 {
	if n := len(s); n > 1 {
		return uint16(s[n-1])<<8 | uint16(s[n-2])
	}
	return 0
}

// second is where the search goes on, cell by cell. It is of the whole name: one transaction may create many tables
// whose names end alike, or of one name in many databases.
func (k *slotKey) second() uint64 {
	return bits.RotateLeft64(maphash.String(seed, k.name.DB), 1) ^ maphash.String(seed, k.name.Table) +
		uint64(k.incarnation)
}

func (k *slotKey) equals(o *slotKey) bool {
	return k.incarnation == o.incarnation && k.name.Table == o.name.Table && k.name.DB == o.name.DB
}

// find returns a slot, or nil.
func (i *slotIndex) find(k slotKey) *slot {
	s, _, _ := i.search(&k)
	return s
}

// search returns a slot and the cell it is in, or nil and the cell in which it would be put; and how many cells it
// looked at.
func (i *slotIndex) search(k *slotKey) (s *slot, cell *atomicPointer[slot], steps int) {
	cells := *i.cells.Load()
	mask := uint64(len(cells) - 1)
	at := k.first()
	for steps = 1; ; steps++ {
		cell = &cells[at&mask]
		s = cell.Load()
		if s == nil || s.key.equals(k) && s != removed {
			return s, cell, steps
		}
		if at++; steps == 1 {
			at = k.second()
		}
	}
}

// add adds a slot that is not there.
func (i *slotIndex) add(s *slot) {
	if 2*(i.used+1) > len(*i.cells.Load()) {
		i.rebuild()
	}
	i.place(s)
	i.live++
}

func (i *slotIndex) place(s *slot) {
	_, cell, _ := i.search(&s.key)
	cell.Store(s)
	i.used++
}

// rebuild makes room, and leaves out what was removed. Readers go on with the old array until the new one is whole.
func (i *slotIndex) rebuild() {
	n := leastCells
	for n < 4*(i.live+1) {
		n *= 2
	}
	cells := make([]atomicPointer[slot], n)
	next := &slotIndex{live: i.live}
	next.cells.Store(&cells)
	for s := range i.all() {
		next.place(s)
	}
	i.used = next.used
	i.cells.Store(&cells)
}

// remove removes a slot that is there.
func (i *slotIndex) remove(k slotKey) {
	_, cell, _ := i.search(&k)
	cell.Store(removed)
	i.live--
}

// all yields the slots that are there.
func (i *slotIndex) all() iter.Seq[*slot] {
	return func(yield func(*slot) bool) {
		cells := *i.cells.Load()
		for at := range cells {
			if s := cells[at].Load(); s != nil && s != removed && !yield(s) {
				return
			}
		}
	}
}
