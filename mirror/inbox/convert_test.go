package inbox

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/mirror/plan"
)

// What the check asks of production, in production's terms, and the answers in those of the check. Answers are kept:
// the same question comes up in very many states.

const mirrorName, historyText = "m", "h"

// seenRow is what production sees of a row of the inbox.
type seenRow struct{ key, writer, before, after, kvID, parent uint8 }

type seenRows [maxRows]seenRow

func (w *world) seen(rows rowSet) (s seenRows) {
	for i := range w.inbox {
		if r := &w.inbox[i]; rows.has(i) {
			s[i] = seenRow{r.key, r.writer, r.before, r.after, r.kvID, r.parent}
		}
	}
	return s
}

func valueAt(v uint8) Value { return Value{There: v != nothing, Text: textOf[v]} }

func valueOfText(text string) uint8 {
	i := slices.Index(textOf[1:], text)
	if i < 0 {
		panic("no value of the check: " + text)
	}
	return uint8(i + 1)
}

const firstID = 10 // the rows that are always there have smaller ones

func idOf(id uint8) int32 {
	if id == 0 {
		return 0
	}
	return firstID + int32(id)
}

func (s *seenRows) snapshot(rows rowSet, applied uint8) Snapshot {
	shot := Snapshot{Applied: kv.Revision(applied)}
	for i, r := range s {
		if rows.has(i) {
			shot.Rows = append(shot.Rows, Row{ID: int64(i) + 1, Conn: int64(r.writer) + 1, KvID: idOf(r.kvID),
				Parent: parentOf(int(r.key), idOf(r.parent)), Key: keyOf[r.key], Before: valueAt(r.before),
				After: valueAt(r.after)})
		}
	}
	return shot
}

// parentOf returns the parent of a row, given that of what is below the name.
func parentOf(key int, id int32) int32 { return [allKeys]int32{2, id, 1}[key] }

func idsOf(rows rowSet) IDs {
	var all []int64
	for i := range maxRows {
		if rows.has(i) {
			all = append(all, int64(i)+1)
		}
	}
	return IDsOf(all...)
}

func rowsIn(ids IDs) (s rowSet) {
	for _, id := range ids.All() {
		s |= setOf(int(id) - 1)
	}
	return s
}

func (t takenKey) taken() Taken {
	all := Taken{IDs: idsOf(t.ids), Applied: kv.Revision(t.applied), At: kv.Revision(t.at)}
	if t.overruled != 0 {
		all.Overruled = append(all.Overruled, Overruling{IDs: idsOf(t.overruled), Kind: KindConflict, Reason: Changed})
	}
	if t.requested != 0 {
		all.Overruled = append(all.Overruled, Overruling{IDs: idsOf(t.requested), Kind: KindRequest, Reason: Queried})
	}
	for r := range maxRevision {
		if t.revisions.has(r) {
			all.Revisions = append(all.Revisions, kv.Revision(r))
		}
	}
	return all
}

// keyOfTaken is the reverse, but for the revision of the key.
func keyOfTaken(t Taken) (key takenKey) {
	key.ids, key.applied = rowsIn(t.IDs), uint8(t.Applied)
	for _, o := range t.Overruled {
		if o.Kind == KindRequest {
			key.requested |= rowsIn(o.IDs)
		} else {
			key.overruled |= rowsIn(o.IDs)
		}
	}
	for _, r := range t.Revisions {
		key.revisions = key.revisions.with(int(r))
	}
	return key
}

// snapshot returns what a mirror reads of etcd at a revision.
func (e *etcd) snapshot(at uint8, reads []kv.Span) *kv.Snapshot {
	b := kv.NewSnapshot(0, reads...).Edit()
	put := func(p kv.Path, value string, create, mod uint8) {
		if slices.ContainsFunc(reads, func(s kv.Span) bool { return s.Contains(p) }) {
			b.Put(p, kv.Entry{Value: value, Create: kv.Revision(create), Mod: kv.Revision(mod)})
		}
	}
	put(csskey.History, historyText, 1, 1)
	put(csskey.Of(csskey.Version), cssetcd.Version, 1, 1)
	put(csskey.Of(csskey.Databases), "", 1, 1)
	for k, c := range e.keys {
		if c.value != nothing {
			put(csskey.Of(keyOf[k]), textOf[c.value], c.create, c.mod)
		}
	}
	if c := e.keys[aName]; c.value != nothing {
		put(csskey.Spelling(keyOf[aName]), keyOf[aName], c.create, c.create)
	}
	if e.czar {
		put(csskey.Czars+"/q", "", 1, 1)
	}
	if t := e.taken; t.at != 0 {
		put(Path(mirrorName), t.taken().Format(), 1, t.at)
	}
	return b.Snapshot(kv.Revision(at))
}

// image is what a step makes kvData equal to.
type image [allKeys]cell

func (im *image) entry(k int) cssetcd.Entry {
	c := im[k]
	return cssetcd.Entry{Value: textOf[c.value], Create: kv.Revision(c.create), Mod: kv.Revision(c.mod)}
}

// Key implements [plan.Image].
func (im *image) Key(key string) (cssetcd.Entry, bool) {
	k := slices.Index(keyOf[:], key)
	if k < 0 || im[k].value == nothing {
		return cssetcd.Entry{}, false
	}
	return im.entry(k), true
}

// Below implements [plan.Image].
func (im *image) Below(above string) iter.Seq2[string, cssetcd.Entry] {
	return func(yield func(string, cssetcd.Entry) bool) {
		for k, key := range keyOf {
			if im[k].value != nothing && (above == "" || below(key, above)) && !yield(key, im.entry(k)) {
				return
			}
		}
	}
}

var columns = plan.QservColumns(nil)

// tableOf returns the table that a mirror knows.
func tableOf(rows [allKeys]kvRow) *plan.Table {
	t := plan.NewTable(columns)
	all := []plan.Row{{ID: 1}, {ID: 2, Parent: 1, Key: csskey.Databases}, {ID: 3, Parent: 1, Key: csskey.Nodes}}
	for k, r := range rows {
		if r.value != nothing {
			all = append(all, plan.Row{ID: idOf(r.id), Parent: parentOf(k, idOf(rows[aName].id)), Key: keyOf[k],
				Value: textOf[r.value]})
		}
	}
	for _, r := range all {
		if err := t.Add(r); err != nil {
			panic(err)
		}
	}
	return t
}

func rowsOfTable(t *plan.Table) (rows [allKeys]kvRow) {
	for k := range rows {
		if r, ok := t.Row(keyOf[k]); ok {
			rows[k] = kvRow{valueOfText(r.Value), uint8(r.ID - firstID)}
		}
	}
	return rows
}

// toLay asks what a mirror's table is with rows of the inbox laid over it.
type toLay struct {
	rows  [allKeys]kvRow
	seen  seenRows
	inbox rowSet
}

func (q toLay) answer() [allKeys]kvRow {
	t := tableOf(q.rows)
	for _, r := range q.seen.snapshot(q.inbox, 0).Rows {
		err := t.Lay(plan.Row{ID: r.KvID, Parent: r.Parent, Key: r.Key, Value: r.After.Text}, !r.After.There)
		if err != nil {
			panic(err)
		}
	}
	return rowsOfTable(t)
}

// toDecide asks what a transaction of etcd does with rows of the inbox.
type toDecide struct {
	etcd    etcd // as read
	at      uint8
	seen    seenRows
	rows    rowSet
	applied uint8
	taken   takenKey
	grouped rowSet // those that were decided on when the rows were grouped
	decided uint8  // by how many transactions since
}

// answer is a change of etcd.
type answer struct {
	again     bool // somebody else has decided
	ends      bool // the session
	guards    []guard
	puts      [allKeys]uint8
	removes   rowSet // of keys
	spells    bool   // it puts the record of the name's spelling
	unspells  bool
	next      takenKey
	overruled rowSet // whether that is known afterwards or not
	requested rowSet
	takes     rowSet
	decidesOn rowSet // keys
}

func (q toDecide) answer(r Rules, byUnit bool) *answer {
	shot := q.seen.snapshot(q.rows, q.applied)
	t := q.taken.taken()
	d := q.decision(shot, t, r, byUnit)
	have := q.etcd.snapshot(q.at, d.Reads())
	c, next, err := d.Change(have)
	switch {
	case errors.Is(err, ErrDecided):
		return &answer{again: true}
	case errors.Is(err, ErrWentBack):
		return &answer{ends: true}
	case err != nil:
		panic(err)
	}
	a := &answer{next: keyOfTaken(next)}
	d.without &^= KnowsOverruled
	_, known, _ := d.Change(have)
	a.overruled, a.requested = keyOfTaken(known).overruled, keyOfTaken(known).requested
	live := rowsIn(t.Within(shot.Rows).IDs)
	a.takes = rowsIn(next.IDs) &^ live
	for i := range maxRows {
		if a.takes.has(i) {
			a.decidesOn |= setOf(int(q.seen[i].key))
		}
	}
	a.guards = guardsOf(c, d.Reads(), have)
	a.effect(c)
	return a
}

// decision is that which comes after those that were carried out on the same rows.
func (q toDecide) decision(shot Snapshot, t Taken, r Rules, byUnit bool) Decision {
	least := func(d Decision) Decision {
		if byUnit && len(d.batch) > 1 {
			d.batch, d.queue = d.batch[:1], slices.Concat(d.batch[1:], d.queue)
		}
		return d
	}
	if q.decided == 0 {
		return least(shot.Decide(mirrorName, historyText, t, r))
	}
	before := Taken{IDs: idsOf(q.grouped), Applied: shot.Applied}
	d := least(shot.Decide(mirrorName, historyText, before, r))
	for range q.decided - 1 {
		for _, u := range d.batch {
			before.IDs = before.IDs.Or(IDsOfRows(u.rows))
		}
		d = least(d.Next(before))
	}
	return least(d.Next(t))
}

// effect notes what a change writes.
func (a *answer) effect(c kv.Change) {
	record := csskey.Spelling(keyOf[aName])
	for _, p := range c.Puts {
		k := slices.IndexFunc(keyOf[:], func(key string) bool { return csskey.Of(key) == p.Path })
		switch {
		case k >= 0:
			a.puts[k] = valueOfText(p.Value)
		case p.Path == record && p.Value == keyOf[aName]:
			a.spells = true
		case p.Path != Path(mirrorName):
			panic(fmt.Sprint("the check knows nothing of ", p.Path))
		}
	}
	for _, span := range c.Deletes {
		for k, key := range keyOf {
			if span.Contains(csskey.Of(key)) {
				a.removes |= setOf(k)
			}
		}
		a.unspells = a.unspells || span.Contains(record)
	}
}
