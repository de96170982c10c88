package protocol

import (
	"maps"
	"slices"
)

// Czar is what one czar process knows of its registration and of the catalogue, and what follows from that. It is not
// safe for concurrent use. The zero Czar with its Timing is that of a process that has just begun.
type Czar struct {
	Timing Timing
	Rules  Rules

	ID         string   // of the registration; "": none
	Registered Revision // the ModRevision of the registration as it was written
	Leaving    bool     // it admits no more queries and goes when the last has ended
	Seen       Revision // up to which the catalogue is known

	proof      Proof            // the last of this registration
	carried    Proof            // that by which the queries of earlier registrations live, until this one has a proof
	tried      Proof            // the last that was sent
	base       Time             // when the last proof, or before the first one the registration, was sent
	proving    bool             // it was sent and not answered
	entering   bool             // a registration was sent and not answered
	asked      Time             // when it was sent
	compared   bool             // all that is known was compared with etcd since the registration
	departing  bool             // the end of the registration was sent
	stayed     bool             // and has not landed, or nobody knows
	reconciled bool             // queries of earlier registrations that may not go on have been ended
	unended    bool             // the last registration was given up while it may have been there
	entries    map[Name]Entry   // of what is there
	pending    map[Name]pending // those that are not ready
	duty       duties
}

// pending is what a czar knows of something that is not ready.
type pending struct {
	drained bool     // the czar has no query on the incarnation
	asked   Revision // the mark whose acknowledgement was sent
	failed  bool     // and has not landed, or nobody knows
	acked   Revision // the mark that has been acknowledged under the present registration
	aborted bool     // its queries have been told to end
}

// Clone returns a copy that shares nothing.
func (c *Czar) Clone() Czar {
	out := *c
	out.entries, out.pending, out.duty = maps.Clone(c.entries), maps.Clone(c.pending), c.duty.clone()
	return out
}

// Fence returns until when queries may act.
func (c *Czar) Fence() Fence {
	return Fence{Present: c.ID != "", Proof: c.proof, Carried: c.carried, Rules: c.Rules}
}

// Enter notes that the czar is registered. Queries that it admitted before live on the proof that they had.
func (c *Czar) Enter(id string, at Revision, now Time) {
	c.keepProof()
	if !c.Rules.keep(CarriedKeepOldProof) {
		c.carried = Proof{now, true, c.Timing.Fence}
	}
	c.ID, c.Registered, c.tried, c.base = id, at, Proof{}, c.asked
	c.entering, c.proving, c.reconciled, c.compared, c.unended = false, false, false, false, false
	for n, p := range c.pending {
		p.acked, p.asked, p.failed = 0, 0, false
		c.note(n, p)
	}
}

// Lose notes that the registration is being ended, or has been: a proof was refused.
func (c *Czar) Lose() {
	c.keepProof()
	c.ID, c.Registered, c.tried = "", 0, Proof{}
	c.proving, c.departing, c.stayed = false, false, false
}

func (c *Czar) keepProof() {
	if c.proof.Valid {
		c.carried = c.proof
	}
	c.proof = Proof{}
}

// Accept notes that a proof of the present registration was accepted, and when it had been sent. Queries carried over
// from earlier registrations live by it from now on: those that do not survive must have been ended before it was sent.
func (c *Czar) Accept(sent, answered Time) {
	if !c.Rules.keep(ProofDatesFromSending) {
		sent = answered
	}
	if !c.proof.Valid || sent.Mono > c.proof.Sent.Mono {
		c.proof, c.base = Proof{sent, true, c.Timing.Fence}, sent
	}
}

// lapsed reports whether the registration has been without a proof for longer than one lasts. In that time etcd may
// have been restored from a backup that has this registration, and what the czar has acknowledged, but not what it has
// seen since: so it does not go on with it.
func (c *Czar) lapsed(now Time) bool {
	return c.ID != "" && now.Age(c.base) > c.Timing.Fence && c.Rules.keep(LapsedRegistersAnew)
}

// Unended reports whether the czar has given up its last registration, and has no other, while that may still be there:
// then drops wait until it was ended.
func (c *Czar) Unended() bool { return c.unended }

// Entering reports whether a registration is on its way.
func (c *Czar) Entering() bool { return c.entering }

// Resynced reports whether the czar knows all that etcd held when it registered, or later. That its view shows that
// revision is not enough: where etcd was restored since the view was opened and has grown past what that had shown, the
// view may follow it without a look at what had been before.
func (c *Czar) Resynced() bool {
	resynced := c.compared || c.Seen >= c.Registered && !c.Rules.keep(ResyncCompares)
	return c.ID != "" && (resynced || !c.Rules.keep(ResyncBeforeProof))
}

// Entry returns what the czar knows of a name.
func (c *Czar) Entry(n Name) Entry { return c.entries[n] }

// Transitions are what becomes of the counts of incarnations.
type Transitions struct {
	Block []Revision // admit no more queries on these; this comes before any count of theirs is looked at
	Open  []Revision
}

// See takes in what a later revision of the catalogue says of a name. An entry that is older than what is known changes
// nothing. What is gone is forgotten: of a name that the czar does not know, it is known that nothing was there up to
// Seen. A view that has missed something says so, and what it shows then was read from etcd as of a revision that is
// not older than Seen.
func (c *Czar) See(n Name, e Entry, healed bool) (t Transitions) {
	old, known := c.entries[n]
	if !known && !healed && c.Rules.keep(UnknownWasNotThere) {
		old.Modified = c.Seen
	}
	if e.Modified <= old.Modified && c.Rules.keep(OpenOnlyByNewerReady) {
		return t
	}
	if old.Incarnation != 0 && old.Incarnation != e.Incarnation {
		t.Block = append(t.Block, old.Incarnation)
	}
	if e.Incarnation == 0 {
		c.drop(n)
		return t
	}
	if c.entries == nil {
		c.entries, c.pending, c.duty = map[Name]Entry{}, map[Name]pending{}, newDuties()
	}
	c.entries[n] = e
	if e.Standing == Ready {
		c.settle(n)
		t.Open = append(t.Open, e.Incarnation)
		return t
	}
	p := c.pending[n]
	if old.Incarnation != e.Incarnation {
		p = pending{}
	}
	c.note(n, p)
	t.Block = append(t.Block, e.Incarnation)
	return t
}

// Forget makes all that is known of the catalogue and of proofs worthless: etcd went back, or is another one. It
// returns that on which no query may go on.
func (c *Czar) Forget() (block []Use) {
	for _, n := range slices.Sorted(maps.Keys(c.entries)) {
		if e := c.entries[n]; e.Incarnation != 0 {
			block = append(block, Use{n, e.Incarnation})
		}
	}
	c.Lose()
	c.carried = Proof{}
	c.Seen, c.entries, c.pending, c.duty = 0, nil, nil, duties{}
	return block
}

// Use is one thing that a query uses, as it was planned. What one transaction created has one incarnation, so the name
// belongs to it.
type Use struct {
	Name        Name
	Incarnation Revision
}

// Knows reports, after the query was counted, whether all that it uses is still ready as the czar sees it.
func (c *Czar) Knows(uses []Use) bool {
	for _, u := range uses {
		e := c.Entry(u.Name)
		if (e.Standing != Ready || e.Incarnation != u.Incarnation) && c.Rules.keep(AdmitChecksSnapshot) {
			return false
		}
	}
	return true
}

// Confirmation is a proof to be sent: a transaction that is refused unless the registration is as it was written.
type Confirmation struct {
	ID         string
	Registered Revision
	Sent       Time
}

// Confirmation returns the proof to send now, if one is due.
func (c *Czar) Confirmation(now Time) (Confirmation, bool) {
	if !c.Resynced() || c.tried.Valid && now.Waited(c.tried.Sent) < c.Timing.Confirm {
		return Confirmation{}, false
	}
	c.tried = Proof{Sent: now, Valid: true}
	return Confirmation{c.ID, c.Registered, now}, true
}

// Acknowledgement says that a czar has no query on an incarnation and admits none.
type Acknowledgement struct {
	Name       Name
	Mark       Revision // P
	ID         string
	Registered Revision
}

// Drained notes that the incarnation is blocked and that no query on it is counted.
func (c *Czar) Drained(n Name, incarnation Revision) {
	if p, ok := c.pending[n]; ok && c.entries[n].Incarnation == incarnation {
		p.drained = true
		c.note(n, p)
	}
}

// Acknowledgements returns what is to be acknowledged now and has not been asked for.
func (c *Czar) Acknowledgements() (all []Acknowledgement) {
	if c.ID == "" {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.duty.due)) {
		all = append(all, Acknowledgement{n, c.entries[n].Modified, c.ID, c.Registered})
	}
	return all
}

// Acknowledged notes that an acknowledgement has landed.
func (c *Czar) Acknowledged(a Acknowledgement) {
	if p, ok := c.pending[a.Name]; ok && a.ID == c.ID {
		p.acked = a.Mark
		c.note(a.Name, p)
	}
}

// MayLeave reports whether the czar may delete its registration by itself.
func (c *Czar) MayLeave(queries int) bool {
	return c.ID != "" && c.Leaving && (queries == 0 || !c.Rules.keep(LeaveOnlyDrained))
}
