package csstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// testBeginning: where there is no catalogue, operations on what must be there say so, and the first creation makes
// one.
func testBeginning(t *testing.T, h Harness) {
	ctx, c := t.Context(), h.Open(t)
	_, err := c.Database(ctx, "lsst")
	require.ErrorIs(t, err, cssetcd.ErrVersionMissing)
	_, err = c.DropTable(ctx, object)
	require.ErrorIs(t, err, cssetcd.ErrVersionMissing)
	require.ErrorIs(t, latest(t, c).Version(), cssetcd.ErrVersionMissing)
	assert.Zero(t, latest(t, c).Len(), "none of that wrote anything")

	ok(t)(c.CreateDatabase(ctx, lsst))
	require.NoError(t, latest(t, c).Version())
	before, err := h.again(t, c).Identity(ctx)
	require.NoError(t, err)
	ok(t)(c.DropDatabase(ctx, "lsst"))
	after, err := c.Identity(ctx)
	require.NoError(t, err)
	assert.Equal(t, before, after, "a catalogue keeps its identity")
	assert.NotEmpty(t, after.History)
}

func createDatabase(db cssetcd.Database, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.CreateDatabase(ctx, db, opts...)
	}
}

func createLike(name, like string, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.CreateDatabaseLike(ctx, name, like, opts...)
	}
}

func setDatabaseStatus(name string, s cssetcd.Status, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetDatabaseStatus(ctx, name, s, opts...)
	}
}

func dropDatabase(name string, opts ...cssetcd.WriteOption) func(context.Context, *cssetcd.Client) (cssetcd.Revision,
	error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.DropDatabase(ctx, name, opts...)
	}
}

func testDatabases(t *testing.T, h Harness) {
	c := h.Open(t)
	run(t, c,
		step{what: "create", do: createDatabase(lsst)},
		step{what: "again", do: createDatabase(lsst), want: cssetcd.ErrDBExists},
		step{what: "again if it does not exist", do: createDatabase(lsst, cssetcd.IfNotExists()), same: true},
		step{what: "like another", do: createLike("copy", "lsst")},
		step{what: "like another, again", do: createLike("copy", "lsst"), want: cssetcd.ErrDBExists},
		step{what: "like another, again if it does not exist", do: createLike("copy", "nothing", cssetcd.IfNotExists()),
			same: true},
		step{what: "like nothing", do: createLike("more", "nothing"), want: cssetcd.ErrNoSuchDB},
		step{what: "without a partitioning", do: createDatabase(cssetcd.Database{Name: "plain",
			Status: cssetcd.StatusIgnore})},
		step{what: "set the status", do: setDatabaseStatus("plain", cssetcd.Failed("reason"))},
		step{what: "set the status of nothing", do: setDatabaseStatus("nothing", cssetcd.StatusReady),
			want: cssetcd.ErrNoSuchDB},
	)
	for name, want := range map[string]cssetcd.Database{
		"lsst": {Name: "lsst", Status: cssetcd.StatusReady, StorageClass: "L2", ReleaseStatus: "RELEASED",
			Striping: lsst.Striping},
		"copy": {Name: "copy", Status: cssetcd.StatusReady, StorageClass: "L2", ReleaseStatus: "RELEASED",
			Striping: lsst.Striping},
		"plain": {Name: "plain", Status: "FAILED:reason", StorageClass: "L2", ReleaseStatus: "RELEASED"},
	} {
		got, err := c.Database(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, want.Name == "plain", got.Modified > got.Incarnation, "%s: when it was changed", name)
		plain := plainDatabase(got)
		plain.Incarnation, plain.Modified = 0, 0
		assert.Equal(t, want, plain)
	}
	run(t, c,
		step{what: "drop", do: dropDatabase("lsst")},
		step{what: "drop again", do: dropDatabase("lsst"), want: cssetcd.ErrNoSuchDB},
		step{what: "drop again if it exists", do: dropDatabase("lsst", cssetcd.IfExists()), same: true},
		step{what: "create again", do: createDatabase(lsst)},
	)
	again, err := c.Database(t.Context(), "lsst")
	require.NoError(t, err)
	assert.Equal(t, "0000000002", again.Striping.ID, "ids of partitionings do not come again")
}

// testPublishing: a database appears with all its tables, and doing it again changes nothing.
func testPublishing(t *testing.T, h Harness) {
	ctx, c := t.Context(), h.Open(t)
	var tables []cssetcd.Table
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		tables = append(tables, cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: name}, Schema: "(i INT)"})
	}
	ok(t)(c.PublishDatabase(ctx, lsst, "", tables))
	before := contents(t, c)
	assert.Zero(t, ok(t)(c.PublishDatabase(ctx, lsst, "", tables)))
	assert.Equal(t, before, contents(t, c))
	db, err := c.Database(ctx, "lsst")
	require.NoError(t, err)
	assert.True(t, db.Status.Ready())
	_, err = c.PublishDatabase(ctx, lsst, "", []cssetcd.Table{{Name: tables[0].Name, Schema: "(other INT)"}})
	require.ErrorIs(t, err, cssetcd.ErrTableExists)
	assert.Equal(t, before, contents(t, c))
}
