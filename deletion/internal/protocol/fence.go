package protocol

import "time"

// Proof is a confirmation that was accepted: the czar was registered when it was sent or later.
type Proof struct {
	Sent   Time
	Valid  bool
	Length time.Duration // H of the registration that it is a proof of
}

// Fence is until when a czar may act. It is a value that the czar's queries read; it changes with each confirmation.
type Fence struct {
	Present bool  // there is a registration
	Proof   Proof // the last of this registration
	Carried Proof // that by which the queries of earlier registrations live, until this one has a proof
	Rules   Rules
	_       [48]byte // cache lines of its own: every query reads it, and nothing is written beside it
}

// lasts reports whether a czar may act on a proof now.
func (f *Fence) lasts(p Proof, now Time) bool { return p.Valid && now.Age(p.Sent) <= p.Length }

// Admits reports whether a query that was counted may be admitted now.
func (f *Fence) Admits(now Time) bool {
	return f.Present && f.lasts(f.Proof, now) || !f.Rules.keep(AdmitChecksProof)
}

// MayDispatch reports whether a query that was admitted may send a chunk query now. It was admitted by a proof, and
// while that registration is there it has one: without one, the query is of an earlier registration.
func (f *Fence) MayDispatch(now Time) bool {
	if f.Proof.Valid {
		return f.lasts(f.Proof, now)
	}
	return f.lasts(f.Carried, now) // there is no registration, or none with a proof yet
}
