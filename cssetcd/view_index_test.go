package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// chain is a catalogue that changes step by step, as a view shows it and as it is in etcd.
type chain struct {
	kv     *kv.Snapshot
	shown  *cssetcd.Snapshot
	places []string // keys that can be put and deleted
}

var (
	chainDBs    = []string{"a", "a b", "b"}
	chainTables = []string{"T", "T1"}
	chainNodes  = []string{"n1", "n2"}
	schemaTexts = []string{"(a INT)", "(a INT, b DOUBLE)", "not a schema", ""}
)

func newChain(t *rapid.T) *chain {
	c := &chain{}
	c.places = []string{"/css_meta/version", "/DBS", "/DBS/", "/DBS/a/", "/NODES", "/PARTITIONING", "/elsewhere/x",
		"/DBS/.packed.json"}
	for _, id := range []string{"1", "2"} {
		c.places = append(c.places, "/PARTITIONING/_"+id, "/PARTITIONING/_"+id+"/.packed.json")
	}
	for _, n := range chainNodes {
		c.places = append(c.places, "/NODES/"+n, "/NODES/"+n+"/.packed.json", "/NODES/"+n+"/host")
	}
	for _, db := range chainDBs {
		d := "/DBS/" + db
		c.places = append(c.places, d, d+"/.packed.json", d+"/partitioningId", d+"/TABLES", d+"/TABLES/")
		c.places = append(c.places, "_empty/"+db)
		for _, table := range chainTables {
			x := d + "/TABLES/" + table
			c.places = append(c.places, x, x, x+"/schema", x+"/schema", x+"/partitioning", x+"/partitioning/.packed.json",
				x+"/sharedScan/.packed.json",
				x+"/match/dirTable1", x+"/CHUNKS", x+"/CHUNKS/7", x+"/CHUNKS/7/REPLICAS/1/.packed.json",
				x+"/CHUNKS/12/REPLICAS/1/nodeName", x+"/CHUNKS2", x+"/")
		}
	}
	b := kv.NewSnapshot(0, csskey.Catalogue).Edit()
	at := kv.Revision(1)
	absent := rapid.SliceOfN(rapid.SampledFrom(c.places), 0, 12).Draw(t, "keys that are not there at first")
	for _, key := range c.places {
		if slices.Contains(absent, key) {
			continue
		}
		b.Put(kv.Path("css"+key), kv.Entry{Value: aChainValue(t, key), Create: at, Mod: at})
	}
	c.kv = b.Snapshot(at)
	c.shown = cssetcd.CatalogueOf(c.kv)
	return c
}

// aChainValue draws a value that fits the key, most of the time.
func aChainValue(t *rapid.T, key string) string {
	fits := map[string][]string{
		"schema":         schemaTexts,
		"partitioningId": {"1", "2", "3", "x/y"},
		"dirTable1":      {"", "d"},
		"nodeName":       {"", "n1"},
		"host":           {"h"},
	}
	if strings.HasPrefix(key, "_empty/") {
		return rapid.SampledFrom([]string{"", "0-3", "7", "no set"}).Draw(t, "set")
	}
	all := []string{"READY", "", `{"nodeName":"n1"}`, `{"partitioningId":"1"}`,
		`{"nStripes":"3","nSubStripes":"4","overlap":"0.5"}`,
		`{"dirDb":"a","overlap":"0.1"}`, `{"scanRating":"2"}`, `{"host":"h","port":"5"}`, "{broken"}
	if some := fits[key[strings.LastIndexByte(key, '/')+1:]]; some != nil {
		all = some
	}
	return rapid.SampledFrom(all).Draw(t, "value")
}

// step draws one update of a view: one or more revisions.
func (c *chain) step(t *rapid.T) (touched []kv.Path) {
	b, at := c.kv.Edit(), c.kv.Revision
	for range rapid.IntRange(1, 4).Draw(t, "revisions") {
		at++
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(c.places), 1, 4, rapid.ID).Draw(t, "keys") {
			p := kv.Path("css" + key)
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				b.Delete(p)
				touched = append(touched, p)
			case 1:
				touched = append(touched, b.DeleteSpan(kv.Below(p))...)
			default:
				e := kv.Entry{Value: aChainValue(t, key), Create: at, Mod: at}
				if old := b.At(p); old.Exists() {
					e.Create = old.Create
				}
				b.Put(p, e)
				touched = append(touched, p)
			}
		}
	}
	c.kv = b.Snapshot(at)
	return touched
}

// read is what reading a thing gave.
type read struct {
	value any
	err   string
	kind  error
}

func readOf(value any, err error) read {
	if err == nil {
		return read{value: value}
	}
	r := read{value: value, err: err.Error()}
	for _, kind := range []error{cssetcd.ErrEmptyChunksUnknown, cssetcd.ErrNoSuchDB, cssetcd.ErrNoSuchTable,
		cssetcd.ErrNoSuchNode, cssetcd.ErrBadValue} {
		if errors.Is(err, kind) {
			r.kind = errors.Join(r.kind, kind)
		}
	}
	return r
}

// everything reads all that a snapshot can tell, by name and by listing. Database.Revision is left out.
func everything(s *cssetcd.Snapshot) map[string]read {
	all := map[string]read{}
	database := func(db *cssetcd.Database, err error) read {
		if err != nil {
			return readOf(nil, err)
		}
		without := *db
		without.Revision = 0
		return readOf(without, nil)
	}
	for i, db := range slices.Concat(chainDBs, []string{"", "A", ".packed.json"}) {
		all["database "+db] = database(s.Database(db))
		empty, err := s.EmptyChunks(db)
		all["empty chunks "+db] = readOf(empty.String(), err)
		for _, table := range slices.Concat(chainTables, []string{"", "t"}) {
			n := cssetcd.TableName{DB: db, Table: table}
			t, err := s.Table(n)
			all["table "+n.String()] = readOf(t, err)
			ids, err := s.ChunkIDs(n)
			all["chunk ids "+n.String()] = readOf(ids.String(), err)
			if p, err := s.Placement(n); err == nil {
				all["chunks of "+n.String()] = readOf(p.Len(), nil)
			}
			columns, err := s.Columns(n)
			all["columns "+n.String()] = readOf(columns, err)
			for chunk, err := range s.Chunks(n) {
				all[fmt.Sprintf("chunk %s %d", n, chunk.ID)] = readOf(chunk, err)
			}
		}
		j := 0
		for t, err := range s.Tables(db) {
			all[fmt.Sprintf("tables of %d: %d", i, j)] = readOf(t, err)
			j++
		}
	}
	i := 0
	for db, err := range s.Databases() {
		all[fmt.Sprintf("databases %d", i)] = database(db, err)
		i++
	}
	i = 0
	for n, err := range s.Nodes() {
		all[fmt.Sprintf("nodes %d", i)] = readOf(n, err)
		i++
	}
	known := slices.Collect(s.EmptyChunksKnown())
	all["empty chunks known"] = readOf(known, nil)
	all["keys"] = readOf(s.Len(), nil)
	for _, name := range chainNodes {
		n, err := s.Node(name)
		all["node "+name] = readOf(n, err)
	}
	return all
}

// TestNextSnapshotIsAFreshOne (V8): after any history, the snapshots that a view makes one from another say of
// everything what a snapshot made at once says; what was not touched keeps its pointer; and what was touched below a
// database gives that a new revision.
func TestNextSnapshotIsAFreshOne(t *testing.T) {
	steps, kept, renewed := 0, 0, 0
	check := func(t *rapid.T) {
		c := newChain(t)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			before := c.shown
			read := rapid.Bool().Draw(t, "read")
			if read {
				everything(before)
			}
			touched := c.step(t)
			c.shown = before.Next(c.kv, touched)
			require.Equal(t, everything(cssetcd.CatalogueOf(c.kv)), everything(c.shown))
			k, r := samePointers(t, before, c.shown, touched, read)
			kept, renewed, steps = kept+k, renewed+r, steps+1
		}
	}
	for i := range 30 { // -short makes each check smaller
		if rapid.Check(t, check); i >= 2 && kept > 1000 && renewed > 300 {
			break
		}
	}
	t.Logf("%d steps: %d things kept, %d databases with a new revision", steps, kept, renewed)
	assert.Greater(t, kept, 1000)
	assert.Greater(t, renewed, 300)
}

// TestAPartitioningTouchesItsDatabasesOnly: a change of one costs the same however many databases there are. The work
// is counted in allocations: each record that is parsed takes some.
func TestAPartitioningTouchesItsDatabasesOnly(t *testing.T) {
	cost := func(databases int) float64 {
		values := map[string]string{}
		for i := range databases {
			id := fmt.Sprintf("%010d", i+1)
			values[fmt.Sprintf("/DBS/db%d", i)] = "READY"
			values[fmt.Sprintf("/DBS/db%d/.packed.json", i)] = `{"partitioningId":"` + id + `"}`
			values["/PARTITIONING/_"+id+"/.packed.json"] = `{"nStripes":"85","nSubStripes":"12","overlap":"0.1"}`
		}
		now := kvSnapshotOf(values)
		before := cssetcd.CatalogueOf(now)
		touched := []kv.Path{"css/PARTITIONING/_0000000003/.packed.json"}
		other := must(before.Database("db3"))(t)
		b := now.Edit()
		b.Put(touched[0], kv.Entry{Value: `{"nStripes":"9","nSubStripes":"9","overlap":"0.1"}`, Create: 1, Mod: 2})
		later := b.Snapshot(2)
		after := before.Next(later, touched)
		changed := must(after.Database("db2"))(t)
		assert.Equal(t, 9, changed.Striping.Stripes)
		same := must(after.Database("db3"))(t)
		assert.Same(t, other, same)
		return testing.AllocsPerRun(10, func() { before.Next(later, touched) })
	}
	few, many := cost(10), cost(2_000)
	assert.Less(t, many, few+50, "with 10 databases it were %v", few)
}

// samePointers checks what two snapshots share. A table whose chunks change keeps what was read of the rest by then.
func samePointers(t *rapid.T, before, after *cssetcd.Snapshot, touched []kv.Path, wasRead bool) (kept, renewed int) {
	within := func(keys ...string) bool {
		return slices.ContainsFunc(touched, func(p kv.Path) bool {
			return slices.ContainsFunc(keys, func(key string) bool {
				return string(p) == "css"+key ||
					strings.HasPrefix(string(p), "css"+key+"/")
			})
		})
	}
	for _, db := range chainDBs {
		old, oldErr := before.Database(db)
		now, nowErr := after.Database(db)
		if !within("/DBS/"+db, "/PARTITIONING") && oldErr == nil {
			require.NoError(t, nowErr)
			require.Same(t, old, now)
			kept++
		}
		if within("/DBS/"+db) && oldErr == nil && nowErr == nil {
			require.Greater(t, now.Revision, old.Revision, "something in %s was touched", db)
			renewed++
		} else if oldErr == nil && nowErr == nil && !within("/PARTITIONING") {
			require.Equal(t, old.Revision, now.Revision, "nothing in %s was touched", db)
		}
		if oldErr == nil && nowErr == nil && old.Revision == now.Revision {
			require.Equal(t, old, now, "while the revision is the same, the database is")
		}
		for _, table := range chainTables {
			n := cssetcd.TableName{DB: db, Table: table}
			x := "/DBS/" + db + "/TABLES/" + table
			old, oldErr := before.Table(n)
			now, nowErr := after.Table(n)
			besideChunks := slices.ContainsFunc(touched, func(p kv.Path) bool {
				rest, ok := strings.CutPrefix(string(p), "css"+x)
				return ok && (rest == "" || rest[0] == '/') && rest != "/CHUNKS" && !strings.HasPrefix(rest, "/CHUNKS/")
			})
			if oldErr == nil && !besideChunks && (wasRead || !within(x+"/CHUNKS")) {
				require.NoError(t, nowErr)
				require.Same(t, old, now)
				kept++
				oldColumns, _ := before.Columns(n)
				columns, _ := after.Columns(n)
				require.Equal(t, unsafe.SliceData(oldColumns), unsafe.SliceData(columns))
			}
		}
	}
	for _, name := range chainNodes {
		if old, err := before.Node(name); err == nil && !within("/NODES/"+name) {
			now := must(after.Node(name))(t)
			require.Same(t, old, now)
			kept++
		}
	}
	return kept, renewed
}

// TestOneSchemaIsParsedOnce (V9) for all the tables that have it, also those that come later; after one of them differs
// there are two.
func TestOneSchemaIsParsedOnce(t *testing.T) {
	const text, other = "(a INT, b DOUBLE)", "(a INT, b DOUBLE, c INT)"
	values := map[string]string{}
	name := func(i int) cssetcd.TableName { return cssetcd.TableName{DB: fmt.Sprintf("db%03d", i), Table: "T"} }
	schemaKey := func(i int) kv.Path { return kv.Path(fmt.Sprintf("css/DBS/db%03d/TABLES/T/schema", i)) }
	const databases = 100
	for i := range databases {
		values[fmt.Sprintf("/DBS/db%03d", i)] = "READY"
		values[fmt.Sprintf("/DBS/db%03d/TABLES/T", i)] = "READY"
		values[string(schemaKey(i)[len("css"):])] = text
	}
	now := kvSnapshotOf(values)
	s := cssetcd.CatalogueOf(now)
	different := func() int {
		seen := map[*cssetcd.Column]bool{}
		for i := range databases {
			columns := must(s.Columns(name(i)))(t)
			seen[unsafe.SliceData(columns)] = true
		}
		return len(seen)
	}
	change := func(i int, text string) {
		b := now.Edit()
		at := now.Revision + 1
		b.Put(schemaKey(i), kv.Entry{Value: text, Create: 1, Mod: at})
		now = b.Snapshot(at)
		s = s.Next(now, []kv.Path{schemaKey(i)})
	}
	assert.Equal(t, 1, different())
	assert.Equal(t, 1, s.KnownSchemas())
	change(5, other)
	assert.Equal(t, 2, different())
	columns := must(s.Columns(name(5)))(t)
	assert.Len(t, columns, 3)
	change(7, other)
	assert.Equal(t, 2, different(), "one that comes later shares it, too")

	t.Run("a schema that no table has is forgotten", func(t *testing.T) {
		change(5, text)
		change(7, text)
		assert.Equal(t, 1, different())
		require.Eventually(t, func() bool {
			runtime.GC()
			return s.KnownSchemas() == 1
		}, 30*time.Second, time.Millisecond)
		assert.Equal(t, 1, different(), "and one that tables have is not")
		change(9, other)
		assert.Equal(t, 2, different(), "it can come again")
		runtime.KeepAlive(s)
	})
	t.Run("one that nobody can parse is an error each time, and the same", func(t *testing.T) {
		change(1, "not a schema")
		change(2, "not a schema")
		for _, i := range []int{1, 2, 1} {
			_, err := s.Columns(name(i))
			require.Error(t, err)
			assert.Contains(t, err.Error(), name(i).String())
		}
	})
}

// kvSnapshotOf makes a snapshot of CSS keys at revision 1.
func kvSnapshotOf(values map[string]string) *kv.Snapshot {
	b := kv.NewSnapshot(0, csskey.Catalogue).Edit()
	for key, value := range values {
		b.Put(kv.Path("css"+key), kv.Entry{Value: value, Create: 1, Mod: 1})
	}
	return b.Snapshot(1)
}

// TestDatabaseRevisionAlwaysTells: it rises also with a partitioning, with a difference that is mended at one revision,
// and after etcd went back; not with the partitioning of others.
func TestDatabaseRevisionAlwaysTells(t *testing.T) {
	at := func(rev kv.Revision, more map[string]string) *kv.Snapshot {
		b := kv.NewSnapshot(rev, csskey.Catalogue).Edit()
		keys := map[string]string{
			"/DBS/a": "READY", "/DBS/a/partitioningId": "0000000001", "/DBS/b": "READY",
			"/PARTITIONING/_0000000001/nStripes": "10", "/PARTITIONING/_0000000001/nSubStripes": "2",
			"/PARTITIONING/_0000000001/overlap": "0.1",
		}
		maps.Copy(keys, more)
		for key, value := range keys {
			b.Put(kv.Path("css"+key), kv.Entry{Value: value, Create: 1, Mod: 1})
		}
		return b.Snapshot(rev)
	}
	v, tell := cssetcd.ViewByHand(at(20, nil))
	t.Cleanup(v.Close)
	revision := func(db string) cssetcd.Revision {
		d := must(v.Snapshot().Database(db))(t)
		return d.Revision
	}
	last, other := revision("a"), revision("b")
	for _, step := range []struct {
		what   string
		update kv.Update
	}{
		{"its partitioning", kv.Update{
			Snapshot: at(21, map[string]string{"/PARTITIONING/_0000000001/nStripes": "99"}),
			Touched:  []kv.Path{"css/PARTITIONING/_0000000001/nStripes"},
		}},
		{"mended at the same revision", kv.Update{Snapshot: at(21, map[string]string{"/DBS/a": "X"}),
			Touched: []kv.Path{"css/DBS/a"}, Resync: true}},
		{"etcd went back", kv.Update{Snapshot: at(15, nil), Touched: []kv.Path{"css/DBS/a"}, Resync: true, Regressed: true}},
		{"and on", kv.Update{Snapshot: at(20, map[string]string{"/DBS/a": "Y"}), Touched: []kv.Path{"css/DBS/a"}}},
	} {
		tell(step.update)
		assert.Greater(t, revision("a"), last, step.what)
		assert.Equal(t, other, revision("b"), step.what)
		last = revision("a")
	}
}

// TestWaitRevisionDoesNotTrustWhatIsGone: once etcd is known to have gone back, no revision counts as reached before it
// is loaded.
func TestWaitRevisionDoesNotTrustWhatIsGone(t *testing.T) {
	v, tell := cssetcd.ViewByHand(kv.NewSnapshot(100, csskey.Catalogue))
	t.Cleanup(v.Close)
	tell(kv.Update{Snapshot: v.Snapshot().KV(), Trouble: fmt.Errorf("%w: %w", kv.ErrResync, kv.ErrWentBack)})
	// it could not be loaded
	tell(kv.Update{Snapshot: v.Snapshot().KV(), Trouble: fmt.Errorf("%w: %w", kv.ErrResync, kv.ErrUnavailable)})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := v.WaitRevision(ctx, 61)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the snapshot is of a history that is gone")

	got := make(chan error)
	go func() {
		s, err := v.WaitRevision(t.Context(), 61)
		if err == nil && s.Revision() != 62 {
			err = fmt.Errorf("it is at revision %d", s.Revision())
		}
		got <- err
	}()
	require.Eventually(t, func() bool { return v.Stats().Waiters == 1 }, 30*time.Second, time.Millisecond)
	tell(kv.Update{Snapshot: kv.NewSnapshot(62, csskey.Catalogue), Resync: true, Regressed: true})
	require.NoError(t, <-got, "it was written to the etcd that is there now")
}

// TestNamesAreOfTheCatalogue and not of whoever asked: his may be a part of a large text, which would stay as long as
// the table does.
func TestNamesAreOfTheCatalogue(t *testing.T) {
	s := cssetcd.CatalogueOf(kvSnapshotOf(map[string]string{"/DBS/lsst": "READY", "/DBS/lsst/TABLES/Object": "READY",
		"/NODES/worker-1": "ACTIVE"}))
	text := strings.Repeat("SELECT * FROM lsst.Object, worker-1;", 1000)
	at := func(word string) string { i := strings.Index(text, word); return text[i : i+len(word)] }
	within := func(name string) bool {
		from, p := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(name)))
		return p >= from && p < from+uintptr(len(text))
	}
	table := must(s.Table(cssetcd.TableName{DB: at("lsst"), Table: at("Object")}))(t)
	db := must(s.Database(at("lsst")))(t)
	node := must(s.Node(at("worker-1")))(t)
	for _, name := range []string{table.Name.DB, table.Name.Table, db.Name, node.Name} {
		assert.False(t, within(name), name)
	}
}
