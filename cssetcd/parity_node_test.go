package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

// parityNodes are those of parityDump.
var parityNodes = []cssetcd.Node{
	{Name: "north", State: cssetcd.NodeActive},
	{Name: "south", Type: "worker", Host: "south.example.org", Port: 5012, State: cssetcd.NodeInactive},
	{Name: "west", Type: "worker", Host: "west.example.org", Port: 5012, State: cssetcd.NodeActive},
}

func TestParityGetNodeNames(t *testing.T) {
	assert.Equal(t, map[string]string{"north": "ACTIVE", "south": "INACTIVE", "west": "ACTIVE"},
		nodeStates(t, load(t, parity(t))))
	assert.Empty(t, nodeStates(t, load(t, csstest.New(t))), "upstream fails when no node has been added yet")
}

func TestParityGetNodeParams(t *testing.T) {
	c := parity(t)
	for _, want := range parityNodes {
		n := *must(c.Node(t.Context(), want.Name))(t)
		assert.NotZero(t, n.Incarnation)
		n.Incarnation, n.Modified = 0, 0
		assert.Equal(t, want, n)
	}
	require.ErrorIs(t, errOf(c.Node(t.Context(), "none")), cssetcd.ErrNoSuchNode)
}

func TestParityGetAllNodeParams(t *testing.T) {
	var all []cssetcd.Node
	for n, err := range load(t, parity(t)).Nodes() {
		require.NoError(t, err)
		plain := *n
		plain.Incarnation, plain.Modified = 0, 0
		all = append(all, plain)
	}
	assert.Equal(t, parityNodes, all)
}

func TestParityAddNode(t *testing.T) {
	c := parity(t)
	want := cssetcd.Node{Name: "east", Type: "worker", Host: "east.example.org", Port: 5012, State: "SICK"}
	ok(t)(c.AddNode(t.Context(), want))
	assert.Equal(t, map[string]string{"east": "SICK", "north": "ACTIVE", "south": "INACTIVE", "west": "ACTIVE"},
		nodeStates(t, load(t, c)))
	n := must(c.Node(t.Context(), "east"))(t)
	want.Incarnation, want.Modified = n.Incarnation, n.Modified
	assert.Equal(t, &want, n)
	require.ErrorIs(t, errOf(c.AddNode(t.Context(), want)), cssetcd.ErrNodeExists)
}

func TestParitySetNodeState(t *testing.T) {
	c := parity(t)
	ok(t)(c.SetNodeState(t.Context(), "south", cssetcd.NodeActive))
	n := must(c.Node(t.Context(), "south"))(t)
	assert.Equal(t, cssetcd.NodeActive, n.State)
	assert.Equal(t, "south.example.org", n.Host)
	require.ErrorIs(t, errOf(c.SetNodeState(t.Context(), "none", cssetcd.NodeActive)), cssetcd.ErrNoSuchNode)
}

func TestParityDeleteNode(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	for _, name := range []string{"north", "south"} {
		require.ErrorIs(t, errOf(c.DeleteNode(ctx, name)), cssetcd.ErrNodeInUse, "a replica names it, packed or plain")
	}
	ok(t)(c.DropTable(ctx, sky("Visit")))
	for _, name := range []string{"north", "south", "west"} {
		ok(t)(c.DeleteNode(ctx, name))
	}
	assert.Empty(t, nodeStates(t, load(t, c)))
	require.ErrorIs(t, errOf(c.DeleteNode(ctx, "north")), cssetcd.ErrNoSuchNode)
}

func TestParityAddChunk(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	n := cssetcd.TableName{DB: "user", Table: "Mine"}
	ok(t)(c.AddChunk(ctx, n, 1000, "north", "south"))
	ok(t)(c.AddChunk(ctx, n, 2000, "west"))
	ok(t)(c.AddChunk(ctx, n, 1000, "west"))
	assert.Equal(t, map[int][]string{1000: {"north", "south", "west"}, 2000: {"west"}}, chunkNodes(t, load(t, c), n))
	// Upstream asks neither for the table nor for the node, and gives a node another replica.
	require.ErrorIs(t, errOf(c.AddChunk(ctx, n, 1000, "north")), cssetcd.ErrInvalid)
	require.ErrorIs(t, errOf(c.AddChunk(ctx, n, 3000, "north", "north")), cssetcd.ErrInvalid)
	require.ErrorIs(t, errOf(c.AddChunk(ctx, n, 3000, "nowhere")), cssetcd.ErrNoSuchNode)
	require.ErrorIs(t, errOf(c.AddChunk(ctx, sky("None"), 1, "north")), cssetcd.ErrNoSuchTable)
}

func TestParityDeleteChunk(t *testing.T) {
	ctx, c := t.Context(), parity(t)
	ok(t)(c.DeleteChunk(ctx, sky("Visit"), 77))
	assert.Equal(t, map[int][]string{8100: {"north"}}, chunkNodes(t, load(t, c), sky("Visit")))
	require.ErrorIs(t, errOf(c.DeleteChunk(ctx, sky("Visit"), 77)), cssetcd.ErrNoSuchChunk)
}

func TestParityGetChunks(t *testing.T) {
	c := parity(t)
	for name, want := range map[string]map[int][]string{"Visit": {77: {"north", "south"}, 8100: {"north"}}, "Star": {}} {
		got := map[int][]string{}
		for chunk, err := range must(c.Chunks(t.Context(), sky(name)))(t) {
			require.NoError(t, err)
			got[chunk.ID] = chunk.Nodes
		}
		assert.Equal(t, want, got)
		assert.Equal(t, want, chunkNodes(t, load(t, c), sky(name)))
	}
	require.ErrorIs(t, errOf(c.Chunks(t.Context(), sky("None"))), cssetcd.ErrNoSuchTable)
}
