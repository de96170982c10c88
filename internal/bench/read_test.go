package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
)

// A catalogue to measure with has to be one that everybody can read, of the size that was asked for.
func TestShapeIsACatalogue(t *testing.T) {
	r := &Rig{Sizes: Quick, grown: &grown{}, progress: func(line string) { t.Log(line) }}
	t.Cleanup(func() { assert.NoError(t, r.grown.close()) })
	const keys = 1200
	c, err := r.Grown(t.Context(), keys)
	require.NoError(t, err)
	assert.InDelta(t, keys, c.content.keys, 6, "it ends with a whole chunk")
	again, err := r.Grown(t.Context(), keys)
	require.NoError(t, err)
	assert.Same(t, c.css, again.css, "it is made once")

	s, err := c.css.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, c.content.keys, s.Len(), "no key is there twice")
	bytes := 0
	for key, e := range s.Below("") {
		bytes += len(key) + len(e.Value)
		parent := key[:strings.LastIndexByte(key, '/')]
		if parent != "" {
			_, ok := s.Key(parent)
			assert.True(t, ok, "the parent of %s", key)
		}
	}
	assert.Equal(t, c.content.bytes, bytes)
	assert.Len(t, c.tables(), c.databases*familyTables)
	for i, name := range c.tables() {
		table, err := s.Table(name)
		require.NoError(t, err)
		assert.Equal(t, 2, table.ChunkLevel())
		columns, err := s.Columns(name)
		require.NoError(t, err)
		assert.Len(t, columns, 21+5*(i%familyTables))
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
	assert.ElementsMatch(t, []int{0, 2, 4, 6, 8}, spread(all, 5))
	assert.ElementsMatch(t, all, spread(all, 100))
}

// Upstream was observed to read a table with one START TRANSACTION, one SELECT, one COMMIT and 25 pings.
func TestUpstreamReadsATableAsObserved(t *testing.T) {
	r := newRig(t)
	d, err := newReading(t.Context(), r)
	require.NoError(t, err)
	db, err := r.SQL(t.Context(), oursDB)
	require.NoError(t, err)
	m, err := r.newMirror(t.Context(), d.css, d.view)
	require.NoError(t, err)
	_, err = m.Once(t.Context())
	require.NoError(t, err)

	names := []string{"Com_select", "Com_begin", "Com_commit", "Com_admin_commands"}
	before := counters(t, db, names...)
	name := cssetcd.TableName{DB: "survey_release_001", Table: "Measurement_03"}
	require.NoError(t, withUpstream(t.Context(), db, func(u *upstream) error {
		have, err := u.tableParams(t.Context(), name.DB, name.Table)
		assert.Equal(t, 3, u.statements)
		assert.Equal(t, 25, u.pings)
		below := "/DBS/survey_release_001/TABLES/Measurement_03/"
		assert.Len(t, have, 3)
		assert.Contains(t, have[below+"partitioning/.packed.json"], `"dirDb":"survey_release_001"`)
		assert.Contains(t, have[below+"sharedScan/.packed.json"], `"lockInMem":"1"`)
		assert.Contains(t, have, below+"partitioning")
		return err
	}))
	after := counters(t, db, names...)
	for name, want := range map[string]int{"Com_select": 1, "Com_begin": 1, "Com_commit": 1, "Com_admin_commands": 25} {
		assert.Equal(t, want, after[name]-before[name], name)
	}
}

// Every observer sees every change once, ours and the peer's, or the two would not be compared.
func TestObserversSeeEveryChange(t *testing.T) {
	r := newRig(t)
	etcd, err := r.Etcd(t.Context())
	require.NoError(t, err)
	s := shape{prefix: cssetcd.DefaultPrefix, databases: 1}
	_, err = fill(t.Context(), etcd, s.prefix, s.rows())
	require.NoError(t, err)
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	p := &propagating{etcd: etcd, css: css, table: s.tables()[0], observers: 3, changes: 7}
	for name, observe := range map[string]observer{"views": p.view, "watches": p.watch} {
		var m Meter
		require.NoError(t, p.measure(t.Context(), &m, observe), name)
		assert.Len(t, m.series["delay"], 3*7, name)
	}
	assert.Equal(t, 2*7, p.value)

	var m Meter
	broken := func(context.Context, func(), func(string)) error { return assert.AnError }
	assert.ErrorIs(t, p.measure(t.Context(), &m, broken), assert.AnError)
}
