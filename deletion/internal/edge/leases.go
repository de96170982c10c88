package edge

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

// ASecond is for what does not matter much: it is tried, and nobody waits long for it.
const ASecond = time.Second

// Lengthen has a lease begin anew, so that it lasts as long as was asked from the mark on, and not from when it was
// granted, which was before. Should that fail, it is shorter by the time that the mark took.
func Lengthen(ctx context.Context, store *kv.Etcd, lease int64) {
	if lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ASecond)
	defer cancel()
	_, _ = store.Client().KeepAliveOnce(ctx, clientv3.LeaseID(lease))
}

// Revoke gives a lease back on which nothing hangs. It would run out by itself.
func Revoke(ctx context.Context, store *kv.Etcd, lease int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ASecond)
	defer cancel()
	_, _ = store.Client().Revoke(ctx, clientv3.LeaseID(lease))
}

// Grant gets a lease of exactly that long; 0 for none.
func Grant(ctx context.Context, store *kv.Etcd, d time.Duration) (int64, error) {
	if d == 0 {
		return 0, nil
	}
	lease, granted, err := store.Grant(ctx, int64(d/time.Second))
	if err != nil {
		return 0, err
	}
	if least := time.Duration(granted) * time.Second; least > d {
		Revoke(ctx, store, lease)
		return 0, fmt.Errorf("%w: %s is shorter than the leases of this etcd, which last %s at least", cssetcd.ErrInvalid, d,
			least)
	}
	return lease, nil
}
