package survey

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

var update = flag.Bool("update", false, "write the sample's file anew")

func TestMain(m *testing.M) { testkit.Main(m) }

func newClient(t *testing.T) *cssetcd.Client {
	t.Helper()
	etcd := testkit.EtcdClient(t)
	c, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	return c
}

func snapshot(t *testing.T, c *cssetcd.Client) *cssetcd.Snapshot {
	t.Helper()
	s, err := c.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	return s
}

func TestSampleIsWhatTheLibraryWrites(t *testing.T) {
	c := newClient(t)
	require.NoError(t, build(t.Context(), c))
	var text bytes.Buffer
	require.NoError(t, snapshot(t, c).WriteDump(&text, ""))
	if *update {
		require.NoError(t, os.WriteFile("meridian.json", text.Bytes(), 0o644))
		return
	}
	assert.Equal(t, text.String(), SampleText(), "write it anew with `go test ./internal/survey -update`")
}

func TestSampleRestoresAndTakesTheNewTable(t *testing.T) {
	c := newClient(t)
	res, err := c.Restore(t.Context(), Sample())
	require.NoError(t, err)
	assert.Equal(t, 2, res.Databases)
	assert.Equal(t, len(tables()), res.Tables)
	assert.Equal(t, len(workers), res.Nodes)

	_, err = c.CreateTable(t.Context(), NewTable())
	require.NoError(t, err)
	s := snapshot(t, c)
	y1, err := s.Database(Year1)
	require.NoError(t, err)
	y2, err := s.Database(Year2)
	require.NoError(t, err)
	assert.Equal(t, y1.Striping, y2.Striping, "one family")
}

func TestLargeHasExactlyAsManyKeysAndRestoresWhole(t *testing.T) {
	sizes := []int{LargeTableKeys + 500, 2*LargeTableKeys + 15}
	for n := SmallestLarge; n < SmallestLarge+30; n++ {
		sizes = append(sizes, n)
	}
	for n := 17 * LargeTableKeys; n < 17*LargeTableKeys+40; n += 3 { // around the second database
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		seen := map[string]bool{"": true}
		for key := range largeRows(n) {
			require.False(t, seen[key], "%d keys: %s is there twice", n, key)
			require.True(t, seen[key[:strings.LastIndexByte(key, '/')]], "%d keys: the parent of %s comes before it", n, key)
			seen[key] = true
		}
		require.Len(t, seen, n+1)
	}

	c := newClient(t)
	n := LargeTableKeys + 500
	_, err := c.Restore(t.Context(), Large(n))
	require.NoError(t, err)
	s := snapshot(t, c)
	assert.Equal(t, n, s.Len())
	chunks := 0
	for chunk, err := range s.Chunks(LargeTable(0)) {
		require.NoError(t, err)
		require.Len(t, chunk.Nodes, 2)
		chunks++
	}
	assert.Equal(t, chunksPerTable, chunks)
	table, err := s.Table(LargeTable(1))
	require.NoError(t, err)
	assert.True(t, table.Status.Ready())
	assert.Equal(t, 2, table.ChunkLevel())
}
