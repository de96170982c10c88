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
		if u.isPiece || u.never != nil {
			return max(n, 1)
		}
		for _, c := range u.changes {
			total.add(u, c)
		}
		if n > 0 && !total.fits() {
			return n
		}
	}
	return len(units)
}

// unitsFor returns the units of rows, each small enough for one transaction. One that is too large it cuts into pieces.
func unitsFor(rows []Row, t Taken, r Rules) (units []unit) {
	if !r.keep(UnitsAreWhole) {
		return apart(rows)
	}
	var never []unit
	for _, u := range unitsOf(rows, true) {
		if whole := u.firstLife(r); whole.fits() {
			units = append(units, whole)
			continue
		}
		for _, u := range unitsOf(u.rows, false) { // a connection may have written for a long time
			if u = u.firstLife(r); u.fits() {
				units = append(units, u)
			} else if u.never = u.mayNeverBe(); u.never != nil { // first: what is left is not to be grouped with it later
				never = append(never, u)
			} else {
				units = append(units, u.pieces(t)...)
			}
		}
	}
	return append(never, units...)
}

// mayNeverBe returns why a unit is overruled whatever etcd holds. Its pieces would be taken until that one comes.
func (u unit) mayNeverBe() error {
	for _, c := range u.changes {
		if err := mayBe(c); err != nil && !c.nothing() {
			return err
		}
	}
	return nil
}

func (u unit) firstLife(r Rules) unit {
	if !r.keep(NamesGoFirst) {
		return u
	}
	return u.beforeSecondLife()
}

// pieces cuts a unit that is too large: its new names come as DO_NOT_USE, with what has to be above them; then what is
// below them; and when all of that is done the names with their own values, those within others first. Each needs that
// the one before it was decided on.
func (u unit) pieces(t Taken) (all []unit) {
	claims, rest, names := u.inTurn(t)
	for _, changes := range u.cut(claims, byTree) {
		all = append(all, unit{rows: u.rows, changes: changes, claims: true, isPiece: true})
	}
	rows := rowsByID(u.rows)
	later := slices.Concat(u.cut(rest, byTree), u.cut(names, func(a, b change) int { return byTree(b, a) }))
	for _, changes := range later {
		all = append(all, unit{rows: rowsFor(changes, rows), changes: changes, isPiece: true})
	}
	return all
}

// inTurn returns the changes of a unit as its pieces take them in turn.
func (u unit) inTurn(t Taken) (claims, rest, names []change) {
	above := map[string]bool{}
	for _, c := range u.changes {
		if !c.creates() || !c.isName() {
			rest = append(rest, c)
			continue
		}
		names = append(names, c)
		if !slices.Contains(t.Claims, c.key) {
			for key := range ancestors(c.key) {
				above[key] = true
			}
			c.last.Text = string(cssetcd.StatusIgnore)
			claims = append(claims, c)
		}
	}
	for _, c := range rest {
		if c.creates() && above[c.key] {
			claims = append(claims, c)
		}
	}
	return claims, rest, names
}

// byTree has what is below a key follow it at once.
func byTree(a, b change) int {
	return cmp.Or(strings.Compare(treeOrder.Replace(a.key), treeOrder.Replace(b.key)), strings.Compare(a.key, b.key))
}

var treeOrder = strings.NewReplacer("/", "\x00")

// cut returns changes of a unit in parts, in an order of their own, each by key and as large as fits into a
// transaction. Those that cost nothing are never cut off: what goes with a key above goes together with it.
func (u unit) cut(changes []change, order func(a, b change) int) (parts [][]change) {
	slices.SortFunc(changes, order)
	for len(changes) > 0 {
		t, n := newTally(), 0
		for ; n < len(changes); n++ {
			if t.add(u, changes[n]); !t.fits() && n > 0 {
				break
			}
		}
		parts = append(parts, slices.SortedFunc(slices.Values(changes[:n]), byKey))
		changes = changes[n:]
	}
	return parts
}

func byKey(a, b change) int { return strings.Compare(a.key, b.key) }

func rowsByID(rows []Row) map[int64]Row {
	byID := make(map[int64]Row, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID
}

// rowsFor returns the rows of changes.
func rowsFor(changes []change, byID map[int64]Row) (rows []Row) {
	for _, c := range changes {
		for _, id := range c.rows {
			rows = append(rows, byID[id])
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

// reads says what has to be seen of etcd to decide on a unit.
func (u unit) reads() (keys []csskey.Path, trees []csskey.Path) {
	if u.never != nil {
		for _, name := range u.namesAbove() {
			keys = append(keys, csskey.Of(name))
		}
		return keys, nil
	}
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
