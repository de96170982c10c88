package deletion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// Gate lets the queries of one czar in, and keeps drops waiting for them. A czar process has one. It is safe for concurrent use.
type Gate struct {
	view  *cssetcd.View
	etcd  *clientv3.Client
	store kv.Store
	name  string
	log   *slog.Logger
	trace func(CzarStep)
	clock clock

	// What queries read.
	slots   slots
	watches watches
	fence   atomic.Pointer[protocol.Fence]
	seen    atomic.Pointer[cssetcd.Snapshot] // what is blocked is blocked as of this one, or a later one
	closing atomic.Bool                      // no query is admitted
	stopped atomic.Bool                      // none goes on
	trouble atomic.Pointer[trouble]

	// What belongs to the gate's own goroutine, but for the channels.
	czar    protocol.Czar
	ground  protocol.Ground
	lease   clientv3.LeaseID
	looked  int           // drops that confirmations have looked at
	kicks   chan struct{} // a query has ended that somebody waits for
	acking  acking
	answers chan answer
	updates chan cssetcd.Update
	work    sync.WaitGroup
	cancel  context.CancelFunc
	ready   chan struct{} // closed when the first proof was accepted
	gone    chan struct{} // closed when the registration of a closing gate is deleted
	done    chan struct{} // closed when nothing of the gate runs any more
}

// trouble is why the gate has no proof, if it has none.
type trouble struct{ err error }

// CzarStep is one step of a czar: what happened, and what was done about it.
type CzarStep struct {
	Event   protocol.CzarEvent
	Effects []protocol.CzarEffect
}

// GateOption configures a Gate.
type GateOption func(*Gate)

// CzarName says what operators read where this czar holds a drop up. Without it that is the host and the number of the process.
func CzarName(name string) GateOption { return func(g *Gate) { g.name = name } }

// GateLogger receives what is worth knowing and is not returned as an error. Without it nothing is logged.
func GateLogger(log *slog.Logger) GateOption { return func(g *Gate) { g.log = log } }

// GateTrace is called with each step, by one goroutine. It is for tests.
func GateTrace(trace func(CzarStep)) GateOption { return func(g *Gate) { g.trace = trace } }

// OpenGate registers this process as a czar and returns when queries can be admitted. The context bounds the opening only. The view must be one on etcd and stay open until the gate
// is closed; a gate whose view is closed before closes, too. The gate writes the registration and its confirmations to etcd by itself, also where the client is read-only. It fails with ErrTiming when the settings in etcd do not fit together, and with the last trouble when ctx ends before.
func OpenGate(ctx context.Context, css *cssetcd.Client, view *cssetcd.View, opts ...GateOption) (*Gate, error) {
	g := &Gate{
		view: view, etcd: css.Etcd(), name: owner(), log: slog.New(slog.DiscardHandler), clock: newClock(),
		slots: newSlots(), watches: watches{all: map[*watch]bool{}},
		kicks: make(chan struct{}, 1), answers: make(chan answer), updates: make(chan cssetcd.Update),
		ready: make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
	}
	for _, opt := range opts {
		opt(g)
	}
	store, err := storeOf(css)
	if err != nil {
		return nil, failed("open the gate", "", err)
	}
	g.store = store
	g.fence.Store(&protocol.Fence{})
	g.trouble.Store(&trouble{errors.New("this czar is not registered yet")})
	ground, err := readGround(ctx, g.store)
	if err != nil {
		return nil, failed("open the gate", "", err)
	}
	g.czar.Timing = ground.Timing
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g.cancel = cancel
	go g.run(run)
	select {
	case <-g.ready:
		return g, nil
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), g.why())
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = g.Close(leaving) // a registration that is on its way would hold drops up
		return nil, failed("open the gate", "", err)
	}
}

// storeOf returns the store that a client works on.
func storeOf(css *cssetcd.Client) (*kv.Etcd, error) {
	if css.Etcd() == nil {
		return nil, fmt.Errorf("%w: a catalogue on a file has no czars", cssetcd.ErrInvalid)
	}
	return kv.NewEtcd(css.Etcd(), css.Prefix())
}

func readGround(ctx context.Context, st kv.Store) (protocol.Ground, error) {
	have, err := st.Fetch(ctx, 0, protocol.GroundReads()...)
	if err != nil {
		return protocol.Ground{}, err
	}
	return protocol.ReadGround(have)
}

// owner says who this is, for those who look for the process.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// Admit counts a query on the tables that it was planned with, and on their databases: on all or on none. It costs no I/O and no allocation for
// up to four tables. It returns ErrGone, ErrDropPending, ErrNotReady, ErrStale, which can be tried again, and ErrClosed. Without an error, Release has to be
// called.
func (g *Gate) Admit(tables ...*cssetcd.Table) (r Ref, err error) {
	r.gate = g
	for _, t := range tables {
		if !g.count(&r, t) {
			r.uncount()
			return Ref{}, g.refusal(t)
		}
	}
	fence := g.fence.Load()
	switch {
	case g.closing.Load():
		r.uncount()
		return Ref{}, failed(admitting, "", ErrClosed)
	case !fence.Admits(g.clock.now()):
		r.uncount()
		return Ref{}, g.stale(admitting)
	}
	// What was blocked since it was counted, and whose queries were told to end, it has to know before it begins.
	if r.aborted() {
		r.uncount()
		return Ref{}, failed(admitting, "", fmt.Errorf("%w: what it uses changed at this moment", ErrStale))
	}
	// What the view shows and the gate has not blocked yet is looked at here.
	if now := g.view.Snapshot(); now != g.seen.Load() {
		for _, t := range tables {
			if err := refusalIn(now, t); err != nil {
				r.uncount()
				return Ref{}, err
			}
		}
	}
	r.turn = fence.Turn
	return r, nil
}

// count counts a query on a table and on its database.
func (g *Gate) count(r *Ref, t *cssetcd.Table) bool {
	s := g.slots.index.find(slotKey{t.Name, t.Incarnation})
	if s == nil || s.parent == nil {
		return false
	}
	db := s.parent.now.Load()
	return db != nil && r.add(s, db)
}

// refusal says why a query on a table is not admitted.
func (g *Gate) refusal(t *cssetcd.Table) error {
	if g.closing.Load() {
		return failed("admit a query on", t.Name.String(), ErrClosed)
	}
	if err := refusalIn(g.view.Snapshot(), t); err != nil {
		return err
	}
	return failed("admit a query on", t.Name.String(), fmt.Errorf("%w: it was planned with what this gate has not seen yet", ErrStale))
}

// refusalIn says what is wrong with a table and its database, as a snapshot shows them; nil for nothing.
func refusalIn(s *cssetcd.Snapshot, t *cssetcd.Table) error {
	const admit = "admit a query on"
	name := t.Name.String()
	db, err := s.Database(t.Name.DB)
	if err != nil {
		return failed(admit, name, fmt.Errorf("%w, with its database", ErrGone))
	}
	now, err := s.Table(t.Name)
	switch {
	case errors.Is(err, cssetcd.ErrNotFound):
		return failed(admit, name, ErrGone)
	case err != nil:
		return failed(admit, name, err)
	case now.Incarnation > t.Incarnation:
		return failed(admit, name, fmt.Errorf("%w, and another one has its name", ErrGone))
	case now.Incarnation < t.Incarnation:
		return failed(admit, name, fmt.Errorf("%w: it was planned with what this gate has not seen yet", ErrStale))
	}
	if err := refusalOf(now.Status); err != nil {
		return failed(admit, name, err)
	}
	if err := refusalOf(db.Status); err != nil {
		return failed(admit, name, fmt.Errorf("its database: %w", err))
	}
	return nil
}

func refusalOf(s cssetcd.Status) error {
	switch s.State() {
	case cssetcd.StateReady:
		return nil
	case cssetcd.StatePendingDrop:
		return &pendingError{s}
	}
	return fmt.Errorf("%w: it has the status %s", ErrNotReady, s)
}

// pendingError is an ErrDropPending of something that is there and marked.
type pendingError struct{ status cssetcd.Status }

func (e *pendingError) Error() string {
	return fmt.Sprintf("it is marked to be dropped, and no query begins on it: its status is %s", e.status)
}

func (e *pendingError) Unwrap() error { return ErrDropPending }

// stale says why there is no proof that lasts.
func (g *Gate) stale(op string) error {
	if g.closing.Load() {
		return failed(op, "", ErrClosed)
	}
	err := fmt.Errorf("%w: etcd has not confirmed that this czar is registered within the last %s", ErrStale, g.length())
	if why := g.why(); why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return failed(op, "", err)
}

// What is done at a gate, for errors.
const (
	admitting   = "admit a query"
	dispatching = "dispatch a chunk query"
)

// why returns why there is no new proof; nil when there is one.
func (g *Gate) why() error {
	if t := g.trouble.Load(); t != nil {
		return t.err
	}
	return nil
}

func (g *Gate) length() time.Duration {
	f := g.fence.Load()
	if f.Proof.Valid {
		return f.Proof.Length
	}
	return f.Carried.Length
}

// Healthy returns nil while queries can be admitted, and otherwise why they cannot: what a health check of a czar reports. It asks nothing of etcd.
func (g *Gate) Healthy() error {
	switch {
	case g.closing.Load():
		return ErrClosed
	case !g.fence.Load().Admits(g.clock.now()):
		return g.stale("look after the gate")
	}
	return nil
}

// Close ends the registration in order: no query is admitted any more, those that are running go on to their end, and then the registration is deleted, so
// that no drop waits for this czar. When ctx ends before, or etcd cannot be reached, the registration stays, and the coordinator ends it after a while;
// queries that are still running then must not dispatch any more. Close returns when nothing of the gate runs.
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
	if !g.stopped.Swap(true) {
		for s := range g.slots.index.all() {
			s.aborts.Add(1)
		}
		g.watches.tellAll()
	}
}

// kick has the gate's goroutine look at what queries have ended.
func (g *Gate) kick() {
	select {
	case g.kicks <- struct{}{}:
	default: // it is about to look
	}
}
