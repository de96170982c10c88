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

// placed is a table with chunks, as its keys and as a map.
type placed struct {
	kv   *kv.Snapshot
	want map[int]string // the node, "" for a chunk that cannot be read
}

func newPlaced(chunks int) *placed {
	b := kv.NewSnapshot(1, csskey.Catalogue).Edit()
	for _, key := range []string{"/css_meta/version", "/DBS/D", "/DBS/D/TABLES/T"} {
		b.Put(kv.Path("css"+key), kv.Entry{Value: "1", Create: 1, Mod: 1})
	}
	p := &placed{b.Snapshot(1), map[int]string{}}
	for id := range chunks {
		p.set(id*3, fmt.Sprintf("n%d", id%4))
	}
	return p
}

// set puts a chunk on a node, or takes it away, and returns what that touches.
func (p *placed) set(id int, node string) []kv.Path {
	b, at := p.kv.Edit(), p.kv.Revision+1
	path := kv.Path(fmt.Sprintf("css/DBS/D/TABLES/T/CHUNKS/%d", id))
	gone := append(b.DeleteSpan(kv.Key(path)), b.DeleteSpan(kv.Below(path))...)
	delete(p.want, id)
	if node != "-" {
		record := path + "/REPLICAS/0000000001/.packed.json"
		b.Put(record, kv.Entry{Value: fmt.Sprintf(`{"nodeName":%q}`, node), Create: at, Mod: at})
		gone, p.want[id] = append(gone, record), node
	}
	p.kv = b.Snapshot(at)
	return gone
}

func (p *placed) check(t require.TestingT, s *cssetcd.Snapshot) {
	have, err := s.Placement(cssetcd.TableName{DB: "D", Table: "T"})
	require.NoError(t, err)
	require.Equal(t, len(p.want), have.Len())
	var ids []int
	for c, err := range have.All() {
		ids = append(ids, c.ID)
		if p.want[c.ID] == "" {
			require.ErrorIs(t, err, cssetcd.ErrBadValue)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []string{p.want[c.ID]}, c.Nodes)
		nodes, err := have.Nodes(c.ID)
		require.NoError(t, err)
		require.Equal(t, c.Nodes, nodes)
	}
	require.Equal(t, slices.Sorted(maps.Keys(p.want)), ids)
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
			if rapid.Bool().Draw(t, "read") {
				p.check(t, s)
			}
			var touched []kv.Path
			for range rapid.SampledFrom([]int{1, 2, 5, 400}).Draw(t, "changes") {
				id := 3 * rapid.IntRange(0, 1500).Draw(t, "id")
				node := rapid.SampledFrom([]string{"n0", "n1", "-", "-", ""}).Draw(t, "node")
				touched = append(touched, p.set(id, node)...)
			}
			s = s.Next(p.kv, touched)
			p.check(t, s)
		}
	})
}

// TestPlacementIsSharedByWhatDidNotChange: a changed chunk costs a page, not a table.
func TestPlacementIsSharedByWhatDidNotChange(t *testing.T) {
	p := newPlaced(20_000)
	s := cssetcd.CatalogueOf(p.kv)
	p.check(t, s)
	n := cssetcd.TableName{DB: "D", Table: "T"}
	next := s
	allocated := testing.AllocsPerRun(20, func() {
		next = next.Next(p.kv, p.set(3*777, "n9"))
		_, _ = next.Placement(n)
	})
	assert.Less(t, allocated, 500.0)
	p.check(t, next)
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
	touched := p.set(3*777, "n9")
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
