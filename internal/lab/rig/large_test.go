package rig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// A catalogue to measure with has to be one that everybody can read, of the size that was asked for.
func TestShapeIsACatalogue(t *testing.T) {
	r := &Rig{Grown: &Grown{}, Bench: measure.Bench{Progress: func(line string) { t.Log(line) }}}
	t.Cleanup(func() { assert.NoError(t, r.Grown.Close()) })
	const keys = 1200
	c, err := r.Large(t.Context(), keys)
	require.NoError(t, err)
	assert.InDelta(t, keys, c.Content.Keys, 6, "it ends with a whole chunk")
	again, err := r.Large(t.Context(), keys)
	require.NoError(t, err)
	assert.Same(t, c.CSS, again.CSS, "it is made once")

	s, err := c.CSS.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, c.Content.Keys, s.Len(), "no key is there twice")
	bytes := 0
	for key, e := range s.Below("") {
		bytes += len(key) + len(e.Value)
		parent := key[:strings.LastIndexByte(key, '/')]
		if parent != "" {
			_, ok := s.Key(parent)
			assert.True(t, ok, "the parent of %s", key)
		}
	}
	assert.Equal(t, c.Content.Bytes, bytes)
	assert.Len(t, c.Tables(), c.Databases*family.Tables)
	for i, name := range c.Tables() {
		table, err := s.Table(name)
		require.NoError(t, err)
		assert.Equal(t, 2, table.ChunkLevel())
		columns, err := s.Columns(name)
		require.NoError(t, err)
		assert.Len(t, columns, 21+5*(i%family.Tables))
		chunks := 0
		for chunk, err := range s.Chunks(name) {
			require.NoError(t, err)
			assert.Len(t, chunk.Nodes, 2)
			chunks++
		}
		assert.Positive(t, chunks)
	}
}

func TestSpreadTakesFromEverywhere(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	assert.ElementsMatch(t, []int{0, 2, 4, 6, 8}, Spread(all, 5))
	assert.ElementsMatch(t, all, Spread(all, 100))
}
