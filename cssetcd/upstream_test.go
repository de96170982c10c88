package cssetcd_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
	"github.com/qserv/css-etcd/internal/kv"
)

// The tests of this file are named after faults of the C++ CSS that were seen at work. Each does what brought the fault
// about and shows what happens here instead.

// TestUpstreamCreateTableLeftHalfATable (I1): a schema that is too long made createTable stop after the status; the
// table then existed for creating it and did not for reading it.
func TestUpstreamCreateTableLeftHalfATable(t *testing.T) {
	c := newCatalogue(t)
	n := cssetcd.TableName{DB: "lsst", Table: "Source"}
	unchanged(t, c, func() {
		_, err := c.CreateTable(t.Context(), cssetcd.Table{Name: n, Schema: strings.Repeat("x", 65_600)})
		require.ErrorIs(t, err, cssetcd.ErrBadValue)
	})
	t.Run("nor does a failure of etcd", func(t *testing.T) {
		broken := c.Through(func(st kv.Store) kv.Store { return &faulty{Store: st, failAt: 1} })
		unchanged(t, c, func() {
			_, err := broken.CreateTable(t.Context(), directorTable(n))
			require.ErrorIs(t, err, errFault)
		})
	})
	ok(t)(c.CreateTable(t.Context(), directorTable(n)))
}

// TestUpstreamSetStatusRevivedADroppedTable (I2): setTableStatus looked whether the table is there and then wrote; a
// drop in between left a table that was READY and had no schema.
func TestUpstreamSetStatusRevivedADroppedTable(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	r := racing(c, func() { ok(t)(c.DropTable(ctx, object)) })
	_, err := r.SetTableStatus(ctx, object, cssetcd.StatusReady)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	assert.NotContains(t, rows(t, c), "/DBS/lsst/TABLES/Object")

	t.Run("nor a database or a node", func(t *testing.T) {
		r := racing(c, func() { ok(t)(c.DropDatabase(ctx, "lsst")) })
		require.ErrorIs(t, second(r.SetDatabaseStatus(ctx, "lsst", cssetcd.StatusReady)), cssetcd.ErrNoSuchDB)
		r = racing(c, func() { ok(t)(c.DeleteNode(ctx, "worker-1")) })
		require.ErrorIs(t, second(r.SetNodeState(ctx, "worker-1", cssetcd.NodeActive)), cssetcd.ErrNoSuchNode)
	})
	t.Run("nor when it was created again meanwhile and the caller meant the earlier one", func(t *testing.T) {
		c := newCatalogue(t)
		tab, err := c.Table(ctx, object)
		require.NoError(t, err)
		r := racing(c, func() {
			ok(t)(c.DropTable(ctx, object))
			ok(t)(c.CreateTable(ctx, directorTable(object)))
		})
		_, err = r.SetTableStatus(ctx, object, cssetcd.StatusIgnore, cssetcd.IfRevision(tab.Modified))
		require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch)
	})
}

// TestUpstreamSetScanFailedRawOnADroppedTable: the same race gave an error of MySQL's foreign key.
func TestUpstreamSetScanFailedRawOnADroppedTable(t *testing.T) {
	ctx := t.Context()
	for name, write := range map[string]func(*cssetcd.Client) error{
		"shared scan": func(c *cssetcd.Client) error {
			return second(c.SetSharedScan(ctx, object, cssetcd.SharedScan{Rating: 1}))
		},
		"schema":       func(c *cssetcd.Client) error { return second(c.SetTableSchema(ctx, object, "(a INT)")) },
		"chunk":        func(c *cssetcd.Client) error { return second(c.AddChunk(ctx, object, 1, "worker-1")) },
		"delete chunk": func(c *cssetcd.Client) error { return second(c.DeleteChunk(ctx, object, 7)) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCatalogue(t)
			ok(t)(c.AddChunk(ctx, object, 7, "worker-1"))
			r := racing(c, func() { ok(t)(c.DropTable(ctx, object)) })
			err := write(r)
			require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
			require.NotErrorIs(t, err, cssetcd.ErrNoSuchDB)
			assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES"))
		})
	}
}

// TestUpstreamFirstTablesOfADatabaseCollided (I5): of two different first tables created at the same time one was
// reported to exist.
func TestUpstreamFirstTablesOfADatabaseCollided(t *testing.T) {
	c := csstest.New(t)
	for round := range 10 {
		db := fmt.Sprintf("db%d", round)
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: db,
			Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}))
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				_, err := c.CreateTable(t.Context(), directorTable(cssetcd.TableName{DB: db, Table: fmt.Sprintf("t%d", i)}))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
	}
	t.Run("the status of an ancestor is not erased by who creates it too", func(t *testing.T) {
		ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "last"}))
		r := racing(c, func() { byHand(t, c, "css/DBS/last/TABLES", "not empty") })
		ok(t)(r.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "last", Table: "t"}}))
		assert.Equal(t, "not empty", rows(t, c)["/DBS/last/TABLES"])
		raw := racing(c, func() { ok(t)(c.CreateDatabase(t.Context(), cssetcd.Database{Name: "late"})) })
		ok(t)(raw.Raw().Put(t.Context(), "/DBS/late/note", "x"))
		assert.Equal(t, "READY", rows(t, c)["/DBS/late"])
	})
}

// TestUpstreamUniqueIdsLoopedForEver (I11): two writers that needed a unique id could loop until they were killed. Here
// each gets its own.
func TestUpstreamUniqueIdsLoopedForEver(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	const writers, each = 4, 5
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				var b cssetcd.Batch
				node := fmt.Sprintf("worker-%d-%d", w, i)
				b.AddNode(cssetcd.Node{Name: node})
				b.AddChunk(object, 7, node)
				_, err := c.Commit(ctx, &b)
				assert.NoError(t, err)
				_, err = c.CreateDatabase(ctx, cssetcd.Database{
					Name: fmt.Sprintf("db-%d-%d", w, i), Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1},
				})
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	ids := map[string]bool{}
	for db, err := range catalogue(t, c, 0).Databases() {
		require.NoError(t, err)
		assert.False(t, ids[db.Striping.ID], db.Striping.ID)
		ids[db.Striping.ID] = true
	}
	assert.Len(t, ids, 1+writers*each)
	assert.True(t, ids[fmt.Sprintf("%010d", 1+writers*each)], "ids are dense")
	all := rowsBelow(t, c, "/DBS/lsst/TABLES/Object/CHUNKS/7/REPLICAS")
	assert.Len(t, all, 2*writers*each)
	assert.Contains(t, all, fmt.Sprintf("/DBS/lsst/TABLES/Object/CHUNKS/7/REPLICAS/%010d", writers*each))

	t.Run("in the transaction itself", func(t *testing.T) {
		striped := func(name string) cssetcd.Database {
			return cssetcd.Database{Name: name, Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
		}
		r := racing(c, func() { ok(t)(c.CreateDatabase(ctx, striped("first"))) })
		ok(t)(r.CreateDatabase(ctx, striped("second")))
		first, err := c.Database(ctx, "first")
		require.NoError(t, err)
		second, err := c.Database(ctx, "second")
		require.NoError(t, err)
		assert.Less(t, first.Striping.ID, second.Striping.ID)
	})
}

// TestUpstreamDropFailedOnAConcurrentInsert: a chunk added while a table was dropped made the whole drop fail. Here
// either the drop takes it with it, or adding it fails.
func TestUpstreamDropFailedOnAConcurrentInsert(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	r := racing(c, func() { ok(t)(c.AddChunk(ctx, object, 1, "worker-1")) })
	ok(t)(r.DropTable(ctx, object))
	assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES/Object"))

	r = racing(c, func() { ok(t)(c.CreateTable(ctx, directorTable(object))) })
	ok(t)(r.DropDatabase(ctx, "lsst"))
	assert.Empty(t, rowsBelow(t, c, "/DBS/lsst"))
}

// TestUpstreamCreatedBelowWhatWasMissing: a table in a database that is not there made a database with an empty status,
// and a chunk could be on a node that is not there.
func TestUpstreamCreatedBelowWhatWasMissing(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	zombie := cssetcd.TableName{DB: "zombie", Table: "t"}
	unchanged(t, c, func() {
		require.ErrorIs(t, second(c.CreateTable(ctx, directorTable(zombie))), cssetcd.ErrNoSuchDB)
		require.ErrorIs(t, second(c.AddChunk(ctx, zombie, 1, "worker-1")), cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, second(c.AddChunk(ctx, object, 1, "nobody")), cssetcd.ErrNoSuchNode)
	})
	r := racing(c, func() { ok(t)(c.DropDatabase(ctx, "lsst")) })
	require.ErrorIs(t, second(r.CreateTable(ctx, directorTable(absent))), cssetcd.ErrNoSuchDB)
	assert.Empty(t, rowsBelow(t, c, "/DBS"))
}

// TestUpstreamCreateDatabaseReplacedTheStriping of one that was there.
func TestUpstreamCreateDatabaseReplacedTheStriping(t *testing.T) {
	c := newCatalogue(t)
	again := cssetcd.Database{Name: "lsst", Striping: &cssetcd.Striping{Stripes: 1, SubStripes: 1}}
	unchanged(t, c, func() {
		require.ErrorIs(t, second(c.CreateDatabase(t.Context(), again)), cssetcd.ErrDBExists)
		again.Name = "LSST"
		require.ErrorIs(t, second(c.CreateDatabase(t.Context(), again)), cssetcd.ErrDBExists)
	})
	t.Run("and ids came back after a cleanup", func(t *testing.T) {
		ok(t)(c.DropDatabase(t.Context(), "lsst"))
		ok(t)(c.CreateDatabase(t.Context(), again))
		db, err := c.Database(t.Context(), again.Name)
		require.NoError(t, err)
		assert.Equal(t, "0000000002", db.Striping.ID)
	})
}

// TestUpstreamStatusTextMeantAbsent: a table with the status DOES_NOT_EXIST did not exist for some calls.
func TestUpstreamStatusTextMeantAbsent(t *testing.T) {
	c := newCatalogue(t)
	for _, text := range []cssetcd.Status{"DOES_NOT_EXIST", "", "ready", "READY "} {
		ok(t)(c.SetTableStatus(t.Context(), object, text))
		tab, err := c.Table(t.Context(), object)
		require.NoError(t, err)
		assert.Equal(t, text, tab.Status)
		assert.False(t, tab.Status.Ready())
		require.ErrorIs(t, second(c.CreateTable(t.Context(), cssetcd.Table{Name: object})), cssetcd.ErrTableExists)
	}
}

// TestUpstreamStartsCollidedOnAnEmptyStore: of two clients that started on an empty store one failed.
func TestUpstreamStartsCollidedOnAnEmptyStore(t *testing.T) {
	for range 5 {
		prefix := csstest.NewPrefix()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				c, err := cssetcd.New(t.Context(), csstest.Etcd(), cssetcd.WithPrefix(prefix))
				if !assert.NoError(t, err) {
					return
				}
				_, err = c.CreateDatabase(t.Context(), cssetcd.Database{Name: fmt.Sprintf("db%d", i)})
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		c := csstest.At(t, prefix)
		all := rows(t, c)
		assert.Len(t, all, 3+2*4)
		assert.Equal(t, "1", all["/css_meta/version"])
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

// TestUpstreamVersionWasLookedAtOnce (I4): a client that had started went on reading and writing after the version was
// raised.
func TestUpstreamVersionWasLookedAtOnce(t *testing.T) {
	c := newCatalogue(t)
	ctx := t.Context()
	byHand(t, c, "css/css_meta/version", "2")
	var wrong *cssetcd.VersionError
	writes := map[string]error{
		"create database": second(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"})),
		"drop table":      second(c.DropTable(ctx, object)),
		"set status":      second(c.SetTableStatus(ctx, object, "")),
		"add chunk":       second(c.AddChunk(ctx, object, 1, "worker-1")),
		"delete node":     second(c.DeleteNode(ctx, "worker-1")), "raw": second(c.Raw().Put(ctx, "/x", "")),
		"restore": third(c.Restore(ctx, parse(t, minimalDump), cssetcd.Overwrite())),
		"read":    third(c.Table(ctx, object)), "chunks": third(c.Chunks(ctx, object)),
		"get":       third(c.Raw().Get(ctx, "/DBS")),
		"open view": third(cssetcd.OpenView(ctx, c)), "new client": third(cssetcd.New(ctx, csstest.Etcd(),
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
			"operation": func(c *cssetcd.Client) error { return second(c.CreateTable(ctx, directorTable(absent))) },
			"restore":   func(c *cssetcd.Client) error { return third(c.Restore(ctx, parse(t, smallDump))) },
		} {
			c := csstest.New(t)
			if name == "operation" {
				fill(t, c)
			} else {
				third(c.Restore(ctx, parse(t, minimalDump)))
			}
			r := racing(c, func() { byHand(t, c, "css/css_meta/version", "2") })
			before := len(rows(t, c))
			require.ErrorIs(t, write(r), cssetcd.ErrVersionMismatch, name)
			assert.Len(t, rows(t, c), before)
		}
	})
	t.Run("an empty version is another version", func(t *testing.T) {
		byHand(t, c, "css/css_meta/version", "")
		require.ErrorIs(t, second(c.SetTableStatus(ctx, object, "")), cssetcd.ErrVersionMismatch)
	})
	t.Run("gone", func(t *testing.T) {
		deleteByHand(t, c, kv.Key("css/css_meta/version"))
		require.ErrorIs(t, second(c.SetTableStatus(ctx, object, "")), cssetcd.ErrVersionMissing)
		require.ErrorIs(t, third(c.Table(ctx, object)), cssetcd.ErrVersionMissing)
		err := second(c.CreateDatabase(ctx, cssetcd.Database{Name: "x"}))
		require.ErrorIs(t, err, cssetcd.ErrVersionMissing, "what was left without a version is not adopted")
		assert.ErrorContains(t, err, "and yet /DBS is there")
	})
}

// TestUpstreamInterruptedDropRemovedAPart (I1 and I3): a connection lost in the middle of a drop left a READY table
// with some of its chunks. Here a drop is one transaction; when its answer is lost, the caller still learns what
// happened.
func TestUpstreamInterruptedDropRemovedAPart(t *testing.T) {
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

// TestUpstreamReadsGaveDefaultsForANameInAnotherCase: containsTable was true and all parameters were those of no table.
func TestUpstreamReadsGaveDefaultsForANameInAnotherCase(t *testing.T) {
	c := newCatalogue(t)
	for _, n := range []cssetcd.TableName{{DB: "LSST", Table: "Object"}, {DB: "lsst", Table: "OBJECT"},
		{DB: "lsst", Table: "Object "}} {
		_, err := c.Table(t.Context(), n)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
		require.ErrorIs(t, second(c.DropTable(t.Context(), n)), cssetcd.ErrNoSuchTable)
	}
}

// TestUpstreamLockInMemWasLost: one of its getters asked for a misspelled key.
func TestUpstreamLockInMemWasLost(t *testing.T) {
	c := newCatalogue(t)
	tab, err := c.Table(t.Context(), object)
	require.NoError(t, err)
	assert.True(t, tab.SharedScan.LockInMem)
}

// TestDeleteNodeAgainstAddChunk (I8): whichever comes first, no chunk is left on a node that is not there.
func TestDeleteNodeAgainstAddChunk(t *testing.T) {
	ctx := t.Context()
	t.Run("the chunk comes between the look and the deletion", func(t *testing.T) {
		for _, first := range []bool{true, false} { // whether the node was referred to before
			c := newCatalogue(t)
			if first {
				ok(t)(c.AddChunk(ctx, object, 1, "worker-1"))
				ok(t)(c.DeleteChunk(ctx, object, 1))
			}
			r := racing(c, func() { ok(t)(c.AddChunk(ctx, object, 42, "worker-1")) })
			_, err := r.DeleteNode(ctx, "worker-1")
			require.ErrorIs(t, err, cssetcd.ErrNodeInUse)
			assert.ErrorContains(t, err, "/DBS/lsst/TABLES/Object/CHUNKS/42/")
		}
	})
	t.Run("the node goes before the chunk is added", func(t *testing.T) {
		c := newCatalogue(t)
		r := racing(c, func() { ok(t)(c.DeleteNode(ctx, "worker-1")) })
		_, err := r.AddChunk(ctx, object, 42, "worker-2", "worker-1")
		require.ErrorIs(t, err, cssetcd.ErrNoSuchNode)
		assert.Empty(t, rowsBelow(t, c, "/DBS/lsst/TABLES/Object/CHUNKS"))
	})
	t.Run("adding chunks on one node does not disturb adding on it elsewhere", func(t *testing.T) {
		c := newCatalogue(t)
		for id := range 20 {
			ok(t)(c.AddChunk(ctx, object, id, "worker-1"))
		}
		st := &interposed{Store: c.Store(), before: []func(){func() { ok(t)(c.AddChunk(ctx, object, 21, "worker-1")) }}}
		r := c.Through(func(kv.Store) kv.Store { return st })
		ok(t)(r.AddChunk(ctx, object, 22, "worker-1"))
		assert.Equal(t, 1, st.asked, "the reference is touched and not guarded, so nobody tries twice")
	})
	t.Run("all at once", func(t *testing.T) {
		c := newCatalogue(t)
		ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "w"}))
		var wg sync.WaitGroup
		var deleted, added error
		wg.Go(func() { _, deleted = c.DeleteNode(ctx, "w") })
		wg.Go(func() { _, added = c.AddChunk(ctx, object, 1, "w") })
		wg.Wait()
		if added == nil {
			require.ErrorIs(t, deleted, cssetcd.ErrNodeInUse)
		} else {
			require.NoError(t, deleted)
			require.True(t, errors.Is(added, cssetcd.ErrNoSuchNode))
		}
	})
}
