package cssetcd_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// parseRows reads lines of the form 'key' | 'value'.
func parseRows(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(strings.TrimSpace(line), "\n")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "' | '")
		require.True(t, ok, line)
		all[strings.TrimPrefix(key, "'")] = strings.TrimSuffix(value, "'")
	}
	return all
}

// changed returns the rows of after that are not the same in before.
func changed(before, after map[string]string) map[string]string {
	diff := maps.Clone(after)
	maps.DeleteFunc(diff, func(key, value string) bool {
		old, ok := before[key]
		return ok && old == value
	})
	return diff
}

// TestRowsAreThoseOfUpstream holds what upstream's CssAccess writes for a sequence of calls, as it was recorded from
// kvData: each step with the rows that are new or changed after it. We write the same bytes; the exceptions are marked.
func TestRowsAreThoseOfUpstream(t *testing.T) {
	ctx, c := t.Context(), csstest.New(t)
	partitioned := func(col, lat, lon string) *cssetcd.Partitioning {
		return &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: col, LatColumn: lat, LonColumn: lon}
	}
	table := func(name, schema string) cssetcd.Table {
		return cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: name}, Schema: schema}
	}
	create := func(edit func(*cssetcd.Table), name, schema string) func() (cssetcd.Revision, error) {
		tab := table(name, schema)
		edit(&tab)
		return func() (cssetcd.Revision, error) { return c.CreateTable(ctx, tab, cssetcd.AllowUnqueryable()) }
	}
	database := func(db cssetcd.Database) func() (cssetcd.Revision, error) {
		return func() (cssetcd.Revision, error) { return c.CreateDatabase(ctx, db) }
	}
	like := func(name, model string) func() (cssetcd.Revision, error) {
		return func() (cssetcd.Revision, error) { return c.CreateDatabaseLike(ctx, name, model) }
	}
	chunk := func(id int, nodes ...string) func() (cssetcd.Revision, error) {
		return func() (cssetcd.Revision, error) { return c.AddChunk(ctx, object, id, nodes...) }
	}
	node := func(n cssetcd.Node) func() (cssetcd.Revision, error) {
		return func() (cssetcd.Revision, error) { return c.AddNode(ctx, n) }
	}
	scan := func(name string, s cssetcd.SharedScan) func() (cssetcd.Revision, error) {
		return func() (cssetcd.Revision, error) {
			return c.SetSharedScan(ctx, cssetcd.TableName{DB: "lsst", Table: name}, s)
		}
	}

	// Upstream makes the first three rows, the root row '' among them, when it connects. We write them with the first
	// database and leave the root row to the mirror.
	steps := []struct {
		name string
		do   func() (cssetcd.Revision, error)
		rows string
	}{
		{"create-db plain", database(cssetcd.Database{Name: "plain", StorageClass: "L2", ReleaseStatus: "PRIVATE"}), `
			'/css_meta' | ''
			'/css_meta/version' | '1'
			'/DBS' | ''
			'/DBS/plain' | 'READY'
			'/DBS/plain/.packed.json' | '{"releaseStatus":"PRIVATE","storageClass":"L2"} '`},
		{"create-db lsst stripes=85 substripes=12 overlap=0.01667", database(cssetcd.Database{
			Name: "lsst", StorageClass: "L2", ReleaseStatus: "RELEASED",
			Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667},
		}), `
			'/PARTITIONING' | ''
			'/PARTITIONING/_0000000001' | ''
			'/PARTITIONING/_0000000001/.packed.json' | '{"nStripes":"85","nSubStripes":"12","overlap":"0.016670"} '
			'/DBS/lsst' | 'READY'
			'/DBS/lsst/.packed.json' | '{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} '`},
		{"create-db wide stripes=340 substripes=3 overlap=0.1", database(cssetcd.Database{
			Name: "wide", StorageClass: "L2", ReleaseStatus: "RELEASED",
			Striping: &cssetcd.Striping{Stripes: 340, SubStripes: 3, Overlap: 0.1},
		}), `
			'/PARTITIONING/_0000000002' | ''
			'/PARTITIONING/_0000000002/.packed.json' | '{"nStripes":"340","nSubStripes":"3","overlap":"0.100000"} '
			'/DBS/wide' | 'READY'
			'/DBS/wide/.packed.json' | '{"partitioningId":"0000000002","releaseStatus":"RELEASED","storageClass":"L2"} '`},
		{"create-db-like lsst2 lsst", like("lsst2", "lsst"), `
			'/DBS/lsst2' | 'READY'
			'/DBS/lsst2/.packed.json' | '{"partitioningId":"0000000001","releaseStatus":"RELEASED","storageClass":"L2"} '`},
		{"create-db-like plain2 plain", like("plain2", "plain"), `
			'/DBS/plain2' | 'READY'
			'/DBS/plain2/.packed.json' | '{"releaseStatus":"PRIVATE","storageClass":"L2"} '`},
		{"create-table lsst Object with overlap, sub-chunks, lock, rating 1", create(func(t *cssetcd.Table) {
			t.Partitioning = partitioned("objectId", "decl", "ra")
			t.Partitioning.Overlap, t.Partitioning.SubChunks = 0.01667, true
			t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: 1}
		}, "Object", "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)"), `
			'/DBS/lsst/TABLES' | ''
			'/DBS/lsst/TABLES/Object' | 'READY'
			'/DBS/lsst/TABLES/Object/schema' | '(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)'
			'/DBS/lsst/TABLES/Object/partitioning' | ''
			'/DBS/lsst/TABLES/Object/partitioning/.packed.json' | '{"dirColName":"objectId","dirDb":"lsst","dirTable":"Object","latColName":"decl","lonColName":"ra","overlap":"0.016670","subChunks":"1"} '
			'/DBS/lsst/TABLES/Object/sharedScan' | ''
			'/DBS/lsst/TABLES/Object/sharedScan/.packed.json' | '{"lockInMem":"1","scanRating":"1"} '`},
		{"create-table lsst Source, a child with positions", create(func(t *cssetcd.Table) {
			t.Partitioning = partitioned("objectId", "decl", "ra")
			t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: 2}
		}, "Source", "(sourceId BIGINT, objectId BIGINT)"), `
			'/DBS/lsst/TABLES/Source' | 'READY'
			'/DBS/lsst/TABLES/Source/schema' | '(sourceId BIGINT, objectId BIGINT)'
			'/DBS/lsst/TABLES/Source/partitioning' | ''
			'/DBS/lsst/TABLES/Source/partitioning/.packed.json' | '{"dirColName":"objectId","dirDb":"lsst","dirTable":"Object","latColName":"decl","lonColName":"ra","subChunks":"0"} '
			'/DBS/lsst/TABLES/Source/sharedScan' | ''
			'/DBS/lsst/TABLES/Source/sharedScan/.packed.json' | '{"lockInMem":"1","scanRating":"2"} '`},
		{"create-table lsst ForcedSource, a child without positions", create(func(t *cssetcd.Table) {
			t.Partitioning = partitioned("objectId", "", "")
		}, "ForcedSource", "(objectId BIGINT)"), `
			'/DBS/lsst/TABLES/ForcedSource' | 'READY'
			'/DBS/lsst/TABLES/ForcedSource/schema' | '(objectId BIGINT)'
			'/DBS/lsst/TABLES/ForcedSource/partitioning' | ''
			'/DBS/lsst/TABLES/ForcedSource/partitioning/.packed.json' | '{"dirColName":"objectId","dirDb":"lsst","dirTable":"Object","latColName":"","lonColName":"","subChunks":"0"} '`},
		{"create-table lsst Filter, not partitioned", create(func(*cssetcd.Table) {}, "Filter", "(filterId TINYINT)"), `
			'/DBS/lsst/TABLES/Filter' | 'READY'
			'/DBS/lsst/TABLES/Filter/schema' | '(filterId TINYINT)'`},
		{"create-table lsst RatingOnly: only what is not zero is written", create(func(t *cssetcd.Table) {
			t.Partitioning = &cssetcd.Partitioning{
				DirDB: "lsst", DirTable: "RatingOnly", DirColumn: "a", LatColumn: "b", LonColumn: "c", SubChunks: true,
			}
			t.SharedScan = &cssetcd.SharedScan{Rating: 3}
		}, "RatingOnly", "(a INT)"), `
			'/DBS/lsst/TABLES/RatingOnly' | 'READY'
			'/DBS/lsst/TABLES/RatingOnly/schema' | '(a INT)'
			'/DBS/lsst/TABLES/RatingOnly/partitioning' | ''
			'/DBS/lsst/TABLES/RatingOnly/partitioning/.packed.json' | '{"dirColName":"a","dirDb":"lsst","dirTable":"RatingOnly","latColName":"b","lonColName":"c","subChunks":"1"} '
			'/DBS/lsst/TABLES/RatingOnly/sharedScan' | ''
			'/DBS/lsst/TABLES/RatingOnly/sharedScan/.packed.json' | '{"scanRating":"3"} '`},
		{"create-match-table lsst RefMatch", create(func(t *cssetcd.Table) {
			t.Match = &cssetcd.Match{
				DirTable1: "lsst.Object", DirColumn1: "objectId", DirTable2: "lsst.RefObject", DirColumn2: "refObjectId",
				FlagColumn: "flags", AngSep: 0.000277778,
			}
			// Upstream writes the tables' names as they are given, and looks for them without the database.
			// Upstream writes "angSep":"0.000278": all its numbers have six decimals.
		}, "RefMatch", "(a INT)"), `
			'/DBS/lsst/TABLES/RefMatch' | 'READY'
			'/DBS/lsst/TABLES/RefMatch/schema' | '(a INT)'
			'/DBS/lsst/TABLES/RefMatch/match' | '1'
			'/DBS/lsst/TABLES/RefMatch/match/.packed.json' | '{"angSep":"0.000277778","dirColName1":"objectId","dirColName2":"refObjectId","dirTable1":"Object","dirTable2":"RefObject","flagColName":"flags"} '
			'/DBS/lsst/TABLES/RefMatch/partitioning' | ''`},
		{"create-match-table lsst NotMatch without directors", create(func(*cssetcd.Table) {}, "NotMatch", "(a INT)"), `
			'/DBS/lsst/TABLES/NotMatch' | 'READY'
			'/DBS/lsst/TABLES/NotMatch/schema' | '(a INT)'`},
		{"add-node worker-1", node(cssetcd.Node{Name: "worker-1", Type: "worker", Host: "worker-1.example.org", Port: 5012}), `
			'/NODES' | ''
			'/NODES/worker-1' | 'ACTIVE'
			'/NODES/worker-1/.packed.json' | '{"host":"worker-1.example.org","port":"5012","type":"worker"} '`},
		{"add-node worker-2", node(cssetcd.Node{
			Name: "worker-2", Type: "worker", Host: "10.0.0.2", Port: 5012, State: cssetcd.NodeInactive,
		}), `
			'/NODES/worker-2' | 'INACTIVE'
			'/NODES/worker-2/.packed.json' | '{"host":"10.0.0.2","port":"5012","type":"worker"} '`},
		{"add-chunk lsst Object 1234 worker-1 worker-2", chunk(1234, "worker-1", "worker-2"), `
			'/DBS/lsst/TABLES/Object/CHUNKS' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1234' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS/0000000001' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS/0000000001/.packed.json' | '{"nodeName":"worker-1"} '
			'/DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS/0000000002' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1234/REPLICAS/0000000002/.packed.json' | '{"nodeName":"worker-2"} '`},
		{"add-chunk lsst Object 1235 worker-2", chunk(1235, "worker-2"), `
			'/DBS/lsst/TABLES/Object/CHUNKS/1235' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1235/REPLICAS' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1235/REPLICAS/0000000001' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1235/REPLICAS/0000000001/.packed.json' | '{"nodeName":"worker-2"} '`},
		{"add-chunk lsst Object 1235 worker-1, which upstream can add again and again", chunk(1235, "worker-1"), `
			'/DBS/lsst/TABLES/Object/CHUNKS/1235/REPLICAS/0000000002' | ''
			'/DBS/lsst/TABLES/Object/CHUNKS/1235/REPLICAS/0000000002/.packed.json' | '{"nodeName":"worker-1"} '`},
		{"set-scan lsst Object 0 3, in place", scan("Object", cssetcd.SharedScan{Rating: 3}), `
			'/DBS/lsst/TABLES/Object/sharedScan/.packed.json' | '{"lockInMem":"0","scanRating":"3"} '`},
		{"set-scan lsst Filter 1 2, where there was none", scan("Filter", cssetcd.SharedScan{LockInMem: true, Rating: 2}), `
			'/DBS/lsst/TABLES/Filter/sharedScan' | ''
			'/DBS/lsst/TABLES/Filter/sharedScan/.packed.json' | '{"lockInMem":"1","scanRating":"2"} '`},
		{"set-table-status lsst Object PENDING_DROP", func() (cssetcd.Revision, error) {
			return c.SetTableStatus(ctx, object, cssetcd.PendingDrop("2026-01-01T00:00:00"))
		}, `
			'/DBS/lsst/TABLES/Object' | 'PENDING_DROP:2026-01-01T00:00:00'`},
		{"set-db-status wide FAILED", func() (cssetcd.Revision, error) {
			return c.SetDatabaseStatus(ctx, "wide", cssetcd.Failed("disk full"))
		}, `
			'/DBS/wide' | 'FAILED:disk full'`},
		{"set-node-state worker-2 ACTIVE", func() (cssetcd.Revision, error) {
			return c.SetNodeState(ctx, "worker-2", cssetcd.NodeActive)
		}, `
			'/NODES/worker-2' | 'ACTIVE'`},
		{"create-table lsst AfterUpdates", create(func(*cssetcd.Table) {}, "AfterUpdates", "(a INT)"), `
			'/DBS/lsst/TABLES/AfterUpdates' | 'READY'
			'/DBS/lsst/TABLES/AfterUpdates/schema' | '(a INT)'`},
	}
	before := map[string]string{}
	for _, step := range steps {
		_, err := step.do()
		require.NoError(t, err, step.name)
		after := rows(t, c)
		assert.Equal(t, parseRows(t, step.rows), changed(before, after), step.name)
		for key := range before {
			assert.Contains(t, after, key, step.name)
		}
		before = after
	}

	t.Run("create-table with shared scan on a table that is not partitioned is refused", func(t *testing.T) {
		// Upstream creates the table and drops the parameters without a word.
		unchanged(t, c, func() {
			_, err := create(func(t *cssetcd.Table) { t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: 3} },
				"FilterScan", "(filterId TINYINT)")()
			require.ErrorIs(t, err, cssetcd.ErrInvalid)
		})
	})
	t.Run("what the rows say is read back", func(t *testing.T) {
		chunks := must(c.Chunks(ctx, object))(t)
		var got []cssetcd.Chunk
		for ch, err := range chunks {
			require.NoError(t, err)
			got = append(got, ch)
		}
		assert.Equal(t, []cssetcd.Chunk{
			{ID: 1234, Nodes: []string{"worker-1", "worker-2"}}, {ID: 1235, Nodes: []string{"worker-2", "worker-1"}},
		}, got)
		tab := must(c.Table(ctx, cssetcd.TableName{DB: "lsst", Table: "RefMatch"}))(t)
		assert.InDelta(t, 0.000277778, tab.Match.AngSep, 0)
		assert.Equal(t, 1, tab.ChunkLevel())
	})
	t.Run("beside the catalogue are spellings, the nodes' references and the history", func(t *testing.T) {
		var names []string
		for p, value := range beside(t, c) {
			if strings.HasPrefix(string(p), "fold/") {
				assert.Equal(t, "fold"+strings.ToLower(value), string(p))
				names = append(names, value)
			}
		}
		slices.Sort(names)
		assert.Equal(t, []string{
			"/DBS/lsst", "/DBS/lsst/TABLES/AfterUpdates", "/DBS/lsst/TABLES/Filter", "/DBS/lsst/TABLES/ForcedSource",
			"/DBS/lsst/TABLES/NotMatch", "/DBS/lsst/TABLES/Object", "/DBS/lsst/TABLES/RatingOnly", "/DBS/lsst/TABLES/RefMatch",
			"/DBS/lsst/TABLES/Source", "/DBS/lsst2", "/DBS/plain", "/DBS/plain2", "/DBS/wide", "/NODES/worker-1",
			"/NODES/worker-2",
		}, names)
		assert.Contains(t, beside(t, c), kv.Path("history"))
	})
}

// TestPackedEscapesAreThoseOfUpstream: the observed row of a partitioning whose members hold every kind of character.
func TestPackedEscapesAreThoseOfUpstream(t *testing.T) {
	c := csstest.New(t)
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
	n := cssetcd.TableName{DB: "db", Table: "t"}
	p := cssetcd.Partitioning{
		DirDB: "a/b", DirTable: "q\"x\\y", DirColumn: "tab\tnl\nend", LatColumn: "é", LonColumn: "\x01\x7f\b\f\r\x1f",
	}
	ok(t)(c.CreateTable(t.Context(), cssetcd.Table{Name: n, Partitioning: &p}, cssetcd.AllowUnqueryable()))
	const key = "/DBS/db/TABLES/t/partitioning/.packed.json"
	assert.Equal(t, `{"dirColName":"tab\tnl\nend","dirDb":"a\/b","dirTable":"q\"x\\y","latColName":"é",`+
		`"lonColName":"\u0001`+"\x7f"+`\b\f\r\u001F","subChunks":"0"} `, rows(t, c)[key])
	tab := must(c.Table(t.Context(), n))(t)
	assert.Equal(t, &p, tab.Partitioning)
}

// TestPackedBytes: the 48 bytes of a recorded row, and the empty map.
func TestPackedBytes(t *testing.T) {
	c := csstest.New(t)
	ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "db", StorageClass: "L2", ReleaseStatus: "PRIVATE"}))
	assert.Equal(t,
		"\x7B\x22\x72\x65\x6C\x65\x61\x73\x65\x53\x74\x61\x74\x75\x73\x22\x3A\x22\x50\x52\x49\x56\x41\x54\x45\x22\x2C"+
			"\x22\x73\x74\x6F\x72\x61\x67\x65\x43\x6C\x61\x73\x73\x22\x3A\x22\x4C\x32\x22\x7D\x20",
		rows(t, c)["/DBS/db/.packed.json"])
}
