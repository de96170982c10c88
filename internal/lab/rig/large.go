package rig

import (
	"context"
	"fmt"
	"iter"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
)

// Grown are catalogues of growing size in one etcd, which nobody changes. All benchmarks of a run that read them share
// them, since filling them takes longer than most measurements.
type Grown struct {
	etcd   *clientv3.Client
	filled map[int]Large
	cleanup
}

// Large is a catalogue that a Grown holds.
type Large struct {
	family.Shape
	Content family.Content
	CSS     *cssetcd.Client
	Etcd    *clientv3.Client
}

// Large returns a catalogue of about n keys, which others use, too.
func (r *Rig) Large(ctx context.Context, n int) (Large, error) {
	if have, ok := r.Grown.filled[n]; ok {
		return have, nil
	}
	s := family.Shape{Prefix: fmt.Sprintf("/grown/%d", n), Databases: max(1, n/3333), Keys: n}
	c, err := r.LargeOf(ctx, fmt.Sprintf("a catalogue of %d keys", n), s.Prefix, s.Rows())
	if err != nil {
		return c, err
	}
	c.Shape = s
	r.Grown.filled[n] = c
	return c, nil
}

// LargeOf fills a catalogue in the same etcd. Its writes do not wait for the disk: none of them is measured.
func (r *Rig) LargeOf(ctx context.Context, what, prefix string, rows iter.Seq2[string, string]) (c Large, err error) {
	if r.Grown.etcd == nil {
		r.Grown.filled = map[int]Large{}
		r.Grown.etcd, err = r.Grown.startEtcd(ctx, embedetcd.Options{UnsafeNoFsync: true, Quota: 8 << 30})
		if err != nil {
			return c, err
		}
	}
	c.Etcd = r.Grown.etcd
	r.Progress("making " + what)
	if c.Content, err = family.Fill(ctx, c.Etcd, prefix, rows); err != nil {
		return c, err
	}
	c.CSS, err = cssetcd.New(ctx, c.Etcd, cssetcd.WithPrefix(prefix))
	return c, err
}
