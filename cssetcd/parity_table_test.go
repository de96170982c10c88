package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// parityTable reads a table by its whole name.
func parityTable(t *testing.T, c *cssetcd.Client, name string) *cssetcd.Table {
	t.Helper()
	return must(c.Table(t.Context(), must(cssetcd.ParseTableName(name))(t)))(t)
}

func TestParityGetTableNames(t *testing.T) {
	s := load(t, parity(t))
	assert.Equal(t, map[string]string{"Detection": "READY", "Forced": "READY", "Star": "READY", "Visit": "READY"},
		tableStatuses(t, s, "sky"))
	assert.Equal(t, map[string]string{"Leaving": "being removed", "Mine": "READY", "Visit": "READY"},
		tableStatuses(t, s, "user"))
	// Upstream fails for a database that is missing. Here that is a question of its own.
	assert.Empty(t, tableStatuses(t, s, "none"))
	require.ErrorIs(t, errOf(s.Database("none")), cssetcd.ErrNoSuchDB)
}

func TestParityGetTableStatus(t *testing.T) {
	c := parity(t)
	assert.Equal(t, map[string]string{
		"Plain": "READY", "Packed": "READY", "Building": "DO_NOT_USE", "Coming": "PENDING_CREATE:qid=5",
	}, tableStatuses(t, load(t, c), "match"))
	coming := parityTable(t, c, "match.Coming")
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
	marked, whenReady := cssetcd.PendingDrop("2026-01-01T00:00:00:qid=7"), cssetcd.IfStatus(cssetcd.StatusReady)
	ok(t)(c.SetTableStatus(t.Context(), sky("Star"), marked, whenReady))
	err := errOf(c.SetTableStatus(t.Context(), sky("Star"), marked, whenReady))
	require.ErrorIs(t, err, cssetcd.ErrStatusMismatch)
}

func TestParityContainsTable(t *testing.T) {
	c := parity(t)
	for name, ready := range map[string]bool{"sky.Visit": true, "user.Visit": true, "user.Leaving": false} {
		assert.Equal(t, ready, parityTable(t, c, name).Status.Ready(), name)
	}
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("None"))), cssetcd.ErrNoSuchTable)
	err := errOf(c.Table(t.Context(), cssetcd.TableName{DB: "none", Table: "Visit"}))
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable, "it is both")
}

func TestParityGetTableSchema(t *testing.T) {
	c := parity(t)
	assert.Equal(t, "(visit INT)", parityTable(t, c, "sky.Visit").Schema)
	assert.Empty(t, parityTable(t, c, "sky.Star").Schema)
	assert.Equal(t, "(night INT)", parityTable(t, c, "user.Visit").Schema, "the schema may be packed")
	putKeys(t, c, map[string]string{"/DBS/sky/TABLES/Star/.packed.json": "{"})
	require.ErrorIs(t, errOf(c.Table(t.Context(), sky("Star"))), cssetcd.ErrBadValue)
}

func TestParitySetTableSchema(t *testing.T) {
	c := parity(t)
	for _, n := range []cssetcd.TableName{sky("Visit"), sky("Star"), {DB: "user", Table: "Visit"}} {
		ok(t)(c.SetTableSchema(t.Context(), n, "(other BIGINT)"))
		assert.Equal(t, "(other BIGINT)", must(c.Table(t.Context(), n))(t).Schema)
	}
	err := errOf(c.SetTableSchema(t.Context(), sky("Visit"), "(a INT, A INT)"))
	require.ErrorIs(t, err, cssetcd.ErrDuplicateColumn)
}

func TestParityGetMatchTableParams(t *testing.T) {
	c := parity(t)
	assert.Nil(t, parityTable(t, c, "sky.Visit").Match)
	want := cssetcd.Match{
		DirTable1: "Star", DirColumn1: "starId", DirTable2: "Detection", DirColumn2: "detectionId", FlagColumn: "flag",
		AngSep: 0.001,
	}
	assert.Equal(t, &want, parityTable(t, c, "match.Plain").Match)
	want.AngSep = 0.002
	assert.Equal(t, &want, parityTable(t, c, "match.Packed").Match)
	// The newest upstream also knows the databases of the directors. They are kept, and read as keys.
	assert.Equal(t, "sky", must(load(t, c).UnpackedKey("/DBS/match/TABLES/Packed/match/dirDb1"))(t))
}

func TestParityGetPartTableParams(t *testing.T) {
	c := parity(t)
	putKeys(t, c, map[string]string{"/DBS/sky/TABLES/Visit/partitioning/dirTable": "Star"})
	for name, want := range map[string]*cssetcd.Partitioning{
		"user.Visit": nil,
		"user.Mine": {DirDB: "sky", DirTable: "Star", DirColumn: "starId", LatColumn: "dec", LonColumn: "ra",
			SubChunks: true},
		"sky.Star":      {DirColumn: "starId", LatColumn: "dec", LonColumn: "ra", SubChunks: true},
		"sky.Detection": {LatColumn: "dec", LonColumn: "ra", Overlap: 0.25}, // numbers in JSON
		"sky.Visit":     {DirTable: "Star"},                                 // without the key above, which kvData then has
	} {
		assert.Equal(t, want, parityTable(t, c, name).Partitioning, name)
	}
}

func TestParityGetScanTableParams(t *testing.T) {
	c := parity(t)
	for name, want := range map[string]*cssetcd.SharedScan{
		"sky.Visit": nil, "sky.Star": {LockInMem: true, Rating: 1}, "sky.Detection": {LockInMem: true, Rating: 2},
		"sky.Forced": {Rating: 3},
	} {
		assert.Equal(t, want, parityTable(t, c, name).SharedScan, name)
	}
}

func TestParitySetScanTableParams(t *testing.T) {
	c := parity(t)
	for _, name := range []string{"Visit", "Star", "Detection", "Forced"} {
		want := cssetcd.SharedScan{LockInMem: name == "Forced", Rating: 5}
		ok(t)(c.SetSharedScan(t.Context(), sky(name), want))
		assert.Equal(t, &want, must(c.Table(t.Context(), sky(name)))(t).SharedScan, name)
	}
	err := errOf(c.SetSharedScan(t.Context(), sky("Star"), cssetcd.SharedScan{Rating: -1}))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
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
		table := parityTable(t, c, name)
		assert.Equal(t, table, must(s.Table(table.Name))(t), "the client and a snapshot say the same")
		assert.Equal(t, name, table.Name.String())
		assert.Equal(t, want.level, table.ChunkLevel(), name)
		assert.Equal(t, want.part, table.Partitioning != nil, name)
		assert.Equal(t, want.match, table.Match != nil, name)
		assert.Equal(t, want.scan, table.SharedScan != nil, name)
		assert.Equal(t, want.ready, table.Status.Ready(), name)
		assert.NotZero(t, table.Incarnation)
		assert.NotZero(t, table.Modified)
	}
}

// created is what is read of a table that was created, without revisions.
func created(t *testing.T, c *cssetcd.Client, table cssetcd.Table, opts ...cssetcd.WriteOption) cssetcd.Table {
	t.Helper()
	ok(t)(c.CreateTable(t.Context(), table, opts...))
	read := *must(c.Table(t.Context(), table.Name))(t)
	read.Incarnation, read.Modified = 0, 0
	return read
}

func TestParityCreateTable(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	plain := cssetcd.Table{Name: sky("New"), Status: cssetcd.StatusReady, Schema: "(INT I)"}
	assert.Equal(t, plain, created(t, c, plain))
	require.ErrorIs(t, errOf(c.CreateTable(ctx, plain)), cssetcd.ErrTableExists)
	part := cssetcd.Table{Name: sky("New2"), Status: cssetcd.StatusReady, Schema: "(INT J)",
		Partitioning: &cssetcd.Partitioning{DirDB: "sky", DirTable: "Other", DirColumn: "c", LatColumn: "lat",
			LonColumn: "lon", Overlap: 0.012, SubChunks: true}}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, part)), cssetcd.ErrUnqueryable)
	assert.Equal(t, part, created(t, c, part, cssetcd.AllowUnqueryable()))
	// Upstream creates the database by the way, loses scan parameters of a table that is not partitioned, and takes
	// directors without a name.
	for want, table := range map[error]cssetcd.Table{
		cssetcd.ErrNoSuchDB: {Name: cssetcd.TableName{DB: "none", Table: "New"}},
		cssetcd.ErrInvalid:  {Name: sky("New3"), SharedScan: &cssetcd.SharedScan{Rating: 1}},
	} {
		require.ErrorIs(t, errOf(c.CreateTable(ctx, table)), want)
	}
	none := cssetcd.Table{Name: sky("New3"), Partitioning: &cssetcd.Partitioning{SubChunks: true}}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, none)), cssetcd.ErrInvalid)
}

func TestParityCreateMatchTable(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	// Without directors upstream makes a table that is not partitioned. Here that is one without Match; a Match without
	// them is refused.
	none := cssetcd.Table{Name: sky("Match"), Match: &cssetcd.Match{}}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, none)), cssetcd.ErrInvalid)
	match := cssetcd.Table{Name: sky("Match"), Status: cssetcd.StatusReady, Schema: "(INT X)",
		Match: &cssetcd.Match{DirTable1: "t1", DirColumn1: "c1", DirTable2: "t2", DirColumn2: "c2", FlagColumn: "flag",
			AngSep: 0.01}}
	require.ErrorIs(t, errOf(c.CreateTable(ctx, match)), cssetcd.ErrUnqueryable)
	assert.Equal(t, 1, match.ChunkLevel())
	read := created(t, c, match, cssetcd.AllowUnqueryable())
	match.Partitioning = &cssetcd.Partitioning{} // partitioned, without fields of its own
	assert.Equal(t, match, read)
}

func TestParityDropTable(t *testing.T) {
	c := parity(t)
	ok(t)(c.DropTable(t.Context(), sky("Visit")))
	require.ErrorIs(t, errOf(c.DropTable(t.Context(), sky("Visit"))), cssetcd.ErrNoSuchTable)
	assert.Empty(t, rowsBelow(t, c, "/DBS/sky/TABLES/Visit"))
	parityTable(t, c, "user.Visit")
}
