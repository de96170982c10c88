package catalogue

import (
	"context"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// LoadStream is about loading a view.
var LoadStream = rig.Benchmark{
	Name:    "load-vs-stream",
	Summary: "loading a view of the largest catalogue, against draining etcd's stream of the same keys",
	Run:     measureLoadStream,
}

// MemoryPerKey is about the memory of a view.
var MemoryPerKey = rig.Benchmark{
	Name:    "memory-per-key",
	Summary: "the memory that a view of the largest catalogue holds, against its keys and values and a little for each",
	Run:     measureMemory,
}

// large is a large catalogue, which others read, too.
type large struct{ rig.Large }

func newLarge(ctx context.Context, r *rig.Rig, keys int) (large, error) {
	c, err := r.Large(ctx, keys)
	return large{c}, err
}

func measureLoadStream(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c, err := newLarge(ctx, r, slices.Max(r.Sizes.Growth))
	if err != nil {
		return nil, err
	}
	peer := func(ctx context.Context, m *measure.Meter) error {
		return m.Time("load", func() error { return c.drain(ctx) })
	}
	turns, err := r.Turns(ctx, "load-vs-stream", r.Sizes.GrownRounds, c.load, peer)
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("OpenView of a catalogue of %d keys, until it returns; peer: draining GetStream of the same "+
		"keys and looking at none", c.Content.Keys)
	result, err := turns.Figure("load-vs-stream", "ms", versus, measure.Within(1.3), "load")
	return []measure.Result{result}, err
}

// load is a block of loading a view.
func (c large) load(ctx context.Context, m *measure.Meter) error {
	var v *cssetcd.View
	err := m.Time("load", func() (err error) {
		v, err = cssetcd.OpenView(ctx, c.CSS)
		return err
	})
	if err != nil {
		return err
	}
	defer v.Close()
	if n := v.Snapshot().Len(); n != c.Content.Keys {
		return fmt.Errorf("the view has %d keys of %d", n, c.Content.Keys)
	}
	return nil
}

// drain reads what a view loads and keeps nothing.
func (c large) drain(ctx context.Context) error {
	chunks, err := c.Etcd.GetStream(ctx, c.Prefix+"/css/", clientv3.WithPrefix())
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
	if keys != c.Content.Keys {
		return fmt.Errorf("the stream has %d keys of %d", keys, c.Content.Keys)
	}
	return nil
}

// memoryAKey is what a key may cost beside its bytes: its place in the tree, two text headers, and two revisions.
const memoryAKey = 130

// measureMemory looks at the heap in the rounds of one side only: what the other side may use is a formula.
func measureMemory(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	c, err := newLarge(ctx, r, slices.Max(r.Sizes.Growth))
	if err != nil {
		return nil, err
	}
	allowed := float64(c.Content.Bytes + memoryAKey*c.Content.Keys)
	var s measure.Samples
	for round := range r.Sizes.GrownRounds + 1 { // the first is thrown away: etcd lets go of what filling it took
		held, v, err := heldBy(func() (*cssetcd.View, error) { return cssetcd.OpenView(ctx, c.CSS) })
		if err != nil {
			return nil, err
		}
		v.Close()
		r.Progress(fmt.Sprintf("memory-per-key: round %d of %d: %.4g B", round, r.Sizes.GrownRounds, held))
		if round > 0 {
			s.Ours, s.Peer = append(s.Ours, []float64{held}), append(s.Peer, []float64{allowed})
		}
	}
	versus := fmt.Sprintf("the live heap that a view of %d keys adds, most of them of chunks; peer: %.1f bytes of a "+
		"key and its value, and %d for each",
		c.Content.Keys, float64(c.Content.Bytes)/float64(c.Content.Keys), memoryAKey)
	result, err := measure.NewResult("memory-per-key", "B", versus, measure.Within(1), s)
	if err != nil {
		return nil, err
	}
	result.Note("memory of a key", "B", result.Ours/float64(c.Content.Keys))
	result.Add("memory of a key beside its bytes", "B", (result.Ours-float64(c.Content.Bytes))/float64(c.Content.Keys),
		measure.Within(memoryAKey))
	return []measure.Result{result}, nil
}
