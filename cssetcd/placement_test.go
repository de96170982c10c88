package cssetcd_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// placed is a director T with chunks and a table S that it directs, as their keys and as maps.
type placed struct {
	kv   *kv.Snapshot
	want map[string]map[int]string // by table and chunk: the node, "" for a chunk that cannot be read
}

func newPlaced(chunks int) *placed {
	b := kv.NewSnapshot(1, csskey.Catalogue).Edit()
	put := func(key, value string) { b.Put(kv.Path("css"+key), kv.Entry{Value: value, Create: 1, Mod: 1}) }
	put("/css_meta/version", "1")
	put("/DBS/D", "READY")
	for _, table := range []string{"T", "S"} {
		put("/DBS/D/TABLES/"+table, "READY")
		put("/DBS/D/TABLES/"+table+"/schema", "(id BIGINT)")
		put("/DBS/D/TABLES/"+table+"/partitioning/.packed.json",
			`{"dirDb":"D","dirTable":"T","dirColName":"id","subChunks":"0"}`)
	}
	p := &placed{b.Snapshot(1), map[string]map[int]string{"T": {}, "S": {}}}
	for id := range chunks {
		p.set("T", id*3, fmt.Sprintf("n%d", id%4))
		p.set("S", id*3, fmt.Sprintf("n%d", id%4))
	}
	return p
}

// set puts a chunk on a node, or takes it away, and returns what that touches.
func (p *placed) set(table string, id int, node string) []kv.Path {
	b, at := p.kv.Edit(), p.kv.Revision+1
	path := kv.Path(fmt.Sprintf("css/DBS/D/TABLES/%s/CHUNKS/%d", table, id))
	gone := append(b.DeleteSpan(kv.Key(path)), b.DeleteSpan(kv.Below(path))...)
	delete(p.want[table], id)
	if node != "-" {
		record := path + "/REPLICAS/0000000001/.packed.json"
		b.Put(record, kv.Entry{Value: fmt.Sprintf(`{"nodeName":%q}`, node), Create: at, Mod: at})
		gone, p.want[table][id] = append(gone, record), node
	}
	p.kv = b.Snapshot(at)
	return gone
}

func (p *placed) check(t require.TestingT, s *cssetcd.Snapshot, table string) {
	want := p.want[table]
	have, err := s.Placement(cssetcd.TableName{DB: "D", Table: table})
	require.NoError(t, err)
	require.Equal(t, len(want), have.Len())
	var ids []int
	for c, err := range have.All() {
		ids = append(ids, c.ID)
		if want[c.ID] == "" {
			require.ErrorIs(t, err, cssetcd.ErrBadValue)
			require.ErrorContains(t, err, "/TABLES/"+table+"/", "it names the table that was asked for")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []string{want[c.ID]}, c.Nodes)
		nodes, err := have.Nodes(c.ID)
		require.NoError(t, err)
		require.Equal(t, c.Nodes, nodes)
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), ids)
	require.Equal(t, ids, slices.Collect(have.IDs().All()))
	for _, none := range []int{-1, -256, 1, 1 << 31, 1 << 40} {
		_, err = have.Nodes(none)
		require.ErrorIs(t, err, cssetcd.ErrNoSuchChunk)
	}
}

// TestPlacementFollowsChanges: made from the one before it, however much changed, a placement is what it would be if it
// were made afresh.
func TestPlacementFollowsChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPlaced(rapid.SampledFrom([]int{0, 1, 300, 1000}).Draw(t, "chunks"))
		s := cssetcd.CatalogueOf(p.kv)
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			for _, table := range rapid.SampledFrom([][]string{{}, {"T"}, {"S"}, {"T", "S"}, {"S", "T"}}).Draw(t, "read") {
				p.check(t, s, table)
			}
			var touched []kv.Path
			for range rapid.SampledFrom([]int{1, 2, 5, 400}).Draw(t, "changes") {
				id := 3 * rapid.IntRange(0, 1500).Draw(t, "id")
				node := rapid.SampledFrom([]string{"n0", "n1", "-", "-", ""}).Draw(t, "node")
				for _, table := range rapid.SampledFrom([][]string{{"T"}, {"S"}, {"T", "S"}}).Draw(t, "tables") {
					touched = append(touched, p.set(table, id, node)...)
				}
			}
			s = s.Next(p.kv, touched)
			p.check(t, s, "T")
			p.check(t, s, "S")
		}
	})
}

// TestPlacementIsSharedByWhatDidNotChange: a changed chunk costs a page, not a table.
func TestPlacementIsSharedByWhatDidNotChange(t *testing.T) {
	p := newPlaced(20_000)
	s := cssetcd.CatalogueOf(p.kv)
	p.check(t, s, "T")
	n := cssetcd.TableName{DB: "D", Table: "T"}
	next := s
	allocated := testing.AllocsPerRun(20, func() {
		next = next.Next(p.kv, p.set("T", 3*777, "n9"))
		_, _ = next.Placement(n)
	})
	assert.Less(t, allocated, 500.0)
	p.check(t, next, "T")
	before, err := s.Placement(n)
	require.NoError(t, err)
	nodes, err := before.Nodes(3 * 777)
	require.NoError(t, err)
	assert.Equal(t, []string{"n1"}, nodes, "the old one stays as it was")
	placement, err := next.Placement(n)
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = placement.Nodes(3 * 778) }))
	_, err = next.Placement(cssetcd.TableName{DB: "D", Table: "None"})
	require.ErrorIs(t, err, cssetcd.ErrNoSuchTable)
}

// TestPlacementIsSharedWithTheDirector where a table is placed as that is, also after changes of both.
func TestPlacementIsSharedWithTheDirector(t *testing.T) {
	p := newPlaced(20_000)
	s := cssetcd.CatalogueOf(p.kv)
	shared := func() (n, all int) {
		p.check(t, s, "T")
		p.check(t, s, "S")
		director, err := s.Placement(cssetcd.TableName{DB: "D", Table: "T"})
		require.NoError(t, err)
		led, err := s.Placement(cssetcd.TableName{DB: "D", Table: "S"})
		require.NoError(t, err)
		return cssetcd.SharedPages(led, director)
	}
	n, all := shared()
	require.Equal(t, all, n)
	for i := range 20 {
		id, node := 3*777*i%60_000, fmt.Sprintf("m%d", i%3)
		s = s.Next(p.kv, append(p.set("S", id, node), p.set("T", id, node)...))
		n, all = shared()
		require.Equal(t, all, n)
	}
	s = s.Next(p.kv, append(p.set("S", 3, "n9"), p.set("S", 6000, "")...))
	n, all = shared()
	assert.Equal(t, all-2, n)
}

// BenchmarkPlacementOfAChange is what a changed chunk of 150,000 costs, the step to the next snapshot included; afresh
// is reading all of them.
func BenchmarkPlacementOfAChange(b *testing.B) {
	p := newPlaced(150_000)
	n := cssetcd.TableName{DB: "D", Table: "T"}
	read := func(s *cssetcd.Snapshot) {
		if _, err := s.Placement(n); err != nil {
			b.Fatal(err)
		}
	}
	first := cssetcd.CatalogueOf(p.kv)
	read(first)
	touched := p.set("T", 3*777, "n9")
	b.Run("followed", func(b *testing.B) {
		for b.Loop() {
			read(first.Next(p.kv, touched))
		}
	})
	b.Run("afresh", func(b *testing.B) {
		for b.Loop() {
			read(cssetcd.CatalogueOf(p.kv))
		}
	})
}
