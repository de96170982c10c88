package cssetcd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

// name64 and key255 are as long as a name and a key may be.
var name64 = strings.Repeat("n", 64)

func key255(prefix string) string { return prefix + strings.Repeat("k", 255-len(prefix)) }

// badNames are refused for everything that has a name; each with a part of the message.
var badNames = []struct{ why, name, message string }{
	{"empty", "", "the name is empty"},
	{"65 characters", name64 + "n", "longer than 64 characters"},
	{"slash", "a/b", "a slash separates the parts of a key"},
	{"only a slash", "/", "a slash separates"},
	{"packed", ".packed.json", "this name holds packed values"},
	{"space at the end", "a ", "begins or ends with a space"},
	{"space at the beginning", " a", "begins or ends with a space"},
	{"newline", "a\nb", "not printable ASCII"},
	{"NUL", "a\x00b", "not printable ASCII"},
	{"0x7f", "a\x7f", "not printable ASCII"},
	{"accent", "é", "not printable ASCII"},
	{"4-byte character", "😀", "not printable ASCII"},
	{"invalid UTF-8", "\xff", "not printable ASCII"},
}

var goodNames = []string{"a", name64, "a b", "a%_'\"\\`", "!~", "TABLES", "CHUNKS", "0", "DBS", "select"}

// TestNameRules: a name has 1 to 64 characters of printable ASCII, no slash, no space at either end, and is not
// .packed.json.
func TestNameRules(t *testing.T) {
	create := map[string]func(*cssetcd.Client, string) (cssetcd.Revision, error){
		"database": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.CreateDatabase(t.Context(), cssetcd.Database{Name: name})
		},
		"database like another": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.CreateDatabaseLike(t.Context(), name, "model")
		},
		"table": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "model", Table: name}})
		},
		"node": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.AddNode(t.Context(), cssetcd.Node{Name: name})
		},
		"key of a table": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.Raw().Put(t.Context(), "/DBS/model/TABLES/"+name, "READY")
		},
		"key below a node": func(c *cssetcd.Client, name string) (cssetcd.Revision, error) {
			return c.Raw().Put(t.Context(), "/NODES/"+name+"/host", "h")
		},
	}
	for kind, create := range create {
		t.Run(kind, func(t *testing.T) {
			c := emptyStore()
			ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "model"}))
			isKey := strings.HasPrefix(kind, "key")
			for _, bad := range badNames {
				if isKey && (strings.Contains(bad.name, "/") || strings.HasPrefix(bad.name, ".")) {
					continue // it makes another key
				}
				t.Run(bad.why, func(t *testing.T) {
					unchanged(t, c, func() {
						_, err := create(c, bad.name)
						require.ErrorIs(t, err, cssetcd.ErrInvalid)
						if !isKey {
							require.ErrorIs(t, err, cssetcd.ErrInvalidName)
							assert.ErrorContains(t, err, bad.message)
						}
					})
				})
			}
			for _, name := range goodNames {
				ok(t)(create(c, name))
			}
			_, err := create(c, "a.b")
			if strings.Contains(kind, "node") {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, cssetcd.ErrInvalidName)
				assert.ErrorContains(t, err, "a dot separates database and table")
			}
		})
	}
	t.Run("a table's database has a name, too", func(t *testing.T) {
		_, err := emptyStore().CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "a.b", Table: "c"}})
		require.ErrorIs(t, err, cssetcd.ErrInvalidName)
	})
}

func TestParseTableName(t *testing.T) {
	n := must(cssetcd.ParseTableName("lsst.Object"))(t)
	assert.Equal(t, object, n)
	assert.Equal(t, "lsst.Object", n.String())
	for _, bad := range []string{"", "lsst", ".", "lsst.", ".Object", "a.b.c", "a/b.c", "lsst. Object",
		"lsst..packed.json", "lsst.é"} {
		assert.ErrorIs(t, errOf(cssetcd.ParseTableName(bad)), cssetcd.ErrInvalidName, "%q", bad)
	}
}

// TestKeysAndValuesKeepWhatKvDataHolds: keys of 255 bytes, values of 65,535 bytes, valid UTF-8 without NUL and 4-byte
// characters.
func TestKeysAndValuesKeepWhatKvDataHolds(t *testing.T) {
	c := emptyStore()
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
	raw := c.Raw()
	for _, tt := range []struct{ why, key, value, message string }{
		{"a key of 255 bytes", key255("/k/"), "", ""},
		{"a key of 256 bytes", key255("/k/") + "k", "", "has 256 bytes and may have 255"},
		{"a value of 65,535 bytes", "/v", strings.Repeat("v", 65_535), ""},
		{"a value of 65,536 bytes", "/v", strings.Repeat("v", 65_536), "/v: has 65536 bytes and may have 65535"},
		{"3-byte characters", "/日", "本", ""},
		{"a 4-byte character in a key", "/😀", "", "takes 4 bytes in UTF-8 and kvData holds 3"},
		{"a 4-byte character in a value", "/v", "ab😀", "at byte 2 takes 4 bytes"},
		{"invalid UTF-8 in a key", "/a\xff", "", "byte 2 is not valid UTF-8"},
		{"invalid UTF-8 in a value", "/v", "\xc3", "byte 0 is not valid UTF-8"},
		{"the character for invalid UTF-8", "/v", "\uFFFD", ""},
		{"NUL in a key", "/v\x00w", "", "byte 2 is NUL"},
		{"NUL in a value", "/v", "ab\x00", "/v: byte 2 is NUL, at which programs in C take a text to end"},
		{"no slash in front", "v", "", "must begin with a slash"},
		{"nothing", "", "", "must begin with a slash"},
		{"only a slash", "/", "", "has an empty part"},
		{"a slash at the end", "/v/", "", "has an empty part"},
		{"two slashes", "/a//b", "", "has an empty part"},
		{"a space at the end", "/a ", "", "ends with a space"},
		{"a space at the end of a part", "/a /b", "", "ends with a space"},
		{"below a packed key", "/a/.packed.json/b", "", "lies below a packed key"},
		{"a space elsewhere", "/ a b", "", ""},
	} {
		t.Run(tt.why, func(t *testing.T) {
			_, err := raw.Put(t.Context(), tt.key, tt.value)
			if tt.message == "" {
				require.NoError(t, err)
				e := must(raw.Get(t.Context(), tt.key))(t)
				assert.Equal(t, tt.value, e.Value)
				return
			}
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
			assert.ErrorContains(t, err, tt.message)
		})
	}
	t.Run("typed writes keep them, too", func(t *testing.T) {
		n := cssetcd.TableName{DB: "db", Table: "t"}
		ok(t)(c.CreateTable(t.Context(), cssetcd.Table{Name: n, Schema: strings.Repeat("x", 65_535)}))
		long, emoji := strings.Repeat("x", 65_536), "😀"
		unchanged(t, c, func() {
			for what, err := range map[string]error{
				"schema of a new table": errOf(c.CreateTable(t.Context(),
					cssetcd.Table{Name: cssetcd.TableName{DB: "db", Table: "u"}, Schema: long})),
				"schema":          errOf(c.SetTableSchema(t.Context(), n, long)),
				"status":          errOf(c.SetTableStatus(t.Context(), n, cssetcd.Status(emoji))),
				"database status": errOf(c.SetDatabaseStatus(t.Context(), "db", "\xff")),
				"host":            errOf(c.AddNode(t.Context(), cssetcd.Node{Name: "w", Host: emoji})),
				"storage class":   errOf(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "e", StorageClass: emoji})),
				"column": errOf(c.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "db", Table: "u"},
					Partitioning: &cssetcd.Partitioning{DirDB: "db", DirTable: "u", DirColumn: emoji}})),
			} {
				assert.ErrorIs(t, err, cssetcd.ErrBadValue, what)
				assert.ErrorIs(t, err, cssetcd.ErrInvalid, what)
			}
		})
	})
	t.Run("the longest names fit, chunks included", func(t *testing.T) {
		n := cssetcd.TableName{DB: "d" + name64[1:], Table: "t" + name64[1:]}
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: n.DB,
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		ok(t)(c.CreateTable(t.Context(), directorTable(n)))
		ok(t)(c.AddNode(t.Context(), cssetcd.Node{Name: name64}))
		ok(t)(c.AddChunk(t.Context(), n, 2147483647, name64))
	})
}

// TestWhatIsNoNameNamesNothing: a name with a slash, the empty name and .packed.json would make the key of something
// else. Upstream takes "Object/schema" for a table.
func TestWhatIsNoNameNamesNothing(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(c.AddChunk(ctx, object, 1, "worker-1"))
	snapshot := catalogue(t, c, 0)
	for _, bad := range []string{"Object/schema", "Object/CHUNKS", "Object/partitioning", ".packed.json", "", "/"} {
		n := cssetcd.TableName{DB: "lsst", Table: bad}
		t.Run(fmt.Sprintf("table %q", bad), func(t *testing.T) {
			assert.ErrorIs(t, errOf(c.Table(ctx, n)), cssetcd.ErrNoSuchTable)
			assert.ErrorIs(t, errOf(snapshot.Table(n)), cssetcd.ErrNoSuchTable)
			assert.ErrorIs(t, errOf(c.Chunks(ctx, n)), cssetcd.ErrNoSuchTable)
			unchanged(t, c, func() {
				for _, err := range []error{
					errOf(c.SetTableStatus(ctx, n, "X")), errOf(c.SetTableSchema(ctx, n, "X")),
					errOf(c.SetSharedScan(ctx, n, cssetcd.SharedScan{})), errOf(c.DropTable(ctx, n, cssetcd.IfExists())),
					errOf(c.AddChunk(ctx, n, 1, "worker-1")), errOf(c.DeleteChunk(ctx, n, 1)),
				} {
					assert.ErrorIs(t, err, cssetcd.ErrInvalidName)
				}
			})
		})
	}
	for _, bad := range []string{"lsst/TABLES/Object", "lsst/TABLES", "", "/"} {
		t.Run(fmt.Sprintf("database %q", bad), func(t *testing.T) {
			assert.ErrorIs(t, errOf(c.Database(ctx, bad)), cssetcd.ErrNoSuchDB)
			_, err := c.Table(ctx, cssetcd.TableName{DB: bad, Table: "Object"})
			assert.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
			assert.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
			unchanged(t, c, func() {
				assert.ErrorIs(t, errOf(c.SetDatabaseStatus(ctx, bad, "X")), cssetcd.ErrInvalidName)
				assert.ErrorIs(t, errOf(c.DropDatabase(ctx, bad)), cssetcd.ErrInvalidName)
				assert.ErrorIs(t, errOf(c.CreateDatabaseLike(ctx, "new", bad)), cssetcd.ErrNoSuchDB)
			})
		})
	}
	for _, bad := range []string{"worker-1/.packed.json", ".packed.json", ""} {
		t.Run(fmt.Sprintf("node %q", bad), func(t *testing.T) {
			assert.ErrorIs(t, errOf(c.Node(ctx, bad)), cssetcd.ErrNoSuchNode)
			unchanged(t, c, func() {
				assert.ErrorIs(t, errOf(c.SetNodeState(ctx, bad, "X")), cssetcd.ErrInvalidName)
				assert.ErrorIs(t, errOf(c.DeleteNode(ctx, bad)), cssetcd.ErrInvalidName)
				assert.ErrorIs(t, errOf(c.AddChunk(ctx, object, 2, bad)), cssetcd.ErrInvalidName)
			})
		})
	}
}

// TestNamesFromElsewhereStayUsable: what breaks the rules of names and came there through etcdctl is listed, read,
// changed and dropped.
func TestNamesFromElsewhereStayUsable(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	odd := cssetcd.TableName{DB: "odd.db ", Table: "é.😀"}
	putKeys(t, c, map[string]string{"/DBS/odd.db ": "READY", "/DBS/odd.db /TABLES": "",
		"/DBS/odd.db /TABLES/é.😀": "READY", "/NODES/ nö": "ACTIVE"})
	var names []string
	for db, err := range catalogue(t, c, 0).Databases() {
		require.NoError(t, err)
		names = append(names, db.Name)
	}
	assert.Equal(t, []string{"lsst", "odd.db "}, names)
	tab := must(c.Table(ctx, odd))(t)
	ok(t)(c.SetTableStatus(ctx, odd, cssetcd.StatusIgnore, cssetcd.IfRevision(tab.Modified)))
	ok(t)(c.SetTableSchema(ctx, odd, "(a INT)"))
	assert.ErrorIs(t, errOf(c.AddChunk(ctx, odd, 1, " nö")), cssetcd.ErrInvalid,
		"nothing is added below a key that kvData cannot hold")
	ok(t)(c.AddChunk(ctx, object, 1, " nö"))
	assert.ErrorIs(t, errOf(c.DeleteNode(ctx, " nö")), cssetcd.ErrNodeInUse)
	ok(t)(c.DropTable(ctx, odd))
	ok(t)(c.DropDatabase(ctx, "odd.db "))
	ok(t)(c.DeleteChunk(ctx, object, 1))
	ok(t)(c.DeleteNode(ctx, " nö"))

	t.Run("keys that break the rules can be looked at and removed", func(t *testing.T) {
		bad := map[string]string{"/DBS/a ": "x", "/q//r": "x", "/DBS/a.b/TABLES/.packed.json/x": "x",
			"/" + strings.Repeat("k", 300): "\xff"}
		putKeys(t, c, bad)
		for key, value := range bad {
			e, err := c.Raw().Get(ctx, key)
			require.NoError(t, err, key)
			assert.Equal(t, value, e.Value)
			ok(t)(c.Raw().Delete(ctx, key))
		}
		assert.NotContains(t, rows(t, c), "/q//r")
	})
}

// TestNamesThatDifferInCaseOnly (I6): kvData's collation takes them for one key, so the second is refused, as a raw key
// too. The suite has the rest.
func TestNamesThatDifferInCaseOnly(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	unchanged(t, c, func() {
		assert.EqualError(t, errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "LSST"})),
			"css: create database LSST: database exists: as /DBS/lsst, and names may not differ in upper and lower case only")
		for _, key := range []string{"/DBS/LSST", "/DBS/LSST/x", "/DBS/lsst/TABLES/OBJECT", "/DBS/lsst/TABLES/OBJECT/schema",
			"/NODES/WORKER-1/host"} {
			require.ErrorIs(t, errOf(c.Raw().Put(ctx, key, "x")), cssetcd.ErrKeyExists, key)
		}
	})
	assert.Equal(t, "/DBS/lsst/TABLES/Object", records(t, c)["/dbs/lsst/tables/object"])
	t.Run("names in different databases do not meet", func(t *testing.T) {
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "other"}))
		ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "other", Table: "OBJECT"}}))
	})
	t.Run("a drop takes the spellings with it", func(t *testing.T) {
		ok(t)(c.DropDatabase(ctx, "lsst"))
		for record := range records(t, c) {
			assert.False(t, strings.HasPrefix(record, "/dbs/lsst"), record)
		}
	})
}

// TestStaleSpellingGivesWay (I6): a fold key whose name key is gone, deleted by hand, is overwritten.
func TestStaleSpellingGivesWay(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	deleteByHand(t, c, kv.Tree("css/DBS/lsst")...)
	require.Equal(t, "/DBS/lsst", beside(t, c)["fold/dbs/lsst"])
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "LSST"}))
	assert.Equal(t, "/DBS/LSST", beside(t, c)["fold/dbs/lsst"])
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "LSST", Table: "OBJECT"}}))
	assert.Equal(t, "/DBS/LSST/TABLES/OBJECT", beside(t, c)["fold/dbs/lsst/tables/object"])

	t.Run("and does not while the name is still being dropped", func(t *testing.T) {
		byHand(t, c, "fold/dbs/old", "/DBS/Old")
		byHand(t, c, "drop/db/Old", "x")
		require.ErrorIs(t, errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "old"})), cssetcd.ErrDropPending)
		byHand(t, c, "fold/dbs/lsst/tables/source", "/DBS/LSST/TABLES/Source")
		byHand(t, c, "drop/table/LSST/Source", "x")
		_, err := c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "LSST", Table: "source"}})
		require.ErrorIs(t, err, cssetcd.ErrDropPending)
		require.ErrorIs(t, errOf(c.Raw().Put(ctx, "/DBS/LSST/TABLES/source", "READY")), cssetcd.ErrDropPending)
	})
	t.Run("also when what it says is not a name", func(t *testing.T) {
		for i, odd := range []string{"", "/", "no key", "/DBS/", "/DBS/x/TABLES/y/z"} {
			name := fmt.Sprintf("odd%d", i)
			byHand(t, c, cssetcd.FoldPath("/DBS/"+name), odd)
			ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: name}))
			assert.Equal(t, "/DBS/"+name, beside(t, c)[cssetcd.FoldPath("/DBS/"+name)])
		}
	})
}

// TestSpellingIsCheckedInTheTransaction (I6): the other spelling comes between plan and commit.
func TestSpellingIsCheckedInTheTransaction(t *testing.T) {
	c := newCatalogue(t)
	r := racing(c, func() { ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "New"})) })
	require.ErrorIs(t, errOf(r.CreateDatabase(t.Context(), cssetcd.Database{Name: "new"})), cssetcd.ErrDBExists)

	t.Run("a stale spelling that comes to life", func(t *testing.T) {
		byHand(t, c, "fold/dbs/live", "/DBS/Live")
		r := racing(c, func() { byHand(t, c, "css/DBS/Live", "READY") })
		require.ErrorIs(t, errOf(r.CreateDatabase(t.Context(), cssetcd.Database{Name: "live"})), cssetcd.ErrDBExists)
	})
}
