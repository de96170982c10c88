package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func tableOf(t *testing.T, rows ...Row) *Table {
	t.Helper()
	table := NewTable(QservColumns(nil))
	for _, r := range rows {
		require.NoError(t, table.Add(r))
	}
	return table
}

func sorted(t *Table) []Row {
	return slices.SortedFunc(t.Rows(), func(a, b Row) int { return strings.Compare(a.Key, b.Key) })
}

// Rule: rows that are cleared are gone before those of the same keys come, in the table, its digest and the SQL; only
// what reads differently afterwards is a difference.
func TestClearedRowsGiveWayToNewOnes(t *testing.T) {
	root, kept := Row{1, 0, "", ""}, Row{2, 1, "/a", "v"}
	name, child, gone := Row{3, 1, "/n", "READY"}, Row{4, 3, "/n/c", "old"}, Row{5, 4, "/n/c/x", "w"}
	again, anew := Row{6, 1, "/N", "READY"}, Row{7, 6, "/N/c", "new"}
	table := tableOf(t, root, kept, name, child, gone)
	p := &Plan{Unhook: []int32{5}, Clear: []Row{name, gone, child}, Inserts: []Row{again, anew}, Rows: 4}
	p.sort()
	for _, r := range p.Inserts {
		p.folded = append(p.folded, table.columns.Fold(r.Key))
	}
	p.Digest = p.digestAfter(table.Digest())
	assert.True(t, (&Plan{Clear: []Row{name}}).ChangesRows())
	assert.Equal(t, []Row{gone, child, name}, p.Clear, "children first")
	assert.Equal(t, []Row{{5, 0, "/n/c/x", "w"}, child, name}, p.Cleared(), "without the parents that are gone by then")
	assert.Equal(t, gone, p.Clear[0], "the plan itself is as it was")

	statements := strings.Join(p.SQL(), "\n")
	assert.Regexp(t, `(?s)^UPDATE.*DELETE.*kvId = 5 .*DELETE.*kvId = 4 .*DELETE.*kvId = 3 .*INSERT.*INSERT`, statements)

	assert.Contains(t, statements, fmt.Sprint(Row{5, 0, "/n/c/x", "w"}.Hash()))

	table.Apply(p)
	assert.Equal(t, []Row{root, again, anew, kept}, sorted(table))
	assert.Equal(t, tableOf(t, root, kept, again, anew).Digest(), table.Digest())
	assert.Equal(t, p.Rows, table.Len())

	same := &Plan{Clear: []Row{name, child, gone}, Inserts: []Row{{6, 1, "/n", "READY"}, {7, 6, "/n/c", "new"}}}
	assert.Equal(t, []Difference{
		{Kind: WrongValue, Key: "/n/c", Have: "old", Want: "new", RowID: 4},
		{Kind: Extra, Key: "/n/c/x", Have: "w", RowID: 5},
	}, same.Differences())
}
