package csstest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

func addNewNode(n cssetcd.Node) func(context.Context, *cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) { return c.AddNode(ctx, n) }
}

func setState(name string, s cssetcd.NodeState, opts ...cssetcd.WriteOption) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.SetNodeState(ctx, name, s, opts...)
	}
}

func removeNode(name string, opts ...cssetcd.WriteOption) func(context.Context, *cssetcd.Client) (cssetcd.Revision,
	error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.DeleteNode(ctx, name, opts...)
	}
}

func addReplicas(n cssetcd.TableName, id int, nodes ...string) func(context.Context,
	*cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.AddChunk(ctx, n, id, nodes...)
	}
}

func removeChunk(n cssetcd.TableName, id int) func(context.Context, *cssetcd.Client) (cssetcd.Revision, error) {
	return func(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
		return c.DeleteChunk(ctx, n, id)
	}
}

func testNodes(t *testing.T, h Harness) {
	c := h.Open(t)
	node := cssetcd.Node{Name: "worker-1", Type: "worker", Host: "10.0.0.1", Port: 5012}
	run(t, c,
		step{what: "add", do: addNewNode(node)},
		step{what: "again", do: addNewNode(node), want: cssetcd.ErrNodeExists},
		step{what: "set the state", do: setState("worker-1", cssetcd.NodeInactive)},
		step{what: "set the state of nothing", do: setState("nothing", cssetcd.NodeActive), want: cssetcd.ErrNoSuchNode},
	)
	got, err := c.Node(t.Context(), "worker-1")
	require.NoError(t, err)
	node.State, node.Incarnation, node.Modified = cssetcd.NodeInactive, got.Modified-1, got.Modified
	assert.Less(t, got.Incarnation, got.Modified)
	got.Incarnation = node.Incarnation // others may have written to the store in between
	assert.Equal(t, node, *got)
	run(t, c,
		step{what: "delete", do: removeNode("worker-1")},
		step{what: "delete again", do: removeNode("worker-1"), want: cssetcd.ErrNoSuchNode},
		step{what: "add again", do: addNewNode(node)},
	)
}

func testChunks(t *testing.T, h Harness) {
	c := filled(t, h)
	plain := cssetcd.TableName{DB: "lsst", Table: "Filter"}
	run(t, c,
		step{what: "add", do: addReplicas(object, 7, "worker-1")},
		step{what: "a second replica", do: addReplicas(object, 7, "worker-2")},
		step{what: "a second replica on the same node", do: addReplicas(object, 7, "worker-1"), want: cssetcd.ErrInvalid},
		step{what: "a node twice", do: addReplicas(object, 8, "worker-1", "worker-1"), want: cssetcd.ErrInvalid},
		step{what: "a table without chunks", do: createNewTable(cssetcd.Table{Name: plain})},
		step{what: "of a table without chunks", do: addReplicas(plain, 1, "worker-1"), want: cssetcd.ErrInvalid},
		step{what: "chunk 0", do: addReplicas(object, 0, "worker-2")},
		step{what: "chunk 10", do: addReplicas(object, 10, "worker-2")},
		step{what: "on a node that is not there", do: addReplicas(object, 8, "worker-1", "worker-9"),
			want: cssetcd.ErrNoSuchNode},
		step{what: "of nothing", do: addReplicas(missing, 8, "worker-1"), want: cssetcd.ErrNoSuchTable},
		step{what: "of nothing nowhere", do: addReplicas(nowhere, 8, "worker-1"), want: errNoDB},
		step{what: "on no node", do: addReplicas(object, 8), want: cssetcd.ErrInvalid},
		step{what: "delete a node that is in use", do: removeNode("worker-1"), want: cssetcd.ErrNodeInUse},
		step{what: "delete", do: removeChunk(object, 10)},
		step{what: "delete again", do: removeChunk(object, 10), want: cssetcd.ErrNoSuchChunk},
		step{what: "delete of nothing", do: removeChunk(missing, 10), want: cssetcd.ErrNoSuchTable},
	)
	got, err := c.Chunks(t.Context(), object)
	require.NoError(t, err)
	assert.Equal(t, []cssetcd.Chunk{{ID: 0, Nodes: []string{"worker-2"}},
		{ID: 7, Nodes: []string{"worker-1", "worker-2"}}}, collect(t, got))
	_, err = c.Chunks(t.Context(), missing)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
	run(t, c,
		step{what: "delete the chunk", do: removeChunk(object, 7)},
		step{what: "delete a node that is no longer in use", do: removeNode("worker-1")},
		step{what: "drop the table", do: drop(object)},
		step{what: "delete a node whose table is gone", do: removeNode("worker-2")},
		step{what: "create the table again", do: createNewTable(director())},
	)
	got, err = c.Chunks(t.Context(), object)
	require.NoError(t, err)
	assert.Empty(t, collect(t, got), "a new table has no chunks")
}

func collect(t *testing.T, chunks func(func(cssetcd.Chunk, error) bool)) []cssetcd.Chunk {
	t.Helper()
	var all []cssetcd.Chunk
	for chunk, err := range chunks {
		require.NoError(t, err)
		all = append(all, chunk)
	}
	return all
}
