package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/qserv/css-etcd/internal/kv"
)

// Fate is what becomes of one commit.
type Fate int

// The fates of a commit. In all but the first the caller is told [kv.ErrOutcomeUnknown].
const (
	Fine      Fate = iota
	Committed      // it commits, only the answer is lost
	Dropped        // it never arrives
	Late           // it arrives after Fault.Calls further calls of the store, of whatever kind and by whomever
)

// Fault says what happens to one commit.
type Fault struct {
	Fate  Fate
	Calls int
}

// Faults is a store that loses answers to commits. Commits that are late arrive between two calls, since a store is
// linearizable: so a test sees all that a slow network could do, without waiting. It is safe for concurrent use.
type Faults struct {
	store  kv.Store
	choose func() Fault

	mu     sync.Mutex
	late   []*lateCommit
	counts map[Fate]int
	landed int // late commits whose guards still held
}

type lateCommit struct {
	change kv.Change
	calls  int
}

var _ kv.Store = (*Faults)(nil)

var errLost = fmt.Errorf("%w: a fault was asked for", kv.ErrOutcomeUnknown)

// NewFaults returns the store with faults chosen by the given function, which is never called twice at a time.
func NewFaults(st kv.Store, choose func() Fault) *Faults {
	return &Faults{store: st, choose: choose, counts: map[Fate]int{}}
}

// Script returns a choice of the given faults in their order, and none after them.
func Script(faults ...Fault) func() Fault {
	return func() Fault {
		if len(faults) == 0 {
			return Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// Random returns a choice in which a share of the commits, in equal parts, is committed, dropped and late by up to most
// calls.
func Random(seed uint64, share float64, most int) func() Fault {
	r := rand.New(rand.NewPCG(seed, 0))
	return func() Fault {
		if r.Float64() >= share {
			return Fault{}
		}
		return Fault{Fate: Committed + Fate(r.IntN(3)), Calls: 1 + r.IntN(most)}
	}
}

// Count returns how many commits had a fate.
func (f *Faults) Count(fate Fate) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[fate]
}

// Landed returns how many of the late commits took effect when they arrived.
func (f *Faults) Landed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.landed
}

// Flush lets everything that is late arrive now.
func (f *Faults) Flush() { f.arrive(func(*lateCommit) bool { return true }) }

// Author implements [kv.Store].
func (f *Faults) Author() string { return f.store.Author() }

// Fetch implements [kv.Store].
func (f *Faults) Fetch(ctx context.Context, at kv.Revision, spans ...kv.Span) (*kv.Snapshot, error) {
	f.tick()
	return f.store.Fetch(ctx, at, spans...)
}

// Commit implements [kv.Store].
func (f *Faults) Commit(ctx context.Context, c kv.Change) (*kv.Snapshot, error) {
	f.tick()
	f.mu.Lock()
	fault := f.choose()
	f.counts[fault.Fate]++
	if fault.Fate == Late {
		f.late = append(f.late, &lateCommit{c, fault.Calls})
	}
	f.mu.Unlock()
	switch fault.Fate {
	case Committed:
		if _, err := f.store.Commit(ctx, c); err != nil && !errors.Is(err, kv.ErrGuard) {
			return nil, err
		}
		return nil, errLost
	case Dropped, Late:
		return nil, errLost
	default:
		return f.store.Commit(ctx, c)
	}
}

// tick counts a call and lets arrive what is due.
func (f *Faults) tick() {
	f.arrive(func(l *lateCommit) bool {
		l.calls--
		return l.calls <= 0
	})
}

func (f *Faults) arrive(due func(*lateCommit) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = slices.DeleteFunc(f.late, func(l *lateCommit) bool {
		if !due(l) {
			return false
		}
		if _, err := f.store.Commit(context.Background(), l.change); err == nil {
			f.landed++
		}
		return true
	})
}
