package deletion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// Gate lets the queries of one czar in, and keeps drops waiting for them. A czar process has one; a second one is another czar, whose queries the first knows
// nothing of. It comes from OpenGate, must not be copied, and is safe for concurrent use.
type Gate struct {
	view  *cssetcd.View
	etcd  *clientv3.Client
	store *kv.Etcd
	name  string
	log   *slog.Logger
	trace func(CzarStep)
	clock edge.Clock

	// What queries read.
	slots   slots
	latest  func() *cssetcd.Snapshot // that of the view
	fence   atomicPointer[protocol.Fence]
	seen    atomicPointer[cssetcd.Snapshot] // what is blocked is blocked as of this one, or a later one
	closing atomicBool                      // no query is admitted
	stopped atomicBool                      // none goes on
	trouble atomicPointer[trouble]
	_       [64]byte // what follows is written while queries read what is above
	watches watches

	// What belongs to the gate's own goroutine, but for the channels.
	act          func(context.Context, protocol.CzarEffect) // what an effect wants of etcd
	czar         protocol.Czar
	registration protocol.RegistrationContext
	lease        clientv3.LeaseID
	looked       int    // drops that confirmations have looked at
	full         bool   // the last proof was had by reading, because etcd is full
	kicks        signal // a query has ended that somebody waits for
	acking       acking
	answers      chan answer
	updates      chan cssetcd.Update
	work         sync.WaitGroup
	cancel       context.CancelFunc
	ready        chan struct{} // closed when the first proof was accepted
	gone         chan struct{} // closed when the registration of a closing gate is deleted
	done         chan struct{} // closed when nothing of the gate runs any more
}

// trouble is why the gate has no proof, if it has none.
type trouble struct{ err error }

// CzarStep is one step of a czar: what happened, and what was done about it.
type CzarStep struct {
	Event   protocol.CzarEvent
	Effects []protocol.CzarEffect
}

// Replay returns a czar without a process: given the events of a trace, it returns the effects that they have. It is for tests.
func Replay(t Timing) func(protocol.CzarEvent) []protocol.CzarEffect {
	czar := protocol.Czar{Timing: t}
	return czar.Step
}

// GateOption configures a Gate. What is wrong with it is reported by OpenGate.
type GateOption func(*Gate) error

// maxNameLength bounds the name of a czar, in bytes. People read it in tables.
const maxNameLength = 200

// CzarName says what operators read where this czar holds a drop up. Without it that is the host and the number of the process. It must be of 1 to 200 bytes of
// printable UTF-8. It need not be unique: czars are told apart by an id.
func CzarName(name string) GateOption {
	return func(g *Gate) error {
		unprintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
		if name == "" || len(name) > maxNameLength || strings.ContainsFunc(name, unprintable) {
			return fmt.Errorf("CzarName: %q is not 1 to %d bytes of printable text", name, maxNameLength)
		}
		g.name = name
		return nil
	}
}

// GateLogger receives what is worth knowing and is not returned as an error. Without it nothing is logged. It must not be nil.
func GateLogger(log *slog.Logger) GateOption {
	return func(g *Gate) error {
		if log == nil {
			return errors.New("GateLogger: the logger is nil")
		}
		g.log = log
		return nil
	}
}

// GateTrace is called with each step, by one goroutine. It is for tests. It must not be nil.
func GateTrace(trace func(CzarStep)) GateOption {
	return func(g *Gate) error {
		if trace == nil {
			return errors.New("GateTrace: the function is nil")
		}
		g.trace = trace
		return nil
	}
}

// OpenGate registers this process as a czar and returns when queries can be admitted. The context bounds the opening only. The view must be one of the catalogue that the client
// works on, in the same cluster and below the same prefix, and stay open until the gate is closed; a gate whose view is closed before closes, too. The gate writes the registration
// and its confirmations to etcd by itself, also where the client is read-only.
//
// It fails with ErrInvalid when the client or the view is nil, is of a file, or they are of different catalogues, and for what is wrong with the options, all of it together; with ErrTiming when the settings in etcd do
// not fit together; with ErrClosed when the view is closed; and with the last trouble when ctx ends before.
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
		return nil, failed("open the gate", "", fmt.Errorf("the view was closed: %w", ErrClosed))
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), g.why())
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = g.Close(leaving) // a registration that is on its way would hold drops up
		return nil, failed("open the gate", "", err)
	}
}

// newGate returns a gate that has not begun.
func newGate(ctx context.Context, css *cssetcd.Client, view *cssetcd.View, opts []GateOption) (*Gate, error) {
	g := closedGate()
	g.act = g.begin
	if err := g.apply(opts); err != nil {
		return nil, err
	}
	if err := edge.Paired(css, view); err != nil {
		return nil, err
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
	g.view, g.latest, g.etcd, g.store, g.czar.Timing = view, view.Snapshot, css.Etcd(), store, registration.Timing
	return g, nil
}

// closedGate returns a gate that admits nothing yet.
func closedGate() *Gate {
	g := &Gate{
		name: edge.Owner(), log: slog.New(slog.DiscardHandler), clock: edge.NewClock(),
		slots: newSlots(), watches: watches{all: map[*watch]bool{}},
		kicks: make(signal, 1), answers: make(chan answer), updates: make(chan cssetcd.Update),
		ready: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
	}
	g.fence.Store(&protocol.Fence{})
	g.trouble.Store(&trouble{errors.New("this czar is not registered yet")})
	return g
}

// apply reports all that is wrong with options together.
func (g *Gate) apply(opts []GateOption) error {
	var faults []error
	for i, opt := range opts {
		if opt == nil {
			faults = append(faults, fmt.Errorf("option %d is nil", i+1))
		} else if err := opt(g); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", cssetcd.ErrInvalid, edge.Joined(faults))
}

// Healthy returns nil while queries can be admitted, and otherwise why they cannot: what a health check of a czar reports. It asks nothing of etcd.
func (g *Gate) Healthy() error {
	switch {
	case g.closing.Load():
		return failed(checking, "", ErrClosed)
	case !g.fence.Load().Admits(g.clock.Now()):
		return g.stale(checking)
	}
	return nil
}

// Close ends the registration in order: no query is admitted any more, those that are running go on to their end, and then the registration is deleted, so
// that no drop waits for this czar. When ctx ends before, or etcd cannot be reached, the registration stays, and the coordinator ends it after a while;
// queries that are still running then must not dispatch any more. A gate without a proof, because it was cut off for H, has given its registration up before: Close fails at once, since
// the registration may be there. Close returns when nothing of the gate runs. It may be called again, and by several goroutines at
// once; after it has failed, it fails each time. A query that is never released keeps it waiting until ctx ends.
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
			return failed("close the gate", "", fmt.Errorf("%w, so the registration that it had may stay until the coordinator ends it, and drops wait for that", cmp.Or(g.why(), ErrStale)))
		}
		return nil
	default:
	}
	running := "no query is running"
	if g.slots.total() > 0 {
		running = "queries are still running"
	}
	g.stop()
	return failed("close the gate", "", fmt.Errorf("%s, and the registration stays: the coordinator ends it, and drops wait for that: %w", running, cmp.Or(ctx.Err(), ErrClosed)))
}

// stop ends everything that runs, and all that a query might still do.
func (g *Gate) stop() {
	g.closing.Store(true)
	g.cancel()
	<-g.done
	g.stopped.Store(true)
	g.watches.tellAll()
}

// kick has the gate's goroutine look at what queries have ended.
func (g *Gate) kick() { g.kicks.give() }
