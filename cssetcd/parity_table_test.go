package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

func TestParityGetTableNames(t *testing.T) {
	s := load(t, parity(t))
	names := func(db string, readyOnly bool) []string {
		all := []string{}
		for table, err := range s.Tables(db) {
			require.NoError(t, err)
			if table.Status.Ready() || !readyOnly {
				all = append(all, table.Name.Table)
			}
		}
		return all
	}
	assert.Equal(t, []string{"Detection", "Forced", "Star", "Visit"}, names("sky", true))
	assert.Equal(t, []string{"Mine", "Visit"}, names("user", true))
	assert.Equal(t, []string{"Leaving", "Mine", "Visit"}, names("user", false))
	// Upstream fails for a database that is missing. Here that is a question of its own.
	assert.Empty(t, names("none", false))
	require.ErrorIs(t, errOf(s.Database("none")), cssetcd.ErrNoSuchDB)
}

func TestParityGetTableStatus(t *testing.T) {
	s := load(t, parity(t))
	assert.Equal(t, map[string]string{
		"Plain": "READY", "Packed": "READY", "Building": "DO_NOT_USE", "Coming": "PENDING_CREATE:qid=5",
	}, tableStatuses(t, s, "match"))
	coming := must(s.Table(cssetcd.TableName{DB: "match", Table: "Coming"}))(t)
	assert.Equal(t, cssetcd.StatePendingCreate, coming.Status.State())
	assert.Equal(t, "qid=5", coming.Status.Detail())
}

func TestParitySetTableStatus(t *testing.T) {
	c := parity(t)
	for table, status := range map[string]cssetcd.Status{"Plain": "", "Packed": "NOT_THERE",
		"Building": cssetcd.StatusReady, "Coming": cssetcd.StatusIgnore} {
		ok(t)(c.SetTableStatus(t.Context(), cssetcd.TableName{DB: "match", Table: table}, status))
	}
	assert.Equal(t, map[string]string{"Plain": "", "Packed": "NOT_THERE", "Building": "READY", "Coming": "DO_NOT_USE"},
		tableStatuses(t, load(t, c), "match"))
	// What upstream's czar could not do in one step: mark a table only when it is READY.
	marked := cssetcd.PendingDrop("2026-01-01T00:00:00:qid=7")
	require.ErrorIs(t, errOf(c.SetTableStatus(t.Context(), sky("Star"), marked, cssetcd.IfStatus(cssetcd.StatusIgnore))),
		cssetcd.ErrStatusMismatch)
	ok(t)(c.SetTableStatus(t.Context(), sky("Star"), marked, cssetcd.IfStatus(cssetcd.StatusReady)))
	require.ErrorIs(t, errOf(c.SetTableStatus(t.Context(), sky("Star"), marked, cssetcd.IfStatus(cssetcd.StatusReady))),
		cssetcd.ErrStatusMismatch)
	for _, n := range []cssetcd.TableName{sky("None"), {DB: "none", Table: "Star"}} {
		require.ErrorIs(t, errOf(c.SetTableStatus(t.Context(), n, cssetcd.StatusReady)), cssetcd.ErrNoSuchTable)
	}
}

func TestParityContainsTable(t *testing.T) {
	c := parity(t)
	ready := func(n cssetcd.TableName) bool {
		table, err := c.Table(t.Context(), n)
		if err != nil {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
			return false
		}
		return table.Status.Ready()
	}
	assert.True(t, ready(sky("Visit")))
	assert.False(t, ready(sky("None")))
	assert.True(t, ready(cssetcd.TableName{DB: "user", Table: "Visit"}))
	leaving := cssetcd.TableName{DB: "user", Table: "Leaving"}
	assert.False(t, ready(leaving))
	_, err := c.Table(t.Context(), leaving)
	require.NoError(t, err, "it is there, whatever its status")
	_, err = c.Table(t.Context(), cssetcd.TableName{DB: "none", Table: "Visit"})
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable, "it is both")
}

func TestParityGetTableSchema(t *testing.T) {
	c := parity(t)
	schema := func(n cssetcd.TableName) string {
		table := must(c.Table(t.Context(), n))(t)
		seen := must(load(t, c).Table(n))(t)
		assert.Equal(t, table.Schema, seen.Schema)
		return table.Schema
	}
	assert.Equal(t, "(visit INT)", schema(sky("Visit")))
	assert.Empty(t, schema(sky("Star")))
	assert.Equal(t, "(night INT)", schema(cssetcd.TableName{DB: "user", Table: "Visit"}), "the schema may be packed")
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("None"))), cssetcd.ErrNoSuchTable)
	putKeys(t, c, map[string]string{"/DBS/sky/TABLES/Star/.packed.json": "{"})
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("Star"))), cssetcd.ErrBadValue)
}

func TestParitySetTableSchema(t *testing.T) {
	c := parity(t)
	for _, n := range []cssetcd.TableName{sky("Visit"), sky("Star"), {DB: "user", Table: "Visit"}} {
		ok(t)(c.SetTableSchema(t.Context(), n, "(other BIGINT)"))
		table := must(c.Table(t.Context(), n))(t)
		assert.Equal(t, "(other BIGINT)", table.Schema)
	}
	require.ErrorIs(t, errOf(c.SetTableSchema(t.Context(), sky("Visit"), "(a INT, A INT)")), cssetcd.ErrDuplicateColumn)
	for _, n := range []cssetcd.TableName{sky("None"), {DB: "none", Table: "Star"}} {
		require.ErrorIs(t, errOf(c.SetTableSchema(t.Context(), n, "(a INT)")), cssetcd.ErrNoSuchTable)
	}
}

func TestParityGetMatchTableParams(t *testing.T) {
	c := parity(t)
	match := func(n cssetcd.TableName) *cssetcd.Match {
		table := must(c.Table(t.Context(), n))(t)
		return table.Match
	}
	assert.Nil(t, match(sky("Visit")))
	want := cssetcd.Match{
		DirTable1: "Star", DirColumn1: "starId", DirTable2: "Detection", DirColumn2: "detectionId", FlagColumn: "flag",
		AngSep: 0.001,
	}
	assert.Equal(t, &want, match(cssetcd.TableName{DB: "match", Table: "Plain"}))
	want.AngSep = 0.002
	assert.Equal(t, &want, match(cssetcd.TableName{DB: "match", Table: "Packed"}))
	_, err := c.Table(t.Context(), cssetcd.TableName{DB: "match", Table: "None"})
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	// The newest upstream also knows the databases of the directors. They are kept, and read as keys.
	db := must(load(t, c).UnpackedKey("/DBS/match/TABLES/Packed/match/dirDb1"))(t)
	assert.Equal(t, "sky", db)
}

func TestParityGetPartTableParams(t *testing.T) {
	c := parity(t)
	part := func(n cssetcd.TableName) *cssetcd.Partitioning {
		table := must(c.Table(t.Context(), n))(t)
		return table.Partitioning
	}
	assert.Nil(t, part(sky("Visit")))
	assert.Equal(t, &cssetcd.Partitioning{
		DirDB: "sky", DirTable: "Star", DirColumn: "starId", LatColumn: "dec", LonColumn: "ra", SubChunks: true,
	}, part(cssetcd.TableName{DB: "user", Table: "Mine"}))
	assert.Equal(t, &cssetcd.Partitioning{DirColumn: "starId", LatColumn: "dec", LonColumn: "ra", SubChunks: true},
		part(sky("Star")))
	assert.Equal(t, &cssetcd.Partitioning{LatColumn: "dec", LonColumn: "ra", Overlap: 0.25}, part(sky("Detection")),
		"numbers in JSON")
	putKeys(t, c, map[string]string{"/DBS/sky/TABLES/Visit/partitioning/dirTable": "Star"})
	assert.Equal(t, &cssetcd.Partitioning{DirTable: "Star"}, part(sky("Visit")),
		"without the key above, which kvData then has")
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("None"))), cssetcd.ErrNoSuchTable)
}

func TestParityGetScanTableParams(t *testing.T) {
	c := parity(t)
	for name, want := range map[string]*cssetcd.SharedScan{
		"Visit": nil, "Star": {LockInMem: true, Rating: 1}, "Detection": {LockInMem: true, Rating: 2}, "Forced": {Rating: 3},
	} {
		table := must(c.Table(t.Context(), sky(name)))(t)
		assert.Equal(t, want, table.SharedScan, name)
	}
}

func TestParitySetScanTableParams(t *testing.T) {
	c := parity(t)
	for _, name := range []string{"Visit", "Star", "Detection", "Forced"} {
		want := cssetcd.SharedScan{LockInMem: name == "Forced", Rating: 5}
		ok(t)(c.SetSharedScan(t.Context(), sky(name), want))
		table := must(c.Table(t.Context(), sky(name)))(t)
		assert.Equal(t, &want, table.SharedScan, name)
	}
	for _, n := range []cssetcd.TableName{sky("None"), {DB: "none", Table: "Star"}} {
		require.ErrorIs(t, errOf(c.SetSharedScan(t.Context(), n, cssetcd.SharedScan{})), cssetcd.ErrNoSuchTable)
	}
	require.ErrorIs(t, errOf(c.SetSharedScan(t.Context(), sky("Star"), cssetcd.SharedScan{Rating: -1})),
		cssetcd.ErrInvalid)
}

func TestParityGetTableParams(t *testing.T) {
	c := parity(t)
	s := load(t, c)
	for name, want := range map[string]struct {
		level                    int
		part, match, scan, ready bool
	}{
		"sky.Visit": {0, false, false, false, true}, "sky.Star": {2, true, false, true, true},
		"sky.Detection": {1, true, false, true, true},
		"user.Mine":     {2, true, false, false, true}, "match.Plain": {1, true, true, false, true},
		"match.Building": {0, false, false, false, false},
	} {
		n := must(cssetcd.ParseTableName(name))(t)
		table := must(c.Table(t.Context(), n))(t)
		seen := must(s.Table(n))(t)
		assert.Equal(t, table, seen, "the client and a snapshot say the same")
		assert.Equal(t, n, table.Name)
		assert.Equal(t, want.level, table.ChunkLevel(), name)
		assert.Equal(t, want.part, table.Partitioning != nil, name)
		assert.Equal(t, want.match, table.Match != nil, name)
		assert.Equal(t, want.scan, table.SharedScan != nil, name)
		assert.Equal(t, want.ready, table.Status.Ready(), name)
		assert.NotZero(t, table.Incarnation)
		assert.NotZero(t, table.Modified)
	}
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("None"))), cssetcd.ErrNoSuchTable)
}

func TestParityCreateTable(t *testing.T) {
	c := parity(t)
	ctx := t.Context()
	plain := cssetcd.Table{Name: sky("New"), Schema: "(INT I)"}
	ok(t)(c.CreateTable(ctx, plain))
	table := must(c.Table(ctx, plain.Name))(t)
	assert.True(t, table.Status.Ready())
	assert.Equal(t, "(INT I)", table.Schema)
	assert.Nil(t, table.Partitioning)
	assert.Nil(t, table.Match)
	assert.Nil(t, table.SharedScan)
	require.ErrorIs(t, errOf(c.CreateTable(ctx, plain)), cssetcd.ErrTableExists)

	part := cssetcd.Partitioning{DirDB: "sky", DirTable: "Other", DirColumn: "c", LatColumn: "lat", LonColumn: "lon",
		Overlap: 0.012, SubChunks: true}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("New2"), Schema: "(INT J)",
		Partitioning: &part})), cssetcd.ErrUnqueryable)
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: sky("New2"), Schema: "(INT J)", Partitioning: &part},
		cssetcd.AllowUnqueryable()))
	table = must(c.Table(ctx, sky("New2")))(t)
	assert.Equal(t, &part, table.Partitioning)
	assert.Nil(t, table.Match)
	// Upstream creates the database by the way, loses scan parameters of a table that is not partitioned, and takes
	// directors without a name.
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "none", Table: "New"}})),
		cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("New3"),
		SharedScan: &cssetcd.SharedScan{Rating: 1}})), cssetcd.ErrInvalid)
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("New3"),
		Partitioning: &cssetcd.Partitioning{SubChunks: true}})), cssetcd.ErrInvalid)
}

func TestParityCreateMatchTable(t *testing.T) {
	c := parity(t)
	ctx := t.Context()
	// Without directors upstream makes a table that is not partitioned. Here that is one without Match; a Match without
	// them is refused.
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: sky("Match"), Schema: "(INT I)"}))
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("Match1"), Match: &cssetcd.Match{}})),
		cssetcd.ErrInvalid)
	match := cssetcd.Match{DirTable1: "t1", DirColumn1: "c1", DirTable2: "t2", DirColumn2: "c2", FlagColumn: "flag",
		AngSep: 0.01}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("Match2"), Schema: "(INT X)", Match: &match})),
		cssetcd.ErrUnqueryable)
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: sky("Match2"), Schema: "(INT X)", Match: &match},
		cssetcd.AllowUnqueryable()))
	table := must(c.Table(ctx, sky("Match2")))(t)
	assert.Equal(t, &match, table.Match)
	assert.Equal(t, "(INT X)", table.Schema)
	assert.Equal(t, &cssetcd.Partitioning{}, table.Partitioning, "partitioned, without fields of its own")
	assert.Equal(t, 1, table.ChunkLevel())
	require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: sky("Match2"), Match: &match})),
		cssetcd.ErrTableExists)
}

func TestParityDropTable(t *testing.T) {
	c := parity(t)
	ctx := t.Context()
	ok(t)(c.DropTable(ctx, sky("Visit")))
	for _, n := range []cssetcd.TableName{sky("Visit"), sky("None"), {DB: "none", Table: "None"}} {
		require.ErrorIs(t, errOf(c.DropTable(ctx, n)), cssetcd.ErrNoSuchTable)
	}
	require.ErrorIs(t, errOf(c.DropTable(ctx, cssetcd.TableName{DB: "none", Table: "None"})), cssetcd.ErrNoSuchDB)
	for key := range load(t, c).Below("/DBS/sky/TABLES/Visit") {
		t.Errorf("%s is left", key)
	}
	must(c.Table(ctx, cssetcd.TableName{DB: "user", Table: "Visit"}))(t)
}
