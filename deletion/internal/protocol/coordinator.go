package protocol

import (
	"maps"
	"slices"
	"time"
)

// Coordinator is what one coordinator process knows besides what it reads: since when registrations have been ending.
// Every process keeps it, whether it leads or not, so that another one need not begin to wait anew. It is not safe for
// concurrent use.
type Coordinator struct {
	Rules   Rules
	endings map[string]ending // by id
}

// ending is a registration that was seen ending, since when.
type ending struct {
	modified Revision
	since    Time
}

// Clone returns a copy that shares nothing.
func (c *Coordinator) Clone() Coordinator {
	return Coordinator{c.Rules, maps.Clone(c.endings)}
}

// Action is a transaction that a coordinator is to make, or a removal of data that is to begin.
type Action struct {
	Kind     ActionKind `json:"kind"`
	Name     Name       `json:"name,omitempty"`
	Mark     Revision   `json:"mark,omitempty"`     // P of the drop
	ID       string     `json:"id,omitempty"`       // of the registration
	Modified Revision   `json:"modified,omitempty"` // of the intent, request or registration: none but this one
	Found    Found      `json:"found,omitzero"`     // what the action was decided on
	Intent   Intent     `json:"intent,omitzero"`
	Request  Request    `json:"request,omitzero"`

	Registration Registration `json:"registration,omitzero"`
}

// ActionKind is what a coordinator is to do.
type ActionKind string

// What a coordinator does.
const (
	MarkNow     ActionKind = "mark"     // a request is due
	Withdraw    ActionKind = "withdraw" // a request is about something that is not as it was
	Adopt       ActionKind = "adopt"    // somebody marked by hand
	EndIntent   ActionKind = "end"      // what was marked is not as the mark left it: the drop is over
	Execute     ActionKind = "execute"  // the point of no return
	Remove      ActionKind = "remove"   // the data, and then the intent
	BeginEnding ActionKind = "begin-ending"
	Deregister  ActionKind = "deregister"
)

// Step takes in what was read and returns what is to be done now, by a coordinator that leads.
func (c *Coordinator) Step(f Facts, now Time) (actions []Action) {
	c.See(f.Registrations, now)
	for _, r := range f.Requests {
		if kind, due := r.next(); due {
			actions = append(actions, Action{Kind: kind, Name: r.Name, Modified: r.Modified, Found: r.Found, Request: r.Request})
		}
	}
	for _, u := range f.Unasked {
		if !u.ParentDropping {
			actions = append(actions, Action{Kind: Adopt, Name: u.Name, Found: u, Intent: Intent{Terms: byHand(f.Timing)}})
		}
	}
	for _, d := range f.Drops {
		if kind, due := c.next(f, d); due {
			if kind == Execute {
				d.Intent.History = f.History
			}
			actions = append(actions, Action{Kind: kind, Name: d.Name, Mark: d.Mark, Modified: d.Modified, Found: d.Found,
				Intent: d.Intent})
		}
	}
	for _, r := range f.Registrations {
		if !r.Ending && !r.Alive {
			actions = append(actions, Action{Kind: BeginEnding, ID: r.ID, Modified: r.Modified, Registration: r.Record})
		}
	}
	for _, r := range c.Ended(f, now) {
		actions = append(actions, Action{Kind: Deregister, ID: r.ID, Modified: r.Modified, Registration: r.Record})
	}
	return actions
}

// byHand are the terms of a drop that somebody began by writing the status.
func byHand(t Timing) Terms {
	return Terms{Delay: int(t.Delay / time.Second), Policy: Wait, By: "a status written by hand"}
}

// next returns what is to become of a request.
func (r Requested) next() (ActionKind, bool) {
	same := r.Entry.Standing == Ready && r.Entry.Incarnation == r.Request.Incarnation &&
		r.Entry.Modified == r.Request.Modified
	switch {
	case !same || r.Marked || r.ParentDropping:
		return Withdraw, true
	case r.Due:
		return MarkNow, true
	}
	return "", false
}

// next returns what is to become of a drop.
func (c *Coordinator) next(f Facts, d Drop) (ActionKind, bool) {
	switch {
	case d.Intent.Phase == Dropping:
		return Remove, true
	case !d.asMarked() && c.Rules.keep(ExecuteNeedsMark):
		return EndIntent, true
	case c.MayExecute(f, d):
		return Execute, true
	}
	return "", false
}

// asMarked reports whether the key is as the mark left it.
func (d Drop) asMarked() bool { return d.Entry.Standing == DropPending && d.Entry.Modified == d.Mark }

// MayExecute reports whether the point of no return has come.
func (c *Coordinator) MayExecute(f Facts, d Drop) bool {
	return d.Intent.Phase == Marked && len(c.Blocking(f, d)) == 0 && d.Untracked == "" &&
		(!d.Held || !c.Rules.keep(ExecuteNeedsDelay)) && (!d.Occupied || !c.Rules.keep(DatabaseNeedsEmpty))
}

// Blocking returns the ids of the czars that a drop still waits for.
func (c *Coordinator) Blocking(f Facts, d Drop) (ids []string) {
	if !c.Rules.keep(ExecuteNeedsAcks) {
		return nil
	}
	for _, id := range d.Present {
		if slices.Contains(d.Acknowledged, id) || c.absent(f, id, d.Mark) {
			continue
		}
		ids = append(ids, id)
	}
	return ids
}

// absent reports whether a czar is known to be registered no more, as of the mark or later.
func (c *Coordinator) absent(f Facts, id string, mark Revision) bool {
	if f.RegistrationsAt < mark && c.Rules.keep(AbsenceReadAfterMark) {
		return false
	}
	return !slices.ContainsFunc(f.Registrations, func(r Registered) bool {
		return r.ID == id && (r.Alive || c.Rules.keep(WaitForRegistrations))
	})
}

// See takes in the registrations: those that are ending are waited for from when they are seen to.
func (c *Coordinator) See(all []Registered, now Time) {
	endings := map[string]ending{}
	for _, r := range all {
		if !r.Ending {
			continue
		}
		e := ending{r.Modified, now}
		if before, known := c.endings[r.ID]; known && before.modified == r.Modified {
			e = before
		}
		endings[r.ID] = e
	}
	c.endings = endings
}

// Ended returns the registrations that are to be deleted: none of their proofs can last any more.
func (c *Coordinator) Ended(f Facts, now Time) (all []Registered) {
	for _, r := range f.Registrations {
		e, ending := c.endings[r.ID]
		if !ending || e.modified != r.Modified {
			continue
		}
		wait := f.Timing.Wait
		if c.Rules.keep(WaitOutlastsProof) {
			wait = max(wait, Outlasts(r.Fence))
		}
		if now.Waited(e.since) > wait || !c.Rules.keep(WaitBeforeDeleting) {
			all = append(all, r)
		}
	}
	return all
}
