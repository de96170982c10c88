package cssetcd

import (
	"errors"
	"fmt"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
)

// Phase is what a view is about.
type Phase string

// The phases of a view. In each of them its snapshot can be read.
const (
	Live      Phase = "live"      // it follows etcd
	Stale     Phase = "stale"     // the connection broke or fell silent, and is made anew
	Resyncing Phase = "resyncing" // it cannot go on from where it stood, and loads the catalogue anew
	Closed    Phase = "closed"
)

// Condition is the phase of a view, since when, and why when it is not Live.
type Condition struct {
	Phase  Phase
	Since  time.Time
	Reason error
}

// after returns the condition after an update: any news without trouble means that etcd is followed.
func (c Condition) after(u kv.Update) Condition {
	phase := Live
	switch {
	case errors.Is(u.Trouble, kv.ErrResync):
		phase = Resyncing
	case u.Trouble != nil:
		phase = Stale
	}
	if phase != c.Phase {
		c.Phase, c.Since = phase, time.Now()
	}
	c.Reason = u.Trouble
	return c
}

// Condition returns how the view does.
func (v *View) Condition() Condition {
	return v.conditionOf(v.state.Load())
}

func (v *View) conditionOf(state *viewState) Condition {
	select {
	case <-v.done:
		return Condition{Phase: Closed, Since: v.ended, Reason: ErrClosed}
	default:
		return state.condition
	}
}

// Healthy returns nil when the view has been confirmed within the given time, and otherwise an ErrStale that says how
// old it is and why: what a health check of a czar reports. It asks nothing of etcd.
func (v *View) Healthy(within time.Duration) error {
	age, c := v.Staleness(), v.Condition()
	switch {
	case c.Phase == Closed:
		return ErrClosed
	case age <= within:
		return nil
	case c.Reason == nil:
		return fmt.Errorf("%w: etcd has not confirmed revision %d for %s", ErrStale, v.Snapshot().Revision(),
			age.Round(time.Millisecond))
	}
	return fmt.Errorf("%w: etcd has not confirmed revision %d for %s: %w", ErrStale, v.Snapshot().Revision(),
		age.Round(time.Millisecond), c.Reason)
}

// Counts are what has happened to a view since it was opened.
type Counts struct {
	Updates         uint64 // snapshots that differ from the one before
	Changes         uint64 // keys written or deleted, as told by etcd
	Troubles        uint64 // times that the connection or a load failed
	Loads           uint64 // times that the catalogue was loaded anew
	Regressions     uint64 // times that etcd went back or was another cluster
	Comparisons     uint64 // times that the view was found equal to etcd
	Inconsistencies uint64 // times that it was not, and was mended
}

func (c Counts) after(u kv.Update) Counts {
	if len(u.Touched) > 0 {
		c.Updates++
		c.Changes += uint64(len(u.Touched))
	}
	for _, count := range []struct {
		one bool
		of  *uint64
	}{
		{u.Trouble != nil, &c.Troubles},
		{u.Resync, &c.Loads},
		{u.Regressed, &c.Regressions},
		{u.Compared, &c.Comparisons},
		{errors.Is(u.Trouble, kv.ErrInconsistent), &c.Inconsistencies},
	} {
		if count.one {
			*count.of++
		}
	}
	return c
}

// Stats is all that a view tells of itself, for logs and metrics.
type Stats struct {
	Condition Condition
	Revision  Revision
	Confirmed Confirmation
	Staleness time.Duration
	Keys      int
	Databases int
	Tables    int
	Nodes     int
	Waiters   int // calls of Next, WaitRevision and WaitLatest that wait now
	Counts    Counts
}

// Stats returns what the view tells of itself. It costs nothing to speak of.
func (v *View) Stats() Stats {
	state := v.state.Load()
	return Stats{
		Condition: v.conditionOf(state),
		Revision:  state.snapshot.Revision(),
		Confirmed: state.confirmed,
		Staleness: time.Since(state.confirmed.Asked),
		Keys:      state.snapshot.Len(),
		Databases: state.snapshot.index.databases.Len(),
		Tables:    state.snapshot.index.tables.Len(),
		Nodes:     state.snapshot.index.nodes.Len(),
		Waiters:   int(v.waiters.Load()),
		Counts:    state.counts,
	}
}
