package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// conditional is a write under conditions, by any client.
type conditional func(*testing.T, *cssetcd.Client, ...cssetcd.WriteOption) error

// tableWrites are all that take a condition on a table.
var tableWrites = map[string]conditional{
	"status": func(t *testing.T, c *cssetcd.Client, o ...cssetcd.WriteOption) error {
		return errOf(c.SetTableStatus(t.Context(), object, cssetcd.StatusIgnore, o...))
	},
	"schema": func(t *testing.T, c *cssetcd.Client, o ...cssetcd.WriteOption) error {
		return errOf(c.SetTableSchema(t.Context(), object, "(b INT)", o...))
	},
	"shared scan": func(t *testing.T, c *cssetcd.Client, o ...cssetcd.WriteOption) error {
		return errOf(c.SetSharedScan(t.Context(), object, cssetcd.SharedScan{Rating: 3}, o...))
	},
	"drop": func(t *testing.T, c *cssetcd.Client, o ...cssetcd.WriteOption) error {
		return errOf(c.DropTable(t.Context(), object, o...))
	},
	"a key by hand": func(t *testing.T, c *cssetcd.Client, _ ...cssetcd.WriteOption) error {
		return errOf(c.Raw().Put(t.Context(), "/DBS/lsst/TABLES/Object/schema", "(c INT)"))
	},
}

// TestOfTwoWritersWhoReadTheSameOneSucceeds: whatever the two write, and whether the second comes afterwards or between
// what the first reads and its transaction.
func TestOfTwoWritersWhoReadTheSameOneSucceeds(t *testing.T) {
	for first, write := range tableWrites {
		for next, again := range tableWrites {
			if first == "drop" || next == "a key by hand" {
				continue
			}
			t.Run(first+" and "+next, func(t *testing.T) {
				for what, order := range map[string]func(*cssetcd.Client, cssetcd.WriteOption) error{
					"afterwards": func(c *cssetcd.Client, same cssetcd.WriteOption) error {
						require.NoError(t, write(t, c, same))
						return again(t, c, same)
					},
					"between": func(c *cssetcd.Client, same cssetcd.WriteOption) error {
						return again(t, racing(c, func() { require.NoError(t, write(t, c, same)) }), same)
					},
				} {
					c := newCatalogue(t)
					read := must(c.Table(t.Context(), object))(t)
					require.ErrorIs(t, order(c, cssetcd.IfRevision(read.Modified)), cssetcd.ErrRevisionMismatch, what)
					now := must(c.Table(t.Context(), object))(t)
					require.Greater(t, now.Modified, read.Modified)
					require.NoError(t, again(t, c, cssetcd.IfRevision(now.Modified)), what)
				}
			})
		}
	}
}

// TestModifiedIsOfTheThingsOwnKeys: not of what belongs to others.
func TestModifiedIsOfTheThingsOwnKeys(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	table := func() cssetcd.Revision {
		read := must(c.Table(ctx, object))(t)
		shown := must(catalogue(t, c, 0).Table(object))(t)
		assert.Equal(t, shown, read)
		return read.Modified
	}
	db := func() cssetcd.Revision {
		read := must(c.Database(ctx, "lsst"))(t)
		return read.Modified
	}
	node := func() cssetcd.Revision {
		read := must(c.Node(ctx, "worker-1"))(t)
		return read.Modified
	}
	tableWas, dbWas, nodeWas := table(), db(), node()
	ok(t)(c.AddChunk(ctx, object, 77, "worker-1"))
	ok(t)(c.DeleteChunk(ctx, object, 77))
	ok(t)(c.CreateTable(ctx, directorTable(cssetcd.TableName{DB: "lsst", Table: "Object2"})))
	assert.Equal(t, [3]cssetcd.Revision{tableWas, dbWas, nodeWas}, [3]cssetcd.Revision{table(), db(), node()})

	rev := ok(t)(c.Raw().Put(ctx, "/DBS/lsst/TABLES/Object/partitioning/overlap", "0.5"))
	assert.Equal(t, [3]cssetcd.Revision{rev, dbWas, nodeWas}, [3]cssetcd.Revision{table(), db(), node()})
	require.ErrorIs(t, errOf(c.DropTable(ctx, object, cssetcd.IfRevision(tableWas))), cssetcd.ErrRevisionMismatch)

	rev = ok(t)(c.Raw().Put(ctx, "/DBS/lsst/releaseStatus", "RELEASED"))
	assert.Equal(t, [2]cssetcd.Revision{rev, nodeWas}, [2]cssetcd.Revision{db(), node()})
	_, err := c.SetDatabaseStatus(ctx, "lsst", "x", cssetcd.IfRevision(dbWas))
	require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch)
	require.ErrorIs(t, errOf(c.DropDatabase(ctx, "lsst", cssetcd.IfRevision(dbWas))), cssetcd.ErrRevisionMismatch)

	rev = ok(t)(c.Raw().Put(ctx, "/NODES/worker-1/port", "1"))
	assert.Equal(t, rev, node())
	_, err = c.SetNodeState(ctx, "worker-1", "x", cssetcd.IfRevision(nodeWas))
	require.ErrorIs(t, err, cssetcd.ErrRevisionMismatch)
	ok(t)(c.DropTable(ctx, object, cssetcd.IfRevision(table())))
	require.ErrorIs(t, errOf(c.DeleteNode(ctx, "worker-1", cssetcd.IfRevision(nodeWas))), cssetcd.ErrRevisionMismatch)
	ok(t)(c.SetDatabaseStatus(ctx, "lsst", "x", cssetcd.IfRevision(db())))
}

// TestAStatusIsThatOfTheTable: also where what is written was not there.
func TestAStatusIsThatOfTheTable(t *testing.T) {
	c := newCatalogue(t)
	plain := cssetcd.TableName{DB: "lsst", Table: "Plain"}
	ok(t)(c.CreateTable(t.Context(), cssetcd.Table{Name: plain, Schema: "(a INT)"}))
	read := must(c.Table(t.Context(), plain))(t)
	ok(t)(c.SetSharedScan(t.Context(), plain, cssetcd.SharedScan{}, cssetcd.IfStatus(cssetcd.StatusReady),
		cssetcd.IfRevision(read.Modified)))
}

// TestCreationFillsIn: what the command fills in, too.
func TestCreationFillsIn(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	ok(t)(c.CreateDatabase(ctx, cssetcd.Database{Name: "bare"}))
	ok(t)(c.AddNode(ctx, cssetcd.Node{Name: "bare"}))
	db := must(c.Database(ctx, "bare"))(t)
	assert.Equal(t, [3]string{"READY", "L2", "RELEASED"}, [3]string{string(db.Status), db.StorageClass, db.ReleaseStatus})
	node := must(c.Node(ctx, "bare"))(t)
	assert.Equal(t, [2]string{"ACTIVE", "worker"}, [2]string{string(node.State), node.Type})
	unchanged(t, c, func() {
		_, err := c.PublishDatabase(ctx, cssetcd.Database{Name: "bare"}, "", nil)
		require.NoError(t, err, "it is the same database")
	})
}

// TestOneChunkOfASnapshot is found by its id.
func TestOneChunkOfASnapshot(t *testing.T) {
	c := newCatalogue(t)
	ok(t)(c.AddChunk(t.Context(), object, 10, "worker-1"))
	s := catalogue(t, c, 0)
	for want, err := range s.Chunks(object) {
		require.NoError(t, err)
		got := must(s.Chunk(object, want.ID))(t)
		assert.Equal(t, want, got)
	}
	require.ErrorIs(t, errOf(s.Chunk(object, 11)), cssetcd.ErrNoSuchChunk)
	require.ErrorIs(t, errOf(s.Chunk(absent, 10)), cssetcd.ErrNoSuchTable)
}
