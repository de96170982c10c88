package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

// The tests of this file are numbered as the list of upstream's defects in docs/FORMAT.md. Where another writer has to
// come between what an operation reads and what it writes, he comes there for certain. That nothing goes wrong when
// many write at once is what TestTwoWriters and TestConformance show.

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

func defectTable(db, table string) cssetcd.Table {
	return cssetcd.Table{
		Name: cssetcd.TableName{DB: db, Table: table}, Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
		Partitioning: &cssetcd.Partitioning{DirDB: db, DirTable: table, DirColumn: "objectId", LatColumn: "decl",
			LonColumn: "ra", SubChunks: true},
		SharedScan: &cssetcd.SharedScan{LockInMem: true, Rating: 2},
	}
}

// defectClient returns a client of a CSS with a database db and two nodes.
func defectClient(t *testing.T) *cssetcd.Client {
	t.Helper()
	c := csstest.New(t)
	var batch cssetcd.Batch
	batch.CreateDatabase(cssetcd.Database{Name: "db", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}})
	batch.AddNode(cssetcd.Node{Name: "worker-1"})
	batch.AddNode(cssetcd.Node{Name: "worker-2"})
	ok(t)(c.Commit(t.Context(), &batch))
	return c
}

// TestDefectB1LockInMemIsRead: reading all of a table lost whether its chunks are to be kept in memory.
func TestDefectB1LockInMemIsRead(t *testing.T) {
	c := defectClient(t)
	packed := defectTable("db", "packed")
	ok(t)(c.CreateTable(t.Context(), packed))
	putKeys(t, c, map[string]string{
		"/DBS/db/TABLES": "", "/DBS/db/TABLES/plain": "READY", "/DBS/db/TABLES/plain/partitioning": "",
		"/DBS/db/TABLES/plain/sharedScan":           "",
		"/DBS/db/TABLES/plain/sharedScan/lockInMem": "1", "/DBS/db/TABLES/plain/sharedScan/scanRating": "2",
	})
	view := must(cssetcd.OpenView(t.Context(), c))(t)
	defer view.Close()
	for _, name := range []string{"packed", "plain"} {
		n := cssetcd.TableName{DB: "db", Table: name}
		read := must(c.Table(t.Context(), n))(t)
		assert.Equal(t, packed.SharedScan, read.SharedScan, name)
		seen := must(view.Snapshot().Table(n))(t)
		assert.Equal(t, packed.SharedScan, seen.SharedScan, name)
	}
}

// TestDefectB2CreateTableIsWholeOrNothing: a table whose creation ended in the middle stayed DO_NOT_USE, was not there
// for containsTable and was there for createTable.
func TestDefectB2CreateTableIsWholeOrNothing(t *testing.T) {
	c := defectClient(t)
	t.Run("a schema that is too long", func(t *testing.T) {
		table := defectTable("db", "long")
		table.Schema = "(" + strings.Repeat("a", 65_600) + " INT)"
		require.ErrorIs(t, errOf(c.CreateTable(t.Context(), table)), cssetcd.ErrBadValue)
		assert.Empty(t, rowsBelow(t, c, "/DBS/db/TABLES"))
		assert.NotContains(t, records(t, c), "/dbs/db/tables/long")
		table.Schema = defectTable("db", "long").Schema
		ok(t)(c.CreateTable(t.Context(), table))
	})
	t.Run("all of it comes at one revision", func(t *testing.T) {
		rev := ok(t)(c.CreateTable(t.Context(), defectTable("db", "whole")))
		s := catalogue(t, c, rev)
		keys := 0
		for key, e := range s.Below("/DBS/db/TABLES/whole") {
			assert.Equal(t, cssetcd.Entry{Value: e.Value, Create: rev, Mod: rev}, e, key)
			keys++
		}
		assert.Equal(t, 5, keys)
	})
}

// TestDefectB3StatusAfterDropMakesNoZombie (I2): setting a status looked for the table first and wrote then; between
// the two it was dropped. Setting scan parameters ended with MySQL's own error of a foreign key.
func TestDefectB3StatusAfterDropMakesNoZombie(t *testing.T) {
	ctx := t.Context()
	dropTable := func(c *cssetcd.Client) { ok(t)(c.DropTable(ctx, object)) }
	for name, tt := range map[string]struct {
		write func(*cssetcd.Client) error
		drop  func(*cssetcd.Client)
		want  error
	}{
		"status": {func(c *cssetcd.Client) error { return errOf(c.SetTableStatus(ctx, object, "READY")) }, dropTable,
			cssetcd.ErrNoSuchTable},
		"shared scan": {func(c *cssetcd.Client) error {
			return errOf(c.SetSharedScan(ctx, object, cssetcd.SharedScan{Rating: 1}))
		}, dropTable, cssetcd.ErrNoSuchTable},
		"schema": {func(c *cssetcd.Client) error { return errOf(c.SetTableSchema(ctx, object, "(a INT)")) }, dropTable,
			cssetcd.ErrNoSuchTable},
		"chunk": {func(c *cssetcd.Client) error { return errOf(c.AddChunk(ctx, object, 1, "worker-1")) }, dropTable,
			cssetcd.ErrNoSuchTable},
		"deletion of a chunk": {func(c *cssetcd.Client) error { return errOf(c.DeleteChunk(ctx, object, 7)) }, dropTable,
			cssetcd.ErrNoSuchTable},
		"status of a database": {func(c *cssetcd.Client) error { return errOf(c.SetDatabaseStatus(ctx, "lsst", "READY")) },
			func(c *cssetcd.Client) { ok(t)(c.DropDatabase(ctx, "lsst")) }, cssetcd.ErrNoSuchDB},
		"state of a node": {func(c *cssetcd.Client) error { return errOf(c.SetNodeState(ctx, "worker-2", "ACTIVE")) },
			func(c *cssetcd.Client) { ok(t)(c.DeleteNode(ctx, "worker-2")) }, cssetcd.ErrNoSuchNode},
		"status of the table that was meant": {func(c *cssetcd.Client) error {
			read := must(c.Table(ctx, object))(t)
			return errOf(c.SetTableStatus(ctx, object, "READY", cssetcd.IfRevision(read.Modified)))
		}, func(c *cssetcd.Client) {
			dropTable(c)
			ok(t)(c.CreateTable(ctx, directorTable(object)))
		}, cssetcd.ErrRevisionMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCatalogue(t)
			ok(t)(c.AddChunk(ctx, object, 7, "worker-1"))
			var after map[string]string
			err := tt.write(racing(c, func() {
				tt.drop(c)
				after = rows(t, c)
			}))
			require.ErrorIs(t, err, tt.want)
			assert.Equal(t, after, rows(t, c))
		})
	}
}

// TestDefectB4FirstTablesOfADatabaseDoNotCollide (I5): of two writers that created the first two tables of a database,
// one was told that its table exists: both had to create the key above.
func TestDefectB4FirstTablesOfADatabaseDoNotCollide(t *testing.T) {
	ctx, c := t.Context(), defectClient(t)
	for i := range 10 {
		db := fmt.Sprintf("db%d", i)
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: db, Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}}))
		raw := fmt.Sprintf("/tools/%d", i)
		for _, err := range atOnce(
			func() error { return errOf(c.CreateTable(ctx, defectTable(db, "Object"))) },
			func() error { return errOf(c.CreateTable(ctx, defectTable(db, "Source"))) },
			func() error { return errOf(c.Raw().Put(ctx, raw+"/deep/a", "1")) },
			func() error { return errOf(c.Raw().Put(ctx, raw+"/deep/b", "2")) },
		) {
			require.NoError(t, err)
		}
	}
	t.Run("the status of an ancestor is not erased by who creates it too", func(t *testing.T) {
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "last"}))
		r := racing(c, func() { byHand(t, c, "css/DBS/last/TABLES", "not empty") })
		ok(t)(r.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "last", Table: "t"}}))
		assert.Equal(t, "not empty", rows(t, c)["/DBS/last/TABLES"])
		raw := racing(c, func() { ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "late"})) })
		ok(t)(raw.Raw().Put(ctx, "/DBS/late/note", "x"))
		assert.Equal(t, "READY", rows(t, c)["/DBS/late"])
	})
}

// TestDefectB5UniqueIdsDoNotLoop (I11): two writers that needed a unique id below a new key went on for ever. Here each
// gets its own.
func TestDefectB5UniqueIdsDoNotLoop(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	striped := func(name string) cssetcd.Database {
		return cssetcd.Database{Name: name, Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
	}
	const writers, each = 4, 5
	var all []func() error
	for w := range writers {
		all = append(all, func() (err error) {
			for i := 0; i < each && err == nil; i++ {
				node := fmt.Sprintf("worker-%d-%d", w, i)
				var b cssetcd.Batch
				b.AddNode(cssetcd.Node{Name: node})
				b.AddChunk(object, 7, node)
				_, _, unique := c.Raw().CreateUnique(ctx, "/log/entry_", "x")
				err = errors.Join(errOf(c.Commit(ctx, &b)), unique, errOf(c.CreateDatabase(ctx, striped("db-"+node))))
			}
			return err
		})
	}
	require.NoError(t, errors.Join(atOnce(all...)...))
	now := rows(t, c)
	ids := map[string]bool{}
	for db, err := range catalogue(t, c, 0).Databases() {
		require.NoError(t, err)
		ids[db.Striping.ID] = true
	}
	assert.Len(t, ids, 1+writers*each, "each database has a partitioning of its own")
	for i := range writers * each { // ids are dense
		assert.True(t, ids[fmt.Sprintf("%010d", 1+i)])
		assert.Contains(t, now, fmt.Sprintf("/DBS/lsst/TABLES/Object/CHUNKS/7/REPLICAS/%010d", 1+i))
		assert.Contains(t, now, fmt.Sprintf("/log/entry_%010d", 1+i))
	}
	t.Run("in the transaction itself", func(t *testing.T) {
		r := racing(c, func() { ok(t)(c.CreateDatabase(ctx, striped("first"))) })
		ok(t)(r.CreateDatabase(ctx, striped("second")))
		assert.Less(t, must(c.Database(ctx, "first"))(t).Striping.ID, must(c.Database(ctx, "second"))(t).Striping.ID)
	})
}

// TestDefectB6DropSucceedsWhileChunksAreAdded: dropping failed as a whole when something was inserted below meanwhile.
func TestDefectB6DropSucceedsWhileChunksAreAdded(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(racing(c, func() { ok(t)(c.AddChunk(ctx, object, 1, "worker-1")) }).DropTable(ctx, object))
	assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES"))
	ok(t)(racing(c, func() { ok(t)(c.CreateTable(ctx, directorTable(object))) }).DropDatabase(ctx, "lsst"))
	assert.Empty(t, rowsBelow(t, c, "/DBS"))
	ok(t)(c.Raw().Put(ctx, "/tools/old", ""))
	ok(t)(racing(c, func() { ok(t)(c.Raw().Put(ctx, "/tools/new/er", "1")) }).Raw().Delete(ctx, "/tools"))
	assert.Empty(t, rowsBelow(t, c, "/tools"))
}

// TestDefectB7NothingIsCreatedBelowWhatIsMissing: tables and chunks were created in databases, tables and on nodes that
// were not there.
func TestDefectB7NothingIsCreatedBelowWhatIsMissing(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	unchanged(t, c, func() {
		require.ErrorIs(t, errOf(c.CreateTable(ctx, defectTable("none", "Object"))), cssetcd.ErrNoSuchDB)
		require.ErrorIs(t, errOf(c.AddChunk(ctx, absent, 1, "worker-1")), cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, errOf(c.AddChunk(ctx, object, 1, "worker-1", "worker-9")), cssetcd.ErrNoSuchNode)
		require.ErrorIs(t, errOf(c.SetSharedScan(ctx, absent, cssetcd.SharedScan{})), cssetcd.ErrNoSuchTable)
	})
	r := racing(c, func() { ok(t)(c.DropDatabase(ctx, "lsst")) })
	require.ErrorIs(t, errOf(r.CreateTable(ctx, directorTable(absent))), cssetcd.ErrNoSuchDB)
	assert.Empty(t, rowsBelow(t, c, "/DBS"))
}

// TestDefectB8CreatingADatabaseAgainChangesNothing: it replaced the striping, and the earlier one was left over.
func TestDefectB8CreatingADatabaseAgainChangesNothing(t *testing.T) {
	ctx, c := t.Context(), defectClient(t)
	again := cssetcd.Database{Name: "db", Striping: &cssetcd.Striping{Stripes: 340, SubStripes: 3}}
	unchanged(t, c, func() {
		require.ErrorIs(t, errOf(c.CreateDatabase(ctx, again)), cssetcd.ErrDBExists)
		require.ErrorIs(t, errOf(c.CreateDatabaseLike(ctx, "db", "db")), cssetcd.ErrDBExists)
		rev := must(c.CreateDatabase(ctx, again, cssetcd.IfNotExists()))(t)
		require.Zero(t, rev)
	})
	// A database that is dropped and created has a new striping: chunks that workers still hold of the old one cannot
	// be mistaken for its own.
	ok(t)(c.DropDatabase(ctx, "db"))
	ok(t)(c.CreateDatabase(ctx, again))
	db := must(c.Database(ctx, "db"))(t)
	assert.Equal(t, &cssetcd.Striping{ID: "0000000002", Stripes: 340, SubStripes: 3}, db.Striping)
}

// defectEtcd returns an etcd that the test may stop, with a client of it and a CSS.
func defectEtcd(t *testing.T) (*embedetcd.Server, *clientv3.Client, *cssetcd.Client) {
	t.Helper()
	server := testkit.Etcd(t, embedetcd.Options{})
	etcd := testkit.ClientOf(t, server)
	c := must(cssetcd.New(t.Context(), etcd))(t)
	return server, etcd, c
}

// TestDefectB9EtcdDownIsUnavailable: with MySQL down, an exception escaped that no caller expected. Every call ends
// with its context and says that etcd is not available.
func TestDefectB9EtcdDownIsUnavailable(t *testing.T) {
	server, etcd, c := defectEtcd(t)
	ctx := t.Context()
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "db", Striping: &cssetcd.Striping{Stripes: 85, SubStripes: 12}}))
	ok(t)(c.CreateTable(ctx, defectTable("db", "Object")))
	view := must(cssetcd.OpenView(ctx, c))(t)
	defer view.Close()
	require.NoError(t, server.Stop())

	n := cssetcd.TableName{DB: "db", Table: "Object"}
	calls := map[string]func(context.Context) error{
		"open":                func(ctx context.Context) error { _, err := cssetcd.New(ctx, etcd); return err },
		"open view":           func(ctx context.Context) error { _, err := cssetcd.OpenView(ctx, c); return err },
		"read database":       func(ctx context.Context) error { _, err := c.Database(ctx, "db"); return err },
		"read table":          func(ctx context.Context) error { _, err := c.Table(ctx, n); return err },
		"read chunks":         func(ctx context.Context) error { _, err := c.Chunks(ctx, n); return err },
		"read node":           func(ctx context.Context) error { _, err := c.Node(ctx, "w"); return err },
		"load":                func(ctx context.Context) error { _, err := c.Snapshot(ctx, 0); return err },
		"get":                 func(ctx context.Context) error { _, err := c.Raw().Get(ctx, "/DBS"); return err },
		"put":                 func(ctx context.Context) error { return errOf(c.Raw().Put(ctx, "/x", "")) },
		"create table":        func(ctx context.Context) error { return errOf(c.CreateTable(ctx, directorTable(n))) },
		"set status of table": func(ctx context.Context) error { return errOf(c.SetTableStatus(ctx, n, "X")) },
		"drop database":       func(ctx context.Context) error { return errOf(c.DropDatabase(ctx, "db")) },
		"add node":            func(ctx context.Context) error { return errOf(c.AddNode(ctx, cssetcd.Node{Name: "w"})) },
		"delete node":         func(ctx context.Context) error { return errOf(c.DeleteNode(ctx, "w")) },
		"identify":            func(ctx context.Context) error { _, err := c.Identity(ctx); return err },
	}
	limited, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for name, call := range calls {
		all.Go(func() {
			err := call(limited)
			assert.ErrorIs(t, err, cssetcd.ErrUnavailable, name)
			assert.ErrorContains(t, err, "css: "+name+" ")
			assert.ErrorContains(t, err, "etcd is not available")
		})
	}
	all.Wait() // before etcd is back: nothing but its context ends a call
	_, err := view.Snapshot().Table(n)
	require.NoError(t, err, "what the view had, it keeps")

	require.NoError(t, server.Restart(ctx))
	require.Eventually(t, func() bool { return errOf(c.Table(ctx, n)) == nil }, time.Minute, 20*time.Millisecond)
	ok(t)(c.SetTableStatus(ctx, n, cssetcd.StatusIgnore))
}

// TestDefectB10NoTextMeansAbsent: a status of a certain text made a table disappear.
func TestDefectB10NoTextMeansAbsent(t *testing.T) {
	c := defectClient(t)
	for i, status := range []cssetcd.Status{"DOES_NOT_EXIST", "null", "NoSuchKey", "ready", "READY "} {
		table := defectTable("db", fmt.Sprintf("t%d", i))
		table.Status = status
		ok(t)(c.CreateTable(t.Context(), table))
		read := must(c.Table(t.Context(), table.Name))(t)
		assert.Equal(t, status, read.Status)
		assert.False(t, read.Status.Ready())
		require.ErrorIs(t, errOf(c.CreateTable(t.Context(), table)), cssetcd.ErrTableExists)
	}
}

// TestDefectB11FirstClientsDoNotCollide: of several clients that started on an empty store, some failed.
func TestDefectB11FirstClientsDoNotCollide(t *testing.T) {
	for range 5 {
		prefix := csstest.NewPrefix()
		var starts []func() error
		for i := range 4 {
			starts = append(starts, func() error {
				c, err := cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(prefix))
				if err != nil {
					return err
				}
				if i%2 == 0 {
					return errOf(c.CreateDatabase(t.Context(), cssetcd.Database{Name: fmt.Sprintf("db%d", i)}))
				}
				return errOf(c.AddNode(t.Context(), cssetcd.Node{Name: fmt.Sprintf("worker-%d", i)}))
			})
		}
		for _, err := range atOnce(starts...) {
			require.NoError(t, err)
		}
		s := must(csstest.At(t, prefix).Snapshot(t.Context(), 0))(t)
		require.NoError(t, s.Version())
		require.Equal(t, 12, s.Len())
	}
	t.Run("in the transaction itself, with one history", func(t *testing.T) {
		c := csstest.New(t)
		var history string
		r := racing(c, func() {
			ok(t)(c.AddNode(t.Context(), cssetcd.Node{Name: "w"}))
			history = beside(t, c)["history"]
		})
		ok(t)(r.CreateDatabase(t.Context(), cssetcd.Database{Name: "db"}))
		assert.Equal(t, history, beside(t, c)["history"])
	})
}

// TestDefectB12VersionStopsRunningClients (I4): a client that had looked at the version once went on reading and
// writing after it was raised.
func TestDefectB12VersionStopsRunningClients(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	view := openView(t, c)
	rev := byHand(t, c, "css/css_meta/version", "2")
	require.ErrorIs(t, waitRevision(t, view, rev).Version(), cssetcd.ErrVersionMismatch, "who reads a view can see it")
	var wrong *cssetcd.VersionError
	writes := map[string]error{
		"create database": errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"})),
		"drop table":      errOf(c.DropTable(ctx, object)),
		"set status":      errOf(c.SetTableStatus(ctx, object, "")),
		"add chunk":       errOf(c.AddChunk(ctx, object, 1, "worker-1")),
		"delete node":     errOf(c.DeleteNode(ctx, "worker-1")), "raw": errOf(c.Raw().Put(ctx, "/x", "")),
		"restore": errOf(c.Restore(ctx, parse(t, minimalDump), cssetcd.Overwrite())),
		"read":    errOf(c.Table(ctx, object)), "chunks": errOf(c.Chunks(ctx, object)),
		"get":       errOf(c.Raw().Get(ctx, "/DBS")),
		"open view": errOf(cssetcd.OpenView(ctx, c)), "new client": errOf(cssetcd.New(ctx, csstest.Etcd(),
			cssetcd.WithPrefix(c.Prefix()))),
	}
	for name, err := range writes {
		require.ErrorAs(t, err, &wrong, name)
		require.ErrorIs(t, err, cssetcd.ErrVersionMismatch, name)
		assert.Equal(t, cssetcd.VersionError{Want: "1", Got: "2"}, *wrong)
	}
	assert.NotContains(t, rows(t, c), "/x")

	t.Run("raised between plan and commit", func(t *testing.T) {
		for name, write := range map[string]func(*cssetcd.Client) error{
			"operation": func(c *cssetcd.Client) error { return errOf(c.CreateTable(ctx, directorTable(absent))) },
			"restore":   func(c *cssetcd.Client) error { return errOf(c.Restore(ctx, parse(t, smallDump))) },
		} {
			c := csstest.New(t)
			if name == "operation" {
				fill(t, c)
			} else {
				errOf(c.Restore(ctx, parse(t, minimalDump)))
			}
			r := racing(c, func() { byHand(t, c, "css/css_meta/version", "2") })
			before := len(rows(t, c))
			require.ErrorIs(t, write(r), cssetcd.ErrVersionMismatch, name)
			assert.Len(t, rows(t, c), before)
		}
	})
	t.Run("an empty version is another version", func(t *testing.T) {
		byHand(t, c, "css/css_meta/version", "")
		require.ErrorIs(t, errOf(c.SetTableStatus(ctx, object, "")), cssetcd.ErrVersionMismatch)
	})
	t.Run("gone", func(t *testing.T) {
		deleteByHand(t, c, kv.Key("css/css_meta/version"))
		require.ErrorIs(t, errOf(c.SetTableStatus(ctx, object, "")), cssetcd.ErrVersionMissing)
		require.ErrorIs(t, errOf(c.Table(ctx, object)), cssetcd.ErrVersionMissing)
		err := errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"}))
		require.ErrorIs(t, err, cssetcd.ErrVersionMissing, "what was left without a version is not adopted")
		assert.ErrorContains(t, err, "and yet /DBS is there")
	})
}

// TestDefectB13DropsAreWholeOrNothing (I1 and I3): a drop whose connection broke had removed a part of the chunks and
// left the table READY. Here a drop is one transaction; when its answer is lost, the caller still learns what happened.
func TestDefectB13DropsAreWholeOrNothing(t *testing.T) {
	ctx := t.Context()
	for _, lost := range []bool{false, true} {
		c := newCatalogue(t)
		for id := range 20 {
			ok(t)(c.AddChunk(ctx, object, id, "worker-1", "worker-2"))
		}
		before := rows(t, c)
		broken := c.Through(func(st kv.Store) kv.Store { return &faulty{Store: st, failAt: 1, lost: lost} })
		rev, err := broken.DropTable(ctx, object)
		if lost {
			require.NoError(t, err, "the token of the commit tells that it happened")
			assert.Equal(t, catalogue(t, c, 0).Revision(), rev)
			assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES"))
			continue
		}
		require.ErrorIs(t, err, errFault)
		assert.Equal(t, before, rows(t, c))
	}
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
	d := must(cssetcd.ParseDump(strings.NewReader(dump.String())))(t)
	must(c.Restore(t.Context(), d))(t)
}

// etcdTraffic counts what a client asks of etcd.
type etcdTraffic struct{ requests, keys, streamed atomic.Int64 }

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

func (n *etcdTraffic) countStream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, opts...)
	return countedStream{stream, n}, err
}

type countedStream struct {
	grpc.ClientStream
	n *etcdTraffic
}

func (s countedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if part, ok := m.(*pb.RangeStreamResponse); ok && err == nil {
		s.n.streamed.Add(int64(len(part.RangeResponse.GetKvs())))
	}
	return err
}

// since returns the requests, the keys that were answered at once and those that were streamed, since the last call.
func (n *etcdTraffic) since() (requests, keys, streamed int64) {
	return n.requests.Swap(0), n.keys.Swap(0), n.streamed.Swap(0)
}

// counted returns a client of the same CSS, and what it asks of etcd.
func counted(t *testing.T, c *cssetcd.Client) (*cssetcd.Client, *etcdTraffic) {
	t.Helper()
	n := &etcdTraffic{}
	etcd := must(clientv3.New(clientv3.Config{Endpoints: csstest.Etcd().Endpoints(), DialOptions: []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(n.count), grpc.WithChainStreamInterceptor(n.countStream),
	}}))(t)
	t.Cleanup(func() { _ = etcd.Close() })
	counted := must(cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix(c.Prefix())))(t)
	n.since()
	return counted, n
}

// TestDefectB14OperationsAreOneOrTwoRequests: an operation was up to tens of thousands of round trips. The partitioning
// of a database is one more.
func TestDefectB14OperationsAreOneOrTwoRequests(t *testing.T) {
	plain := csstest.New(t)
	restoreTables(t, plain, 2, 200)
	c, traffic := counted(t, plain)
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
		{"set a status", 2, func() error { return errOf(c.SetTableStatus(ctx, t0, cssetcd.StatusIgnore)) }},
		{"set shared scan", 2, func() error { return errOf(c.SetSharedScan(ctx, t0, cssetcd.SharedScan{Rating: 1})) }},
		{"create a database with the next partitioning", 3, func() error {
			return errOf(c.CreateDatabase(ctx, cssetcd.Database{Name: "new",
				Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		}},
		{"create a table", 2, func() error { return errOf(c.CreateTable(ctx, defectTable("new", "Object"))) }},
		{"add a node", 2, func() error { return errOf(c.AddNode(ctx, cssetcd.Node{Name: "worker-3"})) }},
		{"add a chunk", 2, func() error { return errOf(c.AddChunk(ctx, t0, 5000, "worker-1", "worker-2")) }},
		{"delete a chunk", 2, func() error { return errOf(c.DeleteChunk(ctx, t0, 5000)) }},
		{"delete a node, looking at every chunk", 2, func() error { return errOf(c.DeleteNode(ctx, "worker-3")) }},
		{"drop a table of 1,204 keys", 2, func() error { return errOf(c.DropTable(ctx, t1)) }},
		{"drop a database", 2, func() error { return errOf(c.DropDatabase(ctx, "db")) }},
	} {
		require.NoError(t, tt.do(), tt.name)
		requests, _, _ := traffic.since()
		assert.Equal(t, tt.requests, requests, tt.name)
	}
	view := must(cssetcd.OpenView(ctx, c))(t)
	defer view.Close()
	traffic.since()
	for range 1000 {
		must(view.Snapshot().Database("new"))(t)
	}
	requests, _, _ := traffic.since()
	assert.Less(t, requests, int64(10), "reading a view asks nothing of etcd; now and then the view itself does")
}

// TestDefectB15UniqueIdsDoNotReadTheCatalogue: the id of a new replica was looked for in all keys.
func TestDefectB15UniqueIdsDoNotReadTheCatalogue(t *testing.T) {
	read := func(chunks int) (replica, striping int64) {
		plain := csstest.New(t)
		restoreTables(t, plain, 1, chunks)
		ok(t)(plain.AddNode(t.Context(), cssetcd.Node{Name: "worker-3"}))
		c, traffic := counted(t, plain)
		ok(t)(c.AddChunk(t.Context(), cssetcd.TableName{DB: "db", Table: "t0"}, 7, "worker-3"))
		_, replica, _ = traffic.since()
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "new",
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		_, striping, _ = traffic.since()
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
			ok(t)(plain.CreateDatabase(ctx, cssetcd.Database{Name: fmt.Sprintf("other%d", i), Striping: striping}))
		}
		c, traffic := counted(t, plain)
		ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "new", Striping: striping}))
		_, create, _ = traffic.since()
		db := must(c.Database(ctx, "new"))(t)
		assert.Equal(t, fmt.Sprintf("%010d", others+1), db.Striping.ID)
		_, read, _ = traffic.since()
		ok(t)(c.CreateDatabaseLike(ctx, "newer", "new"))
		_, like, _ = traffic.since()
		return create, read, like
	}
	create, read, like := cost(1)
	createAmongMany, readAmongMany, likeAmongMany := cost(40)
	assert.Equal(t, []int64{create, read, like}, []int64{createAmongMany, readAmongMany, likeAmongMany})
}

// TestPartitioningIDsNeverRepeat, also where entries came by other ways, or went.
func TestPartitioningIDsNeverRepeat(t *testing.T) {
	ctx, plain := t.Context(), csstest.New(t)
	made := 0
	next := func() string {
		t.Helper()
		made++
		name := fmt.Sprintf("db%d", made)
		ok(t)(plain.CreateDatabase(ctx, cssetcd.Database{Name: name,
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		db := must(plain.Database(ctx, name))(t)
		return db.Striping.ID
	}
	assert.Equal(t, "0000000001", next())
	assert.Equal(t, "0000000002", next())
	ok(t)(plain.Raw().Put(ctx, "/PARTITIONING/_0000000003/nStripes", "1"))
	ok(t)(plain.Raw().Put(ctx, "/PARTITIONING/_0000000007", ""))
	assert.Equal(t, "0000000008", next())
	ok(t)(plain.Raw().Delete(ctx, "/PARTITIONING/_0000000008"))
	assert.Equal(t, "0000000009", next())
	ok(t)(plain.Raw().Delete(ctx, "/PARTITIONING"))
	assert.Equal(t, "0000000010", next())
	var two cssetcd.Batch
	for _, name := range []string{"one", "two"} {
		two.CreateDatabase(cssetcd.Database{Name: name, Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}})
	}
	ok(t)(plain.Commit(ctx, &two))
	db := must(plain.Database(ctx, "two"))(t)
	assert.Equal(t, "0000000012", db.Striping.ID)
}

// TestDefectB16ANameInAnotherCaseIsMissing: it was found, with default values instead of its own.
func TestDefectB16ANameInAnotherCaseIsMissing(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	s := must(c.Snapshot(ctx, 0))(t)
	for _, err := range []error{
		errOf(c.Database(ctx, "LSST")), errOf(s.Database("Lsst")), errOf(c.DropDatabase(ctx, "LSST")),
	} {
		require.ErrorIs(t, err, cssetcd.ErrNoSuchDB)
	}
	require.ErrorIs(t, errOf(c.Node(ctx, "WORKER-1")), cssetcd.ErrNoSuchNode)
	for _, n := range []cssetcd.TableName{{DB: "lsst", Table: "object"}, {DB: "LSST", Table: "Object"}} {
		for _, err := range []error{
			errOf(c.Table(ctx, n)), errOf(s.Table(n)), errOf(c.Chunks(ctx, n)), errOf(c.DropTable(ctx, n)),
			errOf(c.SetSharedScan(ctx, n, cssetcd.SharedScan{})),
		} {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		}
	}
}

// TestDefectB17AReadIsOfOneMoment: listing children took two queries, and what appeared in between was read with a
// random parent.
func TestDefectB17AReadIsOfOneMoment(t *testing.T) {
	c := defectClient(t)
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
			assert.NoError(t, errOf(c.CreateTable(t.Context(), table)))
			assert.NoError(t, errOf(c.DropTable(t.Context(), table.Name)))
		}
	})
	there := 0
	for range 100 {
		children, err := c.Raw().Children(t.Context(), "/DBS/db/TABLES/Object")
		if err == nil {
			there++
			require.Len(t, children, 3)
			for _, name := range []string{"schema", "partitioning", "sharedScan"} {
				require.Contains(t, children, name)
			}
		} else {
			require.ErrorIs(t, err, cssetcd.ErrNoSuchKey)
		}
		read, err := c.Table(t.Context(), table.Name)
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
	ctx, c := t.Context(), defectClient(t)
	const scan = "/DBS/db/TABLES/Object/sharedScan"
	ok(t)(c.CreateTable(ctx, cssetcd.Table{Name: cssetcd.TableName{DB: "db", Table: "Object"}}))
	n := cssetcd.TableName{DB: "db", Table: "Object"}
	for name, keys := range map[string]map[string]string{
		"both plain": {scan: "", scan + "/lockInMem": "1", scan + "/scanRating": "1"},
		"one plain": {scan: "", scan + "/lockInMem": "1",
			scan + "/.packed.json": `{"lockInMem":"1","scanRating":"1"} `},
		"plain, no ancestor": {scan + "/scanRating": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			putKeys(t, c, keys)
			want := cssetcd.SharedScan{Rating: 3}
			ok(t)(c.SetSharedScan(ctx, n, want))
			read := must(c.Table(ctx, n))(t)
			assert.Equal(t, &want, read.SharedScan)
			found := must(c.Raw().Many(ctx, scan+"/lockInMem", scan+"/scanRating", scan+"/.packed.json"))(t)
			require.Len(t, found, 1, "one place holds them")
			assert.Equal(t, `{"lockInMem":"0","scanRating":"3"} `, found[scan+"/.packed.json"].Value)
		})
	}
}
