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

// TestDatabases: what conformance leaves open, revisions and the input that is refused.
func TestDatabases(t *testing.T) {
	ctx, c := t.Context(), csstest.New(t)
	rev := ok(t)(c.CreateDatabase(ctx, cssetcd.Database{
		Name: "lsst", StorageClass: "L2", ReleaseStatus: "PRIVATE",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.1},
	}))
	want := &cssetcd.Database{
		Name: "lsst", Status: cssetcd.StatusReady, StorageClass: "L2", ReleaseStatus: "PRIVATE", Incarnation: rev,
		Modified: rev,
		Striping: &cssetcd.Striping{ID: "0000000001", Stripes: 85, SubStripes: 12, Overlap: 0.1},
	}
	assert.Equal(t, want, must(c.Database(ctx, "lsst"))(t))
	want.Incarnation = ok(t)(c.CreateDatabaseLike(ctx, "lsst2", "lsst"))
	want.Name, want.Modified = "lsst2", want.Incarnation
	assert.Equal(t, want, must(c.Database(ctx, "lsst2"))(t), "the family shares one partitioning")
	assert.ErrorContains(t, errOf(c.CreateDatabaseLike(ctx, "lsst3", "nothing")), "like nothing")
	unchanged(t, c, func() {
		for why, striping := range map[string]cssetcd.Striping{
			"no stripes":       {SubStripes: 1},
			"no sub-stripes":   {Stripes: 1},
			"negative":         {Stripes: -1, SubStripes: 1},
			"an id":            {ID: "0000000001", Stripes: 1, SubStripes: 1},
			"negative overlap": {Stripes: 1, SubStripes: 1, Overlap: -1},
			"no number":        {Stripes: 1, SubStripes: 1, Overlap: math.NaN()},
			"infinity":         {Stripes: 1, SubStripes: 1, Overlap: math.Inf(1)},
		} {
			err := errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "bad", Striping: &striping}))
			require.ErrorIs(t, err, cssetcd.ErrInvalid, why)
		}
	})
}

// TestTables: what conformance leaves open: all shapes, the input that is refused, and names that begin alike.
func TestTables(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
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
	t.Run("bad input", func(t *testing.T) {
		type partitioning = cssetcd.Partitioning
		director := partitioning{DirDB: "lsst", DirTable: "T", DirColumn: "a"}
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
				"no director's database":           {Partitioning: with(director, func(p *partitioning) { p.DirDB = "" })},
				"no director":                      {Partitioning: with(director, func(p *partitioning) { p.DirTable = "" })},
				"no director's column":             {Partitioning: with(director, func(p *partitioning) { p.DirColumn = "" })},
				"negative overlap":                 {Partitioning: with(director, func(p *partitioning) { p.Overlap = -0.1 })},
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
}

func TestSharedScanKeepsOtherMembersAndRemovesWhatHidesIt(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
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

// TestNodeInUseStays (I8): a node that a replica names, packed or plain, in any database and whatever its status, is
// not deleted, and the error names the chunk.
func TestNodeInUseStays(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
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
	ctx, c := t.Context(), newCatalogue(t)
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
	t.Run("what is refused is named", func(t *testing.T) {
		filter := cssetcd.TableName{DB: "lsst", Table: "Filter"}
		ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: filter}))
		unchanged(t, c, func() {
			err := errOf(c.AddChunk(ctx, object, 1, "worker-1", "nobody"))
			assert.ErrorContains(t, err, "no such node nobody")
			for _, nodes := range [][]string{{"worker-1", "worker-2", "worker-1"}, {"worker-1"}} {
				assert.ErrorContains(t, errOf(c.AddChunk(ctx, object, 9, nodes...)), "the node worker-1 ")
			}
			err = errOf(c.AddChunk(ctx, filter, 1, "worker-1"))
			assert.ErrorContains(t, err, "the table is not partitioned and has no chunks")
			require.ErrorIs(t, errOf(c.AddChunk(ctx, object, 1, manyNames(300)...)), cssetcd.ErrTooLarge)
		})
	})
	t.Run("what is not the number of a chunk is passed over", func(t *testing.T) {
		putKeys(t, c, map[string]string{
			"/DBS/lsst/TABLES/Object/CHUNKS/007": "", "/DBS/lsst/TABLES/Object/CHUNKS/x": "",
			"/DBS/lsst/TABLES/Object/CHUNKS/.packed.json": "{}",
		})
		assert.Len(t, list(), 4)
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
	ctx, c := t.Context(), newCatalogue(t)
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

// TestConditions: a condition that does not hold is told. IfStatus looks at the status of what a write is about,
// IfRevision at all of its own keys; 0 is the revision of what is absent and does not mean any.
func TestConditions(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	for name, write := range map[string]func(...cssetcd.WriteOption) error{
		"SetDatabaseStatus": func(o ...cssetcd.WriteOption) error {
			return errOf(c.SetDatabaseStatus(ctx, "lsst", "X", o...))
		},
		"SetTableStatus": func(o ...cssetcd.WriteOption) error { return errOf(c.SetTableStatus(ctx, object, "X", o...)) },
		"SetTableSchema": func(o ...cssetcd.WriteOption) error { return errOf(c.SetTableSchema(ctx, object, "()", o...)) },
		"SetSharedScan": func(o ...cssetcd.WriteOption) error {
			return errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{}, o...))
		},
		"Raw.Put": func(o ...cssetcd.WriteOption) error {
			return errOf(c.Raw().Put(ctx, "/DBS/lsst/TABLES/Object", "X", o...))
		},
		"Raw.Delete":   func(o ...cssetcd.WriteOption) error { return errOf(c.Raw().Delete(ctx, "/DBS/lsst", o...)) },
		"DropTable":    func(o ...cssetcd.WriteOption) error { return errOf(c.DropTable(ctx, object, o...)) },
		"DropDatabase": func(o ...cssetcd.WriteOption) error { return errOf(c.DropDatabase(ctx, "lsst", o...)) },
	} {
		unchanged(t, c, func() {
			err := write(cssetcd.IfStatus(cssetcd.StatusIgnore))
			require.ErrorIs(t, err, cssetcd.ErrStatusMismatch, name)
			assert.ErrorContains(t, err, `it is "READY" and not "DO_NOT_USE"`)
			require.ErrorIs(t, write(cssetcd.IfRevision(0)), cssetcd.ErrRevisionMismatch, name)
			err = write(cssetcd.IfStatus(cssetcd.StatusReady), cssetcd.IfRevision(1))
			require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch, name)
		})
	}
	err := errOf(c.DropTable(ctx, absent, cssetcd.IfExists(), cssetcd.IfRevision(5)))
	require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch, "nothing meets no condition")
	assert.ErrorContains(t, err, "it is not there")
	ok(t)(c.Raw().Put(ctx, "/new", "1", cssetcd.IfRevision(0)))
	require.ErrorIs(t, errOf(c.Raw().Put(ctx, "/new", "2", cssetcd.IfRevision(0))), cssetcd.ErrRevisionMismatch)
}

// TestOptionsThatMeanNothingAreRefused: none is passed over without a word.
func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	type option = cssetcd.WriteOption
	const ifs = "IfStatus IfRevision"
	options := map[string]cssetcd.WriteOption{
		"IfNotExists": cssetcd.IfNotExists(), "IfExists": cssetcd.IfExists(), "IfStatus": cssetcd.IfStatus("READY"),
		"IfRevision": cssetcd.IfRevision(1), "Unsafe": cssetcd.Unsafe(), "AllowUnqueryable": cssetcd.AllowUnqueryable(),
		"": nil,
	}
	for _, tt := range []struct {
		name, takes string
		do          func(option) error
	}{
		{"CreateDatabase", "IfNotExists",
			func(o option) error { return errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"}, o)) }},
		{"CreateDatabaseLike", "IfNotExists",
			func(o option) error { return errOf(c.CreateDatabaseLike(ctx, "x", "lsst", o)) }},
		{"CreateTable", "IfNotExists AllowUnqueryable",
			func(o option) error { return errOf(c.CreateTable(ctx, cssetcd.Table{Name: absent}, o)) }},
		{"PublishDatabase", "AllowUnqueryable",
			func(o option) error { return errOf(c.PublishDatabase(ctx, cssetcd.Database{Name: "x"}, "", nil, o)) }},
		{"SetDatabaseStatus", ifs, func(o option) error { return errOf(c.SetDatabaseStatus(ctx, "lsst", "", o)) }},
		{"SetTableStatus", ifs, func(o option) error { return errOf(c.SetTableStatus(ctx, object, "", o)) }},
		{"SetTableSchema", ifs, func(o option) error { return errOf(c.SetTableSchema(ctx, object, "", o)) }},
		{"SetSharedScan", ifs,
			func(o option) error { return errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{}, o)) }},
		{"SetNodeState", ifs, func(o option) error { return errOf(c.SetNodeState(ctx, "worker-1", "", o)) }},
		{"DeleteNode", ifs, func(o option) error { return errOf(c.DeleteNode(ctx, "worker-1", o)) }},
		{"Raw.Put", ifs, func(o option) error { return errOf(c.Raw().Put(ctx, "/x", "", o)) }},
		{"Raw.Delete", ifs + " Unsafe", func(o option) error { return errOf(c.Raw().Delete(ctx, "/x", o)) }},
		{"DropTable", ifs + " IfExists Unsafe", func(o option) error { return errOf(c.DropTable(ctx, absent, o)) }},
		{"DropDatabase", ifs + " IfExists Unsafe", func(o option) error { return errOf(c.DropDatabase(ctx, "x", o)) }},
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

// TestRemovalIsRefusedWhileCzarsAreRegistered (I9): immediate removal could take a table from under a running query.
func TestRemovalIsRefusedWhileCzarsAreRegistered(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	removals := map[string]func(*cssetcd.Client, ...cssetcd.WriteOption) error{
		"DropTable": func(c *cssetcd.Client, o ...cssetcd.WriteOption) error { return errOf(c.DropTable(ctx, object, o...)) },
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
	ctx, c := t.Context(), newCatalogue(t)
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
	ctx, c := t.Context(), newCatalogue(t)
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
	ctx, c := t.Context(), csstest.New(t)
	raw := c.Raw()
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
