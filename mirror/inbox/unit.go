package inbox

import (
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
)

// unit is rows that stand or fall together, in the order of their ids.
type unit struct {
	rows    []Row
	changes []change // by key
	claims  bool     // it only claims new names, and its rows stay undecided; they are overruled with it
	isPiece bool     // of a unit that is too large: it is decided on alone, and those after it later
	never   error    // why no catalogue can hold what it changes, if it is too large and not cut for that
}

// change is what a unit does to one key: from what kvData held before it to what it holds after it.
type change struct {
	key         string
	first, last Value
	rows        []int64
}

func (c change) nothing() bool { return c.first == c.last }
func (c change) creates() bool { return !c.first.There && c.last.There }
func (c change) removes() bool { return c.first.There && !c.last.There }
func (c change) isName() bool  { return csskey.Parse(c.key).IsName() }

// unitsOf groups rows by what joins them: their connection, if that counts, the place of their key in the table's
// unique index, and that of the keys above.
func unitsOf(rows []Row, byConn bool) (units []unit) {
	f := forest{parent: make([]int, len(rows))}
	conns, places := map[int64]int{}, map[string]int{}
	for i, r := range rows {
		f.parent[i] = i
		if other, ok := conns[r.Conn]; ok && byConn {
			f.join(i, other)
		}
		conns[r.Conn] = i
		place := strings.ToLower(r.Key)
		if other, ok := places[place]; ok {
			f.join(i, other)
		}
		places[place] = i
	}
	for place, i := range places {
		for at := strings.LastIndexByte(place, '/'); at > 0; at = strings.LastIndexByte(place[:at], '/') {
			if above, ok := places[place[:at]]; ok {
				f.join(i, above)
				break // that one is joined with what is above it
			}
		}
	}
	index := map[int]int{}
	for i, r := range rows {
		root := f.find(i)
		n, ok := index[root]
		if !ok {
			n = len(units)
			index[root], units = n, append(units, unit{})
		}
		units[n].rows = append(units[n].rows, r)
	}
	for i := range units {
		units[i].changes = changesOf(units[i].rows)
	}
	return units
}

// apart returns a unit for each key.
func apart(rows []Row) (units []unit) {
	byID := rowsByID(rows)
	for _, c := range changesOf(rows) {
		changes := []change{c}
		units = append(units, unit{rows: rowsFor(changes, byID), changes: changes})
	}
	return units
}

// forest joins things that belong together.
type forest struct{ parent []int }

func (f *forest) find(i int) int {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

func (f *forest) join(i, j int) { f.parent[max(f.find(i), f.find(j))] = min(f.find(i), f.find(j)) }

// changesOf returns what rows come to, in the byte order of the keys.
func changesOf(rows []Row) []change {
	index := make(map[string]int, len(rows))
	changes := make([]change, 0, len(rows))
	for _, r := range rows {
		i, ok := index[r.Key]
		if !ok {
			i = len(changes)
			index[r.Key] = i
			changes = append(changes, change{key: r.Key, first: r.Before})
		}
		changes[i].last = r.After
		changes[i].rows = append(changes[i].rows, r.ID)
	}
	slices.SortFunc(changes, byKey)
	return changes
}

// beforeSecondLife returns the unit up to the row that makes a name which the unit removed before, in any spelling:
// etcd cannot remove and put a key in one transaction, and the incarnation has to change. The rest waits.
func (u unit) beforeSecondLife() unit {
	gone := map[string]bool{}
	for i, r := range u.rows {
		if !csskey.Parse(r.Key).IsName() {
			continue
		}
		place := strings.ToLower(r.Key)
		switch {
		case !r.After.There:
			gone[place] = true
		case !r.Before.There && gone[place]:
			return unit{rows: u.rows[:i], changes: changesOf(u.rows[:i])}
		}
	}
	return u
}

// find returns what the unit does to a key.
func (u unit) find(key string) (change, bool) {
	i, ok := slices.BinarySearchFunc(u.changes, key, func(c change, key string) int { return strings.Compare(c.key, key) })
	if !ok {
		return change{}, false
	}
	return u.changes[i], true
}

// tops returns the keys that the unit removes and above which it removes none.
func (u unit) tops() (tops []change) {
	for _, c := range u.changes {
		if !c.removes() {
			continue
		}
		if n := len(tops); n > 0 && below(c.key, tops[n-1].key) {
			continue
		}
		if _, above := u.removedAbove(c.key); !above {
			tops = append(tops, c)
		}
	}
	return tops
}

// removedAbove returns the topmost key above one that the unit removes.
func (u unit) removedAbove(key string) (top string, ok bool) {
	for above := range ancestors(key) {
		if c, found := u.find(above); found && c.removes() {
			top, ok = above, true
		}
	}
	return top, ok
}

func below(key, above string) bool {
	return len(key) > len(above) && key[len(above)] == '/' && key[:len(above)] == above
}

// ancestors yields the keys above a key, the nearest first, without the root.
func ancestors(key string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for at := strings.LastIndexByte(key, '/'); at > 0; at = strings.LastIndexByte(key[:at], '/') {
			if !yield(key[:at]) {
				return
			}
		}
	}
}
