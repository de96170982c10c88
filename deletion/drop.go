package deletion

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Drop is one drop that was begun. It is a handle: the drop goes on without it.
type Drop struct {
	client      *Client
	name        protocol.Name
	incarnation cssetcd.Revision
	mark        cssetcd.Revision
}

// Name returns what is dropped: "LSST.Object", or "LSST" for a database.
func (d *Drop) Name() string { return d.name.String() }

// Mark returns P, the revision of the mark; 0 when the mark is yet to come.
func (d *Drop) Mark() cssetcd.Revision { return d.mark }

// Incarnation returns the incarnation that is dropped.
func (d *Drop) Incarnation() cssetcd.Revision { return d.incarnation }

// Cancel takes the drop back, as [Client.Undo] does.
func (d *Drop) Cancel(ctx context.Context) error { return d.client.Undo(ctx, d.name.String()) }

// Wait returns nil when the drop has ended: its data are removed as far as the Dropper does that, and the name is free.
// It returns ErrCancelled when the drop was undone, and otherwise the error of ctx with what the drop waits for. While
// etcd cannot be reached it goes on.
func (d *Drop) Wait(ctx context.Context) error {
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	events := d.client.store.Client().Watch(watching, d.client.store.EtcdKey(d.name.Intent()))
	for {
		ended, err := d.ended(ctx)
		if ended || err != nil && ctx.Err() == nil && !errors.Is(err, cssetcd.ErrUnavailable) {
			return failed("wait for the drop of", d.name.String(), err)
		}
		select {
		case <-ctx.Done():
			return failed("wait for the drop of", d.name.String(), d.unfinished(ctx))
		case _, open := <-events:
			if !open {
				events = nil // looking from time to time does as well
			}
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// ended reports whether the drop has ended, with ErrCancelled when the incarnation is still there.
func (d *Drop) ended(ctx context.Context) (bool, error) {
	have, err := d.client.store.Fetch(ctx, 0, protocol.ProgressReads(d.name)...)
	if err != nil {
		return false, err
	}
	switch protocol.ProgressOf(d.name, d.incarnation, have) {
	case protocol.Undone:
		return true, ErrCancelled
	case protocol.Done:
		return true, nil
	}
	return false, nil
}

// unfinished says what a drop was waiting for when nobody wanted to wait any more.
func (d *Drop) unfinished(ctx context.Context) error {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s, err := d.client.Status(look, d.name.String())
	if err != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: the drop goes on: %s", ctx.Err(), s.Summary())
}

// Find returns a drop or a request that somebody began, by its name, to wait for it. It returns ErrNoDrop.
func (c *Client) Find(ctx context.Context, name string) (*Drop, error) {
	n, err := ParseName(name)
	if err != nil {
		return nil, failed("find the drop of", name, err)
	}
	s, err := c.Status(ctx, n.String())
	if errors.Is(err, ErrNoDrop) {
		err = failed("find the drop of", name, ErrNoDrop)
	}
	if err != nil {
		return nil, err
	}
	return &Drop{client: c, name: n, incarnation: s.Incarnation, mark: s.Mark}, nil
}
