package csstest

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// Harness is a catalogue on some kind of store, or on some cluster, under test. Only Open is needed.
type Harness struct {
	// Open returns a client on a catalogue that does not exist yet, and sees to it that all goes away with the test.
	Open func(t *testing.T) *cssetcd.Client

	// Again returns one more client on the catalogue of the first. Nil: the first client serves all writers.
	Again func(t *testing.T, first *cssetcd.Client) *cssetcd.Client

	// Stored returns everything that is kept below the prefix of a client's catalogue, by its path without the prefix:
	// "css/DBS/lsst", "fold/dbs/lsst". Nil: only the catalogue itself is looked at after a run.
	Stored func(t *testing.T, c *cssetcd.Client) map[string]string

	// Trouble begins to make trouble for the catalogue of a client, such as answers that are lost or a leader that is
	// stopped. It returns a client for each of n writers, and what ends the trouble: after that all is well and nothing is
	// under way any more. What end returns is how often there was what trouble. Nil: the writers have none.
	Trouble func(t *testing.T, first *cssetcd.Client, n int) (writers []*cssetcd.Client, end func() map[string]int)

	// Least is how often there must have been what trouble for [TestWriters] to pass.
	Least map[string]int

	// Operations is how many operations [TestWriters] does; 0 stands for 10,000.
	Operations int
}

// TestClient runs the conformance suite: what every catalogue does, whatever it is kept in. It writes nothing but what
// lies in catalogues that the harness opens. It takes some thousand operations.
func TestClient(t *testing.T, h Harness) {
	for _, part := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"beginning", testBeginning},
		{"databases", testDatabases},
		{"tables", testTables},
		{"match tables", testMatchTables},
		{"nodes", testNodes},
		{"chunks", testChunks},
		{"empty chunks", testEmptyChunks},
		{"many empty chunks", testManyEmptyChunks},
		{"raw keys", testRaw},
		{"batches", testBatches},
		{"conditions", testConditions},
		{"invalid arguments", testInvalid},
		{"names that differ in case", testCaseOnly},
		{"dump and restore", testDumpAndRestore},
		{"publishing", testPublishing},
		{"revisions", testRevisions},
		{"model", testModel},
		{"several writers", testSeveralWriters},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, h) })
	}
}

// again returns a client for another writer.
func (h Harness) again(t *testing.T, first *cssetcd.Client) *cssetcd.Client {
	if h.Again == nil {
		return first
	}
	return h.Again(t, first)
}

// step is one operation of a test and what has to come of it.
type step struct {
	what string
	do   func(context.Context, *cssetcd.Client) (cssetcd.Revision, error)
	want error // nil: it succeeds
	same bool  // it succeeds and there was nothing to do
}

// limit is how long an operation of the suite may take on a store that is well.
const limit = time.Minute

// run does the steps in their order. What fails must change nothing, and say so in an error of the right kinds that
// names its operation.
func run(t *testing.T, c *cssetcd.Client, steps ...step) {
	t.Helper()
	last := cssetcd.Revision(0)
	for _, s := range steps {
		before := contents(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		rev, err := s.do(ctx, c)
		cancel()
		require.Equal(t, kinds(s.want), kinds(err), "%s: %v", s.what, err)
		switch {
		case err != nil:
			var named *cssetcd.Error
			require.ErrorAs(t, err, &named, s.what)
			assert.NotEmpty(t, named.Op, s.what)
			require.Zero(t, rev, s.what)
			require.Equal(t, before, contents(t, c), "%s: it failed", s.what)
		case s.same:
			require.Zero(t, rev, s.what)
			require.Equal(t, before, contents(t, c), "%s: there was nothing to do", s.what)
		default:
			require.Greater(t, rev, last, s.what)
			last = rev
		}
	}
}

// contents returns the CSS keys with their values and revisions.
func contents(t *testing.T, c *cssetcd.Client) map[string]cssetcd.Entry {
	t.Helper()
	return maps.Collect(latest(t, c).Below(""))
}

func latest(t *testing.T, c *cssetcd.Client) *cssetcd.Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	return s
}

// ok returns the revision of an operation that must succeed.
func ok(t *testing.T) func(cssetcd.Revision, error) cssetcd.Revision {
	return func(rev cssetcd.Revision, err error) cssetcd.Revision {
		t.Helper()
		require.NoError(t, err)
		return rev
	}
}

var (
	lsst = cssetcd.Database{Name: "lsst", StorageClass: "L2", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667}}
	object  = cssetcd.TableName{DB: "lsst", Table: "Object"}
	nowhere = cssetcd.TableName{DB: "nowhere", Table: "Object"}
	missing = cssetcd.TableName{DB: "lsst", Table: "Missing"}

	// errNoDB is of an operation on a table whose database is missing.
	errNoDB = errors.Join(cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchDB)
)

// director is a table with all that a table can have but for a match.
func director() cssetcd.Table {
	return cssetcd.Table{
		Name: object, Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{
			DirDB: "lsst", DirTable: "Object", DirColumn: "objectId", LatColumn: "decl", LonColumn: "ra", Overlap: 0.25,
			SubChunks: true,
		},
		SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 2},
	}
}

// filled returns a client on a catalogue with database lsst, its table Object and nodes worker-1 and worker-2.
func filled(t *testing.T, h Harness) *cssetcd.Client {
	t.Helper()
	c := h.Open(t)
	ok(t)(c.CreateDatabase(t.Context(), lsst))
	ok(t)(c.CreateTable(t.Context(), director()))
	for _, name := range []string{"worker-1", "worker-2"} {
		ok(t)(c.AddNode(t.Context(), cssetcd.Node{Name: name, Type: "worker", Host: name + ".example.org", Port: 5012}))
	}
	return c
}
