package csstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

func put(key, value string, opts ...cssetcd.WriteOption) func(context.Context, *cssetcd.Client) (cssetcd.Revision,
	error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.Raw().Put(ctx, key, value, opts...)
	}
}

func create(key, value string) func(context.Context, *cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.Raw().Create(ctx, key, value)
	}
}

func remove(key string, opts ...cssetcd.WriteOption) func(context.Context, *cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.Raw().Delete(ctx, key, opts...)
	}
}

func testRaw(t *testing.T, h Harness) {
	ctx, c := t.Context(), h.Open(t)
	run(t, c,
		step{what: "put", do: put("/a/b/c", "1")},
		step{what: "create", do: create("/a/b/d", "2")},
		step{what: "create what is there", do: create("/a/b/c", "2"), want: cssetcd.ErrKeyExists},
		step{what: "create an ancestor that came by itself", do: create("/a/b", "2"), want: cssetcd.ErrKeyExists},
		step{what: "put over it", do: put("/a/b/c", "3")},
		step{what: "put if", do: put("/a/b/c", "4", cssetcd.IfStatus("3"))},
		step{what: "put if not", do: put("/a/b/c", "5", cssetcd.IfStatus("3")), want: cssetcd.ErrStatusMismatch},
		step{what: "put if absent", do: put("/a/b/c", "5", cssetcd.IfRevision(0)), want: cssetcd.ErrRevisionMismatch},
		step{what: "put the version", do: put("/css_meta/version", "2"), want: cssetcd.ErrBadValue},
		step{what: "put a key without a slash", do: put("a", "2"), want: cssetcd.ErrInvalid},
		step{what: "delete nothing", do: remove("/a/b/e"), want: cssetcd.ErrNoSuchKey},
		step{what: "put a neighbour", do: put("/a/bb", "6")},
	)
	entry, err := c.Raw().Get(ctx, "/a/b/c")
	require.NoError(t, err)
	assert.Equal(t, "4", entry.Value)
	assert.Less(t, entry.Create, entry.Mod)
	_, err = c.Raw().Get(ctx, "/a/c")
	require.ErrorIs(t, err, cssetcd.ErrNoSuchKey)
	many, err := c.Raw().Many(ctx, "/a/b", "/a/b/c", "/a/c")
	require.NoError(t, err)
	assert.Len(t, many, 2)
	children, err := c.Raw().Children(ctx, "/a")
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "bb"}, sortedKeys(children))
	for i, want := range []string{"/u/_0000000001", "/u/_0000000002"} {
		key, _, err := c.Raw().CreateUnique(ctx, "/u/_", "value")
		require.NoError(t, err)
		assert.Equal(t, want, key, "%d", i)
	}
	run(t, c,
		step{what: "delete with all below", do: remove("/a/b")},
		step{what: "delete again", do: remove("/a/b"), want: cssetcd.ErrNoSuchKey},
	)
	children, err = c.Raw().Children(ctx, "/a")
	require.NoError(t, err)
	assert.Equal(t, []string{"bb"}, sortedKeys(children))
}

// testCaseOnly: names that differ in case only cannot be there together, however they came; when the first is gone the
// other is free.
func testCaseOnly(t *testing.T, h Harness) {
	upper := cssetcd.TableName{DB: "lsst", Table: "OBJECT"}
	run(t, filled(t, h),
		step{what: "a database", do: createDatabase(cssetcd.Database{Name: "LSST"}), want: cssetcd.ErrDBExists},
		step{what: "a database leniently", do: createDatabase(cssetcd.Database{Name: "LSST"}, cssetcd.IfNotExists()),
			want: cssetcd.ErrDBExists},
		step{what: "a database like another", do: createLike("LSST", "lsst"), want: cssetcd.ErrDBExists},
		step{what: "a table", do: createNewTable(cssetcd.Table{Name: upper}), want: cssetcd.ErrTableExists},
		step{what: "a table leniently", do: createNewTable(cssetcd.Table{Name: upper}, cssetcd.IfNotExists()),
			want: cssetcd.ErrTableExists},
		step{what: "a node", do: addNewNode(cssetcd.Node{Name: "Worker-1"}), want: cssetcd.ErrNodeExists},
		step{what: "a key of a table", do: put("/DBS/lsst/TABLES/OBJECT/schema", ""), want: cssetcd.ErrKeyExists},
		step{what: "drop in another case", do: drop(upper), want: cssetcd.ErrNoSuchTable},
		step{what: "drop", do: drop(object)},
		step{what: "the other table", do: createNewTable(cssetcd.Table{Name: upper})},
		step{what: "the first table", do: createNewTable(director()), want: cssetcd.ErrTableExists},
		step{what: "drop the database", do: dropDatabase("lsst")},
		step{what: "the other database", do: createDatabase(cssetcd.Database{Name: "LSST"})},
		step{what: "the first table in it", do: createNewTable(cssetcd.Table{Name: cssetcd.TableName{DB: "LSST",
			Table: "Object"}})},
		step{what: "delete the node", do: remove("/NODES/worker-1")},
		step{what: "the other node", do: addNewNode(cssetcd.Node{Name: "Worker-1"})},
	)
}
