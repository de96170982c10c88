package cssetcd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// manyChunks returns chunks on both workers.
func manyChunks(n int) (chunks []cssetcd.Chunk) {
	for id := range n {
		chunks = append(chunks, cssetcd.Chunk{ID: id, Nodes: []string{"worker-1", "worker-2"}})
	}
	return chunks
}

// revisionsSince returns those at which keys of a catalogue were written last.
func revisionsSince(s *cssetcd.Snapshot, old cssetcd.Revision) map[cssetcd.Revision]bool {
	all := map[cssetcd.Revision]bool{}
	for _, e := range s.Below("") {
		if e.Mod > old {
			all[e.Mod] = true
		}
	}
	return all
}

// TestAddChunks: the same keys as one by one, in few transactions, and again without any.
func TestAddChunks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	one, many := emptyStore(), newCatalogue(t)
	fill(t, one)
	chunks := manyChunks(100)
	for _, c := range chunks {
		ok(t)(one.AddChunk(ctx, object, c.ID, c.Nodes...))
	}
	old := catalogue(t, many, 0).Revision()
	ok(t)(many.AddChunks(ctx, object, chunks...))
	assert.Equal(t, rows(t, one), rows(t, many))
	assert.LessOrEqual(t, len(revisionsSince(catalogue(t, many, 0), old)), 8, "chunks of six keys, a hundred keys a write")
	again := must(many.AddChunks(ctx, object, chunks...))(t)
	assert.Zero(t, again)

	none := must(many.AddChunks(ctx, object))(t)
	assert.Zero(t, none)
}

// TestAddChunksGoesOn after it was interrupted, and adds to a chunk what it lacks.
func TestAddChunksGoesOn(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), emptyStore()
	fill(t, c)
	chunks := manyChunks(60)
	ok(t)(c.AddChunk(ctx, object, 40, "worker-2"))
	broken := append(manyChunks(60), cssetcd.Chunk{ID: 60, Nodes: []string{"worker-9"}})
	rev, err := c.AddChunks(ctx, object, broken...)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchNode)
	require.ErrorContains(t, err, "add chunks of lsst.Object: chunk 60: no such node worker-9")
	assert.Positive(t, rev, "of what is in place")
	ok(t)(c.AddChunks(ctx, object, chunks...))
	s := catalogue(t, c, 0)
	for _, want := range chunks {
		got := must(s.Chunk(object, want.ID))(t)
		assert.ElementsMatch(t, want.Nodes, got.Nodes, want.ID)
	}
}

// TestAddChunksChecksAllFirst: what is wrong with the last chunk keeps the first one out, too.
func TestAddChunksChecksAllFirst(t *testing.T) {
	t.Parallel()
	c := emptyStore()
	fill(t, c)
	for want, last := range map[string]cssetcd.Chunk{
		"the chunk 3 is named twice":                       {ID: 3, Nodes: []string{"worker-1"}},
		"chunk 500: invalid: no node":                      {ID: 500},
		"the node worker-1 is named twice":                 {ID: 500, Nodes: []string{"worker-1", "worker-1"}},
		"invalid: chunk -1: must be":                       {ID: -1, Nodes: []string{"worker-1"}},
		"chunk 500: invalid name: node: the name is empty": {ID: 500, Nodes: []string{""}},
	} {
		before := rows(t, c)
		_, err := c.AddChunks(t.Context(), object, append(manyChunks(200), last)...)
		require.ErrorIs(t, err, cssetcd.ErrInvalid, want)
		require.ErrorContains(t, err, want)
		assert.Equal(t, before, rows(t, c))
	}
	_, err := c.AddChunks(t.Context(), cssetcd.TableName{DB: "lsst", Table: "None"}, manyChunks(1)...)
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
}

// TestAddChunksOnASmallEtcd that takes fewer keys in a transaction than etcd does by itself.
func TestAddChunksOnASmallEtcd(t *testing.T) {
	t.Parallel()
	server := testkit.Etcd(t, embedetcd.Options{MaxTxnOps: 64})
	c, _ := clientOf(t, server.Endpoints()[0])
	fill(t, c)
	ok(t)(c.AddChunks(t.Context(), object, manyChunks(40)...))
	for id := range 40 {
		chunk := must(catalogue(t, c, 0).Chunk(object, id))(t)
		assert.Len(t, chunk.Nodes, 2)
	}
}
