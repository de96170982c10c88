package protocol

import (
	"slices"
	"time"
)

// Phase is how far a drop has come.
type Phase uint8

// The phases of a drop.
const (
	Marked   Phase = 1 + iota // can be undone
	Dropping                  // the catalogue has forgotten it; the data are being removed
)

// Intent is the intent to drop one incarnation.
type Intent struct {
	Name        Name
	Incarnation Revision
	Mark        Revision // P: its CreateRevision, and the ModRevision of the key that was marked
	Modified    Revision
	Phase       Phase
}

// Registration is one czar's.
type Registration struct {
	ID       string
	Modified Revision
	Ending   bool
	Fence    time.Duration // H of that czar
	Alive    bool          // its lease is there: the czar confirmed lately
}

// Facts are what a coordinator has read of one drop, at one revision.
type Facts struct {
	Intent       Intent
	Entry        Entry
	Held         bool     // the agreed delay is not over
	Present      []string // registered at P
	PresentAlive []string // with a lease at P
	Acknowledged []string // P, by id
}

// Coordinator is what one coordinator process knows. It is a value, and not safe for concurrent use.
type Coordinator struct {
	Timing        Timing
	Rules         Rules
	Registrations []Registration // as read
	ReadAt        Revision       // when they were read
	endings       []ending
}

// ending is a registration that was seen ending, since when.
type ending struct {
	id       string
	modified Revision
	since    Time
}

// See takes in the registrations as read at a revision.
func (c *Coordinator) See(at Revision, all []Registration, now Time) {
	c.ReadAt, c.Registrations = at, all
	var endings []ending
	for _, r := range all {
		if !r.Ending {
			continue
		}
		e := ending{r.ID, r.Modified, now}
		for _, before := range c.endings {
			if before.id == r.ID && before.modified == r.Modified {
				e.since = before.since
			}
		}
		endings = append(endings, e)
	}
	c.endings = endings
}

// drift is the share by which a clock may run too fast or too slow.
const drift = 0.1

// Outlasts returns how long to wait for a proof of the given duration to have ended on another clock.
func Outlasts(fence time.Duration) time.Duration {
	return time.Duration(float64(fence) * (1 + drift) / (1 - drift))
}

// Ended returns the registrations that are to be deleted: none of their proofs can last any more.
func (c *Coordinator) Ended(now Time) (all []Registration) {
	for _, e := range c.endings {
		for _, r := range c.Registrations {
			if r.ID != e.id {
				continue
			}
			wait := c.Timing.Wait
			if c.Rules.keep(WaitOutlastsProof) {
				wait = max(wait, Outlasts(r.Fence))
			}
			if now-e.since > wait || !c.Rules.keep(WaitBeforeDeleting) {
				all = append(all, r)
			}
		}
	}
	return all
}

// Blocking returns the ids of the czars that a drop still waits for.
func (c *Coordinator) Blocking(f Facts) (ids []string) {
	present := f.Present
	if !c.Rules.keep(WaitForRegistrations) {
		present = f.PresentAlive
	}
	for _, id := range present {
		if !slices.Contains(f.Acknowledged, id) && !c.absent(id, f.Intent.Mark) {
			ids = append(ids, id)
		}
	}
	return ids
}

// absent reports whether a czar is known to be registered no more, as of the mark or later.
func (c *Coordinator) absent(id string, mark Revision) bool {
	if c.ReadAt < mark && c.Rules.keep(AbsenceReadAfterMark) {
		return false
	}
	return !slices.ContainsFunc(c.Registrations, func(r Registration) bool { return r.ID == id })
}

// Execution is the point of no return: a transaction that takes the name out of the catalogue. It is guarded by the intent as it was.
type Execution struct {
	Intent    Intent
	NeedMark  bool // guard: the key is as the mark left it
	NeedDelay bool // guard: the agreed delay is over
}

// Execution returns the point of no return if it has come.
func (c *Coordinator) Execution(f Facts) (Execution, bool) {
	if f.Intent.Phase != Marked || len(c.Blocking(f)) > 0 || f.Held && c.Rules.keep(ExecuteNeedsDelay) {
		return Execution{}, false
	}
	if (f.Entry.Modified != f.Intent.Mark || f.Entry.Standing != DropPending) && c.Rules.keep(ExecuteNeedsMark) {
		return Execution{}, false
	}
	return Execution{f.Intent, c.Rules.keep(ExecuteNeedsMark), c.Rules.keep(ExecuteNeedsDelay)}, true
}
