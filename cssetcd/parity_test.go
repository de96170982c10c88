package cssetcd_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// For each public method of upstream's CssAccess and of its key-value interface there is a test TestParity<Method> that
// shows how the same is done here, with the cases of upstream's own tests. The section "Parity" of docs/FORMAT.md is
// the list.

// parityMethods are upstream's methods, in its order.
var parityMethods = strings.Fields(`
	createFromData createFromConfig readOnly cssVersion
	getDbNames getDbStatus setDbStatus containsDb getDbStriping createDb createDbLike dropDb
	getTableNames getTableStatus setTableStatus containsTable getTableSchema setTableSchema
	getMatchTableParams getPartTableParams getScanTableParams setScanTableParams getTableParams
	createTable createMatchTable dropTable
	getNodeNames getNodeParams getAllNodeParams addNode setNodeState deleteNode
	addChunk deleteChunk getChunks getKvI getEmptyChunks getEmptyChunksTableName getEmptyChunksSchema
	create createUnique set exists get getMany getChildren getChildrenValues deleteKey dumpKV
`)

// TestParityTableIsComplete: every method has its row in docs/FORMAT.md, in order, and the row names its test.
func TestParityTableIsComplete(t *testing.T) {
	text, err := os.ReadFile("../docs/FORMAT.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "## Parity")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|.*$").FindAllStringSubmatch(section, -1) {
		rows = append(rows, row[1])
		assert.Contains(t, row[0], "`TestParity"+strings.ToUpper(row[1][:1])+row[1][1:]+"` |")
	}
	assert.Equal(t, parityMethods, rows)
}

// parityDump is a catalogue with everything that upstream can read: fields as plain keys and packed, in strings and as
// numbers, statuses of every kind, and things of which a part is missing.
const parityDump = `{
	"/css_meta": "", "/css_meta/version": "1",
	"/PARTITIONING": "", "/PARTITIONING/_0000000001": "",
	"/PARTITIONING/_0000000001/nStripes": "60", "/PARTITIONING/_0000000001/nSubStripes": "18", "/PARTITIONING/_0000000001/overlap": "0.025",

	"/DBS": "", "/DBS/sky": "READY", "/DBS/sky/partitioningId": "0000000001", "/DBS/sky/TABLES": "",
	"/DBS/sky/TABLES/Star": "READY",
	"/DBS/sky/TABLES/Star/partitioning": "",
	"/DBS/sky/TABLES/Star/partitioning/lonColName": "ra", "/DBS/sky/TABLES/Star/partitioning/latColName": "dec",
	"/DBS/sky/TABLES/Star/partitioning/subChunks": "1", "/DBS/sky/TABLES/Star/partitioning/dirColName": "starId",
	"/DBS/sky/TABLES/Star/sharedScan/lockInMem": "1", "/DBS/sky/TABLES/Star/sharedScan/scanRating": "1",
	"/DBS/sky/TABLES/Detection": "READY",
	"/DBS/sky/TABLES/Detection/partitioning": "",
	"/DBS/sky/TABLES/Detection/partitioning/.packed.json": "{\"lonColName\": \"ra\", \"latColName\": \"dec\", \"subChunks\": 0, \"overlap\": 0.25}",
	"/DBS/sky/TABLES/Detection/sharedScan/.packed.json": "{\"lockInMem\": 1, \"scanRating\": \"2\"}",
	"/DBS/sky/TABLES/Forced": "READY",
	"/DBS/sky/TABLES/Forced/partitioning": "", "/DBS/sky/TABLES/Forced/partitioning/subChunks": "0",
	"/DBS/sky/TABLES/Forced/sharedScan/lockInMem": "0", "/DBS/sky/TABLES/Forced/sharedScan/scanRating": "3",
	"/DBS/sky/TABLES/Visit": "READY", "/DBS/sky/TABLES/Visit/schema": "(visit INT)",
	"/DBS/sky/TABLES/Visit/CHUNKS": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/77": "", "/DBS/sky/TABLES/Visit/CHUNKS/77/REPLICAS": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/77/REPLICAS/0000000001": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/77/REPLICAS/0000000001/.packed.json": "{\"nodeName\": \"north\"}",
	"/DBS/sky/TABLES/Visit/CHUNKS/77/REPLICAS/0000000002": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/77/REPLICAS/0000000002/nodeName": "south",
	"/DBS/sky/TABLES/Visit/CHUNKS/8100": "", "/DBS/sky/TABLES/Visit/CHUNKS/8100/REPLICAS": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/8100/REPLICAS/0000000001": "",
	"/DBS/sky/TABLES/Visit/CHUNKS/8100/REPLICAS/0000000001/.packed.json": "{\"nodeName\": \"north\"}",

	"/DBS/user": "archived", "/DBS/user/TABLES": "",
	"/DBS/user/TABLES/Visit": "READY", "/DBS/user/TABLES/Visit/.packed.json": "{\"schema\": \"(night INT)\"}",
	"/DBS/user/TABLES/Mine": "READY", "/DBS/user/TABLES/Mine/partitioning": "",
	"/DBS/user/TABLES/Mine/partitioning/lonColName": "ra", "/DBS/user/TABLES/Mine/partitioning/latColName": "dec",
	"/DBS/user/TABLES/Mine/partitioning/subChunks": "1", "/DBS/user/TABLES/Mine/partitioning/dirDb": "sky",
	"/DBS/user/TABLES/Mine/partitioning/dirTable": "Star", "/DBS/user/TABLES/Mine/partitioning/dirColName": "starId",
	"/DBS/user/TABLES/Leaving": "being removed",

	"/DBS/match": "DO_NOT_USE", "/DBS/match/TABLES": "",
	"/DBS/match/TABLES/Plain": "READY", "/DBS/match/TABLES/Plain/match": "", "/DBS/match/TABLES/Plain/partitioning": "",
	"/DBS/match/TABLES/Plain/match/dirTable1": "Star", "/DBS/match/TABLES/Plain/match/dirColName1": "starId",
	"/DBS/match/TABLES/Plain/match/dirTable2": "Detection", "/DBS/match/TABLES/Plain/match/dirColName2": "detectionId",
	"/DBS/match/TABLES/Plain/match/flagColName": "flag", "/DBS/match/TABLES/Plain/match/angSep": "0.001",
	"/DBS/match/TABLES/Packed": "READY", "/DBS/match/TABLES/Packed/match": "1", "/DBS/match/TABLES/Packed/partitioning": "",
	"/DBS/match/TABLES/Packed/match/.packed.json": "{\"dirDb1\": \"sky\", \"dirTable1\": \"Star\", \"dirColName1\": \"starId\", \"dirTable2\": \"Detection\", \"dirColName2\": \"detectionId\", \"flagColName\": \"flag\", \"angSep\": 0.002}",
	"/DBS/match/TABLES/Building": "DO_NOT_USE",
	"/DBS/match/TABLES/Coming": "PENDING_CREATE:qid=5",

	"/NODES": "",
	"/NODES/north": "ACTIVE",
	"/NODES/south": "INACTIVE", "/NODES/south/.packed.json": "{\"type\": \"worker\", \"host\": \"south.example.org\", \"port\": 5012}",
	"/NODES/west": "ACTIVE", "/NODES/west/type": "worker", "/NODES/west/host": "west.example.org", "/NODES/west/port": "5012"
}`

// parity returns a client on parityDump.
func parity(t *testing.T) *cssetcd.Client {
	t.Helper()
	d := must(cssetcd.ParseDump(strings.NewReader(parityDump)))(t)
	c := csstest.New(t)
	must(c.Restore(t.Context(), d))(t)
	return c
}

// load returns the newest snapshot.
func load(t *testing.T, c *cssetcd.Client) *cssetcd.Snapshot {
	t.Helper()
	s := must(c.Snapshot(t.Context(), 0))(t)
	return s
}

// statuses collects names and statuses of what a sequence yields.
func statuses[T any](t *testing.T, all func(func(*T, error) bool), name func(*T) (string, string)) map[string]string {
	t.Helper()
	found := map[string]string{}
	for one, err := range all {
		require.NoError(t, err)
		key, value := name(one)
		found[key] = value
	}
	return found
}

func TestParityCreateFromData(t *testing.T) {
	t.Run("an empty store, where the first creation makes a CSS", func(t *testing.T) {
		c := csstest.New(t)
		require.ErrorIs(t, load(t, c).Version(), cssetcd.ErrVersionMissing)
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "LSST"}))
		require.NoError(t, load(t, c).Version())
	})
	t.Run("from a dump", func(t *testing.T) {
		d, err := cssetcd.ParseDump(strings.NewReader(`{"/css_meta": "", "/css_meta/version": "1", "/DBS": "", "/DBS/LSST": "LSST"}`))
		require.NoError(t, err)
		c := csstest.New(t)
		must(c.Restore(t.Context(), d))(t)
		assert.Equal(t, map[string]string{"LSST": "LSST"}, dbStatuses(t, load(t, c)))
	})
}

func TestParityCreateFromConfig(t *testing.T) {
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "catalogue.json")
		require.ErrorIs(t, errOf(cssetcd.OpenFile(path, cssetcd.WithReadOnly())), fs.ErrNotExist)
		require.NoError(t, os.WriteFile(path, []byte(parityDump), 0o600))
		c := must(cssetcd.OpenFile(path))(t)
		assert.Equal(t, rows(t, parity(t)), rows(t, c))
		ok(t)(c.DropTable(t.Context(), sky("Star")))
		_, err := cssetcd.OpenView(t.Context(), c)
		require.Error(t, err, "a file cannot be followed")
		require.NoError(t, c.Close())
		reader := must(cssetcd.OpenFile(path, cssetcd.WithReadOnly()))(t)
		assert.Equal(t, map[string]string{"Detection": "READY", "Forced": "READY", "Visit": "READY"},
			tableStatuses(t, load(t, reader), "sky"))
		require.ErrorIs(t, errOf(reader.DropDatabase(t.Context(), "sky")), cssetcd.ErrReadOnly)
		require.NoError(t, reader.Close())
		require.NoError(t, os.WriteFile(path, []byte("no dump"), 0o600))
		require.ErrorIs(t, errOf(cssetcd.OpenFile(path)), cssetcd.ErrInvalid)
	})
}

func TestParityReadOnly(t *testing.T) {
	c := parity(t)
	reader := csstest.At(t, c.Prefix(), cssetcd.WithReadOnly())
	ctx, n := t.Context(), cssetcd.TableName{DB: "sky", Table: "Star"}
	var batch cssetcd.Batch
	batch.CreateDatabase(cssetcd.Database{Name: "new"})
	unchanged(t, c, func() {
		for name, err := range map[string]error{
			"createDb":           errOf(reader.CreateDatabase(ctx, cssetcd.Database{Name: "new"})),
			"createDbLike":       errOf(reader.CreateDatabaseLike(ctx, "new", "sky")),
			"setDbStatus":        errOf(reader.SetDatabaseStatus(ctx, "sky", "x")),
			"dropDb":             errOf(reader.DropDatabase(ctx, "sky")),
			"createTable":        errOf(reader.CreateTable(ctx, cssetcd.Table{Name: sky("new")})),
			"setTableStatus":     errOf(reader.SetTableStatus(ctx, n, "x")),
			"setTableSchema":     errOf(reader.SetTableSchema(ctx, n, "(a INT)")),
			"setScanTableParams": errOf(reader.SetSharedScan(ctx, n, cssetcd.SharedScan{})),
			"dropTable":          errOf(reader.DropTable(ctx, n)),
			"addNode":            errOf(reader.AddNode(ctx, cssetcd.Node{Name: "new"})),
			"setNodeState":       errOf(reader.SetNodeState(ctx, "north", "x")),
			"deleteNode":         errOf(reader.DeleteNode(ctx, "west")),
			"addChunk":           errOf(reader.AddChunk(ctx, n, 1, "north")),
			"deleteChunk":        errOf(reader.DeleteChunk(ctx, cssetcd.TableName{DB: "sky", Table: "Visit"}, 77)),
			"set":                errOf(reader.Raw().Put(ctx, "/x", "")),
			"create":             errOf(reader.Raw().Create(ctx, "/x", "")),
			"deleteKey":          errOf(reader.Raw().Delete(ctx, "/DBS")),
			"a restore":          errOf(reader.Restore(ctx, parse(t, minimalDump), cssetcd.Overwrite())),
			"a batch":            errOf(reader.Commit(ctx, &batch)),
		} {
			assert.ErrorIs(t, err, cssetcd.ErrReadOnly, name)
		}
		_, _, err := reader.Raw().CreateUnique(ctx, "/x_", "")
		assert.ErrorIs(t, err, cssetcd.ErrReadOnly)
	})
	must(reader.Table(ctx, n))(t)
	// Upstream writes the version when it connects, and cannot connect read-only to an empty store.
	empty := csstest.New(t, cssetcd.WithReadOnly())
	require.ErrorIs(t, load(t, empty).Version(), cssetcd.ErrVersionMissing)
	require.ErrorIs(t, errOf(empty.CreateDatabase(ctx, cssetcd.Database{Name: "new"})), cssetcd.ErrReadOnly)
}

func TestParityCssVersion(t *testing.T) {
	assert.Equal(t, "1", cssetcd.Version)
	c := parity(t)
	require.NoError(t, load(t, c).Version())
	putKeys(t, c, map[string]string{"/css_meta/version": "1000000"})
	_, err := cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(c.Prefix()))
	require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
	var version *cssetcd.VersionError
	require.ErrorAs(t, err, &version)
	assert.Equal(t, cssetcd.VersionError{Want: "1", Got: "1000000"}, *version)
	// An empty version is another one; upstream takes it for a missing one and then fails to create it.
	putKeys(t, c, map[string]string{"/css_meta/version": ""})
	_, err = cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(c.Prefix()))
	require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
}

func TestParityGetKvI(t *testing.T) {
	c := parity(t)
	e := must(c.Raw().Get(t.Context(), "/DBS/sky/TABLES/Visit/schema"))(t)
	assert.Equal(t, "(visit INT)", e.Value)
}

// TestParityUnpackedExamples: the examples of the format's own description, word for word.
func TestParityUnpackedExamples(t *testing.T) {
	for name, tt := range map[string]struct{ stored, unpacked map[string]string }{
		"a packed key beside a regular one": {
			map[string]string{"/foo/bar": "12345", "/foo/bar/baz": "regular data",
				"/foo/bar/.packed.json": `{"a":"aa", "b":"bb"}`},
			map[string]string{"/foo/bar": "12345", "/foo/bar/baz": "regular data", "/foo/bar/a": "aa", "/foo/bar/b": "bb"},
		},
		"the same key in both, which the description leaves open: the regular one wins": {
			map[string]string{"/foo/bar": "12345", "/foo/bar/a": "regular key data",
				"/foo/bar/.packed.json": `{"a":"aa", "b":"bb"}`},
			map[string]string{"/foo/bar": "12345", "/foo/bar/a": "regular key data", "/foo/bar/b": "bb"},
		},
		"a number": {
			map[string]string{"/foo/bar/.packed.json": `{"key": 1}`},
			map[string]string{"/foo/bar/key": "1"},
		},
		"the number as a text": {
			map[string]string{"/foo/bar/.packed.json": `{"key": "1"}`},
			map[string]string{"/foo/bar/key": "1"},
		},
		"complex values, which are not supported": {
			map[string]string{"/foo/bar/.packed.json": `{"a": {"b": 1}, "c": [2], "d": 3}`},
			map[string]string{"/foo/bar/d": "3"},
		},
		"at the top": {
			map[string]string{"/.packed.json": `{"a": 1}`},
			map[string]string{"/a": "1"},
		},
		"members whose names are no part of a key": {
			map[string]string{"/x/.packed.json": `{"": 1, "a/b": 2, ".packed.json": 3, "c": 4}`},
			map[string]string{"/x/c": "4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := csstest.New(t)
			putKeys(t, c, tt.stored)
			s := load(t, c)
			got := must(s.Unpacked(""))(t)
			assert.Equal(t, tt.unpacked, got)
			for key, want := range tt.unpacked {
				value := must(s.UnpackedKey(key))(t)
				assert.Equal(t, want, value, key)
			}
			require.ErrorIs(t, errOf(s.UnpackedKey("/foo/bar/none")), cssetcd.ErrNoSuchKey)
		})
	}
}

func TestParityUnpackedFaults(t *testing.T) {
	c := csstest.New(t)
	putKeys(t, c, map[string]string{
		"/a/.packed.json": `{"x": 1`, "/b/.packed.json": `{"x": 1}`, "/c/.packed.json": `{`, "/c/y": "plain",
		"/d e /.packed.json": `{"f": 2}`,
	})
	s := load(t, c)
	got, err := s.Unpacked("")
	assert.Equal(t, map[string]string{"/a/.packed.json": `{"x": 1`, "/b/x": "1", "/c/.packed.json": `{`, "/c/y": "plain",
		"/d e /f": "2"}, got)
	require.ErrorIs(t, err, cssetcd.ErrBadValue)
	assert.ErrorContains(t, err, "/a/.packed.json")
	assert.ErrorContains(t, err, "/c/.packed.json")
	for key, want := range map[string]error{
		"/a/x": cssetcd.ErrBadValue, "/c/x": cssetcd.ErrBadValue, "/b/y": cssetcd.ErrNoSuchKey, "/a": cssetcd.ErrNoSuchKey,
		"/":      cssetcd.ErrNoSuchKey,
		"/b/x/y": cssetcd.ErrNoSuchKey, "/b/": cssetcd.ErrNoSuchKey, "": cssetcd.ErrInvalid, "b": cssetcd.ErrInvalid,
	} {
		require.ErrorIs(t, errOf(s.UnpackedKey(key)), want, key)
	}
	value, err := s.UnpackedKey("/c/y")
	require.NoError(t, err, "a plain key does not need the packed one")
	assert.Equal(t, "plain", value)
	value, err = s.UnpackedKey("/d e /f")
	require.NoError(t, err, "keys from elsewhere stay readable")
	assert.Equal(t, "2", value)
	below := must(s.Unpacked("/b"))(t)
	assert.Equal(t, map[string]string{"/b/x": "1"}, below)
	empty := must(s.Unpacked("/none"))(t)
	assert.Empty(t, empty)
}

// FuzzUnpacked: the two ways of reading agree, whatever a packed key and the keys beside it hold.
func FuzzUnpacked(f *testing.F) {
	f.Add(`{"a":"aa", "b":1}`, "a", "plain")
	f.Add(`{"a":{}, "a":2, "":3, "x/y":4, ".packed.json":5}`, "x", "")
	f.Add(`{`, "b", "")
	f.Add(`[]`, "b", "")
	f.Add(` `, "/", "")
	f.Add(`{"\u00e9":"\ud83d\ude00"}`, "é", "v")
	f.Fuzz(func(t *testing.T, packed, name, plain string) {
		const parent = "/foo/bar"
		values := map[string]string{parent + "/.packed.json": packed, parent + "/" + name: plain, "/foo": "top"}
		s := fuzzedSnapshot(values)
		got, err := s.Unpacked("")
		for key, want := range got {
			value, kerr := s.UnpackedKey(key)
			require.NoError(t, kerr, key)
			assert.Equal(t, want, value, key)
			if stored, ok := values[key]; ok {
				assert.Equal(t, stored, want, "a plain key wins")
			}
		}
		for key := range values {
			if !strings.HasSuffix(key, "/.packed.json") {
				assert.Contains(t, got, key, "no plain key is lost")
			}
		}
		if err != nil {
			require.ErrorIs(t, err, cssetcd.ErrBadValue)
			assert.Contains(t, got, parent+"/.packed.json")
		}
		for _, other := range []string{"a", "b", "none", name + "x"} {
			key := parent + "/" + other
			if _, ok := got[key]; ok || strings.Contains(other, "/") {
				continue
			}
			_, kerr := s.UnpackedKey(key)
			if err != nil {
				require.ErrorIs(t, kerr, cssetcd.ErrBadValue)
			} else {
				require.ErrorIs(t, kerr, cssetcd.ErrNoSuchKey)
			}
		}
	})
}

// fuzzedSnapshot is a catalogue of keys that need not be in any store.
func fuzzedSnapshot(values map[string]string) *cssetcd.Snapshot {
	b := kv.NewSnapshot(1, kv.Everything).Edit()
	for key, value := range values {
		b.Put(kv.Path("css"+key), cssetcd.Entry{Value: value, Create: 1, Mod: 1})
	}
	return cssetcd.CatalogueOf(b.Snapshot(1))
}

func dbStatuses(t *testing.T, s *cssetcd.Snapshot) map[string]string {
	t.Helper()
	return statuses(t, s.Databases(), func(db *cssetcd.Database) (string, string) { return db.Name, string(db.Status) })
}

func tableStatuses(t *testing.T, s *cssetcd.Snapshot, db string) map[string]string {
	t.Helper()
	return statuses(t, s.Tables(db), func(table *cssetcd.Table) (string, string) {
		return table.Name.Table,
			string(table.Status)
	})
}

func nodeStates(t *testing.T, s *cssetcd.Snapshot) map[string]string {
	t.Helper()
	return statuses(t, s.Nodes(), func(n *cssetcd.Node) (string, string) { return n.Name, string(n.State) })
}

func chunkNodes(t *testing.T, s *cssetcd.Snapshot, n cssetcd.TableName) map[int][]string {
	t.Helper()
	all := map[int][]string{}
	for chunk, err := range s.Chunks(n) {
		require.NoError(t, err)
		all[chunk.ID] = chunk.Nodes
	}
	return all
}

func sky(table string) cssetcd.TableName { return cssetcd.TableName{DB: "sky", Table: table} }
