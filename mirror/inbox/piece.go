package inbox

import (
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// What one transaction of etcd may come to. etcd takes 128 conditions and as many writes, and a request of 1.5 MB.
const (
	maxKeys  = 90
	maxBytes = 1 << 20
)

// size is what a unit costs in a transaction.
type size struct{ conditions, writes, bytes int }

func (a size) plus(b size) size {
	return size{a.conditions + b.conditions, a.writes + b.writes, a.bytes + b.bytes}
}

func (a size) fits() bool {
	return a.conditions <= maxKeys && a.writes <= maxKeys && a.bytes <= maxBytes
}

// sizeOf returns what a change costs, its ancestors as if no other change shared them.
func (u unit) sizeOf(c change) size {
	if c.nothing() {
		return size{}
	}
	if _, above := u.removedAbove(c.key); above && c.removes() {
		return size{}
	}
	s := size{conditions: 1, writes: 1, bytes: len(c.key) + len(c.last.Text)}
	for above := range ancestors(c.key) {
		if made, ok := u.find(above); !ok || !made.creates() {
			s.conditions++
			break // those above it are few, and shared by most
		}
	}
	switch {
	case c.removes():
		return s.plus(size{conditions: 2, writes: 3})
	case c.isName():
		return s.plus(size{conditions: 3, writes: 1})
	}
	return s.plus(size{writes: 1}) // what a replica refers to
}

// sharedSize is for what a change has in common with others: what lies above, and what each transaction has.
var sharedSize = size{conditions: 8, writes: 4}

func (u unit) size() size {
	s := sharedSize
	for _, c := range u.changes {
		s = s.plus(u.sizeOf(c))
	}
	return s
}

// batchOf returns the units that the next transaction decides on. What is too large for one is cut.
func batchOf(rows []Row, t Taken, r Rules) (batch []unit) {
	total := size{}
	for _, u := range unitsFor(rows, t, r) {
		if more := total.plus(u.size()); len(batch) == 0 || more.fits() {
			batch, total = append(batch, u), more
		}
	}
	return batch
}

// unitsFor returns the units of rows, each small enough for one transaction. Of one that is too large it returns a
// piece.
func unitsFor(rows []Row, t Taken, r Rules) (units []unit) {
	if !r.keep(UnitsAreWhole) {
		return apart(rows)
	}
	for _, u := range unitsOf(rows, true) {
		if u.size().fits() {
			units = append(units, u.firstLife(r))
			continue
		}
		for _, u := range unitsOf(u.rows, false) { // a connection may have written for a long time
			if u = u.firstLife(r); !u.size().fits() {
				u = u.piece(t)
			}
			units = append(units, u)
		}
	}
	return units
}

func (u unit) firstLife(r Rules) unit {
	if !r.keep(NamesGoFirst) {
		return u
	}
	return u.beforeSecondLife()
}

// piece returns what of a unit that is too large comes next: its new names as DO_NOT_USE, or else as much of what is
// below them as fits. What is left when that is done is small: the names with their own values.
func (u unit) piece(t Taken) unit {
	var claims, rest []change
	for _, c := range u.changes {
		isNew := c.creates() && c.isName()
		switch {
		case isNew && !slices.Contains(t.Claims, c.key):
			c.last.Text, c.rows = string(cssetcd.StatusIgnore), nil
			claims = append(claims, c)
		case !isNew:
			rest = append(rest, c)
		}
	}
	if len(claims) > 0 {
		return unit{rows: u.rows, changes: first(claims, u), claims: true}
	}
	part := unit{changes: first(rest, u)}
	for _, c := range part.changes {
		part.rows = append(part.rows, rowsOf(u.rows, c.rows)...)
	}
	slices.SortFunc(part.rows, func(a, b Row) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return part
}

// first returns as many of a unit's changes as fit into a transaction.
func first(changes []change, u unit) []change {
	s := sharedSize
	for i, c := range changes {
		if s = s.plus(u.sizeOf(c)); !s.fits() && i > 0 {
			return changes[:i]
		}
	}
	return changes
}

// readsOf says what has to be seen of etcd to decide on a unit.
func (u unit) reads() (keys []csskey.Path, trees []csskey.Path) {
	for _, c := range u.changes {
		if c.nothing() {
			continue
		}
		if _, under := u.removedAbove(c.key); !under || !c.removes() {
			keys = append(keys, csskey.Of(c.key))
		}
		for above := range ancestors(c.key) {
			keys = append(keys, csskey.Of(above))
		}
		if c.removes() && !slices.ContainsFunc(trees, func(p csskey.Path) bool {
			return below(string(csskey.Of(c.key)),
				string(p))
		}) {
			trees = append(trees, csskey.Of(c.key), csskey.Spelling(c.key))
		}
		if c.creates() && c.isName() {
			keys = append(append(keys, csskey.Spelling(c.key)), csskey.Parse(c.key).Intents()...)
		}
	}
	return keys, trees
}
