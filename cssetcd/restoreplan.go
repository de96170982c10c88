package cssetcd

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// restorePlan is a dump cut into units in the order in which they are restored. It is a value: what is to be done
// follows from it and from what is in the target.
type restorePlan struct {
	units  []restoreUnit
	values map[string]string // the dump with missing ancestors
	result RestoreResult
}

// restoreUnit is what becomes visible together: until all of it is there, its status is DO_NOT_USE.
type restoreUnit struct {
	status string // key of the status; "" when the unit has none
	rows   []row  // the other keys, parents first
	hold   bool   // keep the status at DO_NOT_USE even when the unit is whole: a later unit sets it
}

// Transactions stay well below etcd's limits of 128 keys, 128 guards and 1.5 MiB.
const (
	restorePuts  = 100 // puts, and guards beside those that each put brings
	restoreBytes = 1 << 20
)

func newRestorePlan(d *Dump) *restorePlan {
	p := &restorePlan{values: d.withAncestors()}
	for _, r := range d.empty {
		p.values[cssKey(csskey.EmptyOf(r.key))] = r.value
	}
	p.result.Keys = len(p.values)
	p.cut()
	return p
}

// cut makes the units: everything but databases, the databases held back, their tables with directors first, the
// databases.
func (p *restorePlan) cut() {
	var rest restoreUnit
	dbs, tables := map[string]*restoreUnit{}, map[string]*restoreUnit{}
	for _, key := range sortedKeys(p.values) {
		if key == versionKey {
			continue // initialise writes it
		}
		names := nameKeys(key)
		db, isEmpty := csskey.EmptyAt(cssPath(key))
		switch {
		case isEmpty:
			unitOf(dbs, dbKey(db)).add(key, p.values[key])
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
	for path, e := range have.Range(kv.Below(emptyRoot)) {
		value, ok := p.values[cssKey(path)]
		if db, _ := csskey.EmptyAt(path); isKnownEmpty(have, db) && (!ok || e.Value != value) {
			return fmt.Errorf("%w: the empty chunks of %s are there, and not as in the dump", ErrNotEmpty, db)
		}
	}
	return nil
}

func isKnownEmpty(have *kv.Snapshot, db string) bool {
	_, err := emptyEntryOf(have, db)
	return err == nil
}

func (p *restorePlan) present(have *kv.Snapshot) int {
	n := 0
	for path, e := range have.Range(kv.Below(cssRoot)) {
		if value, ok := p.values[cssKey(path)]; ok && value == e.Value {
			n++
		}
	}
	for path, e := range have.Range(kv.Below(emptyRoot)) {
		db, _ := csskey.EmptyAt(path)
		if value, ok := p.values[cssKey(path)]; ok && value == e.Value && isKnownEmpty(have, db) {
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

// checkIntents refuses to create a name that is still being dropped: what follows the drop would hit what is restored.
func (p *restorePlan) checkIntents(have *kv.Snapshot) error {
	if have.Empty(kv.Below(dropRoot)) {
		return nil
	}
	for _, key := range sortedKeys(p.values) {
		if have.At(cssPath(key)).Exists() || !isNameKey(key) {
			continue
		}
		for _, intent := range intents(key) {
			if have.At(intent).Exists() {
				return fmt.Errorf("%w: %s", ErrDropPending, key)
			}
		}
	}
	return nil
}

// stage yields the transactions that are missing in the target. Small units share one.
func (p *restorePlan) stage(have *kv.Snapshot) iter.Seq[kv.Change] {
	return func(yield func(kv.Change) bool) {
		b := &restoreBatch{have: have, yield: yield, statuses: map[string]string{}}
		b.begin()
		for _, u := range p.units {
			if !b.unit(u, p.values[u.status]) {
				return
			}
		}
		b.flush()
	}
}

// restoreBatch fills transactions.
type restoreBatch struct {
	have     *kv.Snapshot
	yield    func(kv.Change) bool
	statuses map[string]string // statuses put so far, in any transaction
	stopped  bool

	// Of the transaction being filled:
	change  kv.Change
	bytes   int
	place   map[string]int  // where a status stands in its puts
	touched map[string]bool // nodes touched in it
}

func (b *restoreBatch) begin() {
	b.change, b.bytes = kv.Change{Guards: []kv.Guard{versionGuard}}, 0
	b.place, b.touched = map[string]int{}, map[string]bool{}
}

// unit adds what is missing of a unit; false when the consumer has had enough. The status gets its final value last.
// While that falls into the transaction that creates the key, which it does for all units that fit into one, DO_NOT_USE
// is never seen.
func (b *restoreBatch) unit(u restoreUnit, final string) bool {
	var missing []row
	cost, size := 0, 0
	for _, r := range u.rows {
		e := b.have.At(cssPath(r.key))
		there := e.Exists()
		if r.key == metaKey {
			there = e.Value == r.value // initialise writes it, without a value
		}
		if db, ok := csskey.EmptyAt(cssPath(r.key)); ok {
			there = isKnownEmpty(b.have, db)
		}
		if !there {
			missing = append(missing, r)
			cost += rowCost(r)
			size += len(r.key) + len(r.value)
		}
	}
	if u.status == "" {
		return b.rows(missing)
	}
	cost += rowCost(row{u.status, final})
	if cost <= restorePuts && size <= restoreBytes && !b.fits(cost, size) && !b.flush() {
		return false
	}
	if _, ok := b.status(u.status); !ok && !b.put(row{u.status, string(StatusIgnore)}) {
		return false
	}
	if !b.rows(missing) {
		return false
	}
	if now, _ := b.status(u.status); u.hold || now == final {
		return true
	}
	return b.put(row{u.status, final})
}

// status returns the status that a key has after what was put so far.
func (b *restoreBatch) status(key string) (string, bool) {
	if s, ok := b.statuses[key]; ok {
		return s, true
	}
	e := b.have.At(cssPath(key))
	return e.Value, e.Exists()
}

// rowCost is how many puts and guards a row takes at most.
func rowCost(r row) int {
	cost := 1
	if isNameKey(r.key) {
		cost += 1 + len(intents(r.key))
	}
	if csskey.NodeOfReplica(r.key, r.value) != "" {
		cost++
	}
	return cost
}

func (b *restoreBatch) fits(cost, size int) bool {
	return len(b.change.Puts)+len(b.change.Guards)+cost <= restorePuts && b.bytes+size <= restoreBytes
}

func (b *restoreBatch) rows(rows []row) bool {
	for _, r := range rows {
		if !b.put(r) {
			return false
		}
	}
	return !b.stopped
}

// put adds a row with what belongs to it: the spelling of a name, the guard that it is not being dropped, the touch of
// a node.
func (b *restoreBatch) put(r row) bool {
	if i, ok := b.place[r.key]; ok {
		b.change.Puts[i].Value = r.value
		b.statuses[r.key] = r.value
		return true
	}
	if !b.fits(rowCost(r), len(r.key)+len(r.value)) && !b.flush() {
		return false
	}
	b.bytes += len(r.key) + len(r.value)
	_, known := b.status(r.key)
	if isStatusKey(r.key) {
		b.place[r.key] = len(b.change.Puts)
		b.statuses[r.key] = r.value
	}
	b.change.Puts = append(b.change.Puts, kv.Put{Path: cssPath(r.key), Value: r.value})
	if isNameKey(r.key) && !known {
		b.change.Puts = append(b.change.Puts, kv.Put{Path: foldPath(r.key), Value: r.key})
		for _, intent := range intents(r.key) {
			b.change.Guards = append(b.change.Guards, kv.Guard{Kind: kv.Absent, Path: intent})
		}
	}
	if node := csskey.NodeOfReplica(r.key, r.value); node != "" && !b.touched[node] {
		b.touched[node] = true
		b.change.Puts = append(b.change.Puts, kv.Put{Path: refRoot + "/" + kv.Path(node), Touch: true})
	}
	return true
}

func (b *restoreBatch) flush() bool {
	if len(b.change.Puts) > 0 && !b.stopped {
		b.stopped = !b.yield(b.change)
	}
	b.begin()
	return !b.stopped
}
