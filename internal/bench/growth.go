package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

var growth = Benchmark{
	Name:    "growth",
	Summary: "what reading, changing and loading cost in the largest catalogue, against the smallest",
	Run:     measureGrowth,
}

// The bounds are those of costs that do not grow, grow with the height of a tree, and grow with the number of keys.
// Each leaves room for the processor's caches, which hold the smallest catalogue and not the largest: a cost of another
// kind exceeds them tenfold.
var (
	flatRead      = Within(2)
	treeUpdate    = Within(4)
	linearLoadKey = Within(2)
)

const (
	updatesInBatch = 100
	growthBatches  = 200
	mostLoads      = 10
	loadUnit       = "ns a key"
)

// growing is one catalogue in its size's block.
type growing struct {
	grownCatalogue
	view   *cssetcd.View
	names  []cssetcd.TableName
	keys   *kv.Snapshot // what the view is made of
	paths  []kv.Path
	series string
	loads  int // in a block: small catalogues are loaded several times
}

func measureGrowth(ctx context.Context, r *Rig) ([]Result, error) {
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
	turns, err := r.turns(ctx, "growth", r.Sizes.GrownRounds, largest.measure, func(ctx context.Context, m *Meter) error {
		for _, g := range smaller {
			if err := g.measure(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return growthResults(sizes, turns)
}

// growthResults compares the largest size with the smallest, and notes those between.
func growthResults(sizes []int, turns Turns) (results []Result, err error) {
	smallest, between, largest := sizes[0], sizes[1:len(sizes)-1], sizes[len(sizes)-1]
	for _, f := range []struct {
		name, unit, versus string
		goal               Goal
	}{
		{"read", readUnit, fmt.Sprintf("reading %d tables in turn from a snapshot", tablesInUse), flatRead},
		{"update", readUnit, "setting one key in a copy of a snapshot, as a view does for each change", treeUpdate},
		{"load", loadUnit, "loading a view", linearLoadKey},
	} {
		series := func(n int) string { return fmt.Sprintf("%s-%d", f.name, n) }
		versus := fmt.Sprintf("%s, with %d keys; peer: with %d keys", f.versus, largest, smallest)
		result, err := newResult("growth-"+f.name, f.unit, versus, f.goal, turns.Samples(series(largest), series(smallest)),
			median)
		if err != nil {
			return results, err
		}
		for _, n := range between {
			result.note(fmt.Sprintf("with %d keys", n), f.unit, median(each(turns.peer[series(n)], median)))
		}
		results = append(results, result)
	}
	return results, nil
}

func newGrowing(ctx context.Context, r *Rig, n, loads int) (*growing, error) {
	c, err := r.Grown(ctx, n)
	if err != nil {
		return nil, err
	}
	g := &growing{grownCatalogue: c, loads: loads, names: spread(c.tables(), tablesInUse), series: fmt.Sprintf("-%d", n)}
	if g.view, err = cssetcd.OpenView(ctx, c.css); err != nil {
		return nil, err
	}
	store, err := kv.NewEtcd(r.grown.etcd, c.prefix)
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
func (g *growing) measure(ctx context.Context, m *Meter) error {
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

func (g *growing) load(ctx context.Context, m *Meter) error {
	runtime.GC() // of what the load before has left
	began := time.Now()
	v, err := cssetcd.OpenView(ctx, g.css)
	if err != nil {
		return err
	}
	m.Count("load"+g.series, loadUnit, float64(time.Since(began).Nanoseconds())/float64(g.content.keys))
	v.Close()
	return nil
}

func (g *growing) reads(m *Meter) error {
	return m.Measure(func() error {
		s := g.view.Snapshot()
		for range growthBatches {
			began := time.Now()
			for i, at := 0, 0; i < readsInBatch; i++ {
				if _, err := s.Table(g.names[at]); err != nil {
					return err
				}
				if at++; at == len(g.names) {
					at = 0
				}
			}
			m.Count("read"+g.series, readUnit, float64(time.Since(began).Nanoseconds())/readsInBatch)
		}
		return nil
	})
}

func (g *growing) updates(m *Meter) error {
	s := g.keys
	for batch := range growthBatches {
		began := time.Now()
		for i := range updatesInBatch {
			b := s.Edit()
			at := s.Revision + 1
			b.Put(g.paths[(batch*updatesInBatch+i)%len(g.paths)], kv.Entry{Value: "changed", Create: 1, Mod: at})
			s = b.Snapshot(at)
		}
		m.Count("update"+g.series, readUnit, float64(time.Since(began).Nanoseconds())/updatesInBatch)
	}
	if s.Len() != g.keys.Len() || s.Revision != g.keys.Revision+growthBatches*updatesInBatch {
		return fmt.Errorf("%d updates made %d keys of %d", growthBatches*updatesInBatch, s.Len(), g.keys.Len())
	}
	return nil
}
