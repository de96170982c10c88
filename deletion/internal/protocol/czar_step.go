package protocol

import (
	"maps"
	"slices"
)

// CzarEvent is something that happened to a czar. Which fields count depends on its kind.
type CzarEvent struct {
	Kind CzarEventKind `json:"kind"`
	Now  Time          `json:"now"`
	// of the registration that an answer is about, or after which all was read
	ID           string        `json:"id,omitempty"`
	At           Revision      `json:"at,omitempty"`   // of what was seen, or of a registration
	Sent         Time          `json:"sent,omitzero"`  // when what was answered had been sent
	Mark         Revision      `json:"mark,omitempty"` // of an acknowledgement
	Name         Name          `json:"name,omitempty"`
	Incarnation  Revision      `json:"incarnation,omitempty"`
	Observations []Observation `json:"observations,omitempty"`
	// Observations is all that etcd holds as of At, as was read after the view had shown Since
	Whole  bool         `json:"whole,omitempty"`
	Since  Revision     `json:"since,omitempty"`
	Timing *Timing      `json:"timing,omitempty"` // that the registration was made with; nil: as before
	Cancel []Cancelling `json:"cancel,omitempty"` // drops whose policy is to abort queries, as a confirmation found
}

// Cancelling is a drop whose policy is to abort queries.
type Cancelling struct {
	Name Name     `json:"name"`
	Mark Revision `json:"mark"` // P
}

// CzarEventKind is what happened to a czar.
type CzarEventKind string

// What happens to a czar.
const (
	CzarTicked CzarEventKind = "tick" // time has passed
	CzarSaw    CzarEventKind = "saw"  // its view shows Observations and all before, as of At
	// etcd went back or is another one; Observations is the whole catalogue as of At
	CzarSawAnother  CzarEventKind = "saw-another"
	CzarEntered     CzarEventKind = "entered"      // it is registered as ID, at At
	CzarKeptOut     CzarEventKind = "kept-out"     // it is not registered
	CzarConfirmed   CzarEventKind = "confirmed"    // the proof sent at Sent was accepted
	CzarRefused     CzarEventKind = "refused"      // the proof was refused: the registration ID is ending or gone
	CzarUnanswered  CzarEventKind = "unanswered"   // whether the proof was accepted is not known
	CzarDrained     CzarEventKind = "drained"      // no query on a blocked incarnation is counted
	CzarAcked       CzarEventKind = "acked"        // the acknowledgement of Mark has landed
	CzarAckFailed   CzarEventKind = "ack-failed"   // it has not, or nobody knows
	CzarAskedToGo   CzarEventKind = "asked-to-go"  // it is to end in order
	CzarEmpty       CzarEventKind = "empty"        // no query is counted, and none is admitted any more
	CzarGone        CzarEventKind = "gone"         // its registration is deleted
	CzarLeaveFailed CzarEventKind = "leave-failed" // it is not, or nobody knows
)

// CzarEffect is something that a czar has to do. Effects are carried out in their order.
type CzarEffect struct {
	Kind        CzarEffectKind `json:"kind"`
	Name        Name           `json:"name,omitempty"`
	Incarnation Revision       `json:"incarnation,omitempty"`
	Mark        Revision       `json:"mark,omitempty"`
	ID          string         `json:"id,omitempty"`
	Registered  Revision       `json:"registered,omitempty"`
	Sent        Time           `json:"sent,omitzero"`
	Look        []Name         `json:"look,omitempty"` // drops to look at in the same transaction: queries hold them up
}

// CzarEffectKind is what a czar has to do.
type CzarEffectKind string

// What a czar does.
const (
	// admit no more queries on an incarnation; and when none is counted, say CzarDrained
	CzarBlock CzarEffectKind = "block"
	CzarOpen  CzarEffectKind = "open" // admit queries again
	// tell all queries on an incarnation, or without a name on any that is blocked, to end; they dispatch no more
	CzarAbort       CzarEffectKind = "abort"
	CzarRegister    CzarEffectKind = "register"
	CzarConfirm     CzarEffectKind = "confirm"
	CzarAcknowledge CzarEffectKind = "acknowledge"
	CzarLeave       CzarEffectKind = "leave" // delete the registration
)

// Step takes in an event and returns what the czar does about it.
func (c *Czar) Step(e CzarEvent) (effects []CzarEffect) {
	if c.lapsed(e.Now) {
		c.Lose()
		c.unended = true
	}
	effects = c.takeIn(e)
	if e.Kind == CzarSaw || e.Kind == CzarSawAnother {
		c.Seen = max(c.Seen, e.At)
		c.compared = c.compared || e.Whole && e.ID == c.ID
	}
	return append(effects, c.act(e)...)
}

func (c *Czar) takeIn(e CzarEvent) (effects []CzarEffect) {
	switch e.Kind {
	case CzarTicked:
		c.askAgain()
	case CzarSaw:
		if e.Whole {
			return c.sawWhole(e)
		}
		return c.saw(e.Observations, false)
	case CzarSawAnother:
		return c.sawAnother(e.Observations)
	case CzarEntered:
		if !c.entering {
			return nil // nobody confirms it, so it ends by itself
		}
		if e.Timing != nil {
			c.Timing = *e.Timing
		}
		c.Enter(e.ID, e.At, e.Now)
	case CzarKeptOut:
		c.entering = false
	case CzarConfirmed:
		if e.ID == c.ID {
			c.proving = false
			c.Accept(e.Sent, e.Now)
		}
		return c.abortAsTold(e.Cancel)
	case CzarRefused:
		if e.ID == c.ID {
			c.Lose()
		}
	case CzarUnanswered:
		c.proving = c.proving && e.ID != c.ID
	case CzarDrained:
		c.Drained(e.Name, e.Incarnation)
	case CzarAcked:
		c.Acknowledged(Acknowledgement{Name: e.Name, Mark: e.Mark, ID: e.ID})
	case CzarAckFailed:
		if p, ok := c.pending[e.Name]; ok && p.asked == e.Mark && e.ID == c.ID {
			p.failed = true
			c.note(e.Name, p)
		}
	case CzarAskedToGo:
		c.Leaving = true
	case CzarGone:
		c.Lose()
	case CzarLeaveFailed:
		c.stayed = true
	}
	return nil
}

// sawWhole takes in all that etcd holds, which may be less than what the view has shown by now. What it does not hold
// is gone.
func (c *Czar) sawWhole(e CzarEvent) []CzarEffect {
	shown := make(map[Name]Entry, len(e.Observations))
	for _, s := range e.Observations {
		shown[s.Name] = s.Entry
	}
	if c.goesBack(e, shown) && c.Rules.keep(OlderIsAnother) {
		return c.sawAnother(e.Observations)
	}
	observations := e.Observations
	for _, n := range slices.Sorted(maps.Keys(c.entries)) {
		if shown[n] == (Entry{}) {
			observations = append(observations, Observation{n, Entry{Modified: e.At}})
		}
	}
	return c.saw(observations, e.At >= c.Seen)
}

// goesBack reports whether what is known cannot be of the history that etcd shows: then etcd was restored from a
// backup. In one history what is known of a name as of a revision is shown like that, or something newer.
func (c *Czar) goesBack(e CzarEvent, shown map[Name]Entry) bool {
	if e.At < e.Since {
		return true
	}
	for n, known := range c.entries {
		is, there := shown[n]
		if !there {
			is.Modified = e.At
		}
		if known.Modified <= e.At && (is.Modified < known.Modified || is.Modified == known.Modified && is != known) {
			return true
		}
	}
	return false
}

// sawAnother begins anew with what another history shows.
func (c *Czar) sawAnother(observations []Observation) (effects []CzarEffect) {
	for _, u := range c.Forget() {
		effects = append(effects, CzarEffect{Kind: CzarBlock, Name: u.Name, Incarnation: u.Incarnation})
	}
	c.entering = false // what is on its way was sent to another history
	effects = append(effects, CzarEffect{Kind: CzarAbort})
	return append(effects, c.saw(observations, true)...)
}

// saw takes in what the view shows.
func (c *Czar) saw(observations []Observation, healed bool) (effects []CzarEffect) {
	for _, s := range observations {
		t := c.See(s.Name, s.Entry, healed)
		for _, incarnation := range t.Block {
			effects = append(effects, CzarEffect{Kind: CzarBlock, Name: s.Name, Incarnation: incarnation})
		}
		for _, incarnation := range t.Open {
			effects = append(effects, CzarEffect{Kind: CzarOpen, Name: s.Name, Incarnation: incarnation})
		}
	}
	return effects
}

// askAgain lets what did not land be tried again. What is on its way is not sent twice: with many drops and an etcd
// that is slow, that would never end.
func (c *Czar) askAgain() {
	for n := range c.duty.failed {
		p := c.pending[n]
		p.asked, p.failed = 0, false
		c.note(n, p)
	}
	if c.stayed {
		c.departing, c.stayed = false, false
	}
}

// act returns what is due now.
func (c *Czar) act(e CzarEvent) (effects []CzarEffect) {
	if e.Kind == CzarTicked && c.ID == "" && !c.entering && !c.Leaving {
		c.entering, c.asked = true, e.Now
		effects = append(effects, CzarEffect{Kind: CzarRegister})
	}
	if c.Resynced() && !c.reconciled {
		c.reconciled = true
		if c.Rules.keep(ResyncEndsCarried) { // at the first registration, too: a query may have been counted before it
			effects = append(effects, CzarEffect{Kind: CzarAbort})
		}
	}
	if !c.proving {
		if p, due := c.Confirmation(e.Now); due {
			c.proving = true
			effects = append(effects, CzarEffect{Kind: CzarConfirm, ID: p.ID, Registered: p.Registered, Sent: p.Sent,
				Look: c.undrained()})
		}
	}
	for _, a := range c.Acknowledgements() {
		p := c.pending[a.Name]
		p.asked = a.Mark
		c.note(a.Name, p)
		effects = append(effects, CzarEffect{Kind: CzarAcknowledge, Name: a.Name, Mark: a.Mark, ID: a.ID,
			Registered: a.Registered})
	}
	if e.Kind == CzarEmpty && !c.departing && c.MayLeave(0) {
		c.departing = true
		effects = append(effects, CzarEffect{Kind: CzarLeave, ID: c.ID, Registered: c.Registered})
	}
	return effects
}

// undrained returns what is marked and still used.
func (c *Czar) undrained() []Name { return slices.Sorted(maps.Keys(c.duty.held)) }

// abortAsTold ends the queries on what is dropped with the policy to abort them.
func (c *Czar) abortAsTold(all []Cancelling) (effects []CzarEffect) {
	for _, told := range all {
		n := told.Name
		p, ok := c.pending[n]
		if !ok || p.aborted || c.entries[n].Standing != DropPending || c.entries[n].Modified != told.Mark {
			continue
		}
		p.aborted = true
		c.note(n, p)
		effects = append(effects, CzarEffect{Kind: CzarAbort, Name: n, Incarnation: c.entries[n].Incarnation})
	}
	return effects
}
