package plan_test

import (
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// tableOf returns the table that shows an image, as it is when it was empty before.
func tableOf(t testing.TB, im plan.Image) *plan.Table {
	t.Helper()
	table := plan.NewTable(qserv.Columns)
	p, err := plan.Full(table, im)
	require.NoError(t, err)
	table.Apply(p)
	return table
}

func change(t *testing.T, table *plan.Table, to plan.Image, keys ...string) *plan.Plan {
	t.Helper()
	p, err := plan.Changed(table, to, keys)
	require.NoError(t, err)
	return p
}

func row(t *testing.T, table *plan.Table, key string) plan.Row {
	t.Helper()
	r, ok := table.Row(key)
	require.True(t, ok, "row %q", key)
	return r
}

// Rule: new rows are numbered after the largest id, in the byte order of their keys, parents before children.
func TestNewRowsAreNumberedInOrder(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	require.NoError(t, table.Add(plan.Row{ID: 7, Key: ""}))
	p, err := plan.Full(table, catalogue("/DBS/b/x", "1", "/DBS/a", "2"))
	require.NoError(t, err)
	assert.Equal(t, []plan.Row{
		{ID: 8, Parent: 7, Key: "/DBS"},
		{ID: 9, Parent: 8, Key: "/DBS/a", Value: "2"},
		{ID: 10, Parent: 8, Key: "/DBS/b"},
		{ID: 11, Parent: 10, Key: "/DBS/b/x", Value: "1"},
		{ID: 12, Parent: 7, Key: "/NODES"},
	}, p.Inserts)
	assert.Empty(t, p.Updates)
}

// Rule: rows that are right are not touched, whatever their ids.
func TestRowsThatAreRightAreNotTouched(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	for _, r := range []plan.Row{{3, 9, "/DBS/x", "READY"}, {9, 40, "/DBS", ""}, {40, 0, "", ""}, {1, 40, "/NODES", ""}} {
		require.NoError(t, table.Add(r))
	}
	p, err := plan.Full(table, catalogue("/DBS/x", "READY"))
	require.NoError(t, err)
	assert.True(t, p.Empty(), "%+v", p)
	assert.Equal(t, 4, p.Rows)
}

func TestQuarantine(t *testing.T) {
	key255 := "/" + strings.Repeat("k", 254)
	tests := []struct {
		name, key, value string
		reason           plan.Reason // "": a row
		detail           string
	}{
		{"key of 255 bytes", key255, "v", "", ""},
		{"key of 256 bytes", key255 + "k", "v", plan.KeyTooLong, "the key has 256 bytes and the table holds 255"},
		{"key of 128 characters and 255 bytes", "/" + strings.Repeat("é", 127), "v", "", ""},
		{"key of 129 characters and 257 bytes", "/" + strings.Repeat("é", 128), "v", plan.KeyTooLong,
			"the key has 257 bytes and the table holds 255"},
		{"emoji in the key", "/a/😀", "v", plan.KeyEncoding, "the key is not UTF-8 of at most three bytes a character"},
		{"key that is not UTF-8", "/a/\xff", "v", plan.KeyEncoding,
			"the key is not UTF-8 of at most three bytes a character"},
		{"empty segment", "/a//b", "v", plan.KeyMalformed, "the key has an empty segment"},
		{"slash at the end", "/a/", "v", plan.KeyMalformed, "the key has an empty segment"},
		{"slash alone", "/", "v", plan.KeyMalformed, "the key has an empty segment"},
		{"space at the end", "/a ", "v", plan.KeyTrailingSpace, "the key ends in a space, which the table would strip"},
		{"space at the end of a segment", "/a /b", "v", plan.ParentMissing, `the key above it, "/a ", has no row`},
		{"space in front", "/ a", "v", "", ""},
		{"control characters", "/a\x01\tb\x00", "v", "", ""},
		{"other case of a pinned key", "/dbs", "v", plan.KeyCollision,
			`the table cannot tell it from "/DBS", which is older`},
		{"below the other case of a pinned key", "/dbs/x", "v", plan.ParentMissing, `the key above it, "/dbs", has no row`},
		{"value of 65,535 bytes", "/a", strings.Repeat("v", 65_535), "", ""},
		{"value of 65,536 bytes", "/a", strings.Repeat("v", 65_536), plan.ValueTooLong,
			"the value has 65536 bytes and the table holds 65535"},
		{"emoji in the value", "/a", "😀", plan.ValueEncoding, "the value is not UTF-8 of at most three bytes a character"},
		{"value that is not UTF-8", "/a", "a\xc3", plan.ValueEncoding,
			"the value is not UTF-8 of at most three bytes a character"},
		{"the largest character of three bytes", "/a\uffff", "\uffff", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := tableOf(t, catalogue("/DBS/neighbour", "n", tt.key, tt.value, "/NODES/neighbour", "n"))
			assert.Equal(t, "n", row(t, table, "/DBS/neighbour").Value)
			assert.Equal(t, "n", row(t, table, "/NODES/neighbour").Value)
			if tt.reason == "" {
				assert.Equal(t, tt.value, row(t, table, tt.key).Value)
				assert.Zero(t, table.QuarantineLen())
				return
			}
			_, ok := table.Row(tt.key)
			assert.False(t, ok, "a key in quarantine has no row")
			var got plan.Quarantined
			for q := range table.Quarantine() {
				if q.Key == tt.key {
					got = q
				}
			}
			assert.Equal(t, plan.Quarantined{Key: tt.key, Reason: tt.reason, Detail: tt.detail, Mod: 2,
				ValueBytes: len(tt.value)}, got)
		})
	}
}

// Rule: a key with thousands of segments costs no more than its nearest ancestors that fit.
func TestEndlessKeyIsOneRecord(t *testing.T) {
	table := tableOf(t, catalogue(strings.Repeat("/a", 500_000), "v"))
	assert.Equal(t, 1, table.QuarantineLen())
	assert.Equal(t, 127+3, table.Len())
}

// Rule: a value that the table can no longer hold takes the row away; it does not leave an outdated one.
func TestOutdatedRowGoes(t *testing.T) {
	table := tableOf(t, catalogue("/DBS/x", "old", "/DBS/x/y", "v"))
	p := change(t, table, catalogue("/DBS/x", "😀", "/DBS/x/y", "v"), "/DBS/x")
	require.Len(t, p.Deletes, 2)
	assert.Equal(t, "/DBS/x/y", p.Deletes[0].Key)
	assert.Equal(t, "/DBS/x", p.Deletes[1].Key)
	require.Len(t, p.Records, 2)
	assert.Equal(t, plan.ValueEncoding, p.Records[0].Reason)
	assert.Equal(t, plan.ParentMissing, p.Records[1].Reason)
}

// Rule: /DBS has a row even when its value cannot be held, or every database would go with it.
func TestPinnedRowWithBadValueStays(t *testing.T) {
	table := tableOf(t, catalogue("/DBS", "😀", "/DBS/x", "READY"))
	assert.Empty(t, row(t, table, "/DBS").Value)
	assert.Equal(t, "READY", row(t, table, "/DBS/x").Value)
	assert.Equal(t, 1, table.QuarantineLen())
}

// Rule: of keys that the table cannot tell apart the oldest subtree has the row, whichever is seen first.
func TestOldestKeyWins(t *testing.T) {
	tests := []struct {
		name   string
		im     *image
		winner string
		losers []string
	}{
		{"case, older first", catalogue("/a", "1", "/A", "2"), "/a", []string{"/A"}},
		{"case, older second", catalogue("/A", "1", "/a", "2"), "/A", []string{"/a"}},
		{"accent", catalogue("/á", "1", "/a", "2", "/A", "3"), "/á", []string{"/a", "/A"}},
		{"an ancestor is as old as what is below it", catalogue("/a/x", "1", "/A", "2"), "/a", []string{"/A"}},
		{"in the middle of the key", catalogue("/DBS/a/x", "1", "/DBS/A/y", "2"), "/DBS/a/x", []string{"/DBS/A", "/DBS/A/y"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := tableOf(t, tt.im)
			assert.Equal(t, "1", func() string {
				for key, e := range tt.im.entries {
					if e.Create == 1 {
						return row(t, table, key).Value
					}
				}
				return ""
			}())
			row(t, table, tt.winner)
			for _, key := range tt.losers {
				_, ok := table.Row(key)
				assert.False(t, ok, key)
			}
			assert.Equal(t, len(tt.losers), table.QuarantineLen())
		})
	}
}

// Rule: when the key in the way goes, the one in quarantine gets its row, with all below it, in place.
func TestBlockerRemoved(t *testing.T) {
	table := tableOf(t, catalogue("/DBS/a", "1", "/DBS/a/x", "2", "/DBS/A", "3", "/DBS/A/x", "4", "/DBS/A/y", "5"))
	id, below := row(t, table, "/DBS/a").ID, row(t, table, "/DBS/a/x").ID
	p := change(t, table, catalogue("/DBS/A", "3", "/DBS/A/x", "4", "/DBS/A/y", "5"), "/DBS/a", "/DBS/a/x")
	table.Apply(p)
	assert.Empty(t, p.Deletes)
	assert.Equal(t, []string{"/DBS/A", "/DBS/A/x", "/DBS/A/y"}, p.Releases)
	assert.Equal(t, id, row(t, table, "/DBS/A").ID)
	assert.Equal(t, plan.Row{ID: below, Parent: id, Key: "/DBS/A/x", Value: "4"}, row(t, table, "/DBS/A/x"))
	assert.Equal(t, id, row(t, table, "/DBS/A/y").Parent)
}

// Rule: a key renamed to one that the table cannot tell from it is an update in place.
func TestRenameOfCase(t *testing.T) {
	table := tableOf(t, catalogue("/a", "1", "/a/x", "2"))
	id := row(t, table, "/a").ID
	p := change(t, table, catalogue("/A", "1", "/A/x", "2"), "/a", "/a/x", "/A", "/A/x")
	assert.Empty(t, p.Inserts)
	assert.Empty(t, p.Deletes)
	require.Len(t, p.Updates, 2)
	assert.Equal(t, plan.Row{ID: id, Parent: p.Updates[0].Old.Parent, Key: "/A", Value: "1"}, p.Updates[0].New)
}

// Rule: rows that hang together otherwise than by their keys are unhooked before they are deleted.
func TestTangleIsUnhooked(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	for _, r := range []plan.Row{
		{1, 0, "", ""}, {2, 1, "/DBS", ""}, {3, 1, "/NODES", ""},
		{4, 4, "/self", ""}, {5, 6, "/cycle", ""}, {6, 5, "/cycle/on", ""}, {7, 2, "/a", ""}, {8, 7, "/a/b", ""},
	} {
		require.NoError(t, table.Add(r))
	}
	p, err := plan.Full(table, catalogue())
	require.NoError(t, err)
	assert.Len(t, p.Deletes, 5)
	assert.Equal(t, []int32{4, 5, 7}, p.Unhook,
		"the self parent, the cycle, the wrong parent; not the two that are simple")
}

// Rule: a kept row with a wrong parent is corrected, before that parent goes.
func TestWrongParentIsCorrected(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	for _, r := range []plan.Row{{1, 0, "", ""}, {2, 4, "/DBS", ""}, {3, 0, "/NODES", ""}, {4, 1, "/gone", ""}} {
		require.NoError(t, table.Add(r))
	}
	p, err := plan.Full(table, catalogue())
	require.NoError(t, err)
	assert.Equal(t, []plan.Update{
		{plan.Row{2, 4, "/DBS", ""}, plan.Row{2, 1, "/DBS", ""}},
		{plan.Row{3, 0, "/NODES", ""}, plan.Row{3, 1, "/NODES", ""}},
	}, p.Updates)
	assert.Equal(t, []plan.Row{{4, 1, "/gone", ""}}, p.Deletes)
}

func TestIDsUsedUp(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	require.NoError(t, table.Add(plan.Row{ID: math.MaxInt32 - 2, Key: ""}))
	_, err := plan.Full(table, catalogue())
	require.NoError(t, err, "two rows fit")
	_, err = plan.Full(table, catalogue("/a", ""))
	require.ErrorIs(t, err, plan.ErrNoIDs)
	assert.ErrorContains(t, err, "3 new rows need ids after 2147483645")
}

// Rule: a row of others with the last id does not keep new rows out when it goes.
func TestLastIDOfARowThatGoes(t *testing.T) {
	table := tableOf(t, catalogue("/a", ""))
	require.NoError(t, table.Add(plan.Row{ID: math.MaxInt32, Key: "/foreign"}))
	p, err := plan.Full(table, catalogue("/a", "", "/b", "", "/c", ""))
	require.NoError(t, err)
	require.Len(t, p.Inserts, 2)
	assert.Equal(t, []int32{5, 6}, []int32{p.Inserts[0].ID, p.Inserts[1].ID})
	require.Len(t, p.Deletes, 1)
}

func TestAddRefusesWhatCannotBe(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	require.NoError(t, table.Add(plan.Row{ID: 1, Key: "/a"}))
	assert.ErrorContains(t, table.Add(plan.Row{ID: 2, Key: "/Á"}), "should take for the same")
	assert.ErrorContains(t, table.Add(plan.Row{ID: 0, Key: "/b"}), "kvId 0")
}

// Rule: planning changes nothing; only Apply does.
func TestPlanningLeavesTheTable(t *testing.T) {
	table := tableOf(t, catalogue("/a", "1", "/A", "2"))
	to := catalogue("/A", "2", "/b", "3")
	first, second := change(t, table, to, "/a", "/b"), change(t, table, to, "/a", "/b")
	assert.Equal(t, first, second)
	assert.Equal(t, "1", row(t, table, "/a").Value)
}

// Rule: a row that is right has the strings of the image, and nothing else of the table changes.
func TestSharingKeepsTheContents(t *testing.T) {
	table := tableOf(t, catalogue("/a", "first", "/b", "2"))
	other := catalogue("/a", strings.Clone("first"), "/b", "other", "/c", "3")
	want, err := plan.Full(table, other)
	require.NoError(t, err)
	p, err := plan.FullSharing(table, other)
	require.NoError(t, err)
	assert.Equal(t, want, p)
	assert.Equal(t, "first", row(t, table, "/a").Value)
	assert.Equal(t, "2", row(t, table, "/b").Value)
	assert.Equal(t, 5, table.Len())
	assert.Same(t, unsafe.StringData(other.entries["/a"].Value), unsafe.StringData(row(t, table, "/a").Value))
}

func TestWeightsOfAnotherCollationAreRefused(t *testing.T) {
	_, err := plan.NewWeights(func(r rune) uint16 { return uint16(r) })
	assert.ErrorContains(t, err, "not that of utf8mb3_general_ci")
	_, err = plan.NewWeights(func(r rune) uint16 {
		if r == '／' {
			return '/'
		}
		return weightOf(r)
	})
	assert.ErrorContains(t, err, "for a slash")
}

func TestDifferences(t *testing.T) {
	table := plan.NewTable(qserv.Columns)
	for _, r := range []plan.Row{{1, 0, "", ""}, {2, 1, "/dbs", "x"}, {3, 0, "/NODES", ""}, {4, 1, "/more", "m"}} {
		require.NoError(t, table.Add(r))
	}
	p, err := plan.Full(table, catalogue("/DBS/d", "READY"))
	require.NoError(t, err)
	assert.Equal(t, []plan.Difference{
		{Kind: plan.WrongKey, Key: "/DBS", Have: "/dbs", Want: "/DBS", RowID: 2},
		{Kind: plan.WrongValue, Key: "/DBS", Have: "x", Want: "", RowID: 2},
		{Kind: plan.Missing, Key: "/DBS/d", Want: "READY"},
		{Kind: plan.WrongParent, Key: "/NODES", Have: "NULL", Want: "1", RowID: 3},
		{Kind: plan.Extra, Key: "/more", Have: "m", RowID: 4},
	}, p.Differences())
}

func TestBrakeCatalogue(t *testing.T) {
	table := tableOf(t, catalogue("/DBS/x", "READY"))
	var refusal *plan.BrakeError
	require.ErrorAs(t, plan.BrakeCatalogue(table, catalogue("/DBS/x", "READY")), &refusal)
	assert.Equal(t, plan.NotACatalogue, refusal.Rule)
	assert.ErrorIs(t, refusal, plan.ErrBrake)
	assert.ErrorContains(t, plan.BrakeCatalogue(table, catalogue("/css_meta/version", "2")), `is "2"`)
	assert.NoError(t, plan.BrakeCatalogue(table, catalogue("/css_meta/version", "1")))
	assert.NoError(t, plan.BrakeCatalogue(plan.NewTable(qserv.Columns), catalogue()),
		"an empty table may be filled with anything")
}

func TestBrakeMerge(t *testing.T) {
	many := func(n int) *image {
		entries := map[string]cssetcd.Entry{"/DBS/x": {Create: 1, Mod: 1}}
		for i := range n {
			entries["/rows/"+strings.Repeat("r", i%200)+string(rune('A'+i/200))] = cssetcd.Entry{Create: 1, Mod: 1}
		}
		return imageOf(entries)
	}
	tests := []struct {
		name     string
		from, to *image
		rule     plan.BrakeRule
		sentence string
	}{
		{"the last database", catalogue("/DBS/x", "READY", "/DBS/y", "READY"), catalogue(), plan.NoDatabase,
			"none of the 2 databases in kvData is in the catalogue in etcd;"},
		{"another comes instead of several", catalogue("/DBS/x", "READY", "/DBS/y", "READY"), catalogue("/DBS/q", "READY"),
			plan.NoDatabase, "none of the 2 databases in kvData"},
		{"another comes instead of one", catalogue("/DBS/x", "READY"), catalogue("/DBS/q", "READY"), "", ""},
		{"nothing comes instead of one", catalogue("/DBS/x", "READY"), catalogue(), plan.NoDatabase,
			"none of the 1 databases in kvData"},
		{"one of two databases", catalogue("/DBS/x", "", "/DBS/y", ""), catalogue("/DBS/x", ""), "", ""},
		{"another spelling of the database", catalogue("/DBS/x", ""), catalogue("/DBS/X", ""), "", ""},
		{"1,001 rows, which are many", many(2000), many(999), plan.MassDelete,
			"1001 of the 2005 rows of kvData would be deleted; if that is right, " +
				"let it through once with `css-sync mirror --once --allow-mass-delete`"},
		{"1,000 rows", many(2000), many(1000), "", ""},
		{"1,001 rows, which are few", many(4000), many(2999), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := tableOf(t, tt.from)
			p, err := plan.Full(table, tt.to)
			require.NoError(t, err)
			err = plan.BrakeMerge(table, p, plan.Evidence{})
			if tt.rule == "" {
				require.NoError(t, err)
				return
			}
			var refusal *plan.BrakeError
			require.ErrorAs(t, err, &refusal)
			assert.Equal(t, tt.rule, refusal.Rule)
			assert.ErrorContains(t, err, tt.sentence)
		})
	}
}
