package catalogue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Growth is about what costs more in a larger catalogue.
var Growth = rig.Benchmark{
	Name:    "growth",
	Summary: "what reading, changing and loading cost in the largest catalogue, against the smallest",
	Run:     measureGrowth,
}

// The bounds are those of costs that do not grow, grow with the height of a tree, and grow with the number of keys.
// Each leaves room for the processor's caches, which hold the smallest catalogue and not the largest: a cost of another
// kind exceeds them tenfold.
var (
	flatRead      = measure.Within(2)
	treeUpdate    = measure.Within(4)
	linearLoadKey = measure.Within(2)
)

const (
	updatesInBatch = 100
	growthBatches  = 200
	mostLoads      = 10
	loadUnit       = "ns a key"
)

// growing is one catalogue in its size's block.
type growing struct {
	large
	view   *cssetcd.View
	names  []cssetcd.TableName
	keys   *kv.Snapshot // what the view is made of
	paths  []kv.Path
	series string
	loads  int // in a block: small catalogues are loaded several times
}

func measureGrowth(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	sizes := r.Sizes.Growth
	var all []*growing
	for _, n := range sizes {
		g, err := newGrowing(ctx, r, n, min(mostLoads, sizes[len(sizes)-1]/n))
		if err != nil {
			return nil, err
		}
		defer g.view.Close()
		all = append(all, g)
	}
	smaller, largest := all[:len(all)-1], all[len(all)-1]
	peer := func(ctx context.Context, m *measure.Meter) error {
		for _, g := range smaller {
			if err := g.measure(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}
	turns, err := r.Turns(ctx, "growth", r.Sizes.GrownRounds, largest.measure, peer)
	if err != nil {
		return nil, err
	}
	return growthResults(sizes, turns)
}

// growthResults compares the largest size with the smallest, and notes those between.
func growthResults(sizes []int, turns measure.Turns) (results []measure.Result, err error) {
	smallest, between, largest := sizes[0], sizes[1:len(sizes)-1], sizes[len(sizes)-1]
	for _, f := range []struct {
		name, unit, versus string
		goal               measure.Goal
	}{
		{"read", measure.Nanoseconds, fmt.Sprintf("reading %d tables in turn from a snapshot", rig.TablesInUse), flatRead},
		{"update", measure.Nanoseconds,
			"setting one key in a copy of a snapshot, as a view does for each change", treeUpdate},
		{"load", loadUnit, "loading a view", linearLoadKey},
	} {
		series := func(n int) string { return fmt.Sprintf("%s-%d", f.name, n) }
		versus := fmt.Sprintf("%s, with %d keys; peer: with %d keys", f.versus, largest, smallest)
		result, err := measure.NewResult("growth-"+f.name, f.unit, versus, f.goal,
			turns.Samples(series(largest), series(smallest)))
		if err != nil {
			return results, err
		}
		for _, n := range between {
			result.Note(fmt.Sprintf("with %d keys", n), f.unit, measure.Typical(turns.Peer[series(n)]))
		}
		results = append(results, result)
	}
	return results, nil
}

func newGrowing(ctx context.Context, r *rig.Rig, n, loads int) (*growing, error) {
	c, err := newLarge(ctx, r, n)
	if err != nil {
		return nil, err
	}
	g := &growing{large: c, loads: loads, names: rig.Spread(c.Tables(), rig.TablesInUse), series: fmt.Sprintf("-%d", n)}
	if g.view, err = cssetcd.OpenView(ctx, c.CSS); err != nil {
		return nil, err
	}
	store, err := kv.NewEtcd(c.Etcd, c.Prefix)
	if err != nil {
		return nil, err
	}
	if g.keys, _, err = store.Load(ctx, 0, kv.Below("css")); err != nil {
		return nil, err
	}
	g.paths = slices.Collect(func(yield func(kv.Path) bool) {
		for p := range g.keys.Range(kv.Below("css")) {
			if !yield(p) {
				return
			}
		}
	})
	rand.Shuffle(len(g.paths), func(i, j int) { g.paths[i], g.paths[j] = g.paths[j], g.paths[i] })
	return g, nil
}

// measure is the block of one size.
func (g *growing) measure(ctx context.Context, m *measure.Meter) error {
	if err := g.reads(m); err != nil {
		return err
	}
	if err := g.updates(m); err != nil {
		return err
	}
	for range g.loads {
		if err := g.load(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (g *growing) load(ctx context.Context, m *measure.Meter) error {
	runtime.GC() // of what the load before has left
	began := time.Now()
	v, err := cssetcd.OpenView(ctx, g.CSS)
	if err != nil {
		return err
	}
	m.Count("load"+g.series, loadUnit, float64(time.Since(began).Nanoseconds())/float64(g.Content.Keys))
	v.Close()
	return nil
}

func (g *growing) reads(m *measure.Meter) error {
	return m.Measure(func() error {
		s := g.view.Snapshot()
		for range growthBatches {
			began := time.Now()
			for i, at := 0, 0; i < rig.Batch; i++ {
				if _, err := s.Table(g.names[at]); err != nil {
					return err
				}
				if at++; at == len(g.names) {
					at = 0
				}
			}
			m.Each("read"+g.series, rig.Batch, began)
		}
		return nil
	})
}

func (g *growing) updates(m *measure.Meter) error {
	s := g.keys
	for batch := range growthBatches {
		began := time.Now()
		for i := range updatesInBatch {
			b := s.Edit()
			at := s.Revision + 1
			b.Put(g.paths[(batch*updatesInBatch+i)%len(g.paths)], kv.Entry{Value: "changed", Create: 1, Mod: at})
			s = b.Snapshot(at)
		}
		m.Each("update"+g.series, updatesInBatch, began)
	}
	if s.Len() != g.keys.Len() || s.Revision != g.keys.Revision+growthBatches*updatesInBatch {
		return fmt.Errorf("%d updates made %d keys of %d", growthBatches*updatesInBatch, s.Len(), g.keys.Len())
	}
	return nil
}
