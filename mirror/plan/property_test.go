package plan_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

var (
	longName  = strings.Repeat("n", 130)
	hugeValue = strings.Repeat("v", 65_536)

	firstSegment = rapid.SampledFrom([]string{"DBS", "DBS", "dbs", "a", "A", "á", "NODES", ""})
	segment      = rapid.SampledFrom([]string{"a", "a", "A", "á", "b", "b ", "x", "y", "", "TABLES", longName, "😀",
		"\xff"})
	value = rapid.SampledFrom([]string{"", "v", "w", "READY", hugeValue, "😀", "é"})
)

func drawKey(t *rapid.T) string {
	return "/" + strings.Join(append([]string{firstSegment.Draw(t, "first")},
		rapid.SliceOfN(segment, 0, 4).Draw(t, "segments")...), "/")
}

// history is a catalogue that changes in transactions.
type history struct {
	rev     cssetcd.Revision
	entries map[string]cssetcd.Entry
}

// transact makes some changes and returns the keys touched.
func (h *history) transact(t *rapid.T) []string {
	h.rev++
	touched := map[string]bool{}
	for range rapid.IntRange(1, 6).Draw(t, "changes") {
		key := drawKey(t)
		if len(h.entries) > 0 && rapid.Bool().Draw(t, "known") {
			key = rapid.SampledFrom(slices.Sorted(maps.Keys(h.entries))).Draw(t, "key")
		}
		touched[key] = true
		if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
			for k := range h.entries { // with all below
				if k == key || strings.HasPrefix(k, key+"/") {
					touched[k] = true
					delete(h.entries, k)
				}
			}
			continue
		}
		e := h.entries[key]
		if e.Create == 0 {
			e.Create = h.rev
		}
		e.Value, e.Mod = value.Draw(t, "value"), h.rev
		h.entries[key] = e
	}
	return slices.Collect(maps.Keys(touched))
}

// drawHistory draws a catalogue after some transactions, at least as many as said.
func drawHistory(t *rapid.T, least int) *history {
	h := &history{entries: map[string]cssetcd.Entry{}}
	for range rapid.IntRange(least, 8).Draw(t, "transactions") {
		h.transact(t)
	}
	return h
}

// eachKind checks a property for each kind of table.
func eachKind(t *testing.T, property func(*rapid.T, columns)) {
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { property(t, c) })
		})
	}
}

// requireShows checks rows, parents and quarantine against brute force.
func (c columns) requireShows(t require.TestingT, im *image, table *plan.Table) {
	rows, quarantine := c.expected(im)
	ids := map[string]int32{}
	got := map[string]string{}
	for r := range table.Rows() {
		got[r.Key], ids[r.Key] = r.Value, r.ID
	}
	require.Equal(t, rows, got, "rows")
	for r := range table.Rows() {
		if r.Key == "" {
			require.Zero(t, r.Parent, "the root has no parent")
			continue
		}
		require.Equal(t, ids[r.Key[:strings.LastIndex(r.Key, "/")]], r.Parent, "parent of %q", r.Key)
	}
	held := map[string]plan.Reason{}
	for q := range table.Quarantine() {
		held[q.Key] = q.Reason
		require.Equal(t, im.entries[q.Key].Mod, q.Mod, "revision of %q", q.Key)
		require.NotEmpty(t, q.Detail)
	}
	require.Equal(t, quarantine, held, "quarantine")
}

// Rule M1: whatever is in the table, a full plan makes it show the catalogue, breaks no constraint on the way, keeps
// the id of every row whose place remains, and is empty the second time.
func TestFullPlanRepairsAnything(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		h := drawHistory(t, 0)
		im := imageOf(h.entries)
		table, db := c.drawMess(t)
		before := c.byFold(table)
		p, err := plan.Full(table, im)
		require.NoError(t, err)
		require.NoError(t, db.execute(p))
		table.Apply(p)
		require.Equal(t, p.Rows, table.Len())
		c.requireShows(t, im, table)
		for folded, r := range c.byFold(table) {
			if old, ok := before[folded]; ok {
				require.Equal(t, old.ID, r.ID, "id of %q", r.Key)
			}
			require.Equal(t, r, db.rows[r.ID])
		}
		require.Len(t, db.rows, table.Len())
		require.Equal(t, digestOf(table), table.Digest())
		again, err := plan.Full(table, im)
		require.NoError(t, err)
		require.True(t, again.Empty(), "second plan: %+v", again)
	})
}

// Rule: whatever a few rows of a table that is right become, a full plan finds them.
func TestFullPlanFindsWhatChanged(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		h := drawHistory(t, 1)
		im := imageOf(h.entries)
		right := plan.NewTable(c.Columns)
		p, err := plan.Full(right, im)
		require.NoError(t, err)
		right.Apply(p)
		rows := slices.SortedFunc(right.Rows(), func(a, b plan.Row) int { return strings.Compare(a.Key, b.Key) })
		table, db := plan.NewTable(c.Columns), c.server()
		changed := rapid.IntRange(0, len(rows)-1).Draw(t, "changed")
		for i, r := range rows {
			if i == changed || rapid.IntRange(0, 9).Draw(t, "too") == 0 {
				switch rapid.IntRange(0, 3).Draw(t, "how") {
				case 0:
					continue
				case 1:
					r.Value = value.Draw(t, "another value")
					r.Value = strings.ReplaceAll(r.Value, "😀", "")
				case 2:
					r.Parent = rapid.SampledFrom(rows).Draw(t, "another parent").ID
				case 3:
					r.Key = strings.Replace(r.Key, "a", "A", 1)
				}
			}
			if table.Add(r) == nil { // else it would be the same key as another one
				db.rows[r.ID] = r
			}
		}
		p, err = plan.Full(table, im)
		require.NoError(t, err)
		require.NoError(t, db.execute(p))
		table.Apply(p)
		c.requireShows(t, im, table)
	})
}

// Rule: the plan for the keys of an update is the plan that comparing everything would give.
func TestChangedPlanEqualsFullPlan(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		h := &history{entries: map[string]cssetcd.Entry{}}
		table, db := plan.NewTable(c.Columns), c.server()
		p, err := plan.Full(table, imageOf(h.entries))
		require.NoError(t, err)
		require.NoError(t, db.execute(p))
		table.Apply(p)
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			touched := h.transact(t)
			im := imageOf(h.entries)
			full, err := plan.Full(table, im)
			require.NoError(t, err)
			p, err := plan.Changed(table, im, touched)
			require.NoError(t, err)
			require.Equal(t, full, p)
			require.NoError(t, db.execute(p))
			table.Apply(p)
			c.requireShows(t, im, table)
		}
	})
}

// drawMess draws a table that anyone may have written: any keys that the columns can hold, any parents, cycles
// included.
func (c columns) drawMess(t *rapid.T) (*plan.Table, server) {
	table, db := plan.NewTable(c.Columns), c.server()
	taken := map[string]bool{}
	n := rapid.IntRange(0, 12).Draw(t, "rows")
	for i := range n {
		key := rapid.SampledFrom([]string{"", "DBS", "no slash", "/dbs", "/DBS/", "a/b", strings.Repeat("á", 200)}).Draw(t,
			"odd key")
		if rapid.IntRange(0, 3).Draw(t, "even") > 0 {
			key = drawKey(t)
		}
		if c.Key == plan.ThreeBytes {
			key = strings.ReplaceAll(key, "😀", "!")
		}
		if c.Key != plan.AnyBytes {
			key = strings.ToValidUTF8(key, "?")
		}
		if c.Spaces == plan.SpacesStripped {
			key = strings.TrimRight(key, " ")
		}
		if taken[c.fold(key)] || len([]rune(key)) > 255 {
			continue
		}
		taken[c.fold(key)] = true
		parent := int32(rapid.IntRange(0, n+1).Draw(t, "parent"))
		r := plan.Row{ID: int32(i + 1), Parent: parent, Key: key, Value: rapid.SampledFrom([]string{"", "v",
			"READY"}).Draw(t, "value")}
		require.NoError(t, table.Add(r))
		db.rows[r.ID] = r
	}
	return table, db
}

func (c columns) byFold(table *plan.Table) map[string]plan.Row {
	out := map[string]plan.Row{}
	for r := range table.Rows() {
		out[c.fold(r.Key)] = r
	}
	return out
}

func digestOf(table *plan.Table) (digest uint64) {
	for r := range table.Rows() {
		digest ^= r.Hash()
	}
	return digest
}

// Rule: whatever is in the table, rows at and below a key that is shown anew get ids that no row had, no constraint is
// broken on the way, and the table shows the catalogue.
func TestRowsThatAreShownAnew(t *testing.T) {
	eachKind(t, func(t *rapid.T, c columns) {
		h := drawHistory(t, 1)
		im := imageOf(h.entries)
		table, db := c.drawMess(t)
		before, hadID := c.byFold(table), map[int32]bool{}
		for r := range table.Rows() {
			hadID[r.ID] = true
		}
		candidates := append(slices.Clone(im.keys), "/not/there")
		for _, r := range before {
			if strings.HasPrefix(r.Key, "/") {
				candidates = append(candidates, r.Key)
			}
		}
		slices.Sort(candidates)
		anew := rapid.SliceOfN(rapid.SampledFrom(candidates), 1, 3).Draw(t, "anew")
		p, err := plan.Full(table, im, anew...)
		require.NoError(t, err)
		require.NoError(t, db.execute(p))
		table.Apply(p)
		c.requireShows(t, im, table)
		require.Equal(t, digestOf(table), table.Digest())
		require.Len(t, db.rows, table.Len())
		for _, r := range c.byFold(table) {
			require.Equal(t, r, db.rows[r.ID])
			if slices.ContainsFunc(anew, func(top string) bool { return r.Key == top || strings.HasPrefix(r.Key, top+"/") }) {
				require.False(t, hadID[r.ID], "%q keeps its row", r.Key)
			}
		}
		again, err := plan.Full(table, im)
		require.NoError(t, err)
		require.True(t, again.Empty(), "second plan: %+v", again)
	})
}
