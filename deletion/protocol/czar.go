package protocol

// Czar is what one czar process knows of its registration and of the catalogue, and what follows from that. It is a value: a copy is
// independent, and it is not safe for concurrent use.
type Czar struct {
	Timing Timing
	Rules  Rules

	ID         string   // of the registration; "": none
	Registered Revision // the ModRevision of the registration as it was written
	Turn       int      // counts the registrations; queries carry the one under which they were admitted
	Leaving    bool

	proof   Proof // the last of this registration
	carried Proof // that by which the queries of earlier registrations live, until this one has a proof
	tried   Proof // the last that was sent
	Seen    Revision
	entries []known
}

// Proof is a confirmation that was accepted: the czar was registered when it was sent or later.
type Proof struct {
	Sent  Time
	Valid bool
}

type known struct {
	name  Name
	entry Entry
	acked Revision // the mark that has been acknowledged under the present registration
}

// lasts reports whether the czar may act on a proof now.
func (c *Czar) lasts(p Proof, now Time) bool { return p.Valid && now-p.Sent <= c.Timing.Fence }

// Enter notes that the czar is registered. Queries that it admitted before live on the proof that they had.
func (c *Czar) Enter(id string, at Revision, now Time) {
	if c.proof.Valid {
		c.carried = c.proof
	}
	if !c.Rules.keep(CarriedKeepOldProof) {
		c.carried = Proof{Sent: now, Valid: true}
	}
	c.ID, c.Registered, c.proof, c.tried = id, at, Proof{}, Proof{}
	c.Turn++
	for i := range c.entries {
		c.entries[i].acked = 0
	}
}

// Lose notes that the registration is being ended, or has been: a proof was refused.
func (c *Czar) Lose() {
	if c.proof.Valid {
		c.carried = c.proof
	}
	c.ID, c.Registered, c.proof, c.tried = "", 0, Proof{}, Proof{}
}

// Accept notes that a proof of the present registration was accepted, and when it had been sent. Queries carried over from earlier
// registrations live by it from now on: those that do not survive must have been ended before it was sent.
func (c *Czar) Accept(sent, answered Time) {
	if !c.Rules.keep(ProofDatesFromSending) {
		sent = answered
	}
	if !c.proof.Valid || sent > c.proof.Sent {
		c.proof = Proof{sent, true}
	}
}

// Resynced reports whether the czar has seen the catalogue as of its registration, or later.
func (c *Czar) Resynced() bool {
	return c.ID != "" && (c.Seen >= c.Registered || !c.Rules.keep(ResyncBeforeProof))
}

// Survives reports whether a query of an earlier registration may go on under this one. Where it may not, it is ended before the first
// proof is sent.
func (c *Czar) Survives(n Name, incarnation Revision) bool {
	e := c.Entry(n)
	return e.Standing == Ready && e.Incarnation == incarnation || !c.Rules.keep(ResyncEndsCarried)
}

// Entry returns what the czar knows of a name.
func (c *Czar) Entry(n Name) Entry {
	for _, k := range c.entries {
		if k.name == n {
			return k.entry
		}
	}
	return Entry{}
}

// Turnings are what becomes of the words of incarnations.
type Turnings struct {
	Block []Revision // admit no more queries on these; this comes before any count of theirs is looked at
	Open  []Revision
}

// See takes in what a later revision of the catalogue says of a name. An entry that is older than what is known changes nothing.
func (c *Czar) See(n Name, e Entry) (t Turnings) {
	i := c.index(n)
	old := c.entries[i].entry
	if e.Modified <= old.Modified && c.Rules.keep(OpenOnlyByNewerReady) {
		return t
	}
	c.entries[i].entry = e
	if old.Incarnation != 0 && old.Incarnation != e.Incarnation {
		t.Block = append(t.Block, old.Incarnation)
	}
	switch {
	case e.Standing == Ready:
		t.Open = append(t.Open, e.Incarnation)
	case e.Incarnation != 0:
		t.Block = append(t.Block, e.Incarnation)
	}
	return t
}

func (c *Czar) index(n Name) int {
	for i := range c.entries {
		if c.entries[i].name == n {
			return i
		}
	}
	c.entries = append(c.entries, known{name: n})
	return len(c.entries) - 1
}

// Use is one thing that a query uses, as it was planned.
type Use struct {
	Name        Name
	Incarnation Revision
}

// Admits reports, after the query was counted, whether it may be admitted: whether the czar has a proof and all that it uses is
// still ready.
func (c *Czar) Admits(uses []Use, now Time) bool {
	if !c.lasts(c.proof, now) && c.Rules.keep(AdmitChecksProof) {
		return false
	}
	for _, u := range uses {
		e := c.Entry(u.Name)
		if (e.Standing != Ready || e.Incarnation != u.Incarnation) && c.Rules.keep(AdmitChecksSnapshot) {
			return false
		}
	}
	return true
}

// MayDispatch reports whether a query that was admitted under a turn may send a chunk query now.
func (c *Czar) MayDispatch(turn int, now Time) bool {
	if turn == c.Turn && c.ID != "" || c.proof.Valid {
		return c.lasts(c.proof, now)
	}
	return c.lasts(c.carried, now) // there is no registration, or none with a proof yet
}

// Confirmation is a proof to be sent: a transaction that is refused unless the registration is as it was written.
type Confirmation struct {
	ID         string
	Registered Revision
	Sent       Time
}

// Confirmation returns the proof to send now, if one is due.
func (c *Czar) Confirmation(now Time) (Confirmation, bool) {
	if !c.Resynced() || c.tried.Valid && now-c.tried.Sent < c.Timing.Confirm {
		return Confirmation{}, false
	}
	c.tried = Proof{now, true}
	return Confirmation{c.ID, c.Registered, now}, true
}

// Acknowledgement says that a czar has no query on an incarnation and admits none.
type Acknowledgement struct {
	Name       Name
	Mark       Revision // P
	ID         string
	Registered Revision
}

// Acknowledgements returns what is to be acknowledged now, by the words of the incarnations.
func (c *Czar) Acknowledgements(word func(incarnation Revision) Word) (all []Acknowledgement) {
	for _, k := range c.entries {
		if k.entry.Standing != DropPending || k.acked == k.entry.Modified || c.ID == "" {
			continue
		}
		w := word(k.entry.Incarnation)
		if w.Blocked() && (w.Queries() == 0 || !c.Rules.keep(AckOnlyDrained)) {
			all = append(all, Acknowledgement{k.name, k.entry.Modified, c.ID, c.Registered})
		}
	}
	return all
}

// Acknowledged notes that an acknowledgement has landed.
func (c *Czar) Acknowledged(a Acknowledgement) {
	if i := c.index(a.Name); a.ID == c.ID {
		c.entries[i].acked = a.Mark
	}
}

// MayLeave reports whether the czar may delete its registration by itself.
func (c *Czar) MayLeave(queries int) bool {
	return c.ID != "" && c.Leaving && (queries == 0 || !c.Rules.keep(LeaveOnlyDrained))
}
