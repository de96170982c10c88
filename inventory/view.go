package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
)

// View keeps the inventory of all workers in memory and follows etcd, as cssetcd.View does with the catalogue: what it
// has shown is whole revisions, it mends itself, and while etcd cannot be reached the last state stays and
// [View.Staleness] grows. Who sends queries by it should look at that: of workers that died since, it does not know.
type View struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the following has ended
	ask    chan struct{}
	shown  atomic.Pointer[shown]
}

// shown is immutable but for changed, which is closed when the next one is there.
type shown struct {
	state      *State
	confirmed  time.Time // when etcd was asked for what the state shows
	generation int       // counts how often etcd went back
	changed    chan struct{}
}

// ViewOption changes how a View follows.
type ViewOption func(*viewSettings) error

type viewSettings struct{ log *slog.Logger }

// WithViewLogger has a view tell how the following does. Without it, it tells nobody.
func WithViewLogger(log *slog.Logger) ViewOption {
	return func(s *viewSettings) error {
		if log == nil {
			return fmt.Errorf("%w: the logger is nil", cssetcd.ErrInvalid)
		}
		s.log = log
		return nil
	}
}

// OpenView loads the inventory and follows it until Close. The context bounds the loading only. It returns
// cssetcd.ErrInvalid for a catalogue on a file, and cssetcd.ErrOldServer for an etcd whose watches lose events.
func OpenView(ctx context.Context, c *cssetcd.Client, opts ...ViewOption) (*View, error) {
	settings := viewSettings{log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if err := opt(&settings); err != nil {
			return nil, fmt.Errorf("open a view of the inventory: %w", err)
		}
	}
	v, err := openView(ctx, c, settings)
	if err != nil {
		return nil, fmt.Errorf("open a view of the inventory: %w", err)
	}
	return v, nil
}

func openView(ctx context.Context, c *cssetcd.Client, settings viewSettings) (*View, error) {
	store, err := storeOf(c)
	if err != nil {
		return nil, err
	}
	if err := store.CheckServers(ctx); err != nil {
		return nil, err
	}
	asked := time.Now()
	s, cluster, err := store.Load(ctx, 0, root)
	if err != nil {
		return nil, err
	}
	follow, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &View{cancel: cancel, done: make(chan struct{}), ask: make(chan struct{}, 1)}
	v.shown.Store(&shown{newState(s), asked, 0, make(chan struct{})})
	go func() {
		defer close(v.done)
		_ = store.Follow(follow, kv.Followed{Snapshot: s, Cluster: cluster}, v.ask, settings.log, v.update)
	}()
	return v, nil
}

// Read reads the inventory once, at etcd's newest revision.
func Read(ctx context.Context, c *cssetcd.Client) (*State, error) {
	store, err := storeOf(c)
	if err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	s, _, err := store.Load(ctx, 0, root)
	if err != nil {
		return nil, fmt.Errorf("read the inventory: %w", err)
	}
	return newState(s), nil
}

func storeOf(c *cssetcd.Client) (*kv.Etcd, error) {
	switch {
	case c == nil:
		return nil, fmt.Errorf("%w: the client is nil", cssetcd.ErrInvalid)
	case c.Etcd() == nil:
		return nil, fmt.Errorf("%w: a catalogue on a file has no inventory", cssetcd.ErrInvalid)
	}
	return kv.Of(c)
}

// Close ends the following and waits for it. Waiting calls return cssetcd.ErrClosed; the last state stays readable.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// update is called by the one goroutine that follows.
func (v *View) update(u kv.Update) {
	old := v.shown.Load()
	next := &shown{old.state, old.confirmed, old.generation, make(chan struct{})}
	if u.Regressed {
		next.generation++
	}
	if u.Snapshot != old.state.kv {
		next.state = old.state.next(u.Snapshot, u.Touched)
	}
	if !u.Asked.IsZero() {
		next.confirmed = u.Asked
	}
	v.shown.Store(next)
	close(old.changed)
}

// State returns the newest state. It never blocks and never returns nil.
func (v *View) State() *State { return v.shown.Load().state }

// Staleness returns for how long etcd has not confirmed that the view shows everything. It is below two seconds as long
// as etcd answers.
func (v *View) Staleness() time.Duration { return time.Since(v.shown.Load().confirmed) }

// Healthy returns nil while the view is no staler than limit, and an error that is cssetcd.ErrStale otherwise: then it
// is not known which workers are alive.
func (v *View) Healthy(limit time.Duration) error {
	if age := v.Staleness(); age > limit {
		return fmt.Errorf("%w: etcd has not confirmed for %s what workers serve", cssetcd.ErrStale,
			age.Round(time.Millisecond))
	}
	return nil
}

// Next waits until the view shows something else than a state that it has shown before, which must not be nil, and
// returns that: several changes may have come in one. It returns the error of ctx, or cssetcd.ErrClosed.
func (v *View) Next(ctx context.Context, have *State) (*State, error) {
	return v.wait(ctx, nil, func(s *shown) (bool, error) { return s.state.version != have.version, nil })
}

// WaitRevision returns a state of at least a revision, as [Publisher.Wait] returned it. It returns
// cssetcd.ErrRegressed when etcd is set back meanwhile, the error of ctx, or cssetcd.ErrClosed.
func (v *View) WaitRevision(ctx context.Context, rev cssetcd.Revision) (*State, error) {
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	generation := v.shown.Load().generation
	return v.wait(ctx, tick.C, func(s *shown) (bool, error) {
		if s.generation != generation {
			return false, cssetcd.ErrRegressed
		}
		return s.state.Revision() >= rev, nil
	})
}

// askAgain is how often a waiting call has etcd asked: writes elsewhere in etcd raise the revision without an event.
const askAgain = 100 * time.Millisecond

// wait waits until something holds of what is shown, and has etcd asked at each tick.
func (v *View) wait(ctx context.Context, tick <-chan time.Time, holds func(*shown) (bool, error)) (*State,
	error) {
	for {
		s := v.shown.Load()
		if is, err := holds(s); err != nil {
			return nil, err
		} else if is {
			return s.state, nil
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-v.done:
			return nil, cssetcd.ErrClosed
		case <-tick:
			select {
			case v.ask <- struct{}{}:
			default: // it is about to be asked
			}
		}
	}
}
