package cssetcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
)

// View keeps the whole catalogue in memory and follows etcd. Reading its snapshot is one atomic load; a change is there as soon
// as etcd has told of it. While etcd cannot be reached the last snapshot stays.
type View struct {
	client *Client
	cancel context.CancelFunc
	done   chan struct{} // closed when the following has ended
	ask    chan struct{}
	state  atomic.Pointer[viewState]

	mu      sync.Mutex
	recent  []viewStep // the updates before the current state, oldest first
	touches int        // paths in recent
	most    int        // touches may not exceed this
}

// viewState is what a View shows. It is immutable but for changed, which is closed when the next state is there.
type viewState struct {
	snapshot   *Snapshot
	seq        uint64 // numbers the states, since revisions can go back
	generation int    // counts the regressions of etcd
	confirmed  Confirmation
	changed    chan struct{}
}

// Confirmation says how fresh a view is: it shows all that etcd had committed when it was asked.
type Confirmation struct {
	Revision Revision
	Asked    time.Time // with a monotonic reading
}

// viewStep is the update that led to state seq.
type viewStep struct {
	seq     uint64
	touched []kv.Path
}

// keepTouches bounds the memory of recent updates. A subscriber that is further behind is served by comparing snapshots.
const keepTouches = 1 << 16

// OpenView loads the catalogue and follows it until Close. The context bounds the loading only.
func OpenView(ctx context.Context, c *Client) (*View, error) { return openView(ctx, c, keepTouches) }

func openView(ctx context.Context, c *Client, most int) (*View, error) {
	if c.etcd == nil {
		return nil, &Error{Op: "open view", Object: c.prefix, Err: fmt.Errorf("%w: a catalogue on a file cannot be followed", ErrInvalid)}
	}
	asked := time.Now()
	s, cluster, err := c.etcd.Load(ctx, 0, kv.Below(cssRoot))
	if err != nil {
		return nil, &Error{Op: "open view", Object: c.prefix, Err: err}
	}
	if err := checkVersion(s); err != nil && !errors.Is(err, ErrVersionMissing) {
		return nil, &Error{Op: "open view", Object: c.prefix, Err: err}
	}
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &View{client: c, cancel: cancel, done: make(chan struct{}), ask: make(chan struct{}, 1), most: most}
	v.state.Store(&viewState{
		snapshot: &Snapshot{kv: s, cluster: cluster}, seq: 1, changed: make(chan struct{}), confirmed: Confirmation{s.Revision, asked},
	})
	go func() {
		defer close(v.done)
		_ = c.etcd.Follow(follow, kv.Followed{Snapshot: s, Cluster: cluster}, v.ask, c.log, v.update)
	}()
	return v, nil
}

// Close ends the following and waits for it. Waiting calls return ErrClosed; the last snapshot stays readable.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// Snapshot returns the newest snapshot. It never blocks and never returns nil.
func (v *View) Snapshot() *Snapshot { return v.state.Load().snapshot }

// Confirmed returns up to when the view is known to show everything.
func (v *View) Confirmed() Confirmation { return v.state.Load().confirmed }

// update is called by the one goroutine that follows.
func (v *View) update(u kv.Update) {
	old := v.state.Load()
	next := &viewState{
		snapshot: old.snapshot, seq: old.seq, generation: old.generation, confirmed: old.confirmed, changed: make(chan struct{}),
	}
	if u.Snapshot != old.snapshot.kv {
		next.snapshot = &Snapshot{kv: u.Snapshot, cluster: u.Cluster}
		next.seq++
		v.remember(next.seq, u)
	}
	if u.Regressed {
		next.generation++
	}
	if !u.Asked.IsZero() {
		next.confirmed = Confirmation{u.Snapshot.Revision, u.Asked}
	}
	v.state.Store(next)
	close(old.changed)
}

// remember keeps what the update touched, so that a subscriber's difference costs no walk through two snapshots.
func (v *View) remember(seq uint64, u kv.Update) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u.Resync || len(u.Touched) > v.most {
		v.recent, v.touches = nil, 0
		return
	}
	v.recent = append(v.recent, viewStep{seq, u.Touched})
	v.touches += 1 + len(u.Touched)
	for v.touches > v.most {
		v.touches -= 1 + len(v.recent[0].touched)
		v.recent[0] = viewStep{}
		v.recent = v.recent[1:]
	}
}

// touchedBetween returns the paths touched by the updates in (from, to]; ok is false when they are no longer known.
func (v *View) touchedBetween(from, to uint64) (paths []kv.Path, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.recent) == 0 || v.recent[0].seq > from+1 {
		return nil, false
	}
	for _, step := range v.recent[from+1-v.recent[0].seq:] {
		if step.seq > to {
			break
		}
		paths = append(paths, step.touched...)
	}
	return paths, true
}

// WaitRevision returns a snapshot of at least the given revision, as a write returned it: read your writes. It returns
// ErrRegressed when etcd is restored to an older revision meanwhile, and ErrClosed.
func (v *View) WaitRevision(ctx context.Context, rev Revision) (*Snapshot, error) {
	state := v.state.Load()
	generation := state.generation
	for {
		switch {
		case state.generation != generation:
			return nil, ErrRegressed
		case state.snapshot.Revision() >= rev:
			return state.snapshot, nil
		}
		if err := v.wait(ctx, state, true); err != nil {
			return nil, err
		}
		state = v.state.Load()
	}
}

// askAgain is how often a waiting call has etcd asked: writes elsewhere in etcd raise the revision without an event.
const askAgain = 100 * time.Millisecond

// wait returns when there is a state after the given one. With ask, etcd is asked for its revision meanwhile.
func (v *View) wait(ctx context.Context, state *viewState, ask bool) error {
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
			select {
			case v.ask <- struct{}{}:
			default:
			}
		}
	}
}
