package cssetcd_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// snapshotOf makes a catalogue of some keys, each created at a revision of its own in byte order.
func snapshotOf(values map[string]string) *cssetcd.Snapshot {
	b := kv.NewSnapshot(0, csskey.Catalogue).Edit()
	for i, key := range slices.Sorted(maps.Keys(values)) {
		b.Put(kv.Path("css"+key), kv.Entry{Value: values[key], Create: kv.Revision(i + 1), Mod: kv.Revision(i + 101)})
	}
	return cssetcd.CatalogueOf(b.Snapshot(200))
}

func TestDecodingATable(t *testing.T) {
	const table = "/DBS/db/TABLES/t"
	n := cssetcd.TableName{DB: "db", Table: "t"}
	for _, tt := range []struct {
		name string
		keys map[string]string // below the table
		want cssetcd.Table     // its partitioning, match, shared scan and schema
	}{
		{"nothing but the status", nil, cssetcd.Table{}},
		{"the schema", map[string]string{"schema": "(a INT)"}, cssetcd.Table{Schema: "(a INT)"}},
		{"a plain key wins over the packed one",
			map[string]string{"partitioning": "", "partitioning/dirDb": "plain",
				"partitioning/.packed.json": `{"dirDb":"packed","dirTable":"T"}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{DirDB: "plain", DirTable: "T"}}},
		{"packed without the key above it", map[string]string{"partitioning/.packed.json": `{"subChunks":1}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{SubChunks: true}}},
		{"any key below it makes it partitioned", map[string]string{"partitioning/other": ""},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{}}},
		{"the value of the key does not matter", map[string]string{"partitioning": "no"},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{}}},
		{"a key that only begins like it does not", map[string]string{"partitioning2": "", "partitioning-x/y": ""},
			cssetcd.Table{}},
		{"numbers as JSON has them", map[string]string{"partitioning/.packed.json": `{"subChunks":1,"overlap":0.25}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{SubChunks: true, Overlap: 0.25}}},
		{"constants are their text", map[string]string{"partitioning/.packed.json": `{"dirTable":true,"dirColName":false}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{DirTable: "true", DirColumn: "false"}}},
		{"null is the text null", map[string]string{"partitioning/.packed.json": `{"dirDb":null}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{DirDB: "null"}}},
		{"a flag is any number but 0", map[string]string{"partitioning/subChunks": "2"},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{SubChunks: true}}},
		{"shared scan of one member", map[string]string{"sharedScan/.packed.json": `{"scanRating":"3"} `},
			cssetcd.Table{SharedScan: &cssetcd.SharedScan{Rating: 3}}},
		{"shared scan without a member", map[string]string{"sharedScan": "", "sharedScan/.packed.json": `{} `},
			cssetcd.Table{}},
		{"match, plain and packed", map[string]string{
			"match": "1", "match/dirTable1": "A", "match/.packed.json": `{"dirTable1":"x","dirColName1":"a","dirTable2":"B","dirColName2":"b","flagColName":"f","angSep":1e-3}`,
		}, cssetcd.Table{Match: &cssetcd.Match{DirTable1: "A", DirColumn1: "a", DirTable2: "B", DirColumn2: "b",
			FlagColumn: "f", AngSep: 1e-3}}},
		{"match without a first director", map[string]string{"match": "1", "match/dirTable2": "B"}, cssetcd.Table{}},
		{"values that are no objects have no members", map[string]string{
			"partitioning/.packed.json": "", "sharedScan/.packed.json": "[]", "match/.packed.json": `"x"`,
		}, cssetcd.Table{Partitioning: &cssetcd.Partitioning{}}},
		{"nested members are passed over", map[string]string{"partitioning/.packed.json": `{"dirDb":{"a":1},"dirTable":"T"}`},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{DirTable: "T"}}},
		{"bad values of other keys do not matter", map[string]string{"partitioning": "",
			"CHUNKS/1/REPLICAS/1/.packed.json": "{", "x/.packed.json": "{"},
			cssetcd.Table{Partitioning: &cssetcd.Partitioning{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values := map[string]string{"/DBS/db": "READY", table: "READY"}
			for name, value := range tt.keys {
				values[table+"/"+name] = value
			}
			got := must(snapshotOf(values).Table(n))(t)
			tt.want.Name, tt.want.Status, tt.want.Incarnation, tt.want.Modified = n, "READY", got.Incarnation, got.Modified
			assert.Equal(t, &tt.want, got)
		})
	}
}

// TestABadValueFailsItsOwnTableOnly: the error names the key, and the other tables are read.
func TestABadValueFailsItsOwnTableOnly(t *testing.T) {
	const bad = "/DBS/db/TABLES/b"
	good := map[string]string{"/DBS/db": "READY", "/DBS/db/TABLES/a": "READY", bad: "READY", "/DBS/db/TABLES/c": "READY"}
	for _, tt := range []struct{ key, value, names string }{
		{bad + "/partitioning/.packed.json", `{`, bad + "/partitioning/.packed.json"},
		{bad + "/partitioning/.packed.json", `{"subChunks":true}`, bad +
			`/partitioning/.packed.json subChunks: "true" is not a whole number`},
		{bad + "/partitioning/.packed.json", `{"overlap":"0.5xyz"}`, bad + "/partitioning/.packed.json overlap"},
		{bad + "/partitioning/overlap", `x`, bad + `/partitioning/overlap: "x" is not a number`},
		{bad + "/match/.packed.json", `nothing`, bad + "/match/.packed.json"},
		{bad + "/match/.packed.json", `{"dirTable1":"T","angSep":"x"}`, bad + "/match/.packed.json angSep"},
		{bad + "/sharedScan/scanRating", ``, bad + `/sharedScan/scanRating: "" is not a whole number`},
		{bad + "/sharedScan/.packed.json", `{"scanRating":99999999999}`, bad + "/sharedScan/.packed.json scanRating"},
	} {
		t.Run(tt.names, func(t *testing.T) {
			values := maps.Clone(good)
			values[tt.key] = tt.value
			s := snapshotOf(values)
			var seen []string
			for tab, err := range s.Tables("db") {
				if err == nil {
					seen = append(seen, tab.Name.Table)
					continue
				}
				assert.Nil(t, tab)
				require.ErrorIs(t, err, cssetcd.ErrBadValue)
				require.ErrorIs(t, err, cssetcd.ErrInvalid)
				assert.ErrorContains(t, err, "css: read table db.b: bad value: "+tt.names)
				var value *cssetcd.ValueError
				require.ErrorAs(t, err, &value)
				assert.NotEmpty(t, value.Key)
			}
			assert.Equal(t, []string{"a", "c"}, seen)
		})
	}
	t.Run("databases and nodes", func(t *testing.T) {
		s := snapshotOf(map[string]string{
			"/DBS/a": "", "/DBS/a/.packed.json": "{", "/DBS/b": "", "/DBS/c": "", "/DBS/c/partitioningId": "1",
			"/PARTITIONING/_1/nStripes": "x",
			"/DBS/d":                    "", "/DBS/d/partitioningId": "a/b",
			"/NODES/v": "", "/NODES/v/port": "x", "/NODES/w": "",
		})
		var good, bad []string
		for db, err := range s.Databases() {
			if err != nil {
				bad = append(bad, err.Error())
			} else {
				good = append(good, db.Name)
			}
		}
		for node, err := range s.Nodes() {
			if err != nil {
				bad = append(bad, err.Error())
			} else {
				good = append(good, node.Name)
			}
		}
		assert.Equal(t, []string{"b", "w"}, good)
		assert.Equal(t, []string{
			"css: read database a: bad value: /DBS/a/.packed.json: not JSON: unexpected end of JSON input",
			`css: read database c: bad value: /PARTITIONING/_1/nStripes: "x" is not a whole number of 32 bits`,
			"css: read database d: bad value: /PARTITIONING/_a/b: the partitioning id has a slash",
			`css: read node v: bad value: /NODES/v/port: "x" is not a whole number of 32 bits`,
		}, bad)
	})
	t.Run("chunks", func(t *testing.T) {
		const chunks = "/DBS/db/TABLES/a/CHUNKS/"
		s := snapshotOf(map[string]string{
			"/DBS/db": "", "/DBS/db/TABLES/a": "", chunks + "1/REPLICAS/1/.packed.json": "{", chunks + "2/REPLICAS/1": "",
			chunks + "3/REPLICAS/1/nodeName": "w", chunks + "4": "",
		})
		var got []cssetcd.Chunk
		var bad []string
		for ch, err := range s.Chunks(cssetcd.TableName{DB: "db", Table: "a"}) {
			if err != nil {
				bad = append(bad, err.Error())
				continue
			}
			got = append(got, ch)
		}
		assert.Equal(t, []cssetcd.Chunk{{ID: 3, Nodes: []string{"w"}}, {ID: 4}}, got)
		assert.Equal(t, []string{
			"bad value: " + chunks + "1/REPLICAS/1/.packed.json: not JSON: unexpected end of JSON input",
			"bad value: " + chunks + "2/REPLICAS/1: the replica names no node",
		}, bad)
	})
}

// TestSnapshotReads: listings are in byte order, can be ended early, and names without a key of their own stand for
// nothing.
func TestSnapshotReads(t *testing.T) {
	s := snapshotOf(map[string]string{
		"/DBS": "", "/DBS/.packed.json": "{}", "/DBS/b": "READY", "/DBS/b/TABLES/x": "READY", "/DBS/b 2": "READY",
		"/DBS/b!": "FAILED:x", "/DBS/B": "", "/DBS/zombie/x": "",
		"/NODES/n": "ACTIVE", "/css_meta/version": "1",
	})
	var names []string
	for db, err := range s.Databases() {
		require.NoError(t, err)
		names = append(names, db.Name)
	}
	assert.Equal(t, []string{"B", "b", "b 2", "b!"}, names)
	for range s.Databases() {
		break
	}
	for range s.Tables("b") {
		break
	}
	for range s.Nodes() {
		break
	}
	for range s.Below("") {
		break
	}
	for range s.Chunks(object) {
		t.Error("a table that is not there has no chunks")
	}
	for range s.Tables("nothing") {
		t.Error("a database that is not there has no tables")
	}
	require.ErrorIs(t, errOf(s.Database("zombie")), cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, errOf(s.Node("m")), cssetcd.ErrNoSuchNode)
	require.NoError(t, s.Version())
	require.ErrorIs(t, snapshotOf(nil).Version(), cssetcd.ErrVersionMissing)
	require.ErrorIs(t, snapshotOf(map[string]string{"/css_meta/version": "x"}).Version(), cssetcd.ErrVersionMismatch)
	e, ok := s.Key("/DBS/b")
	assert.True(t, ok)
	assert.Equal(t, "READY", e.Value)
	_, ok = s.Key("/DBS/zombie")
	assert.False(t, ok)
	assert.Equal(t, 10, s.Len())
	assert.Equal(t, cssetcd.Revision(200), s.Revision())
	assert.Equal(t, []string{"/DBS/b/TABLES/x"}, below(s, "/DBS/b"))
	assert.Empty(t, below(s, "/DBS/b/TABLES/x"))
	assert.Len(t, below(s, ""), 10)
}

func below(s *cssetcd.Snapshot, root string) []string {
	var all []string
	for key := range s.Below(root) {
		all = append(all, key)
	}
	return all
}

func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		status cssetcd.Status
		state  cssetcd.State
		detail string
	}{
		{"READY", cssetcd.StateReady, ""},
		{"DO_NOT_USE", cssetcd.StateIgnore, ""},
		{"PENDING_CREATE:2026-01-01T00:00:00", cssetcd.StatePendingCreate, "2026-01-01T00:00:00"},
		{"PENDING_DROP:2026-01-01T00:00:00:qid=7", cssetcd.StatePendingDrop, "2026-01-01T00:00:00:qid=7"},
		{"PENDING_DROP:", cssetcd.StatePendingDrop, ""},
		{"FAILED:disk full: /x", cssetcd.StateFailed, "disk full: /x"},
		{"", cssetcd.StateOther, ""}, {"ready", cssetcd.StateOther, ""}, {"READY ", cssetcd.StateOther, ""},
		{"PENDING_DROP", cssetcd.StateOther, ""},
		{"KEY_MAYBE:x", cssetcd.StateOther, ""},
	} {
		assert.Equal(t, tt.state, tt.status.State(), "%q", tt.status)
		assert.Equal(t, tt.detail, tt.status.Detail(), "%q", tt.status)
		assert.Equal(t, tt.status == "READY", tt.status.Ready(), "%q", tt.status)
	}
	assert.Equal(t, cssetcd.Status("PENDING_DROP:now"), cssetcd.PendingDrop("now"))
	assert.Equal(t, cssetcd.Status("FAILED:why"), cssetcd.Failed("why"))
}

func FuzzStatus(f *testing.F) {
	for _, seed := range []string{"", "READY", "DO_NOT_USE", "PENDING_CREATE:x", "PENDING_DROP:", "PENDING_DROP:a:b",
		"FAILED:\xff", "FAILED", ":"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := cssetcd.Status(text)
		for _, made := range []cssetcd.Status{cssetcd.PendingDrop(text), cssetcd.Failed(text)} {
			if made.Detail() != text || made.Ready() {
				t.Fatalf("%q has the detail %q", made, made.Detail())
			}
		}
		switch s.State() {
		case cssetcd.StatePendingDrop:
			if cssetcd.PendingDrop(s.Detail()) != s {
				t.Fatalf("%q has the detail %q", s, s.Detail())
			}
		case cssetcd.StateFailed:
			if cssetcd.Failed(s.Detail()) != s {
				t.Fatalf("%q has the detail %q", s, s.Detail())
			}
		case cssetcd.StatePendingCreate:
		default:
			if s.Detail() != "" {
				t.Fatalf("%q has the detail %q", s, s.Detail())
			}
		}
	})
}

func FuzzTableName(f *testing.F) {
	for _, seed := range []string{"", ".", "a.b", "lsst.Object", "a.b.c", "a/b.c", " a.b", "a. b", "a..packed.json",
		"é.b", "a.\x00", "a.\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := cssetcd.ParseTableName(text)
		if err != nil {
			return
		}
		if n.String() != text || n.DB == "" || n.Table == "" {
			t.Fatalf("%q became %q", text, n)
		}
		c := emptyStore()
		if _, err := c.CreateDatabase(t.Context(), cssetcd.Database{Name: n.DB}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateTable(t.Context(), cssetcd.Table{Name: n}); err != nil {
			t.Fatal(err)
		}
		if tab, err := c.Table(t.Context(), n); err != nil || tab.Name != n {
			t.Fatalf("%v, %v", tab, err)
		}
	})
}

// TestKeysBeginWithASlash: anything else names nothing.
func TestKeysBeginWithASlash(t *testing.T) {
	s := snapshotOf(map[string]string{"/DBS": "", "/DBS/LSST": "READY"})
	for _, key := range []string{"", "DBS", "DBS/LSST", ".", "\x00"} {
		_, ok := s.Key(key)
		assert.False(t, ok, "%q", key)
	}
	for _, key := range []string{"DBS", "x", "0"} {
		for below := range s.Below(key) {
			assert.Fail(t, "there is nothing below", "%q: %s", key, below)
		}
	}
}
