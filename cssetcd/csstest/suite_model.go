package csstest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// modelRuns is how many catalogues the test with the model fills.
const modelRuns = 8

// testModel does random operations on a catalogue and on a model of it, and compares what they return and what is there
// after each. The same names are used over and over.
func testModel(t *testing.T, h Harness) {
	ops, wrote := 0, 0
	testkit.Check(t, modelRuns, func(rt *rapid.T) {
		number := 0
		m, c := newState(), h.Open(t)
		ok(t)(c.Raw().Put(t.Context(), "/other", ""))
		choose := chooser{
			draw: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "of") }, groups: 2,
			next: func() int { number++; return number },
			seen: func(thing string) (cssetcd.Revision, bool) { rev, ok := m.revisions()[thing]; return rev, ok },
		}
		for range rapid.IntRange(40, 80).Draw(rt, "operations") {
			o := choose.one()
			got := o.carryOut(t.Context(), c)
			ops++
			if got.rev > 0 {
				wrote++
			}
			before := m.String()
			view := m
			if o.reads() {
				view = m.ofGroup(o.group)
			}
			require.True(rt, view.explains(o, got), "%v: %v\n%s", o, got, before)
			compare(rt, c, m)
		}
		restored(rt, t, h, c, m)
	})
	t.Logf("%d operations, of which %d wrote", ops, wrote)
	require.Greater(t, wrote, 5*modelRuns)
}

// compare fails unless the catalogue holds what the model holds, and nothing else.
func compare(rt *rapid.T, c *cssetcd.Client, m *state) {
	snapshot, err := c.Snapshot(rt.Context(), 0)
	require.NoError(rt, err)
	databases := 0
	for range snapshot.Databases() {
		databases++
	}
	require.Len(rt, m.dbs, databases)
	for group := range 2 {
		got, err := stateOf(snapshot, group)
		require.NoError(rt, err)
		want := m.ofGroup(group)
		require.True(rt, want.shows(got), "group %d:\nwant %v\ngot  %v", group, want, got)
	}
}

// ofGroup returns the part of the model that belongs to a group.
func (s *state) ofGroup(group int) *state {
	part, u := newState(), universeOf(group)
	for name, db := range s.dbs {
		if u.hasDB(name) {
			part.dbs[name] = db
		}
	}
	for name, t := range s.tables {
		if u.hasDB(name.DB) {
			part.tables[name], part.chunks[name] = t, s.chunks[name]
		}
	}
	for name, n := range s.nodes {
		if u.hasNode(name) {
			part.nodes[name] = n
		}
	}
	for _, key := range u.keys {
		if value, ok := s.keys[key]; ok {
			part.keys[key] = value
		}
	}
	return part
}

// restored fails unless a dump of the catalogue, restored elsewhere, is the model again but for its revisions.
func restored(rt *rapid.T, t *testing.T, h Harness, c *cssetcd.Client, m *state) {
	text := dumpOf(t, c)
	d, err := cssetcd.ParseDump(bytes.NewReader(text))
	require.NoError(rt, err)
	other := h.Open(t)
	_, err = other.Restore(rt.Context(), d)
	require.NoError(rt, err)
	require.Equal(rt, string(text), string(dumpOf(t, other)))
	compare(rt, other, m.anew())
}

// anew is the model without revisions.
func (s *state) anew() *state {
	m := s.clone()
	for name, db := range m.dbs {
		db.Incarnation, db.Modified = 0, 0
		m.dbs[name] = db
	}
	for name, t := range m.tables {
		t.Incarnation, t.Modified = 0, 0
		m.tables[name] = t
	}
	for name, n := range m.nodes {
		n.Incarnation, n.Modified = 0, 0
		m.nodes[name] = n
	}
	return m
}

func dumpOf(t *testing.T, c *cssetcd.Client) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, latest(t, c).WriteDump(&out, ""))
	return out.Bytes()
}
