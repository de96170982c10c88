package cssetcd_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

var absent = cssetcd.TableName{DB: "lsst", Table: "Missing"}

func TestDatabases(t *testing.T) {
	c := csstest.New(t)
	ctx := t.Context()
	require.ErrorIs(t, errOf(c.Database(ctx, "lsst")), cssetcd.ErrVersionMissing, "there is no CSS yet")
	rev := ok(t)(c.CreateDatabase(ctx, cssetcd.Database{
		Name: "lsst", StorageClass: "L2", ReleaseStatus: "PRIVATE",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.1},
	}))
	db := must(c.Database(ctx, "lsst"))(t)
	assert.Equal(t, &cssetcd.Database{
		Name: "lsst", Status: cssetcd.StatusReady, StorageClass: "L2", ReleaseStatus: "PRIVATE", Incarnation: rev,
		Modified: rev,
		Striping: &cssetcd.Striping{ID: "0000000001", Stripes: 85, SubStripes: 12, Overlap: 0.1},
	}, db)

	t.Run("what is there is not created again", func(t *testing.T) {
		unchanged(t, c, func() {
			_, err := c.CreateDatabase(ctx, cssetcd.Database{Name: "lsst"})
			require.ErrorIs(t, err, cssetcd.ErrDBExists)
			require.ErrorIs(t, err, cssetcd.ErrExists)
			require.ErrorIs(t, errOf(c.CreateDatabaseLike(ctx, "lsst", "lsst")), cssetcd.ErrDBExists)
			assert.Zero(t, ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "lsst"}, cssetcd.IfNotExists())))
			assert.Zero(t, ok(t)(c.CreateDatabaseLike(ctx, "lsst", "nothing", cssetcd.IfNotExists())))
		})
	})
	t.Run("IfNotExists creates what is not", func(t *testing.T) {
		assert.NotZero(t, ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "new", Status: cssetcd.StatusIgnore},
			cssetcd.IfNotExists())))
		db := must(c.Database(ctx, "new"))(t)
		assert.Equal(t, cssetcd.StatusIgnore, db.Status)
		assert.Nil(t, db.Striping, "no partitioning is not a partitioning of zeros")
	})
	t.Run("like another", func(t *testing.T) {
		rev := ok(t)(c.CreateDatabaseLike(ctx, "lsst2", "lsst"))
		db := must(c.Database(ctx, "lsst2"))(t)
		assert.Equal(t, "0000000001", db.Striping.ID, "the family shares one partitioning")
		assert.Equal(t, rev, db.Incarnation)
		_, err := c.CreateDatabaseLike(ctx, "lsst3", "nothing")
		require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
		assert.ErrorContains(t, err, "like nothing")
	})
	t.Run("bad input", func(t *testing.T) {
		striping := func(s cssetcd.Striping) cssetcd.Database { return cssetcd.Database{Name: "bad", Striping: &s} }
		unchanged(t, c, func() {
			for why, db := range map[string]cssetcd.Database{
				"no stripes":       striping(cssetcd.Striping{SubStripes: 1}),
				"no sub-stripes":   striping(cssetcd.Striping{Stripes: 1}),
				"negative":         striping(cssetcd.Striping{Stripes: -1, SubStripes: 1}),
				"an id":            striping(cssetcd.Striping{ID: "0000000001", Stripes: 1, SubStripes: 1}),
				"negative overlap": striping(cssetcd.Striping{Stripes: 1, SubStripes: 1, Overlap: -1}),
				"no number":        striping(cssetcd.Striping{Stripes: 1, SubStripes: 1, Overlap: math.NaN()}),
				"infinity":         striping(cssetcd.Striping{Stripes: 1, SubStripes: 1, Overlap: math.Inf(1)}),
			} {
				require.ErrorIs(t, errOf(c.CreateDatabase(ctx, db)), cssetcd.ErrInvalid, why)
			}
		})
	})
	t.Run("status", func(t *testing.T) {
		_, err := c.SetDatabaseStatus(ctx, "nothing", cssetcd.StatusReady)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
		require.ErrorIs(t, err, cssetcd.ErrNotFound)
		rev := ok(t)(c.SetDatabaseStatus(ctx, "lsst", cssetcd.StatusIgnore))
		db := must(c.Database(ctx, "lsst"))(t)
		assert.Equal(t, cssetcd.StatusIgnore, db.Status)
		assert.Equal(t, rev, db.Modified)
		assert.Less(t, db.Incarnation, rev, "the incarnation stays")
		ok(t)(c.SetDatabaseStatus(ctx, "lsst", cssetcd.StatusReady))
	})
	t.Run("drop", func(t *testing.T) {
		n := cssetcd.TableName{DB: "new", Table: "t"}
		ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: n}))
		ok(t)(c.DropDatabase(ctx, "new"))
		_, err := c.Table(ctx, n)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
		require.ErrorIs(t, errOf(c.DropDatabase(ctx, "new")), cssetcd.ErrNoSuchDB)
		unchanged(t, c, func() { assert.Zero(t, ok(t)(c.DropDatabase(ctx, "new", cssetcd.IfExists()))) })
		assert.NotZero(t, ok(t)(c.DropDatabase(ctx, "lsst2", cssetcd.IfExists())))
		assert.Contains(t, rows(t, c), "/PARTITIONING/_0000000001", "partitionings stay, so that ids do not repeat")
	})
}

func TestTables(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	want := directorTable(object)
	want.Status = cssetcd.StatusReady
	got := must(c.Table(ctx, object))(t)
	want.Incarnation, want.Modified = got.Incarnation, got.Modified
	assert.NotZero(t, got.Incarnation)
	assert.Equal(t, &want, got)
	assert.Equal(t, 2, got.ChunkLevel())

	t.Run("every shape is read as it was created", func(t *testing.T) {
		for i, tt := range []cssetcd.Table{
			{Schema: "(a INT)"},
			{Status: cssetcd.StatusIgnore},
			{Status: "PENDING_CREATE:now"},
			{Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "id"}},
			{Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "id", Overlap: 1e-9},
				SharedScan: &cssetcd.SharedScan{LockInMem: true}},
			{Partitioning: &cssetcd.Partitioning{}, Match: &cssetcd.Match{
				DirTable1: "Object", DirColumn1: "a", DirTable2: "other.Ref", DirColumn2: "b", FlagColumn: "f", AngSep: 1.0 / 3}},
			{Partitioning: &cssetcd.Partitioning{DirDB: "lsst", SubChunks: true}, SharedScan: &cssetcd.SharedScan{Rating: 2},
				Match: &cssetcd.Match{DirTable1: "A", DirColumn1: "a", DirTable2: "B", DirColumn2: "b"}},
		} {
			tt.Name = cssetcd.TableName{DB: "lsst", Table: fmt.Sprintf("shape%d", i)}
			rev := ok(t)(c.CreateTable(ctx, tt, cssetcd.AllowUnqueryable()))
			got := must(c.Table(ctx, tt.Name))(t)
			if tt.Status == "" {
				tt.Status = cssetcd.StatusReady
			}
			tt.Incarnation, tt.Modified = rev, rev
			assert.Equal(t, &tt, got)
		}
	})
	t.Run("a match table is partitioned also when nothing is said of it", func(t *testing.T) {
		n := cssetcd.TableName{DB: "lsst", Table: "M"}
		m := cssetcd.Table{Name: n, Match: &cssetcd.Match{DirTable1: "A", DirColumn1: "a", DirTable2: "B", DirColumn2: "b"}}
		assert.Equal(t, 1, m.ChunkLevel())
		ok(t)(c.CreateTable(ctx, m, cssetcd.AllowUnqueryable()))
		got := must(c.Table(ctx, n))(t)
		assert.Equal(t, &cssetcd.Partitioning{}, got.Partitioning)
		assert.Equal(t, 1, got.ChunkLevel())
	})
	t.Run("missing", func(t *testing.T) {
		for what, err := range map[string]error{
			"read":   errOf(c.Table(ctx, absent)),
			"status": errOf(c.SetTableStatus(ctx, absent, "x")), "schema": errOf(c.SetTableSchema(ctx, absent, "x")),
			"scan": errOf(c.SetSharedScan(ctx, absent, cssetcd.SharedScan{})), "drop": errOf(c.DropTable(ctx, absent)),
			"add chunk": errOf(c.AddChunk(ctx, absent, 1, "worker-1")), "delete chunk": errOf(c.DeleteChunk(ctx, absent, 1)),
		} {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable, what)
			require.ErrorIs(t, err, cssetcd.ErrNotFound, what)
			require.NotErrorIs(t, err, cssetcd.ErrNoSuchDB, what)
		}
		require.ErrorIs(t, errOf(c.Chunks(ctx, absent)), cssetcd.ErrNoSuchTable)
	})
	t.Run("a table of a missing database is missing, and so is the database", func(t *testing.T) {
		n := cssetcd.TableName{DB: "nothing", Table: "t"}
		for what, err := range map[string]error{
			"read":   errOf(c.Table(ctx, n)),
			"status": errOf(c.SetTableStatus(ctx, n, "x")), "schema": errOf(c.SetTableSchema(ctx, n, "x")),
			"scan": errOf(c.SetSharedScan(ctx, n, cssetcd.SharedScan{})), "drop": errOf(c.DropTable(ctx, n)),
			"add chunk": errOf(c.AddChunk(ctx, n, 1, "worker-1")), "delete chunk": errOf(c.DeleteChunk(ctx, n, 1)),
			"chunks": errOf(c.Chunks(ctx, n)),
		} {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable, what)
			require.ErrorIs(t, err, cssetcd.ErrNoSuchDB, what)
		}
		unchanged(t, c, func() {
			require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: n})), cssetcd.ErrNoSuchDB)
			_, err := c.CreateTable(ctx, cssetcd.Table{Name: n}, cssetcd.IfNotExists())
			require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
			assert.Zero(t, ok(t)(c.DropTable(ctx, n, cssetcd.IfExists())))
		})
	})
	t.Run("what is there is not created again", func(t *testing.T) {
		unchanged(t, c, func() {
			require.ErrorIs(t, errOf(c.CreateTable(ctx, cssetcd.Table{Name: object})), cssetcd.ErrTableExists)
			assert.Zero(t, ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: object}, cssetcd.IfNotExists())))
			assert.Zero(t, ok(t)(c.DropTable(ctx, absent, cssetcd.IfExists())))
		})
	})
	t.Run("bad input", func(t *testing.T) {
		director := cssetcd.Partitioning{DirDB: "lsst", DirTable: "T", DirColumn: "a"}
		match := cssetcd.Match{DirTable1: "A", DirColumn1: "a", DirTable2: "B", DirColumn2: "b"}
		with := func(p cssetcd.Partitioning, edit func(*cssetcd.Partitioning)) *cssetcd.Partitioning {
			edit(&p)
			return &p
		}
		matching := func(edit func(*cssetcd.Match)) *cssetcd.Match { m := match; edit(&m); return &m }
		unchanged(t, c, func() {
			for why, tab := range map[string]cssetcd.Table{
				"shared scan without partitioning": {SharedScan: &cssetcd.SharedScan{}},
				"negative rating":                  {SharedScan: &cssetcd.SharedScan{Rating: -1}, Partitioning: &director},
				"no director's database":           {Partitioning: with(director, func(p *cssetcd.Partitioning) { p.DirDB = "" })},
				"no director": {Partitioning: with(director,
					func(p *cssetcd.Partitioning) { p.DirTable = "" })},
				"no director's column": {Partitioning: with(director,
					func(p *cssetcd.Partitioning) { p.DirColumn = "" })},
				"negative overlap": {Partitioning: with(director,
					func(p *cssetcd.Partitioning) { p.Overlap = -0.1 })},
				"overlap that is no number": {Partitioning: with(director,
					func(p *cssetcd.Partitioning) { p.Overlap = math.NaN() })},
				"no first table":      {Match: matching(func(m *cssetcd.Match) { m.DirTable1 = "" })},
				"no first column":     {Match: matching(func(m *cssetcd.Match) { m.DirColumn1 = "" })},
				"no second table":     {Match: matching(func(m *cssetcd.Match) { m.DirTable2 = "" })},
				"no second column":    {Match: matching(func(m *cssetcd.Match) { m.DirColumn2 = "" })},
				"infinite separation": {Match: matching(func(m *cssetcd.Match) { m.AngSep = math.Inf(1) })},
			} {
				tab.Name = cssetcd.TableName{DB: "lsst", Table: "Bad"}
				require.ErrorIs(t, errOf(c.CreateTable(ctx, tab)), cssetcd.ErrInvalid, why)
			}
			_, err := c.SetSharedScan(ctx, object, cssetcd.SharedScan{Rating: -1})
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
		})
	})
	t.Run("status and schema", func(t *testing.T) {
		before := must(c.Table(ctx, object))(t)
		rev := ok(t)(c.SetTableSchema(ctx, object, "(b INT)"))
		after := must(c.Table(ctx, object))(t)
		assert.Equal(t, "(b INT)", after.Schema)
		assert.Equal(t, rev, after.Modified)
		rev2 := ok(t)(c.SetTableStatus(ctx, object, "ANY TEXT"))
		assert.Greater(t, rev2, rev)
		after = must(c.Table(ctx, object))(t)
		assert.Equal(t, cssetcd.Status("ANY TEXT"), after.Status)
		assert.Equal(t, rev2, after.Modified)
		assert.Equal(t, before.Incarnation, after.Incarnation)
	})
	t.Run("dropping Object leaves Object2 and what sorts beside it alone (I7)", func(t *testing.T) {
		keep := map[string]string{}
		for _, name := range []string{"Object2", "Object 1", "Object!", "Object-", "Object0", "Objec"} {
			n := cssetcd.TableName{DB: "lsst", Table: name}
			ok(t)(c.CreateTable(ctx, directorTable(n)))
			ok(t)(c.AddChunk(ctx, n, 1, "worker-1"))
		}
		ok(t)(c.AddChunk(ctx, object, 1, "worker-1"))
		for key, value := range rows(t, c) {
			if key != "/DBS/lsst/TABLES/Object" && !strings.HasPrefix(key, "/DBS/lsst/TABLES/Object/") {
				keep[key] = value
			}
		}
		ok(t)(c.DropTable(ctx, object))
		assert.Equal(t, keep, rows(t, c))
		assert.Contains(t, beside(t, c), kv.Path("fold/dbs/lsst/tables/object2"))
	})
	t.Run("a table created again is another incarnation", func(t *testing.T) {
		rev := ok(t)(c.CreateTable(ctx, directorTable(object)))
		tab := must(c.Table(ctx, object))(t)
		assert.Equal(t, rev, tab.Incarnation)
		assert.Greater(t, tab.Incarnation, got.Incarnation)
		chunks := must(c.Chunks(ctx, object))(t)
		for ch := range chunks {
			t.Errorf("chunk %v of the earlier one", ch)
		}
	})
}

func TestSharedScanKeepsOtherMembersAndRemovesWhatHidesIt(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	const key = "/DBS/lsst/TABLES/Object/sharedScan"
	putKeys(t, c, map[string]string{key + "/.packed.json": `{"other":7,"scanRating":"9","emoji":"x"}`,
		key + "/lockInMem": "0", key + "/more": "1"})
	ok(t)(c.SetSharedScan(ctx, object, cssetcd.SharedScan{LockInMem: true, Rating: 3}))
	assert.Equal(t, map[string]string{
		key + "/.packed.json": `{"emoji":"x","lockInMem":"1","other":"7","scanRating":"3"} `, key + "/more": "1",
	}, rowsBelow(t, c, key))
	tab := must(c.Table(ctx, object))(t)
	assert.Equal(t, &cssetcd.SharedScan{LockInMem: true, Rating: 3}, tab.SharedScan)

	for why, bad := range map[string]struct{ value, message string }{
		"what is nested would be lost": {`{"a":{"b":1}}`,
			`member "a" is an object or an array, which writing would lose`},
		"what is no JSON is not overwritten": {`{`, "not JSON"},
		"what kvData could not hold":         {`{"a":"\ud83d\ude00"}`, "takes 4 bytes"},
		"what would grow too long":           {`{"a":"` + strings.Repeat("/", 40_000) + `"}`, "may have 65535"},
	} {
		t.Run(why, func(t *testing.T) {
			putKeys(t, c, map[string]string{key + "/.packed.json": bad.value})
			unchanged(t, c, func() {
				_, err := c.SetSharedScan(ctx, object, cssetcd.SharedScan{})
				require.ErrorIs(t, err, cssetcd.ErrBadValue)
				assert.ErrorContains(t, err, key+"/.packed.json")
				assert.ErrorContains(t, err, bad.message)
			})
		})
	}
}

func TestNodes(t *testing.T) {
	c := csstest.New(t)
	ctx := t.Context()
	rev := ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "w", Type: "worker", Host: "h", Port: 5012}))
	node := must(c.Node(ctx, "w"))(t)
	assert.Equal(t, &cssetcd.Node{
		Name: "w", Type: "worker", Host: "h", Port: 5012, State: cssetcd.NodeActive, Incarnation: rev, Modified: rev,
	}, node)
	require.ErrorIs(t, errOf(c.AddNode(ctx, cssetcd.Node{Name: "w"})), cssetcd.ErrNodeExists)
	for _, port := range []int{-1, 65536} {
		require.ErrorIs(t, errOf(c.AddNode(ctx, cssetcd.Node{Name: "v", Port: port})), cssetcd.ErrInvalid)
	}
	rev2 := ok(t)(c.SetNodeState(ctx, "w", cssetcd.NodeInactive))
	node = must(c.Node(ctx, "w"))(t)
	assert.Equal(t, cssetcd.NodeInactive, node.State)
	assert.Equal(t, [2]cssetcd.Revision{rev, rev2}, [2]cssetcd.Revision{node.Incarnation, node.Modified})
	for what, err := range map[string]error{
		"read": errOf(c.Node(ctx, "x")), "state": errOf(c.SetNodeState(ctx, "x", "y")),
		"delete": errOf(c.DeleteNode(ctx, "x")),
	} {
		require.ErrorIs(t, err, cssetcd.ErrNoSuchNode, what)
	}
	require.ErrorIs(t, errOf(c.DeleteNode(ctx, "w", cssetcd.IfStatus("ACTIVE"))), cssetcd.ErrStatusMismatch)
	require.ErrorIs(t, errOf(c.DeleteNode(ctx, "w", cssetcd.IfRevision(rev))), cssetcd.ErrRevisionMismatch)
	ok(t)(c.DeleteNode(ctx, "w", cssetcd.IfStatus("INACTIVE"), cssetcd.IfRevision(rev2)))
	assert.Empty(t, rowsBelow(t, c, "/NODES"))
}

// TestNodeInUseStays (I8): a node that a replica names, packed or plain, in any database and whatever its status, is
// not deleted, and the error names the chunk.
func TestNodeInUseStays(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "worker"}))
	ok(t)(c.AddChunk(ctx, object, 42, "worker-1", "worker-2"))
	ok(t)(c.SetTableStatus(ctx, object, cssetcd.StatusIgnore))
	_, err := c.DeleteNode(ctx, "worker-2")
	require.ErrorIs(t, err, cssetcd.ErrNodeInUse)
	require.ErrorIs(t, err, cssetcd.ErrPrecondition)
	assert.EqualError(t, err,
		"css: delete node worker-2: chunks have replicas on the node: /DBS/lsst/TABLES/Object/CHUNKS/42/REPLICAS/0000000002")
	ok(t)(c.DeleteNode(ctx, "worker"))

	putKeys(t, c, map[string]string{"/DBS/x/TABLES/y/CHUNKS/1/REPLICAS/a/nodeName": "plain", "/NODES/plain": "ACTIVE"})
	_, err = c.DeleteNode(ctx, "plain")
	require.ErrorIs(t, err, cssetcd.ErrNodeInUse)
	assert.ErrorContains(t, err, "/DBS/x/TABLES/y/CHUNKS/1/REPLICAS/a")

	ok(t)(c.DeleteChunk(ctx, object, 42))
	ok(t)(c.DeleteNode(ctx, "worker-2"))
	assert.NotContains(t, beside(t, c), kv.Path("ref/worker-2"))
}

func TestChunks(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	list := func() []cssetcd.Chunk {
		var all []cssetcd.Chunk
		seq := must(c.Chunks(ctx, object))(t)
		for ch, err := range seq {
			require.NoError(t, err)
			all = append(all, ch)
		}
		return all
	}
	assert.Empty(t, list())
	for _, id := range []int{10, 9, 0, 1234567890} {
		ok(t)(c.AddChunk(ctx, object, id, "worker-1"))
	}
	ok(t)(c.AddChunk(ctx, object, 9, "worker-2"))
	assert.Equal(t, []cssetcd.Chunk{
		{ID: 0, Nodes: []string{"worker-1"}}, {ID: 9, Nodes: []string{"worker-1", "worker-2"}},
		{ID: 10, Nodes: []string{"worker-1"}}, {ID: 1234567890, Nodes: []string{"worker-1"}},
	}, list(), "in the order of ids; replicas in that of adding")
	t.Run("replicas are numbered above the highest", func(t *testing.T) {
		const replicas = "/DBS/lsst/TABLES/Object/CHUNKS/10/REPLICAS/"
		putKeys(t, c, map[string]string{
			replicas + "0000000041": "", replicas + "0000000041/nodeName": "worker-2", replicas + "00000000990": "",
			replicas + "00000000990/nodeName": "w",
			replicas + "000000009x":           "", replicas + "000000009x/nodeName": "w",
		})
		ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "worker-3"}))
		ok(t)(c.AddChunk(ctx, object, 10, "worker-3"))
		assert.Equal(t, `{"nodeName":"worker-3"} `, rows(t, c)[replicas+"0000000042/.packed.json"])
	})
	t.Run("delete", func(t *testing.T) {
		ok(t)(c.DeleteChunk(ctx, object, 10))
		assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES/Object/CHUNKS/10"))
		_, err := c.DeleteChunk(ctx, object, 10)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchChunk)
		require.ErrorIs(t, err, cssetcd.ErrNotFound)
		assert.Len(t, list(), 3)
	})
	t.Run("bad input", func(t *testing.T) {
		filter := cssetcd.TableName{DB: "lsst", Table: "Filter"}
		ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: filter}))
		unchanged(t, c, func() {
			require.ErrorIs(t, errOf(c.AddChunk(ctx, object, -1, "worker-1")), cssetcd.ErrInvalid)
			require.ErrorIs(t, errOf(c.AddChunk(ctx, object, 1)), cssetcd.ErrInvalid)
			_, err := c.AddChunk(ctx, object, 1, "worker-1", "nobody")
			require.ErrorIs(t, err, cssetcd.ErrNoSuchNode)
			assert.ErrorContains(t, err, "no such node nobody")
			for _, nodes := range [][]string{{"worker-1", "worker-2", "worker-1"}, {"worker-1"}} {
				_, err = c.AddChunk(ctx, object, 9, nodes...)
				require.ErrorIs(t, err, cssetcd.ErrInvalid)
				assert.ErrorContains(t, err, "the node worker-1 ")
			}
			_, err = c.AddChunk(ctx, filter, 1, "worker-1")
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.ErrorContains(t, err, "the table is not partitioned and has no chunks")
			require.ErrorIs(t, errOf(c.AddChunk(ctx, object, 1, manyNames(300)...)), cssetcd.ErrTooLarge)
		})
	})
	t.Run("what is not the number of a chunk is passed over", func(t *testing.T) {
		putKeys(t, c, map[string]string{
			"/DBS/lsst/TABLES/Object/CHUNKS/007": "", "/DBS/lsst/TABLES/Object/CHUNKS/x": "",
			"/DBS/lsst/TABLES/Object/CHUNKS/.packed.json": "{}",
		})
		assert.Len(t, list(), 3)
	})
}

func manyNames(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("w%d", i))
	}
	return all
}

// TestIdsEnd (I11): upstream's ids have ten digits.
func TestIdsEnd(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	db := cssetcd.Database{Name: "last", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
	byHand(t, c, "css/PARTITIONING/_9999999998", "")
	byHand(t, c, "last/PARTITIONING", "9999999997")
	ok(t)(c.CreateDatabase(ctx, db))
	assert.Contains(t, rows(t, c)["/DBS/last/.packed.json"], `"partitioningId":"9999999999"`)
	db.Name = "more"
	byHand(t, c, "css/DBS/lsst/TABLES/Object/CHUNKS/1/REPLICAS/9999999998", "")
	unchanged(t, c, func() {
		_, err := c.CreateDatabase(ctx, db)
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		assert.ErrorContains(t, err, "the ids below /PARTITIONING end at 9999999999")
		_, err = c.AddChunk(ctx, object, 1, "worker-1", "worker-2")
		require.ErrorIs(t, err, cssetcd.ErrInvalid)
		assert.ErrorContains(t, err, "end at 9999999999")
	})
	ok(t)(c.AddChunk(ctx, object, 1, "worker-1"))
}

// TestConditions: IfStatus looks at the status of what a write is about, IfRevision at all of its own keys.
func TestConditions(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	tab := must(c.Table(ctx, object))(t)
	now := tab.Modified
	writes := map[string]func(...cssetcd.WriteOption) (cssetcd.Revision, error){
		"SetDatabaseStatus": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.SetDatabaseStatus(ctx, "lsst", "READY", o...)
		},
		"SetTableStatus": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.SetTableStatus(ctx, object, "READY", o...)
		},
		"SetTableSchema": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.SetTableSchema(ctx, object, "(a INT)", o...)
		},
		"SetSharedScan": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.SetSharedScan(ctx, object, cssetcd.SharedScan{}, o...)
		},
		"Raw.Put": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.Raw().Put(ctx, "/DBS/lsst/TABLES/Object", "READY", o...)
		},
		"Raw.Delete": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			return c.Raw().Delete(ctx, "/DBS/lsst", o...)
		},
		"DropTable":    func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) { return c.DropTable(ctx, object, o...) },
		"DropDatabase": func(o ...cssetcd.WriteOption) (cssetcd.Revision, error) { return c.DropDatabase(ctx, "lsst", o...) },
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			unchanged(t, c, func() {
				_, err := write(cssetcd.IfStatus(cssetcd.StatusIgnore))
				require.ErrorIs(t, err, cssetcd.ErrStatusMismatch)
				require.ErrorIs(t, err, cssetcd.ErrPrecondition)
				assert.ErrorContains(t, err, `it is "READY" and not "DO_NOT_USE"`)
				require.ErrorIs(t, errOf(write(cssetcd.IfRevision(now-1))), cssetcd.ErrRevisionMismatch)
				_, err = write(cssetcd.IfRevision(0))
				require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch, "0 is the revision of what is absent and does not mean any")
				_, err = write(cssetcd.IfStatus(cssetcd.StatusReady), cssetcd.IfRevision(now+1))
				require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch)
			})
		})
	}
	ok(t)(writes["SetDatabaseStatus"](cssetcd.IfStatus(cssetcd.StatusReady), cssetcd.IfRevision(now)))
	for _, name := range []string{"SetTableSchema", "SetSharedScan", "SetTableStatus", "DropTable"} {
		tab := must(c.Table(ctx, object))(t)
		ok(t)(writes[name](cssetcd.IfStatus(cssetcd.StatusReady), cssetcd.IfRevision(tab.Modified)))
	}
	ok(t)(writes["DropDatabase"](cssetcd.IfStatus(cssetcd.StatusReady)))

	t.Run("Raw.Put with revision 0 creates", func(t *testing.T) {
		ok(t)(c.Raw().Put(ctx, "/new", "1", cssetcd.IfRevision(0)))
		require.ErrorIs(t, errOf(c.Raw().Put(ctx, "/new", "2", cssetcd.IfRevision(0))), cssetcd.ErrRevisionMismatch)
	})
}

// TestOptionsThatMeanNothingAreRefused: none is passed over without a word.
func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	options := map[string]cssetcd.WriteOption{
		"IfNotExists": cssetcd.IfNotExists(), "IfExists": cssetcd.IfExists(), "IfStatus": cssetcd.IfStatus("READY"),
		"IfRevision": cssetcd.IfRevision(1), "Unsafe": cssetcd.Unsafe(), "AllowUnqueryable": cssetcd.AllowUnqueryable(),
		"": nil,
	}
	for _, tt := range []struct {
		name, takes string
		do          func(cssetcd.WriteOption) error
	}{
		{"CreateDatabase", "IfNotExists", func(o cssetcd.WriteOption) error {
			return errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"}, o))
		}},
		{"CreateDatabaseLike", "IfNotExists", func(o cssetcd.WriteOption) error {
			return errOf(c.CreateDatabaseLike(ctx,
				"x", "lsst", o))
		}},
		{"CreateTable", "IfNotExists AllowUnqueryable", func(o cssetcd.WriteOption) error {
			return errOf(c.CreateTable(ctx, cssetcd.Table{Name: absent}, o))
		}},
		{"PublishDatabase", "AllowUnqueryable", func(o cssetcd.WriteOption) error {
			return errOf(c.PublishDatabase(ctx, cssetcd.Database{Name: "x"}, "", nil, o))
		}},
		{"SetDatabaseStatus", "IfStatus IfRevision",
			func(o cssetcd.WriteOption) error { return errOf(c.SetDatabaseStatus(ctx, "lsst", "", o)) }},
		{"SetTableStatus", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.SetTableStatus(ctx,
				object, "", o))
		}},
		{"SetTableSchema", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.SetTableSchema(ctx,
				object, "", o))
		}},
		{"SetSharedScan", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{}, o))
		}},
		{"SetNodeState", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.SetNodeState(ctx,
				"worker-1", "", o))
		}},
		{"DeleteNode", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.DeleteNode(ctx, "worker-1",
				o))
		}},
		{"Raw.Put", "IfStatus IfRevision", func(o cssetcd.WriteOption) error {
			return errOf(c.Raw().Put(ctx, "/x", "",
				o))
		}},
		{"Raw.Delete", "IfStatus IfRevision Unsafe", func(o cssetcd.WriteOption) error {
			return errOf(c.Raw().Delete(ctx,
				"/x", o))
		}},
		{"DropTable", "IfExists IfStatus IfRevision Unsafe",
			func(o cssetcd.WriteOption) error { return errOf(c.DropTable(ctx, absent, o)) }},
		{"DropDatabase", "IfExists IfStatus IfRevision Unsafe",
			func(o cssetcd.WriteOption) error { return errOf(c.DropDatabase(ctx, "x", o)) }},
	} {
		for name, option := range options {
			if name != "" && strings.Contains(tt.takes, name) {
				continue
			}
			unchanged(t, c, func() {
				err := tt.do(option)
				require.ErrorIs(t, err, cssetcd.ErrInvalid, "%s %s", tt.name, name)
				want := "option " + name + " means nothing here"
				if option == nil {
					want = "an option is nil"
				}
				assert.ErrorContains(t, err, want)
			})
		}
	}
}

// TestReadOnlyClientWritesNothing: every write fails with ErrReadOnly, also the first on an empty etcd; reads work.
func TestReadOnlyClientWritesNothing(t *testing.T) {
	writes := func(c *cssetcd.Client) map[string]error {
		ctx := t.Context()
		var b cssetcd.Batch
		b.CreateDatabase(cssetcd.Database{Name: "x"})
		return map[string]error{
			"CreateDatabase":     errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"})),
			"CreateDatabaseLike": errOf(c.CreateDatabaseLike(ctx, "x", "lsst")),
			"SetDatabaseStatus":  errOf(c.SetDatabaseStatus(ctx, "lsst", "")),
			"DropDatabase":       errOf(c.DropDatabase(ctx, "lsst")),
			"CreateTable":        errOf(c.CreateTable(ctx, cssetcd.Table{Name: absent})),
			"SetTableStatus":     errOf(c.SetTableStatus(ctx, object, "")),
			"SetTableSchema":     errOf(c.SetTableSchema(ctx, object, "")),
			"SetSharedScan":      errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{})),
			"DropTable":          errOf(c.DropTable(ctx, object)), "AddNode": errOf(c.AddNode(ctx, cssetcd.Node{Name: "x"})),
			"SetNodeState": errOf(c.SetNodeState(ctx, "worker-1", "")), "DeleteNode": errOf(c.DeleteNode(ctx, "worker-1")),
			"AddChunk": errOf(c.AddChunk(ctx, object, 1, "worker-1")), "DeleteChunk": errOf(c.DeleteChunk(ctx, object, 1)),
			"Raw.Put": errOf(c.Raw().Put(ctx, "/x", "")), "Raw.Delete": errOf(c.Raw().Delete(ctx, "/DBS")),
			"Restore": errOf(c.Restore(ctx, parse(t, minimalDump), cssetcd.Overwrite())), "Commit": errOf(c.Commit(ctx, &b)),
		}
	}
	for what, prefix := range map[string]string{"a CSS": newCatalogue(t).Prefix(), "an empty etcd": csstest.NewPrefix()} {
		t.Run(what, func(t *testing.T) {
			c := csstest.At(t, prefix, cssetcd.WithReadOnly())
			unchanged(t, c, func() {
				for name, err := range writes(c) {
					require.ErrorIs(t, err, cssetcd.ErrReadOnly, name)
				}
			})
		})
	}
}

// TestRemovalIsRefusedWhileCzarsAreRegistered (I9): immediate removal could take a table from under a running query.
func TestRemovalIsRefusedWhileCzarsAreRegistered(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	removals := map[string]func(*cssetcd.Client, ...cssetcd.WriteOption) error{
		"DropTable": func(c *cssetcd.Client, o ...cssetcd.WriteOption) error {
			return errOf(c.DropTable(ctx, object,
				o...))
		},
		"DropDatabase": func(c *cssetcd.Client, o ...cssetcd.WriteOption) error {
			return errOf(c.DropDatabase(ctx, "lsst", o...))
		},
		"Raw.Delete": func(c *cssetcd.Client, o ...cssetcd.WriteOption) error {
			return errOf(c.Raw().Delete(ctx, "/DBS/lsst", o...))
		},
		"Restore": func(c *cssetcd.Client, o ...cssetcd.WriteOption) error {
			opts := []cssetcd.RestoreOption{cssetcd.Overwrite()}
			if len(o) > 0 {
				opts = append(opts, cssetcd.RestoreUnsafe())
			}
			return errOf(c.Restore(ctx, parse(t, minimalDump), opts...))
		},
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			c := newCatalogue(t)
			deleteByHand(t, c, kv.Below("czar"))
			r := racing(c, func() { byHand(t, c, "czar/1", "") })
			require.ErrorIs(t, remove(r), cssetcd.ErrCzarsRegistered, "the czar registers between plan and commit")
			unchanged(t, c, func() {
				err := remove(c)
				require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
				require.ErrorIs(t, err, cssetcd.ErrPrecondition)
			})
			require.NoError(t, remove(c, cssetcd.Unsafe()))
			assert.NotContains(t, rows(t, c), "/DBS/lsst/TABLES/Object")
		})
	}
	t.Run("a name that begins like czar is none", func(t *testing.T) {
		byHand(t, c, "czars", "")
		byHand(t, c, "czar-x/1", "")
		require.NoError(t, removals["DropTable"](c))
	})
	t.Run("a dry run of Restore says so, too", func(t *testing.T) {
		byHand(t, c, "czar/1", "")
		_, err := c.Restore(ctx, parse(t, minimalDump), cssetcd.Overwrite(), cssetcd.DryRun())
		require.ErrorIs(t, err, cssetcd.ErrCzarsRegistered)
	})
}

// TestCreatingIsRefusedWhileTheNameIsDropped: what a drop in progress still does would hit the new one.
func TestCreatingIsRefusedWhileTheNameIsDropped(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	byHand(t, c, "drop/db/gone", "")
	byHand(t, c, "drop/table/lsst/Gone", "")
	gone := cssetcd.TableName{DB: "lsst", Table: "Gone"}
	unchanged(t, c, func() {
		for what, err := range map[string]error{
			"database":       errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "gone"})),
			"if not exists":  errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "gone"}, cssetcd.IfNotExists())),
			"like":           errOf(c.CreateDatabaseLike(ctx, "gone", "lsst")),
			"table":          errOf(c.CreateTable(ctx, cssetcd.Table{Name: gone})),
			"raw":            errOf(c.Raw().Put(ctx, "/DBS/gone", "READY")),
			"raw below":      errOf(c.Raw().Put(ctx, "/DBS/gone/TABLES/x/schema", "()")),
			"raw table":      errOf(c.Raw().Put(ctx, "/DBS/lsst/TABLES/Gone", "READY")),
			"raw in a table": errOf(c.Raw().Put(ctx, "/DBS/lsst/TABLES/Gone/schema", "()")),
		} {
			require.ErrorIs(t, err, cssetcd.ErrDropPending, what)
			require.ErrorIs(t, err, cssetcd.ErrPrecondition, what)
		}
	})
	t.Run("in the transaction itself", func(t *testing.T) {
		r := racing(c, func() { byHand(t, c, "drop/db/late", "") })
		require.ErrorIs(t, errOf(r.CreateDatabase(ctx, cssetcd.Database{Name: "late"})), cssetcd.ErrDropPending)
		r = racing(c, func() { byHand(t, c, "drop/table/lsst/Late", "") })
		late := cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "Late"}}
		require.ErrorIs(t, errOf(r.CreateTable(ctx, late)), cssetcd.ErrDropPending)
		r = racing(c, func() { byHand(t, c, "drop/db/lsst", "") })
		late.Name.Table = "Later"
		require.ErrorIs(t, errOf(r.CreateTable(ctx, late)), cssetcd.ErrDropPending, "the database is being dropped")
	})
	t.Run("other names are not concerned", func(t *testing.T) {
		deleteByHand(t, c, kv.Key("drop/db/lsst"))
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "gone2"}))
		ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "Gone2"}}))
		ok(t)(c.SetTableStatus(ctx, object, "READY"))
	})
}

// TestLeftoversBelowAMissingKeyRefuseCreation (I7): what was left behind would become part of what is created.
func TestLeftoversBelowAMissingKeyRefuseCreation(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	putKeys(t, c, map[string]string{
		"/DBS/left/TABLES/t/schema": "(a INT)", "/DBS/lsst/TABLES/Left/CHUNKS/1": "", "/NODES/left/host": "h",
	})
	unchanged(t, c, func() {
		for key, err := range map[string]error{
			"/DBS/left":  errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "left"})),
			"/DBS/left ": errOf(c.CreateDatabaseLike(ctx, "left", "lsst")),
			"/DBS/lsst/TABLES/Left": errOf(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst",
				Table: "Left"}})),
			"/NODES/left": errOf(c.AddNode(ctx, cssetcd.Node{Name: "left"})),
		} {
			require.ErrorIs(t, err, cssetcd.ErrKeyExists, key)
			assert.ErrorContains(t, err, "although "+strings.TrimSpace(key)+" does not; delete it first")
		}
	})
	t.Run("also when they come between plan and commit", func(t *testing.T) {
		r := racing(c, func() { byHand(t, c, "css/DBS/lsst/TABLES/New/CHUNKS/1", "") })
		_, err := r.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "New"}})
		require.ErrorIs(t, err, cssetcd.ErrKeyExists)
	})
	t.Run("deleting them helps", func(t *testing.T) {
		ok(t)(c.Raw().Delete(ctx, "/DBS/left"))
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "left"}))
	})
}

func TestRawKeys(t *testing.T) {
	c := csstest.New(t)
	ctx := t.Context()
	raw := c.Raw()
	rev := ok(t)(raw.Put(ctx, "/a/b/c", "v"))
	assert.Equal(t, map[string]string{"/a": "", "/a/b": "", "/a/b/c": "v", "/css_meta": "", "/css_meta/version": "1"},
		rows(t, c))
	e := must(raw.Get(ctx, "/a/b/c"))(t)
	assert.Equal(t, cssetcd.Entry{Value: "v", Create: rev, Mod: rev}, e)
	require.ErrorIs(t, errOf(raw.Get(ctx, "/a/b/d")), cssetcd.ErrNoSuchKey)
	ok(t)(raw.Put(ctx, "/a", "kept"))
	ok(t)(raw.Put(ctx, "/a/x", ""))
	assert.Equal(t, "kept", rows(t, c)["/a"], "an ancestor that is there keeps its value")
	t.Run("a packed key holds what can be read", func(t *testing.T) {
		ok(t)(raw.Put(ctx, "/a/.packed.json", `{"x":1}`))
		assert.Equal(t, `{"x":1}`, rows(t, c)["/a/.packed.json"], "byte for byte")
		unchanged(t, c, func() {
			for _, bad := range []string{`{`, `{"x":{}}`, `{"x":"\ud800"}`} {
				require.ErrorIs(t, errOf(raw.Put(ctx, "/a/.packed.json", bad)), cssetcd.ErrBadValue, bad)
			}
		})
	})
	t.Run("the version is not written by hand", func(t *testing.T) {
		unchanged(t, c, func() {
			for _, key := range []string{"/css_meta", "/css_meta/version", "/css_meta/other"} {
				require.ErrorIs(t, errOf(raw.Put(ctx, key, "2")), cssetcd.ErrBadValue)
				require.ErrorIs(t, errOf(raw.Delete(ctx, key)), cssetcd.ErrBadValue)
			}
		})
	})
	t.Run("delete takes what lies below and nothing beside", func(t *testing.T) {
		ok(t)(raw.Put(ctx, "/a/b2", ""))
		ok(t)(raw.Delete(ctx, "/a/b"))
		assert.NotContains(t, rows(t, c), "/a/b/c")
		assert.Contains(t, rows(t, c), "/a/b2")
		require.ErrorIs(t, errOf(raw.Delete(ctx, "/a/b")), cssetcd.ErrNoSuchKey)
		for _, bad := range []string{"", "a"} {
			require.ErrorIs(t, errOf(raw.Delete(ctx, bad)), cssetcd.ErrInvalid)
			require.ErrorIs(t, errOf(raw.Get(ctx, bad)), cssetcd.ErrInvalid)
		}
	})
	t.Run("a name key keeps its spelling", func(t *testing.T) {
		ok(t)(raw.Put(ctx, "/DBS/lsst/TABLES/Object/schema", "(a INT)"))
		assert.Equal(t, "/DBS/lsst/TABLES/Object", beside(t, c)["fold/dbs/lsst/tables/object"])
		assert.Equal(t, "/DBS/lsst", beside(t, c)["fold/dbs/lsst"])
		ok(t)(raw.Delete(ctx, "/DBS/lsst/TABLES/Object"))
		assert.NotContains(t, beside(t, c), kv.Path("fold/dbs/lsst/tables/object"))
	})
	t.Run("a replica refers to its node", func(t *testing.T) {
		ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "w"}))
		const replica = "/DBS/lsst/TABLES/Object/CHUNKS/1/REPLICAS/0000000001"
		r := racing(c, func() { ok(t)(raw.Put(ctx, replica+"/.packed.json", `{"nodeName":"w"}`)) })
		require.ErrorIs(t, errOf(r.DeleteNode(ctx, "w")), cssetcd.ErrNodeInUse, "it was put between plan and commit")
	})
}

// TestDeleteNodeAgainstAddChunk (I8): whichever comes first, no chunk is left on a node that is not there.
func TestDeleteNodeAgainstAddChunk(t *testing.T) {
	ctx := t.Context()
	t.Run("the chunk comes between the look and the deletion", func(t *testing.T) {
		for _, first := range []bool{true, false} { // whether the node was referred to before
			c := newCatalogue(t)
			if first {
				ok(t)(c.AddChunk(ctx, object, 1, "worker-1"))
				ok(t)(c.DeleteChunk(ctx, object, 1))
			}
			r := racing(c, func() { ok(t)(c.AddChunk(ctx, object, 42, "worker-1")) })
			_, err := r.DeleteNode(ctx, "worker-1")
			require.ErrorIs(t, err, cssetcd.ErrNodeInUse)
			assert.ErrorContains(t, err, "/DBS/lsst/TABLES/Object/CHUNKS/42/")
		}
	})
	t.Run("the node goes before the chunk is added", func(t *testing.T) {
		c := newCatalogue(t)
		r := racing(c, func() { ok(t)(c.DeleteNode(ctx, "worker-1")) })
		require.ErrorIs(t, errOf(r.AddChunk(ctx, object, 42, "worker-2", "worker-1")), cssetcd.ErrNoSuchNode)
		assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES/Object/CHUNKS"))
	})
	t.Run("adding chunks on one node does not disturb adding on it elsewhere", func(t *testing.T) {
		c := newCatalogue(t)
		for id := range 20 {
			ok(t)(c.AddChunk(ctx, object, id, "worker-1"))
		}
		st := &interposed{Store: c.Store(), before: []func(){func() { ok(t)(c.AddChunk(ctx, object, 21, "worker-1")) }}}
		r := c.Through(func(kv.Store) kv.Store { return st })
		ok(t)(r.AddChunk(ctx, object, 22, "worker-1"))
		assert.Equal(t, 1, st.asked, "the reference is touched and not guarded, so nobody tries twice")
	})
	t.Run("all at once", func(t *testing.T) {
		c := newCatalogue(t)
		ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "w"}))
		errs := atOnce(
			func() error { return errOf(c.DeleteNode(ctx, "w")) },
			func() error { return errOf(c.AddChunk(ctx, object, 1, "w")) },
		)
		if errs[1] == nil {
			require.ErrorIs(t, errs[0], cssetcd.ErrNodeInUse)
		} else {
			require.NoError(t, errs[0])
			require.ErrorIs(t, errs[1], cssetcd.ErrNoSuchNode)
		}
	})
}
