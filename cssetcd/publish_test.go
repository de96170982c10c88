package cssetcd_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// TestTablesLikeAreReady: what is not ready in a database, such as a table that is being dropped, is no part of another
// like it.
func TestTablesLikeAreReady(t *testing.T) {
	c := newCatalogue(t)
	for i, status := range []cssetcd.Status{"DO_NOT_USE", "PENDING_DROP:now", "PENDING_CREATE:now", "FAILED:", "other",
		"READY"} {
		ok(t)(c.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: fmt.Sprintf("t%d", i)},
			Status: status}))
	}
	tables := must(catalogue(t, c, 0).TablesLike("lsst", "new"))(t)
	var names []string
	for _, t := range tables {
		names = append(names, t.Name.String())
	}
	assert.Equal(t, []string{"new.Object", "new.t5"}, names)
}

// TestBatch (I1): all operations of a batch happen at one revision or none, and each sees what those before it do.
func TestBatch(t *testing.T) {
	ctx, c := t.Context(), csstest.New(t)
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{Name: "lsst", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})
	b.CreateDatabaseLike("lsst2", "lsst")
	b.CreateDatabase(cssetcd.Database{Name: "wide", Striping: &cssetcd.Striping{Stripes: 2, SubStripes: 2}})
	b.CreateTable(directorTable(object))
	b.AddNode(cssetcd.Node{Name: "w"})
	b.AddNode(cssetcd.Node{Name: "v"})
	b.AddChunk(object, 1, "w")
	b.AddChunk(object, 1, "v")
	b.SetTableStatus(object, "X", cssetcd.IfStatus(cssetcd.StatusReady))
	b.SetTableSchema(object, "(b INT)")
	b.SetSharedScan(object, cssetcd.SharedScan{Rating: 3})
	b.SetDatabaseStatus("lsst2", "Y")
	b.SetNodeState("w", cssetcd.NodeInactive)
	rev := ok(t)(c.Commit(ctx, &b))
	for key, e := range catalogue(t, c, 0).Below("") {
		if key != "/css_meta" && key != "/css_meta/version" {
			assert.Equal(t, [2]cssetcd.Revision{rev, rev}, [2]cssetcd.Revision{e.Create, e.Mod}, key)
		}
	}
	s := catalogue(t, c, rev)
	tab := must(s.Table(object))(t)
	assert.Equal(t, cssetcd.Status("X"), tab.Status)
	assert.Equal(t, "(b INT)", tab.Schema)
	assert.Equal(t, &cssetcd.SharedScan{Rating: 3}, tab.SharedScan)
	for ch := range s.Chunks(object) {
		assert.Equal(t, cssetcd.Chunk{ID: 1, Nodes: []string{"w", "v"}}, ch)
	}
	for name, id := range map[string]string{"lsst": "0000000001", "lsst2": "0000000001", "wide": "0000000002"} {
		db := must(s.Database(name))(t)
		assert.Equal(t, id, db.Striping.ID, name)
	}
	require.ErrorIs(t, errOf(c.DeleteNode(ctx, "w")), cssetcd.ErrNodeInUse)

	t.Run("one that fails ends it with nothing written", func(t *testing.T) {
		unchanged(t, c, func() {
			var b cssetcd.Batch
			b.SetTableStatus(object, "READY")
			b.CreateTable(directorTable(object))
			b.DropDatabase("wide")
			_, err := c.Commit(ctx, &b)
			require.ErrorIs(t, err, cssetcd.ErrTableExists)
			assert.EqualError(t, err, "css: commit a batch of 3: css: create table lsst.Object: table exists")
		})
	})
	t.Run("faults in the arguments are reported together", func(t *testing.T) {
		var b cssetcd.Batch
		b.CreateDatabase(cssetcd.Database{Name: "a.b"})
		b.DropTable(object, cssetcd.IfNotExists())
		b.AddChunk(object, 1)
		b.DeleteChunk(object, 1)
		unchanged(t, c, func() {
			_, err := c.Commit(ctx, &b)
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			require.ErrorIs(t, err, cssetcd.ErrInvalidName)
			assert.ErrorContains(t, err, "3 faults:\n  css: create database a.b: ")
			assert.ErrorContains(t, err, "\n  css: drop table lsst.Object: invalid: option IfNotExists means nothing here")
			assert.ErrorContains(t, err, "\n  css: add chunk 1 of lsst.Object: invalid: no node is named")
		})
	})
	t.Run("what does not fit into one transaction is refused before anything is written", func(t *testing.T) {
		var b cssetcd.Batch
		for i := range 30 {
			b.CreateTable(directorTable(cssetcd.TableName{DB: "lsst", Table: fmt.Sprintf("t%d", i)}))
		}
		unchanged(t, c, func() { require.ErrorIs(t, errOf(c.Commit(ctx, &b)), cssetcd.ErrTooLarge) })
	})
	t.Run("what etcd cannot order is refused", func(t *testing.T) {
		var b cssetcd.Batch
		b.DropTable(object)
		b.CreateTable(directorTable(object))
		unchanged(t, c, func() {
			assert.ErrorContains(t, errOf(c.Commit(ctx, &b)), "cannot be done in one etcd transaction")
		})
	})
	t.Run("removals", func(t *testing.T) {
		var b cssetcd.Batch
		b.DeleteChunk(object, 1)
		b.DropTable(object)
		b.DropDatabase("wide")
		byHand(t, c, "czar/1", "")
		require.ErrorIs(t, errOf(c.Commit(ctx, &b)), cssetcd.ErrCzarsRegistered)
		deleteByHand(t, c, kv.Below("czar"))
		ok(t)(c.Commit(ctx, &b))
		assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES"))
	})
	t.Run("a node that is in use within it stays", func(t *testing.T) {
		var b cssetcd.Batch
		b.CreateTable(directorTable(object))
		b.AddNode(cssetcd.Node{Name: "u"})
		b.AddChunk(object, 1, "u")
		b.DeleteNode("u")
		unchanged(t, c, func() { require.ErrorIs(t, errOf(c.Commit(ctx, &b)), cssetcd.ErrNodeInUse) })
		b = cssetcd.Batch{}
		b.DeleteNode("w", cssetcd.IfStatus(cssetcd.Status(cssetcd.NodeInactive)))
		b.DeleteNode("v")
		ok(t)(c.Commit(ctx, &b))
		assert.Empty(t, rowsBelow(t, c, "/NODES"))
	})
}

func manyTables(db string, n int) []cssetcd.Table {
	var tables []cssetcd.Table
	for i := range n {
		tab := directorTable(cssetcd.TableName{DB: db, Table: fmt.Sprintf("Table%d", i)})
		tab.Match = &cssetcd.Match{DirTable1: db + ".A", DirColumn1: "a", DirTable2: "other.B", DirColumn2: "b"}
		tables = append(tables, tab)
	}
	return tables
}

// TestPublishedDatabaseAppearsWhole: interrupted at each of its transactions and continued, it is READY only when all
// of its tables are there.
func TestPublishedDatabaseAppearsWhole(t *testing.T) {
	const n = 20
	db := cssetcd.Database{Name: "new", StorageClass: "L2", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
	for failAt := 1; ; failAt++ {
		c := emptyStore()
		st := &faulty{failAt: failAt}
		broken := c.Through(func(inner kv.Store) kv.Store { st.Store = inner; return st })
		_, err := broken.PublishDatabase(t.Context(), db, "", manyTables("new", n), cssetcd.AllowUnqueryable())
		if err != nil {
			require.ErrorIs(t, err, errFault)
			got, err := c.Database(t.Context(), "new")
			if err == nil {
				assert.Equal(t, cssetcd.StatusIgnore, got.Status)
			}
			ok(t)(c.PublishDatabase(t.Context(), db, "", manyTables("new", n), cssetcd.AllowUnqueryable()))
		}
		now := catalogue(t, c, 0).Revision()
		for rev := cssetcd.Revision(1); rev <= now; rev++ {
			s := catalogue(t, c, rev)
			if got, err := s.Database("new"); err == nil && got.Status.Ready() {
				tables := 0
				for tab, err := range s.Tables("new") {
					require.NoError(t, err)
					assert.True(t, tab.Status.Ready())
					tables++
				}
				assert.Equal(t, n, tables)
			}
		}
		got := must(c.Database(t.Context(), "new"))(t)
		assert.True(t, got.Status.Ready())
		unchanged(t, c, func() {
			assert.Zero(t, ok(t)(c.PublishDatabase(t.Context(), db, "", manyTables("new", n), cssetcd.AllowUnqueryable())))
		})
		if st.commits < failAt {
			break
		}
	}
}

// TestPublishKeepsWithinEtcdsLimits: tables with all that a table can have, whose names are left over in other
// spellings, and each of which names directors of its own, that come after it in the list.
func TestPublishKeepsWithinEtcdsLimits(t *testing.T) {
	c := csstest.New(t)
	const n = 20
	db := cssetcd.Database{Name: "new", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
	var tables []cssetcd.Table
	for i := range n {
		director := func(i int) string { return fmt.Sprintf("Table%d", i%n) }
		pairs := directorTable(cssetcd.TableName{DB: "new", Table: fmt.Sprintf("Pairs%d", i)})
		pairs.Match = &cssetcd.Match{DirTable1: director(i), DirColumn1: "ra", DirTable2: director(i + 7), DirColumn2: "decl"}
		tables = append(tables, pairs, directorTable(cssetcd.TableName{DB: "new", Table: director(i)}))
		byHand(t, c, kv.Path(fmt.Sprintf("fold/dbs/new/tables/table%d", i)), fmt.Sprintf("/DBS/NEW/TABLES/TABLE%d", i))
	}
	ok(t)(c.PublishDatabase(t.Context(), db, "", tables))
	assert.Len(t, maps.Collect(loaded(t, c, 0).Tables("new")), 2*n)
}

func TestPublishLikeAnother(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "Pairs"}, Match: &cssetcd.Match{
		DirTable1: "lsst.Object", DirColumn1: "a", DirTable2: "other.B", DirColumn2: "b",
	}}, cssetcd.AllowUnqueryable()))
	tables := must(loaded(t, c, 0).TablesLike("lsst", "lsst2"))(t)
	require.Len(t, tables, 2)
	ok(t)(c.PublishDatabase(ctx, cssetcd.Database{Name: "lsst2"}, "lsst", tables, cssetcd.AllowUnqueryable()))
	db := must(c.Database(ctx, "lsst2"))(t)
	assert.Equal(t, "0000000001", db.Striping.ID)
	assert.Equal(t, "RELEASED", db.ReleaseStatus)
	got := must(c.Table(ctx, cssetcd.TableName{DB: "lsst2", Table: "Object"}))(t)
	assert.Equal(t, "lsst2", got.Partitioning.DirDB)
	pairs := must(c.Table(ctx, cssetcd.TableName{DB: "lsst2", Table: "Pairs"}))(t)
	assert.Equal(t, "Object", pairs.Match.DirTable1)
	assert.Equal(t, "other.B", pairs.Match.DirTable2)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "odd"}))
	assert.Equal(t, []cssetcd.Family{
		{Databases: []string{"lsst", "lsst2"}, Tables: []string{"Object", "Pairs"}},
		{Databases: []string{"odd"}, Tables: []string{}},
	}, loaded(t, c, 0).Families())
	ok(t)(c.SetTableSchema(ctx, got.Name, "(other INT)"))
	assert.Len(t, loaded(t, c, 0).Families(), 3)
}

func TestPublishRefuses(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	tables := manyTables("lsst", 1)
	striping := &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667}
	same := cssetcd.Database{Name: "lsst", StorageClass: "L2", ReleaseStatus: "RELEASED", Striping: striping}
	with := func(edit func(*cssetcd.Database)) cssetcd.Database { db := same; edit(&db); return db }
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "other", StorageClass: "L3", Striping: striping}))
	object := directorTable(object)
	for _, tt := range []struct {
		why    string
		db     cssetcd.Database
		like   string
		tables []cssetcd.Table
		is     error
		text   string
	}{
		{"a table is missing from one in use", same, "", tables, cssetcd.ErrDBExists, "and table lsst.Table0 is not in it"},
		{"another schema", same, "", []cssetcd.Table{{Name: object.Name, Schema: "()", Partitioning: object.Partitioning}},
			cssetcd.ErrTableExists,
			"with another /DBS/lsst/TABLES/Object/schema"},
		{"another striping", with(func(db *cssetcd.Database) { db.Striping = &cssetcd.Striping{Stripes: 1, SubStripes: 1} }),
			"", nil, cssetcd.ErrDBExists, "with another striping"},
		{"no striping", with(func(db *cssetcd.Database) { db.Striping = nil }), "", nil, cssetcd.ErrDBExists,
			"with another striping"},
		{"another family", cssetcd.Database{Name: "other"}, "lsst", nil, cssetcd.ErrDBExists, "another storage class"},
		{"another storage class", with(func(db *cssetcd.Database) { db.StorageClass = "L3" }), "", nil, cssetcd.ErrDBExists,
			"with another storage class"},
		{"like nothing", cssetcd.Database{Name: "new"}, "nothing", nil, cssetcd.ErrNoSuchDB, "like nothing"},
		{"another spelling", with(func(db *cssetcd.Database) { db.Name = "LSST" }), "", nil, cssetcd.ErrDBExists,
			"upper and lower case"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			unchanged(t, c, func() {
				_, err := c.PublishDatabase(ctx, tt.db, tt.like, tt.tables, cssetcd.AllowUnqueryable())
				require.ErrorIs(t, err, tt.is)
				assert.ErrorContains(t, err, tt.text)
			})
		})
	}
	t.Run("what is there and the same is fine", func(t *testing.T) {
		assert.Zero(t, ok(t)(c.PublishDatabase(ctx, same, "", []cssetcd.Table{object})))
	})
	t.Run("one that is being dropped, or failed", func(t *testing.T) {
		for _, status := range []cssetcd.Status{cssetcd.PendingDrop("now"), cssetcd.Failed("x")} {
			ok(t)(c.SetDatabaseStatus(ctx, "lsst", status))
			unchanged(t, c, func() {
				_, err := c.PublishDatabase(ctx, same, "", []cssetcd.Table{object})
				require.ErrorIs(t, err, cssetcd.ErrDBExists)
				assert.ErrorContains(t, err, fmt.Sprintf("with the status %q", status))
			})
		}
	})
	t.Run("all faults in the arguments, before anything is written", func(t *testing.T) {
		bad := []cssetcd.Table{{Name: cssetcd.TableName{DB: "x", Table: "t"}},
			{Name: cssetcd.TableName{DB: "fresh", Table: "a.b"}}}
		unchanged(t, c, func() {
			_, err := c.PublishDatabase(ctx, cssetcd.Database{Name: "fresh", Striping: striping}, "lsst",
				append(manyTables("fresh", 20), bad...), cssetcd.AllowUnqueryable())
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.ErrorContains(t, err, "3 faults")
			assert.ErrorContains(t, err, "a database like lsst has its striping")
			assert.ErrorContains(t, err, "css: create table x.t: invalid: it is of another database")
			assert.ErrorContains(t, err, "css: create table fresh.a.b: invalid name")
		})
	})
}
