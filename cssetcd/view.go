package cssetcd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// View keeps the whole catalogue in memory and follows etcd. Reading its snapshot is one atomic load; a change is there
// as soon as etcd has told of it. While etcd cannot be reached the last snapshot stays, and [View.Staleness] grows.
//
// It mends itself: it goes on where it stood after a broken connection, loads anew when etcd has compacted what it
// missed, ends a connection that fell silent, notices an etcd that was set back or replaced, and compares itself with
// etcd from time to time. What it shows after any of these is etcd's state, and subscribers get the exact difference.
type View struct {
	client  *Client
	cancel  context.CancelFunc
	done    chan struct{} // closed when the following has ended
	ended   time.Time     // set before done is closed
	ask     chan struct{}
	state   atomic.Pointer[viewState]
	waiters atomic.Int64
	recent  recentTouches
}

// viewState is what a View shows. It is immutable but for changed, which is closed when the next state is there.
type viewState struct {
	snapshot   *Snapshot
	seq        uint64 // numbers the states, since revisions can go back
	generation int    // counts the regressions of etcd
	gone       bool   // etcd went back, and the snapshot is still of what there was before
	confirmed  Confirmation
	condition  Condition
	counts     Counts
	changed    chan struct{}
}

// Confirmation says how fresh a view is: it shows all that etcd had committed when it was asked.
type Confirmation struct {
	Revision Revision
	Asked    time.Time // with a monotonic reading: a clock that is set does not matter
}

// ViewOption changes how a View follows.
type ViewOption func(*viewSettings) error

type viewSettings struct {
	compareEvery time.Duration
	maxSize      int
}

// CompareEvery says how often a view compares all it shows with etcd at the same revision, which costs a load of the
// catalogue; negative: never. Without it a view does so every 5 minutes, and less often where that would take more than
// a hundredth of the time.
func CompareEvery(d time.Duration) ViewOption {
	return func(s *viewSettings) error { s.compareEvery = d; return nil }
}

// OpenView loads the catalogue and follows it until Close. The context bounds the loading only. It fails with
// ErrVersionMismatch for a CSS of a version that this package does not know and with ErrOldServer for an etcd whose
// watches lose events.
func OpenView(ctx context.Context, c *Client, opts ...ViewOption) (*View, error) {
	settings := viewSettings{maxSize: keepTouches}
	if c == nil {
		return nil, &Error{Op: "open view", Err: fmt.Errorf("%w: the client is nil", ErrInvalid)}
	}
	var v *View
	err := asInvalid(apply(&settings, opts))
	if err == nil {
		v, err = openView(ctx, c, settings)
	}
	if err != nil {
		return nil, &Error{Op: "open view", Object: c.prefix, Err: err}
	}
	return v, nil
}

func openView(ctx context.Context, c *Client, settings viewSettings) (*View, error) {
	if c.etcd == nil {
		return nil, fmt.Errorf("%w: a catalogue on a file cannot be followed", ErrInvalid)
	}
	if err := c.etcd.CheckServers(ctx); err != nil {
		return nil, err
	}
	asked := time.Now()
	s, cluster, err := c.etcd.Load(ctx, 0, csskey.Catalogue)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(s); err != nil && !errors.Is(err, ErrVersionMissing) {
		return nil, err
	}
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &View{client: c, cancel: cancel, done: make(chan struct{}), ask: make(chan struct{}, 1),
		recent: recentTouches{maxSize: settings.maxSize}}
	v.state.Store(&viewState{
		snapshot:  newSnapshot(s, cluster),
		seq:       1,
		confirmed: Confirmation{s.Revision, asked},
		condition: Condition{Phase: Live, Since: asked},
		changed:   make(chan struct{}),
	})
	go func() {
		defer func() {
			v.ended = time.Now()
			close(v.done)
		}()
		start := kv.Followed{Snapshot: s, Cluster: cluster, CompareEvery: settings.compareEvery}
		_ = c.etcd.Follow(follow, start, v.ask, c.log, v.update) // ends with its context or the client
	}()
	return v, nil
}

// Close ends the following and waits for it, which takes no network. Waiting calls return ErrClosed; the last snapshot
// stays readable.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// Client returns the client that the view was opened with.
func (v *View) Client() *Client { return v.client }

// Snapshot returns the newest snapshot. It never blocks and never returns nil.
func (v *View) Snapshot() *Snapshot { return v.state.Load().snapshot }

// Staleness returns for how long etcd has not confirmed that the view shows everything: no change in etcd that the view
// does not show is older. It is below two seconds as long as etcd answers and the view is Live.
func (v *View) Staleness() time.Duration { return time.Since(v.state.Load().confirmed.Asked) }

// update is called by the one goroutine that follows.
func (v *View) update(u kv.Update) {
	old := v.state.Load()
	next := *old
	next.changed = make(chan struct{})
	if u.Snapshot != old.snapshot.kv {
		next.snapshot = old.snapshot.next(u.Snapshot, u.Cluster, u.Touched)
		next.seq++
		v.recent.add(next.seq, u.Touched)
	}
	next.gone = errors.Is(u.Trouble, kv.ErrWentBack) || old.gone && !u.Resync
	if u.Regressed {
		next.generation++
	}
	if !u.Asked.IsZero() {
		next.confirmed = Confirmation{u.Snapshot.Revision, u.Asked}
	}
	next.condition = old.condition.after(u)
	next.counts = old.counts.after(u)
	v.state.Store(&next)
	close(old.changed)
}

// WaitRevision returns a snapshot of at least the given revision, as a write returned it: read your writes. It returns
// ErrRegressed when etcd is restored to an older revision meanwhile, ErrClosed, or the error of ctx. While the view
// knows that etcd went back and has not loaded it, no revision is taken for reached. Revision 0, that of a write which
// had nothing to change, stands for what it found, which another client may just have written: then it does what
// [View.WaitLatest] does.
func (v *View) WaitRevision(ctx context.Context, rev Revision) (*Snapshot, error) {
	if rev == 0 {
		return v.WaitLatest(ctx)
	}
	state := v.state.Load()
	generation := state.generation
	if state.gone {
		generation++ // the revision is one of the etcd that is there now
	}
	for {
		switch {
		case state.gone:
		case state.generation != generation:
			return nil, v.waitError(fmt.Sprintf("revision %d", rev), ErrRegressed)
		case state.snapshot.Revision() >= rev:
			return state.snapshot, nil
		}
		if err := v.wait(ctx, state, true); err != nil {
			return nil, v.waitError(fmt.Sprintf("revision %d", rev), err)
		}
		state = v.state.Load()
	}
}

// WaitLatest returns a snapshot that shows everything that etcd had committed when WaitLatest was called: a
// linearizable read of the whole catalogue for the price of one small question to etcd, which waiting callers share. It
// returns ErrClosed or the error of ctx.
func (v *View) WaitLatest(ctx context.Context) (*Snapshot, error) {
	called := time.Now()
	for {
		state := v.state.Load()
		if !state.confirmed.Asked.Before(called) {
			return state.snapshot, nil
		}
		v.askNow()
		if err := v.wait(ctx, state, true); err != nil {
			return nil, v.waitError("the latest revision", err)
		}
	}
}

func (v *View) waitError(what string, err error) error {
	c := v.Condition()
	err = fmt.Errorf("%w; the view is %s at revision %d, confirmed %s ago", err, c.Phase, v.Snapshot().Revision(),
		v.Staleness().Round(time.Millisecond))
	if c.Reason != nil {
		err = fmt.Errorf("%w: %w", err, c.Reason)
	}
	return &Error{Op: "wait for", Object: what, Err: err}
}

// askAgain is how often a waiting call has etcd asked: writes elsewhere in etcd raise the revision without an event.
const askAgain = 100 * time.Millisecond

func (v *View) askNow() {
	select {
	case v.ask <- struct{}{}:
	default: // it is about to be asked
	}
}

// wait returns when there is a state after the given one. With ask, etcd is asked for its revision meanwhile.
func (v *View) wait(ctx context.Context, state *viewState, ask bool) error {
	v.waiters.Add(1)
	defer v.waiters.Add(-1)
	var tick <-chan time.Time
	if ask {
		t := time.NewTicker(askAgain)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-state.changed:
			return nil
		default:
		}
		select {
		case <-state.changed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-v.done:
			return ErrClosed
		case <-tick:
			v.askNow()
		}
	}
}
