package plan

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrNoIDs says that kvId has no values left for new rows.
var ErrNoIDs = errors.New("kvData is out of ids")

// Plan is what must change in kvData, and in the list of keys in quarantine. Executed in the order of its fields and
// each list in its order, it breaks neither the foreign key nor the unique index at any statement:
//
//   - Inserts cannot meet a row of the same folded key: such a row would have been updated in place instead, or is
//     among those of Clear.
//   - Updates come after Inserts because a corrected parent may be new, and before Deletes because a wrong parent may
//     be going.
//   - Deletes come last, children first.
//
// A row that is as it should be appears in no list.
type Plan struct {
	// ids of rows that go but first lose their parent: in a hand-made tangle no order of deleting would do
	Unhook []int32
	// rows that go before anything is inserted, children first: a name that came into being again gets new rows
	Clear    []Row
	Inserts  []Row    // parents first, with ids
	Updates  []Update // the row keeps its id
	Deletes  []Row    // children first: the longer key before the shorter
	Releases []string // keys that leave the quarantine
	Records  []Quarantined
	Rows     int    // rows in the table afterwards
	Digest   uint64 // of the table afterwards

	folded []string // the folded keys of Inserts
}

// Update is a row that changes in place.
type Update struct{ Old, New Row }

// Doomed returns the rows of Deletes as they are by then: Unhook has taken the parents of some.
func (p *Plan) Doomed() []Row { return p.unhooked(p.Deletes) }

// Cleared returns the rows of Clear as they are by then.
func (p *Plan) Cleared() []Row { return p.unhooked(p.Clear) }

func (p *Plan) unhooked(rows []Row) []Row {
	if len(p.Unhook) == 0 {
		return rows
	}
	rows = slices.Clone(rows)
	unhooked := make(map[int32]bool, len(p.Unhook))
	for _, id := range p.Unhook {
		unhooked[id] = true
	}
	for i := range rows {
		if unhooked[rows[i].ID] {
			rows[i].Parent = 0
		}
	}
	return rows
}

// Nothing returns the plan that changes nothing.
func Nothing(t *Table) *Plan { return &Plan{Rows: t.Len(), Digest: t.digest} }

// Empty reports whether nothing in kvData and in the quarantine changes.
func (p *Plan) Empty() bool {
	return !p.ChangesRows() && len(p.Releases)+len(p.Records) == 0
}

// ChangesRows reports whether anything in kvData changes.
func (p *Plan) ChangesRows() bool {
	return len(p.Unhook)+len(p.Clear)+len(p.Inserts)+len(p.Updates)+len(p.Deletes) > 0
}

// Full plans what makes the table show the image, whatever the table holds: all of both is compared. The rows of the
// keys in anew, and all below them, are deleted first and come with new ids: it is for names that went and came again,
// whose old rows somebody may have read. It returns ErrNoIDs when new rows cannot be numbered.
func Full(t *Table, to Image, anew ...string) (*Plan, error) { return full(t, to, false, anew) }

// FullSharing is Full that makes rows which equal a key of the image use the image's strings. Nothing else changes; the
// memory of a second copy of the catalogue is saved.
func FullSharing(t *Table, to Image, anew ...string) (*Plan, error) { return full(t, to, true, anew) }

func full(t *Table, to Image, share bool, anew []string) (*Plan, error) {
	w := newWork(t, to, 0)
	right := t.seenIDs()
	for key, e := range to.Below(rootKey) {
		r := w.shows(key, e.Value, right)
		switch {
		case r == nil:
			w.seen, w.seenEntry = key, e
			w.touch(key)
		case share:
			r.Key, r.Value = key, e.Value
		}
	}
	w.seen = ""
	for _, r := range t.rows {
		if !right.has(r.ID) {
			w.touch(r.Key)
		}
	}
	for key := range t.quarantine {
		w.touch(key)
	}
	for _, key := range pinned {
		w.touch(key)
	}
	w.renew(anew)
	return w.finish()
}

// Changed is Full for a table that shows an earlier image which differs from this one in no other keys than those
// given. Its cost is that of those keys, and of what a collision that comes or goes affects; with anew, that of a look
// at all rows. It returns ErrNoIDs when new rows cannot be numbered.
func Changed(t *Table, to Image, keys []string, anew ...string) (*Plan, error) {
	w := newWork(t, to, len(keys))
	for _, key := range keys {
		w.touch(key)
	}
	w.renew(anew)
	return w.finish()
}

// finish decides what was touched and lists what changes, in an order that depends on the changes alone.
func (w *work) finish() (*Plan, error) {
	w.decideAll()
	p := &w.plan
	inserted, err := w.number()
	if err != nil {
		return nil, err
	}
	p.Inserts = make([]Row, 0, len(inserted))
	p.folded = make([]string, 0, len(inserted))
	for _, s := range inserted {
		s.next.Parent = w.parentID(s)
		p.Inserts = append(p.Inserts, s.next)
		p.folded = append(p.folded, s.folded)
	}
	for _, s := range w.order {
		switch {
		case w.goes(s):
			p.Clear = append(p.Clear, s.old)
			if w.tangled(s) {
				p.Unhook = append(p.Unhook, s.old.ID)
			}
		case w.stays(s):
			s.next.Parent = w.parentID(s)
			if s.next != s.old || w.isBelowNew(s) {
				p.Updates = append(p.Updates, Update{s.old, s.next})
			}
		case s.had:
			p.Deletes = append(p.Deletes, s.old)
			if w.tangled(s) {
				p.Unhook = append(p.Unhook, s.old.ID)
			}
		}
	}
	p.Rows = w.t.Len() - len(p.Clear) + len(p.Inserts) - len(p.Deletes)
	p.Digest = p.digestAfter(w.t.digest)
	p.sort()
	return p, nil
}

func (p *Plan) sort() {
	slices.Sort(p.Unhook)
	slices.SortFunc(p.Updates, func(a, b Update) int { return strings.Compare(a.New.Key, b.New.Key) })
	slices.SortFunc(p.Clear, childrenFirst)
	slices.SortFunc(p.Deletes, childrenFirst)
	slices.Sort(p.Releases)
	slices.SortFunc(p.Records, func(a, b Quarantined) int { return strings.Compare(a.Key, b.Key) })
}

func childrenFirst(a, b Row) int {
	return cmp.Or(cmp.Compare(len(b.Key), len(a.Key)), strings.Compare(a.Key, b.Key))
}

// number gives ids to the new rows in the byte order of their keys, so that parents have smaller ids than children, and
// returns them in that order. The ids follow the largest one: AUTO_INCREMENT would not tell which row got which.
func (w *work) number() ([]*slot, error) {
	var inserted []*slot
	for _, s := range w.order {
		if s.has && !w.stays(s) {
			inserted = append(inserted, s)
		}
	}
	slices.SortFunc(inserted, func(a, b *slot) int { return strings.Compare(a.next.Key, b.next.Key) })
	last, taken := w.lastID(len(inserted))
	first := last
	for _, s := range inserted {
		for last++; taken[last]; last++ {
		}
		if last > math.MaxInt32 {
			return nil, fmt.Errorf("%w: %d new rows need ids after %d, and the column kvId ends at %d; "+
				"number the rows anew, with parentKvId, while nothing writes to the table", ErrNoIDs, len(inserted), first,
				math.MaxInt32)
		}
		s.next.ID = int32(last)
	}
	return inserted, nil
}

// lastID returns the id after which n new rows are numbered: the largest there is. Where that leaves no room, perhaps
// because of one row that others wrote and that goes, it is the largest of the rows that stay, and those that go are
// still taken.
func (w *work) lastID(n int) (last int64, taken map[int64]bool) {
	if n <= math.MaxInt32-int(w.t.maxID) {
		return int64(w.t.maxID), nil
	}
	taken = map[int64]bool{}
	for _, s := range w.order {
		if s.had && !w.stays(s) {
			taken[int64(s.old.ID)] = true
		}
	}
	for _, r := range w.t.rows {
		if !taken[int64(r.ID)] {
			last = max(last, int64(r.ID))
		}
	}
	return last, taken
}

// parentID returns the id of the row above a row that there will be.
func (w *work) parentID(s *slot) int32 {
	if s.next.Key == rootKey {
		return 0
	}
	above := w.t.columns.foldedParent(s.folded)
	if p, ok := w.slots[above]; ok {
		return p.next.ID
	}
	return w.t.rows[above].ID
}

// isBelowNew reports whether the row above a row is a new one. Its id may still change, were it the one that the row
// has as its parent by chance.
func (w *work) isBelowNew(s *slot) bool {
	if s.next.Key == rootKey {
		return false
	}
	above, ok := w.slots[w.t.columns.foldedParent(s.folded)]
	return ok && !w.stays(above)
}

// tangled reports whether the parent of a row that goes is anything but the row of the key above it. Deleting the
// longer key first would then not be enough.
func (w *work) tangled(s *slot) bool {
	if s.old.Parent == 0 {
		return false
	}
	parent, ok := parentOf(s.old.Key)
	if !ok {
		return true
	}
	above, ok := w.t.Row(parent)
	return !ok || above.ID != s.old.Parent
}
