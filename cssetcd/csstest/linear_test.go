package csstest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
)

// event is one op of a hand-made history.
type event struct {
	with bool // it is at the same time as the one before, and else after it
	op   op
	got  answer
}

func historyOf(events []event) *history {
	h := &history{failed: map[string]int{}}
	now := int64(0)
	for i, e := range events {
		if !e.with {
			now += 100
		}
		h.clock.Store(now + 50 + int64(i))
		h.record(i, now+int64(i), e.op, e.got)
	}
	return h
}

// TestHistoriesThatCannotBe: the check of histories refuses each thing that it is there to find, and lets pass what may
// happen.
func TestHistoriesThatCannotBe(t *testing.T) {
	n := cssetcd.TableName{DB: "d0", Table: "a"}
	old, ready := cssetcd.Revision(3), cssetcd.StatusReady
	make1, make2 := op{verb: createTable, table: n, status: ready, number: 4},
		op{verb: createTable, table: n, status: ready, number: 7}
	set := op{verb: setTableStatus, table: n, status: "x", ifRevision: &old}
	look := op{verb: readTable, table: n}
	rev := func(r cssetcd.Revision) answer { return answer{rev: r} }
	refused := func(err error) answer { return answer{err: kinds(err)} }
	shows := func(o op, at cssetcd.Revision) answer {
		s := newState()
		table := o.newTable()
		table.Incarnation, table.Modified = at, at
		s.tables[n] = table
		return answer{read: s}
	}
	gone := refused(cssetcd.ErrNoSuchTable)
	db := event{op: op{verb: createDB, db: "d0", status: ready}, got: rev(2)}
	nodeOfUnknownRevision := event{op: op{verb: addNode, node: "n0", status: ready}, got: answer{unknown: true}}
	use := event{op: op{verb: addChunk, table: n, chunk: 1, nodes: []string{"n0"}}, got: rev(9)}
	remove := op{verb: deleteNode, node: "n0", ifRevision: &old}
	for name, c := range map[string]struct {
		possible bool
		events   []event
	}{
		"plain": {true, []event{db, {false, make1, rev(3)}, {false, look, shows(make1, 3)},
			{false, op{verb: dropTable, table: n}, rev(4)}, {false, look, gone}}},
		"exists": {true, []event{db, {false, make1, rev(3)},
			{false, make2, refused(cssetcd.ErrTableExists)}}},
		"said to exist and does not": {false, []event{db, {false, make1, refused(cssetcd.ErrTableExists)}}},
		"created twice":              {false, []event{db, {false, make1, rev(3)}, {true, make2, rev(4)}}},
		"one of two": {true, []event{db, {false, make1, refused(cssetcd.ErrTableExists)},
			{true, make2, rev(4)}}},
		"back after it was dropped": {false, []event{db, {false, make1, rev(3)},
			{false, op{verb: dropTable, table: n}, rev(4)}, {false, look, shows(make1, 3)}}},
		"back after its database": {false, []event{db, {false, make1, rev(3)},
			{false, op{verb: dropDB, db: "d0"}, rev(4)}, {false, look, shows(make1, 3)}}},
		"lost": {false, []event{db, {false, make1, rev(3)}, {false, look, gone}}},
		"an old read": {false, []event{db, {false, make1, rev(3)}, {false, set, rev(4)},
			{false, look, shows(make1, 3)}}},
		"another's values": {false, []event{db, {false, make1, rev(3)}, {false, look, shows(make2, 3)}}},
		"both compared and set": {false, []event{db, {false, make1, rev(3)}, {false, set, rev(4)},
			{true, set, rev(5)}}},
		"one compared and set": {true, []event{db, {false, make1, rev(3)}, {false, set, rev(4)},
			{true, set, refused(cssetcd.ErrRevisionMismatch)}}},
		"a revision that falls": {false, []event{db, {false, make1, rev(1)}}},
		"unknown and happened": {true, []event{db, {false, make1, answer{unknown: true}},
			{false, look, shows(make1, 3)}}},
		"unknown and did not": {true, []event{db, {false, make1, answer{unknown: true}}, {false, look, gone}}},
		"unknown and late": {true, []event{db, {false, make1, answer{unknown: true}}, {false, look, gone},
			{false, look, shows(make1, 3)}}},
		"unknown, happened, and lost": {false, []event{db, {false, make1, answer{unknown: true}},
			{false, look, shows(make1, 3)}, {false, look, gone}}},
		"not tried, and happened": {false, []event{db, {false, make1, answer{idle: true}},
			{false, look, shows(make1, 3)}}},
		"in use, at a revision that nobody was told": {true, []event{
			db, {false, make1, rev(3)}, nodeOfUnknownRevision, use, {false, remove, refused(cssetcd.ErrNodeInUse)},
		}},
		"in use, and at another revision than the one that nobody was told": {true, []event{
			db, {false, make1, rev(3)}, nodeOfUnknownRevision, use, {false, remove, refused(cssetcd.ErrRevisionMismatch)},
		}},
		"said to be in use, at a revision that nobody was told, and is not": {false, []event{
			db, {false, make1, rev(3)}, nodeOfUnknownRevision, {false, remove, refused(cssetcd.ErrNodeInUse)},
			{false, look, shows(make1, 3)},
		}},
		"orphaned in the end": {false, []event{{false, make1, rev(3)}}},
	} {
		t.Run(name, func(t *testing.T) {
			fault := historyOf(c.events).fault()
			assert.Equal(t, c.possible, fault == "", fault)
		})
	}
}
