package inbox

import (
	"cmp"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
)

// batchOf returns how many of the units the next transaction decides on: at least one, if there is one.
func batchOf(units []unit) int {
	total := newTally()
	for n, u := range units {
		for _, c := range u.changes {
			total.add(u, c)
		}
		if n > 0 && !total.fits() {
			return n
		}
	}
	return len(units)
}

// unitsFor returns the units of rows, each small enough for one transaction. Of one that is too large it returns a
// piece.
func unitsFor(rows []Row, t Taken, r Rules) (units []unit) {
	if !r.keep(UnitsAreWhole) {
		return apart(rows)
	}
	for _, u := range unitsOf(rows, true) {
		if whole := u.firstLife(r); whole.fits() {
			units = append(units, whole)
			continue
		}
		for _, u := range unitsOf(u.rows, false) { // a connection may have written for a long time
			if u = u.firstLife(r); !u.fits() {
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

// piece returns what of a unit that is too large comes next: its new names as DO_NOT_USE, with what has to be above
// them; else as much as fits of what is below them; and when all of that is done the names with their own values, those
// within others first.
func (u unit) piece(t Taken) unit {
	var names, claims, rest []change
	above := map[string]bool{}
	for _, c := range u.changes {
		switch isNew := c.creates() && c.isName(); {
		case !isNew:
			rest = append(rest, c)
		case slices.Contains(t.Claims, c.key):
			names = append(names, c)
		default:
			for key := range ancestors(c.key) {
				above[key] = true
			}
			c.last.Text = string(cssetcd.StatusIgnore)
			claims = append(claims, c)
		}
	}
	if len(claims) > 0 {
		for _, c := range rest {
			if c.creates() && above[c.key] {
				claims = append(claims, c)
			}
		}
		return unit{rows: u.rows, changes: u.first(claims, byTree), claims: true}
	}
	changes := u.first(rest, byTree)
	if len(rest) == 0 {
		changes = u.first(names, func(a, b change) int { return byTree(b, a) })
	}
	return u.only(changes)
}

// byTree has what is below a key follow it at once.
func byTree(a, b change) int {
	return cmp.Or(strings.Compare(treeOrder.Replace(a.key), treeOrder.Replace(b.key)), strings.Compare(a.key, b.key))
}

var treeOrder = strings.NewReplacer("/", "\x00")

// first returns as many of a unit's changes as fit into a transaction, by key. Those that cost nothing are never cut
// off: what goes with a key above goes together with it.
func (u unit) first(changes []change, order func(a, b change) int) []change {
	slices.SortFunc(changes, order)
	t := newTally()
	for i, c := range changes {
		if t.add(u, c); !t.fits() && i > 0 {
			changes = changes[:i]
			break
		}
	}
	return slices.SortedFunc(slices.Values(changes), byKey)
}

func byKey(a, b change) int { return strings.Compare(a.key, b.key) }

// only returns the part of a unit that has these changes.
func (u unit) only(changes []change) unit {
	ids := map[int64]bool{}
	for _, c := range changes {
		for _, id := range c.rows {
			ids[id] = true
		}
	}
	rows := slices.DeleteFunc(slices.Clone(u.rows), func(r Row) bool { return !ids[r.ID] })
	return unit{rows: rows, changes: changes}
}

// reads says what has to be seen of etcd to decide on a unit.
func (u unit) reads() (keys []csskey.Path, trees []csskey.Path) {
	for _, c := range u.changes {
		if c.nothing() || u.goesWithAbove(c) { // that tree is read as one
			continue
		}
		keys = append(keys, csskey.Of(c.key))
		for above := range ancestors(c.key) {
			keys = append(keys, csskey.Of(above))
		}
		switch {
		case c.removes():
			trees = append(trees, csskey.Of(c.key), csskey.Spelling(c.key))
		case c.creates() && c.isName():
			keys = append(append(keys, csskey.Spelling(c.key)), csskey.Parse(c.key).Intents()...)
		}
	}
	return keys, trees
}
