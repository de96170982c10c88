package cssetcd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

// listings is all that the cheap calls say, as text.
func listings(t require.TestingT, c *cssetcd.Client) (all []string) {
	ctx := context.Background()
	dbs := must(c.Databases(ctx))(t)
	var names []string
	for db, err := range dbs {
		all = append(all, fmt.Sprintf("%s %v %v", show(db.Database), db.Tables, err))
		if db.Database != nil {
			names = append(names, db.Name)
		}
	}
	tables := must(c.Tables(ctx))(t)
	for tab, err := range tables {
		all = append(all, fmt.Sprintf("%s %v", show(tab), err))
	}
	for _, name := range names {
		tables := must(c.Tables(ctx, name))(t)
		for tab, err := range tables {
			all = append(all, fmt.Sprintf("one: %s %v", show(tab), err))
		}
	}
	nodes := must(c.Nodes(ctx))(t)
	for n, err := range nodes {
		all = append(all, fmt.Sprintf("%s %v", show(n), err))
	}
	return all
}

// show prints what is behind a pointer.
func show[T any](p *T) string {
	if db, ok := any(p).(*cssetcd.Database); ok && db != nil {
		listed := *db
		listed.Revision = 0 // only a Snapshot knows it
		p = any(&listed).(*T)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// listingsOf is what listings should say of a snapshot of everything.
func listingsOf(s *cssetcd.Snapshot) (all []string) {
	var names []string
	for key := range s.Below("/DBS") {
		if parts := strings.Split(key, "/"); len(parts) == 3 && parts[2] != ".packed.json" {
			names = append(names, parts[2])
		}
	}
	var tables, each []string
	for _, name := range names {
		var its []string
		for key := range s.Below("/DBS/" + name + "/TABLES") {
			parts := strings.Split(key, "/")
			if len(parts) != 5 || parts[4] == ".packed.json" {
				continue
			}
			its = append(its, parts[4])
			tab, err := s.Table(cssetcd.TableName{DB: name, Table: parts[4]})
			tables = append(tables, fmt.Sprintf("%s %v", show(tab), err))
			each = append(each, "one: "+tables[len(tables)-1])
		}
		db, err := s.Database(name)
		all = append(all, fmt.Sprintf("%s %v %v", show(db), its, err))
	}
	all = append(append(all, tables...), each...)
	for n, err := range s.Nodes() {
		all = append(all, fmt.Sprintf("%s %v", show(n), err))
	}
	return all
}

// untidy makes the records of spellings of a catalogue wrong in every way: some are missing, some are of names that are
// gone.
func untidy(t *rapid.T, values map[string]string) map[string]string {
	records := map[string]string{"/DBS/gone": "", "/DBS/gone/TABLES/T": "", "/NODES/gone": "", "/DBS/a/TABLES/Gone": ""}
	for key := range values {
		records[key] = ""
	}
	for _, key := range slices.Sorted(maps.Keys(records)) {
		parts := strings.Split(key, "/")
		isName := len(parts) == 3 && (parts[1] == "DBS" || parts[1] == "NODES") || len(parts) == 5 && parts[3] == "TABLES"
		if !isName || rapid.IntRange(0, 2).Draw(t, "not on record") == 0 {
			delete(records, key)
		}
	}
	return records
}

// TestListingsAreThoseOfASnapshot: however right or wrong the records are by which chunks are left out, and with any
// keys, the cheap calls say what the whole catalogue says.
func TestListingsAreThoseOfASnapshot(t *testing.T) {
	chunks, most := 0, testkit.Steps(30, 100)
	testkit.Check(t, most, func(r *rapid.T) {
		values := csstest.Catalogue().Draw(r, "catalogue")
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if parts := strings.Split(key, "/"); len(parts) == 5 && parts[3] == "TABLES" {
				n := rapid.IntRange(0, 3).Draw(r, "chunks")
				addChunks(values, key, n)
				chunks += n
			}
		}
		c := csstest.New(t)
		putKeys(t, c, values)
		for key := range untidy(r, values) {
			byHand(t, c, cssetcd.FoldPath(key), key)
		}
		s := catalogue(t, c, 0)
		require.Equal(r, listingsOf(s), listings(r, c))
		checkChildren(r, c, s)
		checkRelations(r, c, s)
	})
	assert.Greater(t, chunks, most, "chunks that the listings read around")
}

// checkRelations compares what ties tables to each other with the whole catalogue.
func checkRelations(t require.TestingT, c *cssetcd.Client, s *cssetcd.Snapshot) {
	all := must(c.Relations(context.Background()))(t)
	for r, err := range all {
		if table, wrong := s.Table(r.Name); wrong == nil {
			require.NoError(t, err)
			require.Equal(t, cssetcd.Relation{Name: table.Name, Status: table.Status, Partitioning: table.Partitioning,
				Match: table.Match}, r)
		}
	}
	var found, want []cssetcd.TableName
	for r := range all {
		found = append(found, r.Name)
	}
	for key := range s.Below("/DBS") {
		parts := strings.Split(key, "/")
		if _, there := s.Key("/DBS/" + parts[2]); there && len(parts) == 5 && parts[3] == "TABLES" &&
			parts[4] != ".packed.json" {
			want = append(want, cssetcd.TableName{DB: parts[2], Table: parts[4]})
		}
	}
	byName := func(a, b cssetcd.TableName) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(found, byName)
	slices.SortFunc(want, byName)
	require.Equal(t, want, found)
}

// checkChildren compares what lies directly below each key with the whole catalogue.
func checkChildren(t require.TestingT, c *cssetcd.Client, s *cssetcd.Snapshot) {
	roots := map[string]bool{"": true, "/missing": true}
	for key := range s.Below("") {
		for k := key; k != ""; k = k[:strings.LastIndexByte(k, '/')] {
			roots[k] = roots[k] || !strings.Contains(k, "/CHUNKS/") // which are all alike
		}
	}
	for root, wanted := range roots {
		if !wanted {
			continue
		}
		want := map[string]cssetcd.Entry{}
		for key, e := range s.Below(root) {
			name, _, deeper := strings.Cut(key[len(root)+1:], "/")
			switch {
			case !deeper:
				want[name] = e
			case want[name] == cssetcd.Entry{}:
				want[name] = cssetcd.Entry{}
			}
		}
		got, err := c.Raw().Children(context.Background(), root)
		if _, there := s.Key(root); len(want) == 0 && !there {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchKey)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, got, root)
	}
}

// TestTablesOfADatabaseThatIsNotThere.
func TestTablesOfADatabaseThatIsNotThere(t *testing.T) {
	c := newCatalogue(t)
	for _, dbs := range [][]string{{"x"}, {"lsst", "x"}, {""}, {"lsst/TABLES"}} {
		require.ErrorIs(t, errOf(c.Tables(t.Context(), dbs...)), cssetcd.ErrNoSuchDB, dbs)
	}
	require.ErrorIs(t, errOf(csstest.New(t).Databases(t.Context())), cssetcd.ErrVersionMissing)
	require.ErrorIs(t, errOf(csstest.New(t).Raw().Children(t.Context(), "/DBS")), cssetcd.ErrVersionMissing)
}

// TestSmallQuestionsReadNoChunks: of a catalogue of which nearly all is chunks, the keys that are asked for are read,
// and few others; to delete a node, all are looked through and never held at once.
func TestSmallQuestionsReadNoChunks(t *testing.T) {
	c := newCatalogue(t)
	child := cssetcd.TableName{DB: "lsst", Table: "Child"}
	ok(t)(c.CreateTable(t.Context(), directorTable(child)))
	values := map[string]string{}
	for _, n := range []cssetcd.TableName{object, child} {
		addChunks(values, "/DBS/lsst/TABLES/"+n.Table, 400)
		values["/DBS/lsst/TABLES/"+n.Table+"/CHUNKS"] = ""
	}
	putKeys(t, c, values)
	css, traffic := counted(t, c)
	ctx := t.Context()
	for _, tt := range []struct {
		what string
		ask  func() error
	}{
		{"databases", func() error { return errOf(css.Databases(ctx)) }},
		{"tables", func() error { return errOf(css.Tables(ctx)) }},
		{"tables of one", func() error { return errOf(css.Tables(ctx, "lsst")) }},
		{"nodes", func() error { return errOf(css.Nodes(ctx)) }},
		{"a table", func() error { return errOf(css.Table(ctx, object)) }},
		{"top", func() error { return errOf(css.Raw().Children(ctx, "")) }},
		{"names of databases", func() error { return errOf(css.Raw().Children(ctx, "/DBS")) }},
		{"a database", func() error { return errOf(css.Raw().Children(ctx, "/DBS/lsst")) }},
		{"names of tables", func() error { return errOf(css.Raw().Children(ctx, "/DBS/lsst/TABLES")) }},
		{"parts of a table", func() error { return errOf(css.Raw().Children(ctx, "/DBS/lsst/TABLES/Object")) }},
	} {
		require.NoError(t, tt.ask(), tt.what)
		_, keys, streamed := traffic.since()
		assert.Less(t, keys+streamed, int64(40), tt.what)
	}
	must(css.DeleteNode(t.Context(), "worker-1"))(t)
	_, keys, streamed := traffic.since()
	assert.Less(t, keys, int64(40), "delete a node")
	assert.GreaterOrEqual(t, streamed, int64(len(values)), "it has to look at all")
}

// TestManyTablesWithoutARecord are read, and their chunks thrown away.
func TestManyTablesWithoutARecord(t *testing.T) {
	c := newCatalogue(t)
	values := map[string]string{}
	for i := range 3 {
		key := fmt.Sprintf("/DBS/lsst/TABLES/T%d", i)
		values[key], values[key+"/schema"] = "READY", "(a INT)"
		addChunks(values, key, 200)
	}
	putKeys(t, c, values)
	s := catalogue(t, c, 0)
	require.Equal(t, listingsOf(s), listings(t, c))
	got := must(c.Raw().Children(t.Context(), "/DBS/lsst/TABLES"))(t)
	assert.Equal(t, []string{"Object", "T0", "T1", "T2"}, slices.Sorted(maps.Keys(got)))
}

// TestBatchOfDropAndDeleteNode: a batch sees what its earlier operations leave of the chunks of a node, and a replica
// that one of them adds.
func TestBatchOfDropAndDeleteNode(t *testing.T) {
	for _, tt := range []struct {
		name  string
		batch func(*cssetcd.Batch)
		err   error
	}{
		{"both chunks", func(b *cssetcd.Batch) { b.DeleteChunk(object, 1); b.DeleteChunk(object, 2) }, nil},
		{"one chunk", func(b *cssetcd.Batch) { b.DeleteChunk(object, 1) }, cssetcd.ErrNodeInUse},
		{"the table", func(b *cssetcd.Batch) { b.DropTable(object) }, nil},
		{"the database", func(b *cssetcd.Batch) { b.DropDatabase("lsst") }, nil},
		{"added", func(b *cssetcd.Batch) {
			b.DeleteChunk(object, 1)
			b.DeleteChunk(object, 2)
			b.AddChunk(object, 3, "worker-1")
		}, cssetcd.ErrNodeInUse},
	} {
		for _, where := range []struct {
			name string
			c    *cssetcd.Client
		}{{"etcd", newCatalogue(t)}, {"memory", filledMemory(t)}} {
			t.Run(tt.name+" in "+where.name, func(t *testing.T) {
				for id := range 2 {
					ok(t)(where.c.AddChunk(t.Context(), object, id+1, "worker-1"))
				}
				var b cssetcd.Batch
				tt.batch(&b)
				b.DeleteNode("worker-1")
				require.ErrorIs(t, errOf(where.c.Commit(t.Context(), &b)), tt.err)
			})
		}
	}
}

func filledMemory(t *testing.T) *cssetcd.Client {
	c := cssetcd.OnStore(kv.NewMemory())
	fill(t, c)
	return c
}
