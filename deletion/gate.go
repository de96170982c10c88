package deletion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Gate lets the queries of one czar in, and keeps drops waiting for them. A czar process has one; a second one is
// another czar, whose queries the first knows nothing of. It comes from OpenGate, must not be copied, and is safe for
// concurrent use.
type Gate struct {
	admission // what queries read and count
	_         [64]byte
	registrar // what keeps the czar registered, in a goroutine of its own
	cancel    context.CancelFunc
}

// OpenGate registers this process as a czar and returns when queries can be admitted. The context bounds the opening
// only. The view must be one of the catalogue that the client works on, in the same cluster and below the same prefix,
// and stay open until the gate is closed; a gate whose view is closed before closes, too. The gate writes the
// registration and its confirmations to etcd by itself, also where the client is read-only.
//
// It fails with ErrInvalid when the client or the view is nil, is of a file, or they are of different catalogues, and
// for what is wrong with the options, all of it together; with ErrTiming when the settings in etcd do not fit together;
// with ErrClosed when the view is closed; with ErrUnauthorized when etcd refuses the czar what it needs; and with the
// last trouble when ctx ends before.
func OpenGate(ctx context.Context, css *cssetcd.Client, view *cssetcd.View, opts ...GateOption) (*Gate, error) {
	g, err := newGate(ctx, css, view, opts)
	if err != nil {
		return nil, failed("open the gate", "", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.cancel = cancel
	go g.run(run)
	select {
	case <-g.ready:
		return g, nil
	case <-g.gone:
		g.stop()
		return nil, failed("open the gate", "", errViewClosed)
	case <-g.refused:
	case <-ctx.Done():
	}
	err = errors.Join(ctx.Err(), g.why())
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = g.Close(leaving) // a registration that is on its way would hold drops up
	return nil, failed("open the gate", "", err)
}

var errViewClosed = fmt.Errorf("the view was closed: %w", ErrClosed)

// newGate returns a gate that has not begun.
func newGate(ctx context.Context, css *cssetcd.Client, view *cssetcd.View, opts []GateOption) (*Gate, error) {
	config, err := gateConfigOf(opts)
	if err != nil {
		return nil, err
	}
	if err := edge.Paired(css, view); err != nil {
		return nil, err
	}
	if view.Condition().Phase == cssetcd.Closed { // before anything is registered
		return nil, errViewClosed
	}
	if err := edge.Identical(ctx, css, view); err != nil {
		return nil, err
	}
	store, err := edge.Open(css)
	if err != nil {
		return nil, err
	}
	registration, err := edge.ReadRegistrationContext(ctx, store)
	if err != nil {
		return nil, err
	}
	g := closedGate(config)
	g.view, g.latest, g.etcd, g.store, g.czar.Timing = view, view.Snapshot, css.Etcd(), store, registration.Timing
	return g, nil
}

// closedGate returns a gate that admits nothing yet.
func closedGate(config gateConfig) *Gate {
	g := &Gate{
		admission: admission{
			clock: edge.NewClock(), slots: newSlots(), watches: watches{all: map[*watch]bool{}}, kicks: make(signal, 1),
		},
		registrar: registrar{
			gateConfig: config, answers: make(chan answer), updates: make(chan cssetcd.Update),
			ready: make(chan struct{}), refused: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
		},
	}
	g.registrar.queries, g.act = &g.admission, g.begin
	g.fence.Store(&protocol.Fence{})
	unregistered := errors.New("this czar is not registered yet")
	g.trouble.Store(&unregistered)
	return g
}

// Healthy returns nil while queries can be admitted, and otherwise why they cannot: what a health check of a czar
// reports. It asks nothing of etcd.
func (g *Gate) Healthy() error {
	switch {
	case g.closing.Load():
		return failed(checking, "", ErrClosed)
	case !g.fence.Load().Admits(g.clock.Now()):
		return g.stale(checking)
	}
	return nil
}

// Close ends the registration in order: no query is admitted any more, those that are running go on to their end, and
// then the registration is deleted, so that no drop waits for this czar. When ctx ends before, or etcd cannot be
// reached, the registration stays, and the coordinator ends it after a while; queries that are still running then must
// not dispatch any more. A gate without a proof, because it was cut off for H, has given its registration up before:
// Close fails at once, since the registration may be there. Close returns when nothing of the gate runs. It may be
// called again, and by several goroutines at once; after it has failed, it fails each time. A query that is never
// released keeps it waiting until ctx ends.
func (g *Gate) Close(ctx context.Context) error {
	g.closing.Store(true)
	g.kick()
	select {
	case <-g.gone:
	case <-g.done:
	case <-ctx.Done():
	}
	select {
	case <-g.gone:
		g.stop()
		if g.czar.Unended() {
			return failed("close the gate", "", fmt.Errorf("%w, so the registration that it had may stay until the "+
				"coordinator ends it, and drops wait for that", cmp.Or(g.why(), ErrStale)))
		}
		return nil
	default:
	}
	running := "no query is running"
	if g.slots.total() > 0 {
		running = "queries are still running"
	}
	g.stop()
	return failed("close the gate", "", fmt.Errorf("%s, and the registration stays: the coordinator ends it, and drops "+
		"wait for that: %w", running, cmp.Or(ctx.Err(), ErrClosed)))
}

// stop ends everything that runs, and all that a query might still do.
func (g *Gate) stop() {
	g.closing.Store(true)
	g.cancel()
	<-g.done
	g.stopped.Store(true)
	g.watches.tellAll()
}
