// Package event tells programs of operators what happens to mirrors and drops: which events follow from what a daemon
// sees, and who runs the programs.
package event

import (
	"maps"
	"time"
)

// Kind is what happened. The texts are a contract.
type Kind string

// The kinds.
const (
	MirrorRefused Kind = "mirror_refused" // it does not write until somebody does something
	MirrorWell    Kind = "mirror_well"    // it follows again, after it had refused
	Conflict      Kind = "conflict"       // others wrote something that etcd did not take
	DropDone      Kind = "drop_done"      // all is removed, and the name is free
	DropStuck     Kind = "drop_stuck"     // it has been marked for long, or its data could not be removed for long
)

// Event is what a program gets, as one JSON document. Fields may be added.
type Event struct {
	Event  Kind      `json:"event"`
	Time   time.Time `json:"time"`
	Daemon string    `json:"daemon"` // which one tells
	Prefix string    `json:"prefix"` // of the catalogue in etcd

	Mirror    string `json:"mirror,omitempty"`
	Code      string `json:"code,omitempty"` // of the trouble
	Conflicts int    `json:"conflicts,omitempty"`

	Name string `json:"name,omitempty"` // of a drop: "LSST.Object", or "LSST" for a database
	Mark int64  `json:"mark,omitempty"`

	Text string `json:"text,omitempty"` // what is wrong
	Do   string `json:"do,omitempty"`   // what to do about it
}

// Mirror is how a mirror stands that the daemon leads.
type Mirror struct {
	Name          string
	Refused       bool
	Follows       bool
	Code          string // why it refuses
	Text, Do      string
	Conflicts     int
	ConflictsText string
	ConflictsDo   string
}

// Drop is how a drop stands that the daemon coordinates.
type Drop struct {
	Name   string
	Mark   int64
	Marked bool   // it waits; otherwise its data are being removed
	Error  string // why they could not be
}

// stuckAfter is for how long a drop may wait, or fail, before somebody is told.
const stuckAfter = 30 * time.Minute

// Mirrors says what happens to mirrors, from how they stand one time after the other.
type Mirrors struct {
	refused   map[string]string // by name, with which code
	conflicts map[string]int
}

// See returns what has happened since it was called last. Of a mirror that this daemon does not lead any more it
// forgets all but that it refused: who leads tells, and what was told to be wrong has to be told to be well.
func (m *Mirrors) See(all []Mirror) (events []Event) {
	refused, conflicts := maps.Clone(m.refused), map[string]int{}
	if refused == nil {
		refused = map[string]string{}
	}
	for _, s := range all {
		code, was := m.refused[s.Name]
		switch {
		case s.Refused:
			refused[s.Name] = s.Code
			if !was || code != s.Code {
				events = append(events, Event{Event: MirrorRefused, Mirror: s.Name, Code: s.Code, Text: s.Text, Do: s.Do})
			}
		case s.Follows && was:
			delete(refused, s.Name)
			events = append(events, Event{Event: MirrorWell, Mirror: s.Name})
		}
		conflicts[s.Name] = s.Conflicts
		if s.Conflicts > m.conflicts[s.Name] {
			events = append(events, Event{Event: Conflict, Mirror: s.Name, Conflicts: s.Conflicts, Text: s.ConflictsText,
				Do: s.ConflictsDo})
		}
	}
	m.refused, m.conflicts = refused, conflicts
	return events
}

// Drops says which drops are stuck, from how they stand one time after the other.
type Drops struct {
	since map[waiting]time.Time
	told  map[int64]bool // by mark
}

// waiting is what a drop does for long when it is stuck.
type waiting struct {
	mark   int64
	marked bool
}

// See returns which drops are stuck since it was called last. Each is told once for each daemon that coordinates.
func (d *Drops) See(now time.Time, all []Drop) (events []Event) {
	since, told := map[waiting]time.Time{}, map[int64]bool{}
	for _, drop := range all {
		if told[drop.Mark] = d.told[drop.Mark]; !drop.Marked && drop.Error == "" {
			continue
		}
		key := waiting{drop.Mark, drop.Marked}
		began, seen := d.since[key]
		if !seen {
			began = now
		}
		since[key] = began
		if told[drop.Mark] || now.Sub(began) < stuckAfter {
			continue
		}
		told[drop.Mark] = true
		e := Event{Event: DropStuck, Name: drop.Name, Mark: drop.Mark, Text: drop.Error,
			Do: "See what it waits for, with `css-sync drops show " + drop.Name + "`."}
		events = append(events, e)
	}
	d.since, d.told = since, told
	return events
}
