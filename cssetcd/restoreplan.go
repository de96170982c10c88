package cssetcd

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// restorePlan is a dump cut into units in the order in which they are restored. It is a value: what is to be done follows from
// it and from what is in the target.
type restorePlan struct {
	units  []restoreUnit
	values map[string]string // the dump with missing ancestors
	result RestoreResult
}

// restoreUnit is what becomes visible together. The status is put last when the unit takes more than one transaction: until then it is
// DO_NOT_USE.
type restoreUnit struct {
	status string // key of the status; "" when the unit has none
	rows   []row  // the other keys, parents first
	hold   bool   // keep the status at DO_NOT_USE even when the unit is whole: a later unit sets it
}

// Transactions stay well below etcd's limits of 128 keys and guards and 1.5 MiB: a row may bring a spelling and two references.
const (
	restorePuts  = 96
	restoreBytes = 1 << 20
)

func newRestorePlan(d *Dump) *restorePlan {
	p := &restorePlan{values: map[string]string{}}
	for key, value := range d.values {
		p.values[key] = value
		for a := parentKey(key); a != ""; a = parentKey(a) {
			if _, ok := d.values[a]; !ok {
				p.values[a] = ""
			}
		}
	}
	p.result.Keys = len(p.values)
	p.cut()
	return p
}

// cut makes the units: everything but databases, the databases held back, their tables with directors first, the databases.
func (p *restorePlan) cut() {
	var rest restoreUnit
	dbs, tables := map[string]*restoreUnit{}, map[string]*restoreUnit{}
	for _, key := range sortedKeys(p.values) {
		if key == metaKey || key == versionKey {
			continue // initialise writes them
		}
		names := nameKeys(key)
		switch {
		case len(names) == 2:
			unitOf(tables, names[1]).add(key, p.values[key])
		case len(names) == 1 && strings.HasPrefix(key, dbsKey+"/"):
			unitOf(dbs, names[0]).add(key, p.values[key])
		default:
			rest.add(key, p.values[key])
			if len(names) == 1 && names[0] == key {
				p.result.Nodes++
			}
		}
	}
	p.result.Databases, p.result.Tables = len(dbs), len(tables)
	p.units = append(p.units, rest)
	for _, key := range sortedKeys(dbs) {
		held := *dbs[key]
		held.hold = true
		p.units = append(p.units, held)
	}
	p.units = append(p.units, directorsFirst(tables)...)
	for _, key := range sortedKeys(dbs) {
		p.units = append(p.units, restoreUnit{status: key})
	}
}

func (u *restoreUnit) add(key, value string) {
	if key != u.status {
		u.rows = append(u.rows, row{key, value})
	}
}

func unitOf(units map[string]*restoreUnit, status string) *restoreUnit {
	u, ok := units[status]
	if !ok {
		u = &restoreUnit{status: status}
		units[status] = u
	}
	return u
}

// directorsFirst orders tables so that one is usable before those that refer to it.
func directorsFirst(tables map[string]*restoreUnit) []restoreUnit {
	var directors, others []restoreUnit
	for _, key := range sortedKeys(tables) {
		if isDirector(tables[key]) {
			directors = append(directors, *tables[key])
		} else {
			others = append(others, *tables[key])
		}
	}
	return append(directors, others...)
}

// isDirector reports whether a table names itself as its director.
func isDirector(u *restoreUnit) bool {
	b := kv.NewSnapshot(0, kv.Everything).Edit()
	for _, r := range u.rows {
		b.Put(cssPath(r.key), kv.Entry{Value: r.value, Mod: 1})
	}
	table := u.status[strings.LastIndexByte(u.status, '/')+1:]
	return readRecord(b.Snapshot(1), u.status+"/partitioning").text("dirTable") == table
}

func sortedKeys[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// checkSubset refuses a target that holds anything which is not part of the dump. A status may still be DO_NOT_USE.
func (p *restorePlan) checkSubset(have *kv.Snapshot) error {
	for path, e := range have.Range(kv.Below(cssRoot)) {
		key := cssKey(path)
		value, ok := p.values[key]
		switch {
		case key == metaKey || key == versionKey:
		case !ok && inMeta(key):
		case !ok:
			return fmt.Errorf("%w: %s is there and not in the dump", ErrNotEmpty, key)
		case e.Value != value && (e.Value != string(StatusIgnore) || !isStatusKey(key)):
			return fmt.Errorf("%w: %s is there with another value than in the dump", ErrNotEmpty, key)
		}
	}
	return nil
}

func (p *restorePlan) present(have *kv.Snapshot) int {
	n := 0
	for path, e := range have.Range(kv.Below(cssRoot)) {
		if value, ok := p.values[cssKey(path)]; ok && value == e.Value {
			n++
		}
	}
	return n
}

// counted returns how many keys of the dump a transaction brings to their value.
func (p *restorePlan) counted(c kv.Change) int {
	n := 0
	for _, put := range c.Puts {
		if value, ok := p.values[strings.TrimPrefix(string(put.Path), string(cssRoot))]; ok && value == put.Value {
			n++
		}
	}
	return n
}

// stage yields the transactions that are missing in the target. Small units share one.
func (p *restorePlan) stage(have *kv.Snapshot) iter.Seq[kv.Change] {
	return func(yield func(kv.Change) bool) {
		b := &restoreBatch{have: have, yield: yield, spelled: map[string]bool{}}
		for _, u := range p.units {
			if !b.unit(u, p.values) {
				return
			}
		}
		b.flush()
	}
}

// restoreBatch fills transactions.
type restoreBatch struct {
	have    *kv.Snapshot
	yield   func(kv.Change) bool
	change  kv.Change
	bytes   int
	spelled map[string]bool // name keys whose spelling has been recorded
	touched map[string]bool // nodes touched in the transaction being filled
	stopped bool
}

// unit adds the missing part of a unit; false when the consumer has had enough.
func (b *restoreBatch) unit(u restoreUnit, values map[string]string) bool {
	var missing []row
	size := 0
	for _, r := range u.rows {
		if !b.have.At(cssPath(r.key)).Exists() {
			missing = append(missing, r)
			size += len(r.key) + len(r.value)
		}
	}
	if u.status == "" {
		return b.rows(missing)
	}
	status := row{u.status, values[u.status]}
	now := b.have.At(cssPath(u.status))
	if !u.hold && len(missing) == 0 && (now.Value != status.value || !now.Exists()) {
		return b.rows([]row{status})
	}
	if !u.hold && !now.Exists() && len(missing)+1 <= restorePuts/2 && size < restoreBytes/2 {
		return b.whole(append([]row{status}, missing...), size)
	}
	if !now.Exists() && !b.rows([]row{{u.status, string(StatusIgnore)}}) {
		return false
	}
	if !b.rows(missing) {
		return false
	}
	if u.hold || (now.Exists() && now.Value == status.value) {
		return true
	}
	// The status must not be put twice in one transaction.
	return b.flush() && b.rows([]row{status})
}

// whole adds rows that must be in one transaction.
func (b *restoreBatch) whole(rows []row, size int) bool {
	if (len(b.change.Puts)+2*len(rows) > restorePuts || b.bytes+size > restoreBytes) && !b.flush() {
		return false
	}
	for _, r := range rows {
		b.add(r)
	}
	return true
}

func (b *restoreBatch) rows(rows []row) bool {
	for _, r := range rows {
		if (len(b.change.Puts) >= restorePuts || b.bytes+len(r.value) > restoreBytes) && !b.flush() {
			return false
		}
		b.add(r)
	}
	return !b.stopped
}

func (b *restoreBatch) add(r row) {
	b.change.Puts = append(b.change.Puts, kv.Put{Path: cssPath(r.key), Value: r.value})
	b.bytes += len(r.key) + len(r.value)
	if isNameKey(r.key) && b.have.At(foldPath(r.key)).Value != r.key && !b.spelled[r.key] {
		b.spelled[r.key] = true
		b.change.Puts = append(b.change.Puts, kv.Put{Path: foldPath(r.key), Value: r.key})
	}
	if node := nodeOfReplica(r.key, r.value); node != "" && !b.touched[node] {
		if b.touched == nil {
			b.touched = map[string]bool{}
		}
		b.touched[node] = true
		b.change.Puts = append(b.change.Puts, kv.Put{Path: refRoot + "/" + kv.Path(node), Touch: true})
	}
}

func (b *restoreBatch) flush() bool {
	if len(b.change.Puts) > 0 && !b.stopped {
		b.change.Guards = []kv.Guard{versionGuard}
		b.stopped = !b.yield(b.change)
	}
	b.change, b.bytes, b.touched = kv.Change{}, 0, nil
	return !b.stopped
}
