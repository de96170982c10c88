package bench

import (
	"context"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
)

var loadStream = Benchmark{
	Name:    "load-vs-stream",
	Summary: "loading a view of the largest catalogue, against draining etcd's stream of the same keys",
	Run:     measureLoadStream,
}

var memoryPerKey = Benchmark{
	Name:    "memory-per-key",
	Summary: "the memory that a view of the largest catalogue holds, against its keys and values and a little for each",
	Run:     measureMemory,
}

func measureLoadStream(ctx context.Context, r *Rig) ([]Result, error) {
	c, err := r.Grown(ctx, slices.Max(r.Sizes.Growth))
	if err != nil {
		return nil, err
	}
	turns, err := r.turns(ctx, "load-vs-stream", r.Sizes.GrownRounds, c.load, func(ctx context.Context, m *Meter) error {
		return m.Time("load", func() error { return c.drain(ctx, r.grown.etcd) })
	})
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("OpenView of a catalogue of %d keys, until it returns; peer: draining GetStream of the same "+
		"keys and looking at none", c.content.keys)
	result, err := newResult("load-vs-stream", "ms", versus, Within(1.3), turns.Samples("load", "load"), median)
	return []Result{result}, err
}

// load is a block of loading a view.
func (c grownCatalogue) load(ctx context.Context, m *Meter) error {
	var v *cssetcd.View
	err := m.Time("load", func() (err error) {
		v, err = cssetcd.OpenView(ctx, c.css)
		return err
	})
	if err != nil {
		return err
	}
	defer v.Close()
	if n := v.Snapshot().Len(); n != c.content.keys {
		return fmt.Errorf("the view has %d keys of %d", n, c.content.keys)
	}
	return nil
}

// drain reads what a view loads and keeps nothing.
func (c grownCatalogue) drain(ctx context.Context, etcd *clientv3.Client) error {
	chunks, err := etcd.GetStream(ctx, c.prefix+"/css/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	keys := 0
	for chunk := range chunks {
		if err := chunk.Err(); err != nil {
			return err
		}
		keys += len(chunk.RangeResponse.GetKvs())
	}
	if keys != c.content.keys {
		return fmt.Errorf("the stream has %d keys of %d", keys, c.content.keys)
	}
	return nil
}

// memoryAKey is what a key may cost beside its bytes: its place in the tree, two text headers, and two revisions.
const memoryAKey = 130

// measureMemory looks at the heap in the rounds of one side only: what the other side may use is a formula.
func measureMemory(ctx context.Context, r *Rig) ([]Result, error) {
	c, err := r.Grown(ctx, slices.Max(r.Sizes.Growth))
	if err != nil {
		return nil, err
	}
	allowed := float64(c.content.bytes + memoryAKey*c.content.keys)
	var s Samples
	for round := range r.Sizes.GrownRounds + 1 { // the first is thrown away: etcd lets go of what filling it took
		held, v, err := heldBy(func() (*cssetcd.View, error) { return cssetcd.OpenView(ctx, c.css) })
		if err != nil {
			return nil, err
		}
		v.Close()
		r.progress(fmt.Sprintf("memory-per-key: round %d of %d: %.4g B", round, r.Sizes.GrownRounds, held))
		if round > 0 {
			s.Ours, s.Peer = append(s.Ours, []float64{held}), append(s.Peer, []float64{allowed})
		}
	}
	versus := fmt.Sprintf("the live heap that a view of %d keys adds, most of them of chunks; peer: %.1f bytes of a "+
		"key and its value, and %d for each",
		c.content.keys, float64(c.content.bytes)/float64(c.content.keys), memoryAKey)
	result, err := newResult("memory-per-key", "B", versus, Within(1), s, median)
	if err != nil {
		return nil, err
	}
	result.note("memory of a key", "B", result.Ours/float64(c.content.keys))
	result.add("memory of a key beside its bytes", "B", (result.Ours-float64(c.content.bytes))/float64(c.content.keys),
		Within(memoryAKey))
	return []Result{result}, nil
}
