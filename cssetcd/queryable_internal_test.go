package cssetcd

import (
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestQueryable holds the rule, without etcd: each table is that of a czar's analysis but for one thing.
func TestQueryable(t *testing.T) {
	director := func(name string) Relation {
		return Relation{Name: TableName{"lsst", name}, Partitioning: &Partitioning{
			DirDB: "lsst", DirTable: name, DirColumn: "objectId", LonColumn: "ra", LatColumn: "decl", SubChunks: true,
		}}
	}
	broken, child := director("Broken"), director("Child")
	broken.Partitioning.SubChunks = false
	child.Partitioning.DirTable = "Object"
	there := map[string]Relation{
		"Object": director("Object"), "Ref": director("Ref"), "Broken": broken, "Child": child,
		"Filter": {Name: TableName{"lsst", "Filter"}}, "Pairs": {Name: TableName{"lsst", "Pairs"},
			Partitioning: &Partitioning{}, Match: &Match{}},
	}
	const schema = "(objectId BIGINT, RA DOUBLE, `decl` DOUBLE, refId BIGINT, flags INT)"
	for _, tt := range []struct {
		what  string
		table func() Table
		edit  func(*Table)
		why   string // "" when a czar can query it
	}{
		{"a plain table", plainTable, nil, ""},
		{"a director", directorTable, nil, ""},
		{"a director that names none", directorTable, func(t *Table) {
			t.Partitioning.DirDB, t.Partitioning.DirTable = "",
				""
		}, ""},
		{"a director whose schema cannot be parsed", directorTable, func(t *Table) { t.Schema = "LIKE other" }, ""},
		{"a director without sub-chunks", directorTable, func(t *Table) { t.Partitioning.SubChunks = false },
			"a director needs sub-chunks"},
		{"a director without a longitude", directorTable, func(t *Table) { t.Partitioning.LonColumn = "" },
			`these are "objectId", "" and "decl"`},
		{"a director without a latitude", directorTable, func(t *Table) { t.Partitioning.LatColumn = "" },
			`these are "objectId", "RA" and ""`},
		{"a director without a key", directorTable, func(t *Table) { t.Partitioning.DirColumn = "" },
			`these are "", "RA" and "decl"`},
		{"a director with one column for two things", directorTable, func(t *Table) { t.Partitioning.LatColumn = "ra" },
			`these are "objectId", "RA" and "ra"`},
		{"a director with a column that is not there", directorTable, func(t *Table) { t.Partitioning.LatColumn = "dec" },
			`its schema has no column "dec"`},
		{"a director of another database", directorTable, func(t *Table) { t.Partitioning.DirDB = "other" },
			"its director is of the database other"},
		{"a child", childTable, nil, ""},
		{"a child without its director's database", childTable, func(t *Table) { t.Partitioning.DirDB = "" }, ""},
		{"a child with a position", childTable, func(t *Table) {
			t.Partitioning.LonColumn, t.Partitioning.LatColumn = "ra",
				"decl"
		}, ""},
		{"a child with sub-chunks", childTable, func(t *Table) { t.Partitioning.SubChunks = true },
			"a child of a director has no sub-chunks"},
		{"a child without a director column", childTable, func(t *Table) { t.Partitioning.DirColumn = "" },
			"names the column that holds the director's key"},
		{"a child of a table that is not there", childTable, func(t *Table) { t.Partitioning.DirTable = "None" },
			"its director lsst.None is not there"},
		{"a child of a table in another case", childTable, func(t *Table) { t.Partitioning.DirTable = "object" },
			"its director lsst.object is not there"},
		{"a child of a child", childTable, func(t *Table) { t.Partitioning.DirTable = "Child" },
			"its director lsst.Child is no director"},
		{"a child of a plain table", childTable, func(t *Table) { t.Partitioning.DirTable = "Filter" },
			"its director lsst.Filter is no director"},
		{"a child of a match table", childTable, func(t *Table) { t.Partitioning.DirTable = "Pairs" },
			"its director lsst.Pairs is no director"},
		{"a child of another database", childTable, func(t *Table) { t.Partitioning.DirDB = "other" },
			"its director is of the database other"},
		{"a child of a director that cannot be queried", childTable, func(t *Table) { t.Partitioning.DirTable = "Broken" },
			"no czar can query its director lsst.Broken: a director needs sub-chunks"},
		{"a child with a column that is not there", childTable, func(t *Table) { t.Partitioning.LonColumn = "lon" },
			`its schema has no column "lon"`},
		{"a match table", matchTable, nil, ""},
		{"a match of a director with itself", matchTable, func(t *Table) { t.Match.DirTable2 = "Object" }, ""},
		{"a match table without a flag", matchTable, func(t *Table) { t.Match.FlagColumn = "" }, ""},
		{"a match of another database", matchTable, func(t *Table) { t.Match.DirTable1 = "other.Object" },
			"its director is other.Object"},
		{"a match with the database", matchTable, func(t *Table) { t.Match.DirTable2 = "lsst.Ref" },
			"a director is a table of the database lsst, named without it"},
		{"a match of a table that is not there", matchTable, func(t *Table) { t.Match.DirTable2 = "None" },
			"its director lsst.None is not there"},
		{"a match of a child", matchTable, func(t *Table) { t.Match.DirTable1 = "Child" },
			"its director lsst.Child is no director"},
		{"a match with one column", matchTable, func(t *Table) { t.Match.DirColumn2 = "OBJECTID" },
			`these are "objectId" and "OBJECTID"`},
		{"a match without a column", matchTable, func(t *Table) { t.Match.DirColumn1 = "" }, `these are "" and "refId"`},
		{"a match with a flag that is not there", matchTable, func(t *Table) { t.Match.FlagColumn = "flag" },
			`its schema has no column "flag"`},
	} {
		t.Run(tt.what, func(t *testing.T) {
			table := tt.table()
			table.Schema = schema
			if tt.edit != nil {
				tt.edit(&table)
			}
			expectWhy(t, tt.why, queryable(&table, neighbours{striped: true, tables: maps.Clone(there)}))
			unstriped := ""
			if table.partitioned() {
				unstriped = "it is partitioned, and the database lsst has no partitioning"
			}
			expectWhy(t, unstriped, queryable(&table, neighbours{tables: there}))
		})
	}
}

func expectWhy(t *testing.T, why string, err error) {
	t.Helper()
	if why == "" {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, ErrUnqueryable)
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, why)
	assert.True(t, strings.HasPrefix(err.Error(), "no czar can query it: "), err)
}

func plainTable() Table { return Table{Name: TableName{"lsst", "Filter"}} }

func directorTable() Table {
	return Table{Name: TableName{"lsst", "New"}, Partitioning: &Partitioning{
		DirDB: "lsst", DirTable: "New", DirColumn: "objectId", LonColumn: "RA", LatColumn: "decl", SubChunks: true,
	}}
}

func childTable() Table {
	return Table{Name: TableName{"lsst", "New"}, Partitioning: &Partitioning{DirDB: "lsst", DirTable: "Object",
		DirColumn: "ObjectID"}}
}

func matchTable() Table {
	return Table{Name: TableName{"lsst", "New"}, Partitioning: &Partitioning{}, Match: &Match{
		DirTable1: "Object", DirColumn1: "objectId", DirTable2: "Ref", DirColumn2: "refId", FlagColumn: "flags",
	}}
}

func TestTablesWithChunk(t *testing.T) {
	for name, want := range map[string][]string{
		"Object_1": {"Object"}, "Object_1234567890": {"Object"}, "Object_1_2": {"Object_1"}, "Object_007": {"Object"},
		"ObjectFullOverlap_1": {"ObjectFullOverlap", "Object"}, "ObjectfulloverlaP_1": {"ObjectfulloverlaP", "Object"},
		"FullOverlap_1": {"FullOverlap"}, "Object": nil, "Object_": nil, "Object1": nil, "_1": nil, "Object_1a": nil,
		"Object__1": {"Object_"}, "": nil, "1": nil,
	} {
		assert.Equal(t, want, tablesWithChunk(name), name)
	}
}
