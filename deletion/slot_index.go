package deletion

import (
	"iter"
	"sync/atomic"

	"github.com/qserv/css-etcd/cssetcd"
)

// slotIndex finds slots by name and incarnation, for any number of readers that never wait and one goroutine that changes it. A look-up is on the way of every
// query, so it is a hash table in one array: a third of the time of a general concurrent map.
type slotIndex struct {
	cells atomic.Pointer[[]atomic.Pointer[slot]] // a power of two of them, never full
	used  int                                    // cells that are not nil
	live  int                                    // cells with a slot that was not removed
}

// removed stands where a slot was, so that what was put behind it is still found.
var removed = &slot{}

const leastCells = 64

func newSlotIndex() *slotIndex {
	i := &slotIndex{}
	cells := make([]atomic.Pointer[slot], leastCells)
	i.cells.Store(&cells)
	return i
}

// slotKey is a table, or a database, whose table is "", in one incarnation. What one transaction created has one incarnation.
type slotKey struct {
	name        cssetcd.TableName
	incarnation cssetcd.Revision
}

// first is the cell at which the search begins. Incarnations tell almost all slots apart, and the ends of names those that one transaction created.
func (k *slotKey) first(cells int) int {
	h := uint64(k.incarnation)
	if n := len(k.name.Table); n > 1 {
		h ^= uint64(k.name.Table[n-1])<<32 | uint64(k.name.Table[n-2])<<40
	}
	return int(h*0x9e3779b97f4a7c15>>32) & (cells - 1)
}

func (k *slotKey) equals(o *slotKey) bool {
	return k.incarnation == o.incarnation && k.name.Table == o.name.Table && k.name.DB == o.name.DB
}

// find returns a slot, or nil.
func (i *slotIndex) find(k slotKey) *slot {
	cells := *i.cells.Load()
	for at := k.first(len(cells)); ; at = (at + 1) & (len(cells) - 1) {
		s := cells[at].Load()
		if s == nil || s.key.equals(&k) && s != removed {
			return s
		}
	}
}

// add adds a slot that is not there.
func (i *slotIndex) add(s *slot) {
	if 2*(i.used+1) > len(*i.cells.Load()) {
		i.rebuild()
	}
	i.place(*i.cells.Load(), s)
	i.live++
}

func (i *slotIndex) place(cells []atomic.Pointer[slot], s *slot) {
	at := s.key.first(len(cells))
	for cells[at].Load() != nil {
		at = (at + 1) & (len(cells) - 1)
	}
	cells[at].Store(s)
	i.used++
}

// rebuild makes room, and leaves out what was removed. Readers go on with the old array until the new one is whole.
func (i *slotIndex) rebuild() {
	n := leastCells
	for n < 4*(i.live+1) {
		n *= 2
	}
	cells := make([]atomic.Pointer[slot], n)
	i.used = 0
	for s := range i.all() {
		i.place(cells, s)
	}
	i.cells.Store(&cells)
}

// remove removes a slot that is there.
func (i *slotIndex) remove(k slotKey) {
	cells := *i.cells.Load()
	for at := k.first(len(cells)); ; at = (at + 1) & (len(cells) - 1) {
		if s := cells[at].Load(); s.key.equals(&k) && s != removed {
			cells[at].Store(removed)
			i.live--
			return
		}
	}
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
