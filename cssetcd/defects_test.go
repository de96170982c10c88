package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// The tests of this file are numbered as the list of upstream's defects in docs/FORMAT.md. Races are run for real, by
// several clients on etcd; upstream_test.go steps through the same ones in a fixed order.

// atOnce runs the functions at the same time and returns their errors.
func atOnce(actions ...func() error) []error {
	errs := make([]error, len(actions))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, action := range actions {
		all.Go(func() {
			<-start
			errs[i] = action()
		})
	}
	close(start)
	all.Wait()
	return errs
}

// write drops the revision of a write.
func write(_ cssetcd.Revision, err error) error { return err }

func defectTable(db, table string) cssetcd.Table {
	return cssetcd.Table{
		Name: cssetcd.TableName{DB: db, Table: table}, Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{DirDB: db, DirTable: table, DirColumn: "objectId", LatColumn: "decl",
			LonColumn: "ra", SubChunks: true},
		SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 2},
	}
}

// defectClients returns two clients of one CSS with a database db and two nodes.
func defectClients(t *testing.T) (a, b *cssetcd.Client) {
	t.Helper()
	a = csstest.New(t)
	var batch cssetcd.Batch
	batch.CreateDatabase(cssetcd.Database{Name: "db", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}})
	batch.AddNode(cssetcd.Node{Name: "worker-1"})
	batch.AddNode(cssetcd.Node{Name: "worker-2"})
	require.NoError(t, write(a.Commit(t.Context(), &batch)))
	return a, csstest.At(t, a.Prefix())
}

// requireGone fails the test when anything is left of a table, in the catalogue or beside it.
func requireGone(t *testing.T, c *cssetcd.Client, n cssetcd.TableName) {
	t.Helper()
	key := "/DBS/" + n.DB + "/TABLES/" + n.Table
	resp, err := csstest.Etcd().Get(t.Context(), c.Prefix()+"/css"+key, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	require.Empty(t, resp.Kvs, "left of %s", n)
	resp, err = csstest.Etcd().Get(t.Context(), c.Prefix()+"/fold"+strings.ToLower(key))
	require.NoError(t, err)
	require.Empty(t, resp.Kvs, "the spelling of %s is left", n)
}

// TestDefectB1LockInMemIsRead: reading all of a table lost whether its chunks are to be kept in memory.
func TestDefectB1LockInMemIsRead(t *testing.T) {
	c, _ := defectClients(t)
	packed := defectTable("db", "packed")
	require.NoError(t, write(c.CreateTable(t.Context(), packed)))
	putKeys(t, c, map[string]string{
		"/DBS/db/TABLES": "", "/DBS/db/TABLES/plain": "READY", "/DBS/db/TABLES/plain/partitioning": "",
		"/DBS/db/TABLES/plain/sharedScan":           "",
		"/DBS/db/TABLES/plain/sharedScan/lockInMem": "1", "/DBS/db/TABLES/plain/sharedScan/scanRating": "2",
	})
	view, err := cssetcd.OpenView(t.Context(), c)
	require.NoError(t, err)
	defer view.Close()
	for _, name := range []string{"packed", "plain"} {
		n := cssetcd.TableName{DB: "db", Table: name}
		read, err := c.Table(t.Context(), n)
		require.NoError(t, err)
		assert.Equal(t, packed.SharedScan, read.SharedScan, name)
		seen, err := view.Snapshot().Table(n)
		require.NoError(t, err)
		assert.Equal(t, packed.SharedScan, seen.SharedScan, name)
	}
}

// TestDefectB2CreateTableIsWholeOrNothing: a table whose creation ended in the middle stayed DO_NOT_USE, was not there
// for containsTable and was there for createTable.
func TestDefectB2CreateTableIsWholeOrNothing(t *testing.T) {
	c, _ := defectClients(t)
	t.Run("a schema that is too long", func(t *testing.T) {
		table := defectTable("db", "long")
		table.Schema = "(" + strings.Repeat("a", 65_600) + " INT)"
		require.ErrorIs(t, write(c.CreateTable(t.Context(), table)), cssetcd.ErrBadValue)
		requireGone(t, c, table.Name)
		table.Schema = defectTable("db", "long").Schema
		require.NoError(t, write(c.CreateTable(t.Context(), table)))
	})
	t.Run("given up at any moment", func(t *testing.T) {
		created, late := 0, 0
		for i := range 60 {
			table := defectTable("db", fmt.Sprintf("t%d", i))
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(4*time.Millisecond))
			err := write(c.CreateTable(ctx, table))
			cancel()
			again := write(c.CreateTable(t.Context(), table))
			switch {
			case err == nil:
				created++
				require.ErrorIs(t, again, cssetcd.ErrTableExists)
			case !errors.Is(err, cssetcd.ErrOutcomeUnknown):
				require.NoError(t, again, "what is said not to have happened has not")
			case again != nil:
				late++
				require.ErrorIs(t, again, cssetcd.ErrTableExists)
			}
			key := etcdKey(c, "/DBS/db/TABLES/"+table.Name.Table)
			resp, err := csstest.Etcd().Get(t.Context(), key, clientv3.WithRange(key+"0"))
			require.NoError(t, err)
			revisions := map[int64]bool{}
			for _, e := range resp.Kvs {
				revisions[e.CreateRevision] = true
				revisions[e.ModRevision] = true
			}
			require.Len(t, resp.Kvs, 6)
			require.Len(t, revisions, 1, "it came in one transaction")
		}
		t.Logf("of 60, %d were created in time and %d without an answer", created, late)
	})
}

// TestDefectB3StatusAfterDropMakesNoZombie: setting a status looked for the table first and wrote then; between the two
// it was dropped.
func TestDefectB3StatusAfterDropMakesNoZombie(t *testing.T) {
	a, b := defectClients(t)
	late := 0
	for i := range 80 {
		table := defectTable("db", fmt.Sprintf("t%d", i))
		require.NoError(t, write(a.CreateTable(t.Context(), table)))
		errs := atOnce(
			func() error { return write(a.DropTable(t.Context(), table.Name)) },
			func() error { return write(b.SetTableStatus(t.Context(), table.Name, cssetcd.StatusReady)) },
		)
		require.NoError(t, errs[0])
		if errs[1] != nil {
			late++
			require.ErrorIs(t, errs[1], cssetcd.ErrNoSuchTable)
		}
		requireGone(t, a, table.Name)
	}
	t.Logf("in 80 races the status came after the drop %d times", late)
}

// TestDefectB3ScanParametersAfterDropSayNoSuchTable: in the same race, setting scan parameters ended with MySQL's own
// error of a foreign key.
func TestDefectB3ScanParametersAfterDropSayNoSuchTable(t *testing.T) {
	a, b := defectClients(t)
	for i := range 60 {
		table := defectTable("db", fmt.Sprintf("t%d", i))
		require.NoError(t, write(a.CreateTable(t.Context(), table)))
		errs := atOnce(
			func() error { return write(a.DropTable(t.Context(), table.Name)) },
			func() error { return write(b.SetSharedScan(t.Context(), table.Name, cssetcd.SharedScan{Rating: 3})) },
			func() error { return write(b.SetTableSchema(t.Context(), table.Name, "(b INT)")) },
		)
		require.NoError(t, errs[0])
		for _, err := range errs[1:] {
			if err != nil {
				require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
			}
		}
		requireGone(t, a, table.Name)
	}
}

// TestDefectB4FirstTablesOfADatabaseDoNotCollide: of two writers that created the first two tables of a database, one
// was told that its table exists: both had to create the key above.
func TestDefectB4FirstTablesOfADatabaseDoNotCollide(t *testing.T) {
	a, b := defectClients(t)
	for i := range 40 {
		db := fmt.Sprintf("db%d", i)
		require.NoError(t, write(a.CreateDatabase(t.Context(), cssetcd.Database{Name: db,
			Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}})))
		raw := fmt.Sprintf("/tools/%d", i)
		for _, err := range atOnce(
			func() error { return write(a.CreateTable(t.Context(), defectTable(db, "Object"))) },
			func() error { return write(b.CreateTable(t.Context(), defectTable(db, "Source"))) },
			func() error { return write(a.Raw().Put(t.Context(), raw+"/deep/a", "1")) },
			func() error { return write(b.Raw().Put(t.Context(), raw+"/deep/b", "2")) },
		) {
			require.NoError(t, err)
		}
		found, err := a.Raw().Many(t.Context(), "/DBS/"+db+"/TABLES/Object", "/DBS/"+db+"/TABLES/Source", raw+"/deep/a",
			raw+"/deep/b", raw+"/deep", raw)
		require.NoError(t, err)
		require.Len(t, found, 6)
	}
}

// TestDefectB5UniqueIdsDoNotLoop: two writers that needed a unique id below a new key went on for ever.
func TestDefectB5UniqueIdsDoNotLoop(t *testing.T) {
	a, b := defectClients(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	table := defectTable("db", "Object")
	require.NoError(t, write(a.CreateTable(ctx, table)))
	const each = 20
	var ids sync.Map
	repeat := func(do func(i int) error) func() error {
		return func() error {
			for i := range each {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		}
	}
	unique := func(c *cssetcd.Client) func(int) error {
		return func(int) error {
			key, _, err := c.Raw().CreateUnique(ctx, "/tools/log/entry_", "x")
			if _, twice := ids.LoadOrStore(key, true); twice && err == nil {
				return fmt.Errorf("%s was given twice", key)
			}
			return err
		}
	}
	database := func(c *cssetcd.Client, name string) func(int) error {
		return func(i int) error {
			return write(c.CreateDatabase(ctx, cssetcd.Database{
				Name: fmt.Sprintf("%s%d", name, i), Striping: &cssetcd.Striping{Stripes: 10, SubStripes: 1},
			}))
		}
	}
	replica := func(c *cssetcd.Client, nodes ...string) func(int) error {
		return func(i int) error {
			var b cssetcd.Batch
			var named []string
			for _, node := range nodes {
				named = append(named, fmt.Sprint(node, i))
				b.AddNode(cssetcd.Node{Name: named[len(named)-1]})
			}
			b.AddChunk(table.Name, 1000, named...)
			return write(c.Commit(ctx, &b))
		}
	}
	for _, err := range atOnce(
		repeat(func(i int) error { return write(a.AddChunk(ctx, table.Name, i, "worker-1")) }),
		repeat(func(i int) error { return write(b.AddChunk(ctx, table.Name, i, "worker-2")) }),
		repeat(replica(a, "north", "south")), repeat(replica(b, "west")),
		repeat(unique(a)), repeat(unique(b)), repeat(database(a, "x")), repeat(database(b, "y")),
	) {
		require.NoError(t, err)
	}
	s, err := a.Snapshot(ctx, 0)
	require.NoError(t, err)
	for chunk, err := range s.Chunks(table.Name) {
		require.NoError(t, err)
		if chunk.ID == 1000 {
			assert.Len(t, chunk.Nodes, 3*each)
		} else {
			assert.ElementsMatch(t, []string{"worker-1", "worker-2"}, chunk.Nodes)
		}
	}
	for i := range 2 * each {
		assert.Contains(t, keysOf(s), fmt.Sprintf("/tools/log/entry_%010d", i+1))
	}
	stripings := map[string]bool{}
	for db, err := range s.Databases() {
		require.NoError(t, err)
		stripings[db.Striping.ID] = true
	}
	assert.Len(t, stripings, 2*each+1, "each database has a striping of its own")
}

func keysOf(s *cssetcd.Snapshot) map[string]string {
	all := map[string]string{}
	for key, e := range s.Below("") {
		all[key] = e.Value
	}
	return all
}

// TestDefectB6DropSucceedsWhileChunksAreAdded: dropping failed as a whole when something was inserted below meanwhile.
func TestDefectB6DropSucceedsWhileChunksAreAdded(t *testing.T) {
	a, b := defectClients(t)
	for i := range 40 {
		table := defectTable("db", fmt.Sprintf("t%d", i))
		require.NoError(t, write(a.CreateTable(t.Context(), table)))
		require.NoError(t, write(a.AddChunk(t.Context(), table.Name, 1, "worker-1")))
		raw := fmt.Sprintf("/tools/%d", i)
		require.NoError(t, write(a.Raw().Put(t.Context(), raw+"/old", "")))
		errs := atOnce(
			func() error { return write(a.DropTable(t.Context(), table.Name)) },
			func() error { return write(b.AddChunk(t.Context(), table.Name, 2, "worker-2")) },
			func() error { return write(a.Raw().Delete(t.Context(), raw)) },
			func() error { return write(b.Raw().Put(t.Context(), raw+"/new/er", "1")) },
		)
		require.NoError(t, errs[0])
		if errs[1] != nil {
			require.ErrorIs(t, errs[1], cssetcd.ErrNoSuchTable)
		}
		requireGone(t, a, table.Name)
		require.NoError(t, errs[2])
		require.NoError(t, errs[3])
		found, err := a.Raw().Many(t.Context(), raw, raw+"/old", raw+"/new", raw+"/new/er")
		require.NoError(t, err)
		require.NotContains(t, found, raw+"/old")
		require.Contains(t, []int{0, 3}, len(found), "the new key with its ancestors, or nothing")
	}
}

// TestDefectB7NothingIsCreatedBelowWhatIsMissing: tables and chunks were created in databases, tables and on nodes that
// were not there.
func TestDefectB7NothingIsCreatedBelowWhatIsMissing(t *testing.T) {
	c, _ := defectClients(t)
	ctx := t.Context()
	require.NoError(t, write(c.CreateTable(ctx, defectTable("db", "Object"))))
	object, none := cssetcd.TableName{DB: "db", Table: "Object"}, cssetcd.TableName{DB: "db", Table: "None"}
	unchanged(t, c, func() {
		require.ErrorIs(t, write(c.CreateTable(ctx, defectTable("none", "Object"))), cssetcd.ErrNoSuchDB)
		match := cssetcd.Table{Name: cssetcd.TableName{DB: "none", Table: "m"},
			Match: &cssetcd.Match{DirTable1: "a", DirColumn1: "b", DirTable2: "c", DirColumn2: "d"}}
		require.ErrorIs(t, write(c.CreateTable(ctx, match)), cssetcd.ErrNoSuchDB)
		require.ErrorIs(t, write(c.AddChunk(ctx, none, 1, "worker-1")), cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, write(c.AddChunk(ctx, object, 1, "worker-1", "worker-9")), cssetcd.ErrNoSuchNode)
		require.ErrorIs(t, write(c.SetSharedScan(ctx, none, cssetcd.SharedScan{})), cssetcd.ErrNoSuchTable)
	})
	_, err := c.Database(ctx, "none")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
}

// TestDefectB8CreatingADatabaseAgainChangesNothing: it replaced the striping, and the earlier one was left over.
func TestDefectB8CreatingADatabaseAgainChangesNothing(t *testing.T) {
	c, _ := defectClients(t)
	ctx := t.Context()
	again := cssetcd.Database{Name: "db", Striping: &cssetcd.Striping{Stripes: 340, SubStripes: 3}}
	unchanged(t, c, func() {
		require.ErrorIs(t, write(c.CreateDatabase(ctx, again)), cssetcd.ErrDBExists)
		require.ErrorIs(t, write(c.CreateDatabaseLike(ctx, "db", "db")), cssetcd.ErrDBExists)
		rev, err := c.CreateDatabase(ctx, again, cssetcd.IfNotExists())
		require.NoError(t, err)
		require.Zero(t, rev)
	})
	// A database that is dropped and created has a new striping: chunks that workers still hold of the old one cannot
	// be mistaken for its own.
	require.NoError(t, write(c.DropDatabase(ctx, "db")))
	require.NoError(t, write(c.CreateDatabase(ctx, again)))
	db, err := c.Database(ctx, "db")
	require.NoError(t, err)
	assert.Equal(t, &cssetcd.Striping{ID: "0000000002", Stripes: 340, SubStripes: 3}, db.Striping)
}

// defectEtcd returns an etcd that the test may stop, with a client of it and a CSS.
func defectEtcd(t *testing.T) (*embedetcd.Server, *clientv3.Client, *cssetcd.Client) {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	etcd, err := server.Client()
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	c, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	return server, etcd, c
}

// TestDefectB9EtcdDownIsUnavailable: with MySQL down, an exception escaped that no caller expected. Every call ends
// with its context and says that etcd is not available.
func TestDefectB9EtcdDownIsUnavailable(t *testing.T) {
	server, etcd, c := defectEtcd(t)
	ctx := t.Context()
	require.NoError(t, write(c.CreateDatabase(ctx, cssetcd.Database{Name: "db",
		Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}})))
	require.NoError(t, write(c.CreateTable(ctx, defectTable("db", "Object"))))
	view, err := cssetcd.OpenView(ctx, c)
	require.NoError(t, err)
	defer view.Close()
	require.NoError(t, server.Stop())

	n := cssetcd.TableName{DB: "db", Table: "Object"}
	calls := map[string]func(context.Context) error{
		"open":        func(ctx context.Context) error { _, err := cssetcd.New(ctx, etcd); return err },
		"open view":   func(ctx context.Context) error { _, err := cssetcd.OpenView(ctx, c); return err },
		"database":    func(ctx context.Context) error { _, err := c.Database(ctx, "db"); return err },
		"table":       func(ctx context.Context) error { _, err := c.Table(ctx, n); return err },
		"chunks":      func(ctx context.Context) error { _, err := c.Chunks(ctx, n); return err },
		"node":        func(ctx context.Context) error { _, err := c.Node(ctx, "w"); return err },
		"snapshot":    func(ctx context.Context) error { _, err := c.Snapshot(ctx, 0); return err },
		"raw get":     func(ctx context.Context) error { _, err := c.Raw().Get(ctx, "/DBS"); return err },
		"raw put":     func(ctx context.Context) error { return write(c.Raw().Put(ctx, "/x", "")) },
		"create":      func(ctx context.Context) error { return write(c.CreateTable(ctx, defectTable("db", "Source"))) },
		"set status":  func(ctx context.Context) error { return write(c.SetTableStatus(ctx, n, cssetcd.StatusIgnore)) },
		"drop":        func(ctx context.Context) error { return write(c.DropDatabase(ctx, "db")) },
		"add node":    func(ctx context.Context) error { return write(c.AddNode(ctx, cssetcd.Node{Name: "w"})) },
		"delete node": func(ctx context.Context) error { return write(c.DeleteNode(ctx, "w")) },
		"identity":    func(ctx context.Context) error { _, err := c.Identity(ctx); return err },
	}
	const limit = 500 * time.Millisecond
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			assert.ErrorIs(t, call(ctx), cssetcd.ErrUnavailable, name)
		})
	}
	mustEnd(t, "a call whose context has ended", all.Wait)
	_, err = view.Snapshot().Table(n)
	require.NoError(t, err, "what the view had, it keeps")

	require.NoError(t, server.Restart(ctx))
	require.Eventually(t, func() bool {
		_, err := c.Table(ctx, n)
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.NoError(t, write(c.SetTableStatus(ctx, n, cssetcd.StatusIgnore)))
}

// TestDefectB10NoTextMeansAbsent: a status of a certain text made a table disappear.
func TestDefectB10NoTextMeansAbsent(t *testing.T) {
	c, _ := defectClients(t)
	for i, status := range []cssetcd.Status{"DOES_NOT_EXIST", "null", "NoSuchKey", "READY "} {
		table := defectTable("db", fmt.Sprintf("t%d", i))
		table.Status = status
		require.NoError(t, write(c.CreateTable(t.Context(), table)))
		read, err := c.Table(t.Context(), table.Name)
		require.NoError(t, err)
		assert.Equal(t, status, read.Status)
		assert.False(t, read.Status.Ready())
		require.ErrorIs(t, write(c.CreateTable(t.Context(), table)), cssetcd.ErrTableExists)
	}
}

// TestDefectB11FirstClientsDoNotCollide: of several clients that started on an empty store, some failed.
func TestDefectB11FirstClientsDoNotCollide(t *testing.T) {
	for range 15 {
		prefix := csstest.NewPrefix()
		var starts []func() error
		for i := range 4 {
			starts = append(starts, func() error {
				c, err := cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(prefix))
				if err != nil {
					return err
				}
				if i%2 == 0 {
					return write(c.CreateDatabase(t.Context(), cssetcd.Database{Name: fmt.Sprintf("db%d", i)}))
				}
				return write(c.AddNode(t.Context(), cssetcd.Node{Name: fmt.Sprintf("worker-%d", i)}))
			})
		}
		for _, err := range atOnce(starts...) {
			require.NoError(t, err)
		}
		s, err := csstest.At(t, prefix).Snapshot(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, s.Version())
		require.Equal(t, 12, s.Len())
	}
}

// TestDefectB12VersionStopsRunningClients: a client that had looked at the version once went on reading and writing
// after it was raised.
func TestDefectB12VersionStopsRunningClients(t *testing.T) {
	c, _ := defectClients(t)
	ctx := t.Context()
	view, err := cssetcd.OpenView(ctx, c)
	require.NoError(t, err)
	defer view.Close()
	putKeys(t, c, map[string]string{"/css_meta/version": "2"})
	unchanged(t, c, func() {
		_, err := c.Database(ctx, "db")
		require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
		_, err = c.Raw().Get(ctx, "/DBS")
		require.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
		require.ErrorIs(t, write(c.CreateTable(ctx, defectTable("db", "Object"))), cssetcd.ErrVersionMismatch)
		require.ErrorIs(t, write(c.DropDatabase(ctx, "db")), cssetcd.ErrVersionMismatch)
		require.ErrorIs(t, write(c.SetNodeState(ctx, "worker-1", cssetcd.NodeInactive)), cssetcd.ErrVersionMismatch)
		require.ErrorIs(t, write(c.Raw().Put(ctx, "/x", "")), cssetcd.ErrVersionMismatch)
	})
	require.Eventually(t, func() bool { return errors.Is(view.Snapshot().Version(), cssetcd.ErrVersionMismatch) },
		10*time.Second, time.Millisecond, "and who reads a view can see it")
}

// TestDefectB13DropsAreWholeOrNothing: a drop whose connection broke had removed a part of the chunks and left the
// table READY. Here etcd stops in the middle of drops, and starts again.
func TestDefectB13DropsAreWholeOrNothing(t *testing.T) {
	server, etcd, c := defectEtcd(t)
	const tables, chunks = 6, 150
	count := func(table string) int64 {
		key := c.Prefix() + "/css/DBS/db/TABLES/" + table
		resp, err := etcd.Get(t.Context(), key, clientv3.WithRange(key+"0"), clientv3.WithCountOnly())
		require.NoError(t, err)
		return resp.Count
	}
	restoreTables(t, c, tables+1, chunks)
	undisturbed := time.Now()
	ok(t)(c.DropTable(t.Context(), cssetcd.TableName{DB: "db", Table: fmt.Sprintf("t%d", tables)}))
	usual := time.Since(undisturbed)
	const all = 4 + 6*chunks // the table, its schema, CHUNKS and partitioning; six keys for a chunk on two nodes
	dropped, unknown, interrupted := 0, 0, 0
	for i := range tables {
		table := fmt.Sprintf("t%d", i)
		var took time.Duration
		began := time.Now()
		require.EqualValues(t, all, count(table))
		errs := atOnce(
			func() error {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				defer func() { took = time.Since(began) }()
				return write(c.DropTable(ctx, cssetcd.TableName{DB: "db", Table: table}))
			},
			func() error {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := server.Stop(); err != nil {
					return err
				}
				return server.Restart(t.Context())
			},
		)
		require.NoError(t, errs[1])
		if errs[0] != nil || took > 2*usual+20*time.Millisecond {
			interrupted++
		}
		left := count(table)
		require.Contains(t, []int64{0, all}, left, "whole or nothing")
		switch {
		case errs[0] == nil:
			require.Zero(t, left)
			dropped++
		case errors.Is(errs[0], cssetcd.ErrOutcomeUnknown):
			unknown++
		default:
			require.ErrorIs(t, errs[0], cssetcd.ErrUnavailable)
			require.EqualValues(t, all, left, "what is said not to have happened has not")
		}
	}
	t.Logf("of %d drops %d were interrupted, %d happened for certain and of %d it was not known", tables, interrupted,
		dropped, unknown)
	assert.Positive(t, interrupted)
}

// restoreTables makes a database of tables t0, t1, ... with so many chunks, each on two nodes.
func restoreTables(t *testing.T, c *cssetcd.Client, tables, chunks int) {
	t.Helper()
	var dump strings.Builder
	dump.WriteString(`{"/css_meta/version":"1","/DBS/db":"READY","/NODES/worker-1":"ACTIVE","/NODES/worker-2":"ACTIVE"`)
	for i := range tables {
		table := fmt.Sprintf("/DBS/db/TABLES/t%d", i)
		fmt.Fprintf(&dump, `,%q:"READY",%q:"(a INT)",%q:""`, table, table+"/schema", table+"/partitioning")
		for chunk := range chunks {
			for replica := 1; replica <= 2; replica++ {
				fmt.Fprintf(&dump, `,%q:"{\"nodeName\":\"worker-%d\"} "`,
					fmt.Sprintf("%s/CHUNKS/%d/REPLICAS/%010d/.packed.json", table, chunk, replica), replica)
			}
		}
	}
	dump.WriteString("}")
	d, err := cssetcd.ParseDump(strings.NewReader(dump.String()))
	require.NoError(t, err)
	_, err = c.Restore(t.Context(), d)
	require.NoError(t, err)
}

// etcdTraffic counts what a client asks of etcd.
type etcdTraffic struct{ requests, keys atomic.Int64 }

func (n *etcdTraffic) count(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, conn, opts...)
	if strings.HasPrefix(method, "/etcdserverpb.KV/") {
		n.requests.Add(1)
	}
	switch r := reply.(type) {
	case *pb.RangeResponse:
		n.keys.Add(int64(len(r.Kvs)))
	case *pb.TxnResponse:
		for _, part := range r.Responses {
			n.keys.Add(int64(len(part.GetResponseRange().GetKvs())))
		}
	}
	return err
}

// counted returns a client of the same CSS, and a function that tells the requests and keys read since it was called
// last.
func counted(t *testing.T, c *cssetcd.Client) (*cssetcd.Client, func() (requests, keys int64)) {
	t.Helper()
	n := &etcdTraffic{}
	etcd, err := clientv3.New(clientv3.Config{
		Endpoints: csstest.Etcd().Endpoints(), DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(n.count)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = etcd.Close() })
	counted, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(c.Prefix()))
	require.NoError(t, err)
	since := func() (int64, int64) { return n.requests.Swap(0), n.keys.Swap(0) }
	since()
	return counted, since
}

// TestDefectB14OperationsAreOneOrTwoRequests: an operation was up to tens of thousands of round trips. The partitioning
// of a database is one more.
func TestDefectB14OperationsAreOneOrTwoRequests(t *testing.T) {
	plain := csstest.New(t)
	restoreTables(t, plain, 2, 200)
	c, since := counted(t, plain)
	ctx := t.Context()
	t0, t1 := cssetcd.TableName{DB: "db", Table: "t0"}, cssetcd.TableName{DB: "db", Table: "t1"}
	for _, tt := range []struct {
		name     string
		requests int64
		do       func() error
	}{
		{"read a table", 1, func() error { _, err := c.Table(ctx, t0); return err }},
		{"read the chunks of a table", 1, func() error { _, err := c.Chunks(ctx, t0); return err }},
		{"read a database", 1, func() error { _, err := c.Database(ctx, "db"); return err }},
		{"read a table that is missing", 1, func() error {
			if _, err := c.Table(ctx, cssetcd.TableName{DB: "db", Table: "none"}); !errors.Is(err, cssetcd.ErrNotFound) {
				return fmt.Errorf("not the error: %w", err)
			}
			return nil
		}},
		{"set a status", 2, func() error { return write(c.SetTableStatus(ctx, t0, cssetcd.StatusIgnore)) }},
		{"set shared scan", 2, func() error { return write(c.SetSharedScan(ctx, t0, cssetcd.SharedScan{Rating: 1})) }},
		{"create a database with the next partitioning", 3, func() error {
			return write(c.CreateDatabase(ctx, cssetcd.Database{Name: "new",
				Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		}},
		{"create a table", 2, func() error { return write(c.CreateTable(ctx, defectTable("new", "Object"))) }},
		{"add a node", 2, func() error { return write(c.AddNode(ctx, cssetcd.Node{Name: "worker-3"})) }},
		{"add a chunk", 2, func() error { return write(c.AddChunk(ctx, t0, 5000, "worker-1", "worker-2")) }},
		{"delete a chunk", 2, func() error { return write(c.DeleteChunk(ctx, t0, 5000)) }},
		{"delete a node, looking at every chunk", 2, func() error { return write(c.DeleteNode(ctx, "worker-3")) }},
		{"drop a table of 1,204 keys", 2, func() error { return write(c.DropTable(ctx, t1)) }},
		{"drop a database", 2, func() error { return write(c.DropDatabase(ctx, "db")) }},
	} {
		require.NoError(t, tt.do(), tt.name)
		requests, _ := since()
		assert.Equal(t, tt.requests, requests, tt.name)
	}
	view, err := cssetcd.OpenView(ctx, c)
	require.NoError(t, err)
	defer view.Close()
	since()
	for range 1000 {
		_, err := view.Snapshot().Database("new")
		require.NoError(t, err)
	}
	requests, _ := since()
	assert.Less(t, requests, int64(10), "reading a view asks nothing of etcd; now and then the view itself does")
}

// TestDefectB15UniqueIdsDoNotReadTheCatalogue: the id of a new replica was looked for in all keys.
func TestDefectB15UniqueIdsDoNotReadTheCatalogue(t *testing.T) {
	read := func(chunks int) (replica, striping int64) {
		plain := csstest.New(t)
		restoreTables(t, plain, 1, chunks)
		require.NoError(t, write(plain.AddNode(t.Context(), cssetcd.Node{Name: "worker-3"})))
		c, since := counted(t, plain)
		require.NoError(t, write(c.AddChunk(t.Context(), cssetcd.TableName{DB: "db", Table: "t0"}, 7, "worker-3")))
		_, replica = since()
		require.NoError(t, write(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "new",
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})))
		_, striping = since()
		return replica, striping
	}
	fewReplica, fewStriping := read(8)
	manyReplica, manyStriping := read(400)
	assert.Equal(t, fewReplica, manyReplica)
	assert.Equal(t, fewStriping, manyStriping)
	assert.Less(t, fewReplica, int64(20))
	assert.Less(t, fewStriping, int64(20))
}

// TestPartitioningsOfOthersAreNotRead: neither to create a database nor to read one.
func TestPartitioningsOfOthersAreNotRead(t *testing.T) {
	cost := func(others int) (create, read, like int64) {
		plain := csstest.New(t)
		ctx, striping := t.Context(), &cssetcd.Striping{Stripes: 1, SubStripes: 1}
		for i := range others {
			require.NoError(t, write(plain.CreateDatabase(ctx, cssetcd.Database{Name: fmt.Sprintf("other%d", i),
				Striping: striping})))
		}
		c, since := counted(t, plain)
		require.NoError(t, write(c.CreateDatabase(ctx, cssetcd.Database{Name: "new", Striping: striping})))
		_, create = since()
		db, err := c.Database(ctx, "new")
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%010d", others+1), db.Striping.ID)
		_, read = since()
		require.NoError(t, write(c.CreateDatabaseLike(ctx, "newer", "new")))
		_, like = since()
		return create, read, like
	}
	create, read, like := cost(1)
	createAmongMany, readAmongMany, likeAmongMany := cost(40)
	assert.Equal(t, []int64{create, read, like}, []int64{createAmongMany, readAmongMany, likeAmongMany})
}

// TestPartitioningIDsNeverRepeat, also where entries came by other ways, or went.
func TestPartitioningIDsNeverRepeat(t *testing.T) {
	plain := csstest.New(t)
	ctx := t.Context()
	next := func() string {
		t.Helper()
		name := fmt.Sprintf("db%d", len(latestNames(t, plain)))
		require.NoError(t, write(plain.CreateDatabase(ctx, cssetcd.Database{Name: name,
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})))
		db, err := plain.Database(ctx, name)
		require.NoError(t, err)
		return db.Striping.ID
	}
	assert.Equal(t, "0000000001", next())
	assert.Equal(t, "0000000002", next())
	require.NoError(t, write(plain.Raw().Put(ctx, "/PARTITIONING/_0000000003/nStripes", "1")), "by hand")
	require.NoError(t, write(plain.Raw().Put(ctx, "/PARTITIONING/_0000000007", "")))
	assert.Equal(t, "0000000008", next())
	require.NoError(t, write(plain.Raw().Delete(ctx, "/PARTITIONING/_0000000008")))
	assert.Equal(t, "0000000009", next())
	require.NoError(t, write(plain.Raw().Delete(ctx, "/PARTITIONING")))
	assert.Equal(t, "0000000010", next())
	var two cssetcd.Batch
	for _, name := range []string{"one", "two"} {
		two.CreateDatabase(cssetcd.Database{Name: name, Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})
	}
	require.NoError(t, write(plain.Commit(ctx, &two)))
	db, err := plain.Database(ctx, "two")
	require.NoError(t, err)
	assert.Equal(t, "0000000012", db.Striping.ID)
}

func latestNames(t *testing.T, c *cssetcd.Client) []string {
	t.Helper()
	s, err := c.Snapshot(t.Context(), 0)
	if errors.Is(err, cssetcd.ErrVersionMissing) {
		return nil
	}
	require.NoError(t, err)
	var names []string
	for db, err := range s.Databases() {
		if err == nil {
			names = append(names, db.Name)
			continue
		}
		names = append(names, "") // its partitioning is gone
	}
	return names
}

// TestDefectB16ANameInAnotherCaseIsMissing: it was found, with default values instead of its own.
func TestDefectB16ANameInAnotherCaseIsMissing(t *testing.T) {
	c, _ := defectClients(t)
	ctx := t.Context()
	require.NoError(t, write(c.CreateTable(ctx, defectTable("db", "Object"))))
	s, err := c.Snapshot(ctx, 0)
	require.NoError(t, err)
	_, err = c.Database(ctx, "DB")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	_, err = s.Database("Db")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	_, err = c.Node(ctx, "WORKER-1")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchNode)
	for _, n := range []cssetcd.TableName{{DB: "db", Table: "object"}, {DB: "DB", Table: "Object"}} {
		_, err = c.Table(ctx, n)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		_, err = s.Table(n)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		_, err = c.Chunks(ctx, n)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, write(c.DropTable(ctx, n)), cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, write(c.SetSharedScan(ctx, n, cssetcd.SharedScan{})), cssetcd.ErrNoSuchTable)
	}
	require.ErrorIs(t, write(c.DropDatabase(ctx, "DB")), cssetcd.ErrNoSuchDB)
	require.ErrorIs(t, write(c.CreateDatabase(ctx, cssetcd.Database{Name: "DB"})), cssetcd.ErrDBExists)
}

// TestDefectB17AReadIsOfOneMoment: listing children took two queries, and what appeared in between was read with a
// random parent.
func TestDefectB17AReadIsOfOneMoment(t *testing.T) {
	a, b := defectClients(t)
	table := defectTable("db", "Object")
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			assert.NoError(t, write(a.CreateTable(t.Context(), table)))
			assert.NoError(t, write(a.DropTable(t.Context(), table.Name)))
		}
	})
	there := 0
	for range 100 {
		children, err := b.Raw().Children(t.Context(), "/DBS/db/TABLES/Object")
		if err == nil {
			there++
			require.Len(t, children, 3)
			for _, name := range []string{"schema", "partitioning", "sharedScan"} {
				require.Contains(t, children, name)
			}
		} else {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchKey)
		}
		read, err := b.Table(t.Context(), table.Name)
		if err == nil {
			require.Equal(t, table.Partitioning, read.Partitioning)
			require.Equal(t, table.SharedScan, read.SharedScan)
		} else {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		}
	}
	close(stop)
	writer.Wait()
	t.Logf("of 100 reads %d found the table", there)
}

// TestDefectB18ScanParametersOfPlainKeysCanBeSet: upstream writes the packed key, which a plain key of the same name
// goes on hiding.
func TestDefectB18ScanParametersOfPlainKeysCanBeSet(t *testing.T) {
	c, _ := defectClients(t)
	ctx := t.Context()
	const scan = "/DBS/db/TABLES/Object/sharedScan"
	require.NoError(t, write(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "db", Table: "Object"}})))
	n := cssetcd.TableName{DB: "db", Table: "Object"}
	for name, keys := range map[string]map[string]string{
		"both plain": {scan: "", scan + "/lockInMem": "1", scan + "/scanRating": "1"},
		"one plain": {scan: "", scan + "/lockInMem": "1", scan +
			"/.packed.json": `{"lockInMem":"1","scanRating":"1"} `},
		"plain, no ancestor": {scan + "/scanRating": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			putKeys(t, c, keys)
			want := cssetcd.SharedScan{Rating: 3}
			require.NoError(t, write(c.SetSharedScan(ctx, n, want)))
			read, err := c.Table(ctx, n)
			require.NoError(t, err)
			assert.Equal(t, &want, read.SharedScan)
			found, err := c.Raw().Many(ctx, scan+"/lockInMem", scan+"/scanRating", scan+"/.packed.json")
			require.NoError(t, err)
			require.Len(t, found, 1, "one place holds them")
			assert.Equal(t, `{"lockInMem":"0","scanRating":"3"} `, found[scan+"/.packed.json"].Value)
		})
	}
}
