package cssetcd

import "strings"

// Status is the text that a database's or table's key holds. Any text is a status and is kept as it is; those that
// begin with one of the words below have a meaning.
type Status string

// The statuses that stand alone.
const (
	StatusReady  Status = "READY"      // may be queried
	StatusIgnore Status = "DO_NOT_USE" // being written: as if it were not there
)

// The words that a text follows, as in "PENDING_DROP:2026-01-01T00:00:00:qid=7".
const (
	pendingCreate = "PENDING_CREATE:"
	pendingDrop   = "PENDING_DROP:"
	failed        = "FAILED:"
)

// State is what a status means.
type State int

// The states. StateOther is any text without a meaning of its own.
const (
	StateOther State = iota
	StateReady
	StateIgnore
	StatePendingCreate
	StatePendingDrop
	StateFailed
)

// State returns what the status means.
func (s Status) State() State {
	switch {
	case s == StatusReady:
		return StateReady
	case s == StatusIgnore:
		return StateIgnore
	case strings.HasPrefix(string(s), pendingCreate):
		return StatePendingCreate
	case strings.HasPrefix(string(s), pendingDrop):
		return StatePendingDrop
	case strings.HasPrefix(string(s), failed):
		return StateFailed
	}
	return StateOther
}

// Ready reports whether queries may use what has this status.
func (s Status) Ready() bool { return s == StatusReady }

// Detail returns what follows the word of a pending or failed status: "2026-01-01T00:00:00:qid=7". It is "" for the
// others.
func (s Status) Detail() string {
	if st := s.State(); st < StatePendingCreate {
		return ""
	}
	_, detail, _ := strings.Cut(string(s), ":")
	return detail
}

// PendingDrop returns the status of something that is to be dropped; the text says when and by which query, in
// upstream's form "2026-01-01T00:00:00:qid=7".
func PendingDrop(text string) Status { return Status(pendingDrop + text) }

// Failed returns the status of something that could not be created or dropped.
func Failed(reason string) Status { return Status(failed + reason) }
