package coordinator

import (
	"cmp"
	"slices"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// How many drops have their data removed at the same time, and how long each has its place for itself. One that takes
// longer may be hanging, and makes room for another one; there is room for so many of them.
const (
	maxRemovals = 8
	maxLate     = 56
	lateAfter   = 10 * time.Second
)

// firstPause and longestPause bound the time between two attempts to remove data.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// removal is what this process has done about the data of one drop. Its methods are pure.
type removal struct {
	running bool
	began   time.Time         // the attempt that is running, or the last one
	removed bool              // the data are: only the name is to be freed
	settled protocol.Revision // facts that are older than this do not show what the last attempt came to
	failed  int
	retry   int       // of the intent, when the last attempt began: an operator may want another one at once
	next    time.Time // not before
	trouble string    // of the attempt that is running, as its Dropper tells it
}

// errand is what is to be done about the data of a drop.
type errand int

const (
	nothingDue errand = iota
	attemptDue        // remove the data, and then free the name
	freeingDue        // the data are removed, only the name is not free
	endDue            // the attempt hangs, and an operator wants another one
)

// due returns what is to be done about the data of a drop that is past the point of no return, as facts of a revision
// show it. A success is remembered until newer facts show its end: so data are removed once, however long ago the facts
// were read. It does not say whether there is room for another attempt.
func (m removal) due(at protocol.Revision, retry int, now time.Time) errand {
	wanted := retry != m.retry
	switch {
	case at < m.settled:
		return nothingDue
	case m.running && wanted && m.late(now):
		return endDue
	case m.running, now.Before(m.next) && !wanted:
		return nothingDue
	case m.removed:
		return freeingDue
	}
	return attemptDue
}

// late reports whether an attempt that is running makes room for others.
func (m removal) late(now time.Time) bool { return m.running && now.Sub(m.began) >= lateAfter }

// begun returns it with an attempt that begins now.
func (m removal) begun(retry int, now time.Time) removal {
	m.running, m.began, m.retry, m.trouble = true, now, retry, ""
	return m
}

// outcome is what an attempt came to.
type outcome int

const (
	nameFreed     outcome = iota
	attemptFailed         // data are left
	attemptEnded          // it was told to end: by an operator, or because this process leads no more
	freeingFailed         // the data are removed, but whether the name is free is not known
	// the data are removed, but the intent was not as it was read, or this process leads no more: look again
	freeingLate
)

// ended returns it after an attempt. At is the revision from which on facts show what it came to; 0 where that is not
// known.
func (m removal) ended(o outcome, at protocol.Revision, now time.Time) removal {
	m.running, m.trouble = false, ""
	m.settled = max(m.settled, at)
	m.removed = m.removed || o != attemptFailed && o != attemptEnded
	switch o {
	case attemptFailed, freeingFailed:
		m.next = now.Add(min(firstPause<<min(m.failed, 10), longestPause))
		m.failed++
	default:
		m.next = time.Time{}
	}
	return m
}

// told is the trouble that operators are to see now, of an attempt that has not ended.
func (m removal) told(now time.Time) string {
	if m.trouble != "" || !m.late(now) {
		return m.trouble
	}
	return "the attempt that began at " + clockTime(m.began) + " has not ended"
}

// clockTime says for people when something was; it does not change while they look.
func clockTime(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// room reports whether another attempt may begin beside those that are running.
func room(running []removal, now time.Time) bool {
	late := 0
	for _, m := range running {
		if m.late(now) {
			late++
		}
	}
	return len(running)-late < maxRemovals && len(running) < maxRemovals+maxLate
}

// inTurn sorts drops so that each comes to an attempt, however many fail: those first for which an operator wants one,
// and then those that failed least often.
func inTurn(drops []protocol.Action, of func(protocol.Action) removal) []protocol.Action {
	slices.SortStableFunc(drops, func(a, b protocol.Action) int {
		x, y := of(a), of(b)
		return cmp.Or(wantedFirst(x.retry != a.Intent.Retry, y.retry != b.Intent.Retry), cmp.Compare(x.failed, y.failed))
	})
	return drops
}

func wantedFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
