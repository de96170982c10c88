package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// work is one run of planning: which places of the table are looked at, and what becomes of each.
type work struct {
	t      *Table
	to     Image
	slots  map[string]*slot    // by folded key
	order  []*slot             // as they were opened, which for a merge is nearly that of their keys
	levels [][]*slot           // the same by depth: what is above is decided before what is below
	alien  map[string]struct{} // keys looked at that could not even be written to the index
	plan   Plan

	cleared map[int32]bool // ids of rows that are deleted before anything is inserted, see renew

	seen      string // the key that the image is just being asked about, and what it holds
	seenEntry cssetcd.Entry

	near [2]*Row // the row that was found right last, and the one above it

	spare    []slot // slots to hand out: they are many, and one allocation each would cost more than the work
	rivals   []string
	verdicts []verdict
}

// slot is a place in the table's unique index: at most one row can be in it, and all keys of one folded form compete
// for it.
type slot struct {
	folded    string
	key       string              // the key that was looked at first
	others    []string            // further ones, each once
	many      map[string]struct{} // the same, once they are many
	entry     cssetcd.Entry       // what key holds, where known
	known     bool
	old, next Row
	had, has  bool
}

func newWork(t *Table, to Image, size int) *work {
	return &work{t: t, to: to, slots: make(map[string]*slot, size), alien: map[string]struct{}{}}
}

// touch has a key looked at, and its ancestors: they come and go with it, and what lies below them tells who is older.
func (w *work) touch(key string) {
	if !w.t.columns.mayHold(key) {
		if _, seen := w.alien[key]; seen {
			return
		}
		w.alien[key] = struct{}{}
		w.settle(w.judge(key, nil), false, false)
		key = w.longestStorable(key)
	}
	for folded := w.t.columns.Fold(key); w.put(key, folded); folded = w.t.columns.foldedParent(folded) {
		parent, ok := parentOf(key)
		if !ok {
			return
		}
		key = parent
	}
}

// longestStorable returns the nearest ancestor of a key that can be a row's key.
func (w *work) longestStorable(key string) string {
	for {
		key = key[:strings.LastIndexByte(key[:min(len(key), w.t.columns.MaxKey+1)], '/')]
		if w.t.columns.mayHold(key) {
			return key
		}
	}
}

// put adds a key to its slot and reports whether that was news.
func (w *work) put(key, folded string) bool {
	s, ok := w.slots[folded]
	switch {
	case !ok:
		w.open(key, folded)
	case s.knows(key):
		return false
	default:
		s.add(key)
	}
	return true
}

// few is up to how many keys of one slot are searched one after the other. More are indexed: somebody who writes all
// spellings of a name must not make others wait.
const few = 16

func (s *slot) knows(key string) bool {
	if s.many == nil {
		return s.key == key || slices.Contains(s.others, key)
	}
	_, ok := s.many[key]
	return ok || s.key == key
}

func (s *slot) add(key string) {
	s.others = append(s.others, key)
	switch {
	case s.many != nil:
		s.many[key] = struct{}{}
	case len(s.others) > few:
		s.many = make(map[string]struct{}, 2*few)
		for _, k := range s.others {
			s.many[k] = struct{}{}
		}
	}
}

// open makes the slot of a folded key.
func (w *work) open(key, folded string) {
	if len(w.spare) == 0 {
		w.spare = make([]slot, min(max(len(w.slots), 8), 1024))
	}
	s := &w.spare[0]
	w.spare = w.spare[1:]
	s.folded, s.key = folded, key
	if old := w.t.rows[folded]; old != nil {
		s.old, s.had = *old, true
	}
	if key == w.seen {
		s.entry, s.known = w.seenEntry, true
	}
	w.slots[folded] = s
	w.order = append(w.order, s)
	depth := depthOf(folded)
	for len(w.levels) <= depth {
		w.levels = append(w.levels, nil)
	}
	w.levels[depth] = append(w.levels[depth], s)
}

// decideAll decides every slot, from the root down. Deciding one can touch slots below it, never beside or above it.
func (w *work) decideAll() {
	for depth := 0; depth < len(w.levels); depth++ {
		for _, s := range w.levels[depth] {
			w.decide(s)
		}
	}
}

// decide finds the key that gets the slot's row, and settles what becomes of the others.
func (w *work) decide(s *slot) {
	keys, verdicts := w.rivalsFor(s), w.verdicts[:0]
	winner := -1
	for i, key := range keys {
		v := w.judge(key, s)
		verdicts = append(verdicts, v)
		if v.fits() && (winner < 0 || w.older(key, keys[winner])) {
			winner = i
		}
	}
	for i, v := range verdicts {
		if i == winner {
			s.has = true
			s.next = Row{ID: s.old.ID, Key: v.key, Value: v.value()}
		} else if v.fits() {
			v.reason, v.detail = KeyCollision, "the table cannot tell it from "+quote(keys[winner])+", which is older"
		}
		w.settle(v, s.had && s.old.Key == v.key, i == winner)
	}
	w.rivals, w.verdicts = keys, verdicts
}

// rivalsFor returns the keys that compete for a slot: those looked at, the one that has it and those that once lost it.
func (w *work) rivalsFor(s *slot) []string {
	keys := append(append(w.rivals[:0], s.key), s.others...)
	if s.had && !s.knows(s.old.Key) {
		keys = append(keys, s.old.Key)
	}
	for key := range w.t.losers[s.folded] {
		if !s.knows(key) && !(s.had && s.old.Key == key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// verdict is what a key is entitled to, the competition with other keys of its slot apart.
type verdict struct {
	key    string
	entry  cssetcd.Entry
	wanted bool // a key, an ancestor of one, or pinned
	reason Reason
	detail string
}

// fits reports whether the key may have a row.
func (v verdict) fits() bool { return v.wanted && (v.reason == "" || isPinned(v.key)) }

// value returns what the row of the key holds. A pinned key has a row even if its value cannot be held.
func (v verdict) value() string {
	if v.reason != "" {
		return ""
	}
	return v.entry.Value
}

func (w *work) judge(key string, s *slot) verdict {
	v := verdict{key: key}
	if key == rootKey {
		v.wanted = true
		return v
	}
	if key[0] != '/' {
		return v // written to the table by others; not even a question that an image can answer
	}
	isKey := false
	if s != nil && s.known && s.key == key {
		v.entry, isKey = s.entry, true
	} else {
		v.entry, isKey = w.to.Key(key)
	}
	v.reason, v.detail = w.t.columns.keyFault(key)
	if !isKey && v.reason != "" {
		return v // an ancestor that cannot be a row is not missed: its keys say why they are in quarantine
	}
	v.wanted = isKey || isPinned(key) || anyBelow(w.to, key)
	if v.reason == "" {
		v.reason, v.detail = w.t.columns.valueFault(v.entry.Value)
	}
	if parent, _ := parentOf(key); v.reason == "" && !w.held(parent, s) {
		v.reason, v.detail = ParentMissing, "the key above it, "+quote(parent)+", has no row"
	}
	return v
}

// held reports whether the key above those of a slot will have a row.
func (w *work) held(parent string, s *slot) bool {
	folded := w.t.columns.foldedParent(s.folded)
	if above, ok := w.slots[folded]; ok {
		return above.has && above.next.Key == parent
	}
	above, ok := w.t.rows[folded]
	return ok && above.Key == parent
}

// older reports whether a is to have the row rather than b.
func (w *work) older(a, b string) bool {
	if isPinned(a) || isPinned(b) {
		return isPinned(a)
	}
	createdA, createdB := created(w.to, a), created(w.to, b)
	if createdA != createdB {
		return createdA < createdB
	}
	return a < b
}

// settle notes what changes in the quarantine. When a key that stays in the catalogue gains or loses its row, all keys
// below it gain or lose theirs.
func (w *work) settle(v verdict, hadRow, hasRow bool) {
	old, was := w.t.quarantine[v.key]
	if !v.wanted || v.reason == "" {
		if was {
			w.plan.Releases = append(w.plan.Releases, v.key)
		}
	} else if q := v.quarantined(); q != old {
		w.plan.Records = append(w.plan.Records, q)
	}
	if v.wanted && hadRow != hasRow && (hadRow || was) {
		for key := range w.to.Below(v.key) {
			w.touch(key)
		}
	}
}

func (v verdict) quarantined() Quarantined {
	return Quarantined{v.key, v.reason, v.detail, v.entry.Mod, len(v.entry.Value)}
}

// quote prints a key for a sentence, shortened when nobody would read it to its end.
func quote(key string) string {
	const most = 512
	if len(key) > most {
		return fmt.Sprintf("%q...", key[:most])
	}
	return fmt.Sprintf("%q", key)
}
