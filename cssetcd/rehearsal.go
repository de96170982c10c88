package cssetcd

import (
	"context"

	"github.com/qserv/css-etcd/internal/kv"
)

// rehearsal collects what etcd is asked about before a restore removes what is there: whether it takes the transactions
// that exceed others in operations or bytes, and has room for all.
type rehearsal struct {
	widest, heaviest kv.Change
	width, weight    int
	bytes            int64 // of all keys and values; what etcd adds to them does not count
}

func (r *rehearsal) see(c kv.Change) {
	width, weight := 2*len(c.Puts)+len(c.Guards), 0
	for _, p := range c.Puts {
		weight += len(p.Path) + len(p.Value)
	}
	r.bytes += int64(weight)
	if width > r.width {
		r.widest, r.width = c, width
	}
	if weight > r.weight {
		r.heaviest, r.weight = c, weight
	}
}

// check asks about room first: a transaction that does not fit makes etcd raise its alarm, with which it refuses all
// writes.
func (r *rehearsal) check(ctx context.Context, st kv.Store) error {
	etcd, ok := st.(kv.Rehearser)
	if !ok || r.width == 0 {
		return nil
	}
	if err := etcd.CheckRoom(ctx, r.bytes); err != nil {
		return err
	}
	if err := etcd.Rehearse(ctx, r.widest); err != nil {
		return err
	}
	return etcd.Rehearse(ctx, r.heaviest)
}
