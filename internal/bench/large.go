package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

// grown are catalogues of growing size in one etcd, which nobody changes. All benchmarks of a run that read them share
// them, since filling them takes longer than most measurements.
type grown struct {
	etcd    *clientv3.Client
	filled  map[int]grownCatalogue
	closers []func() error
}

// grownCatalogue is one of them.
type grownCatalogue struct {
	content
	shape
	css *cssetcd.Client
}

func (g *grown) close() error {
	var errs []error
	for i := len(g.closers) - 1; i >= 0; i-- {
		errs = append(errs, g.closers[i]())
	}
	g.closers = nil
	return errors.Join(errs...)
}

// Grown returns a catalogue of about n keys, which others use, too.
func (r *Rig) Grown(ctx context.Context, n int) (grownCatalogue, error) {
	g := r.grown
	if have, ok := g.filled[n]; ok {
		return have, nil
	}
	if err := g.start(ctx); err != nil {
		return grownCatalogue{}, err
	}
	r.progress(fmt.Sprintf("making a catalogue of %d keys", n))
	have := grownCatalogue{shape: shape{prefix: fmt.Sprintf("/grown/%d", n), databases: max(1, n/3333), keys: n}}
	var err error
	if have.content, err = fill(ctx, g.etcd, have.prefix, have.rows()); err != nil {
		return have, err
	}
	if have.css, err = cssetcd.New(ctx, g.etcd, cssetcd.WithPrefix(have.prefix)); err != nil {
		return have, err
	}
	g.filled[n] = have
	return have, nil
}

// start starts the etcd. Its writes do not wait for the disk: none of them is measured.
func (g *grown) start(ctx context.Context) error {
	if g.etcd != nil {
		return nil
	}
	server, err := embedetcd.Start(ctx, embedetcd.Options{UnsafeNoFsync: true, Quota: 8 << 30})
	if err != nil {
		return err
	}
	g.closers = append(g.closers, server.Close)
	client, err := server.Client()
	if err != nil {
		return err
	}
	g.closers = append(g.closers, client.Close)
	g.etcd, g.filled = client, map[int]grownCatalogue{}
	return nil
}

// heldBy returns by how many bytes the live heap is larger for what f returns, and that, which keeps it alive.
func heldBy[T any](f func() (T, error)) (bytes float64, made T, err error) {
	before := liveHeap()
	if made, err = f(); err != nil {
		return 0, made, err
	}
	bytes = liveHeap() - before
	runtime.KeepAlive(made)
	return bytes, made, nil
}

func liveHeap() float64 {
	var m runtime.MemStats
	for range 3 { // what a first collection finalizes, a later one frees
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
