package cssetcd_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Parallel(4) // the parallel tests mostly wait for servers
	csstest.Main(m)
}

var object = cssetcd.TableName{DB: "lsst", Table: "Object"}

// directorTable is a director with everything that a table can have.
func directorTable(n cssetcd.TableName) cssetcd.Table {
	return cssetcd.Table{
		Name:   n,
		Schema: "(objectId BIGINT NOT NULL, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{
			DirDB: n.DB, DirTable: n.Table, DirColumn: "objectId", LatColumn: "decl", LonColumn: "ra", Overlap: 0.01667,
			SubChunks: true,
		},
		SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 1},
	}
}

// ok fails the test unless an operation succeeded, and returns its revision.
func ok(t testing.TB) func(cssetcd.Revision, error) cssetcd.Revision {
	return func(rev cssetcd.Revision, err error) cssetcd.Revision {
		t.Helper()
		require.NoError(t, err)
		return rev
	}
}

// must fails the test unless a call succeeded, and returns its result.
func must[T any](result T, err error) func(require.TestingT) T {
	return func(t require.TestingT) T {
		if h, ok := t.(interface{ Helper() }); ok {
			h.Helper()
		}
		require.NoError(t, err)
		return result
	}
}

// errOf returns the error of a call alone.
func errOf[T any](_ T, err error) error { return err }

// newCatalogue returns a client on a CSS with database lsst, table lsst.Object and nodes worker-1 and worker-2.
func newCatalogue(t testing.TB) *cssetcd.Client {
	t.Helper()
	c := csstest.New(t)
	fill(t, c)
	return c
}

func fill(t testing.TB, c *cssetcd.Client) {
	t.Helper()
	var b cssetcd.Batch
	b.CreateDatabase(cssetcd.Database{
		Name: "lsst", StorageClass: "L2", ReleaseStatus: "RELEASED",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12, Overlap: 0.01667},
	})
	b.CreateTable(directorTable(object))
	b.AddNode(cssetcd.Node{Name: "worker-1", Type: "worker", Host: "worker-1.example.org", Port: 5012})
	b.AddNode(cssetcd.Node{Name: "worker-2", Type: "worker", Host: "10.0.0.2", Port: 5012})
	ok(t)(c.Commit(t.Context(), &b))
}

// emptyStore returns a client on a store in memory, for what needs many catalogues.
func emptyStore() *cssetcd.Client { return cssetcd.OnStore(kv.NewMemory()) }

// rows returns all CSS keys and values, of any store.
func rows(t testing.TB, c *cssetcd.Client) map[string]string {
	t.Helper()
	return rowsBelow(t, c, "")
}

// rowsBelow returns the CSS keys below root.
func rowsBelow(t testing.TB, c *cssetcd.Client, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for key, e := range catalogue(t, c, 0).Below(root) {
		all[key] = e.Value
	}
	return all
}

// catalogue returns the catalogue at a revision, of any store.
func catalogue(t testing.TB, c *cssetcd.Client, at cssetcd.Revision) *cssetcd.Snapshot {
	t.Helper()
	s := must(c.Store().Fetch(t.Context(), at, csskey.Catalogue))(t)
	return cssetcd.CatalogueOf(s)
}

// beside returns everything that is below the prefix and not in the catalogue, but for the token of the last commit.
func beside(t testing.TB, c *cssetcd.Client) map[kv.Path]string {
	t.Helper()
	s := must(c.Store().Fetch(t.Context(), 0, kv.Everything))(t)
	all := map[kv.Path]string{}
	for p, e := range s.Range(kv.Everything) {
		if !strings.HasPrefix(string(p), "css/") && p != kv.CommitPath {
			all[p] = e.Value
		}
	}
	return all
}

// unchanged fails the test when f writes anything below the prefix.
func unchanged(t testing.TB, c *cssetcd.Client, f func()) {
	t.Helper()
	before := must(c.Store().Fetch(t.Context(), 0, kv.Everything))(t)
	f()
	after := must(c.Store().Fetch(t.Context(), 0, kv.Everything))(t)
	assert.Empty(t, kv.Diff(before, after))
}

// byHand puts a path as etcdctl would.
func byHand(t testing.TB, c *cssetcd.Client, p kv.Path, value string) cssetcd.Revision {
	t.Helper()
	return commit(t, c, kv.Change{Puts: []kv.Put{{Path: p, Value: value}}})
}

func deleteByHand(t testing.TB, c *cssetcd.Client, spans ...kv.Span) cssetcd.Revision {
	t.Helper()
	return commit(t, c, kv.Change{Deletes: spans})
}

func commit(t testing.TB, c *cssetcd.Client, change kv.Change) cssetcd.Revision {
	t.Helper()
	s := must(c.Store().Commit(t.Context(), change))(t)
	return s.Revision
}

// etcdKey returns the etcd key of a CSS key.
func etcdKey(c *cssetcd.Client, key string) string { return c.Prefix() + "/css" + key }

// putKeys writes many CSS keys as etcdctl would, as few transactions as etcd allows.
func putKeys(t testing.TB, c *cssetcd.Client, values map[string]string) {
	t.Helper()
	for part := range slices.Chunk(slices.Sorted(maps.Keys(values)), 128) {
		var ops []clientv3.Op
		for _, key := range part {
			ops = append(ops, clientv3.OpPut(etcdKey(c, key), values[key]))
		}
		must(csstest.Etcd().Txn(t.Context()).Then(ops...).Commit())(t)
	}
}

// interposed is a store that does something else between the plan and the commit of an operation.
type interposed struct {
	kv.Store
	mu     sync.Mutex
	before []func() // one for each commit from now on
	asked  int      // commits
}

func (s *interposed) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	s.mu.Lock()
	s.asked++
	var f func()
	if len(s.before) > 0 {
		f, s.before = s.before[0], s.before[1:]
	}
	s.mu.Unlock()
	if f != nil {
		f()
	}
	return s.Store.Commit(ctx, c)
}

// racing returns a client whose first commits come each after one of the given actions, which the plan has not seen.
func racing(c *cssetcd.Client, before ...func()) *cssetcd.Client {
	return c.Through(func(st kv.Store) kv.Store { return &interposed{Store: st, before: before} })
}

// faulty is a store whose n-th commit fails.
type faulty struct {
	kv.Store
	failAt  int  // 1 is the first
	lost    bool // the commit happens and its answer does not arrive
	commits int
}

var errFault = errors.New("made to fail")

func (s *faulty) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	s.commits++
	if s.commits != s.failAt {
		return s.Store.Commit(ctx, c)
	}
	if s.lost {
		if _, err := s.Store.Commit(ctx, c); err != nil {
			return nil, err
		}
		return nil, errors.Join(kv.ErrOutcomeUnknown, errFault)
	}
	return nil, errFault
}
