package coordinator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// TestDue says what is due after what was done, as facts of a revision show the drop.
func TestDue(t *testing.T) {
	var none removal
	running := none.begun(0, noon)
	failed := running.ended(attemptFailed, 70, noon)
	for _, test := range []struct {
		name  string
		m     removal
		at    protocol.Revision
		retry int
		after time.Duration // noon
		want  errand
	}{
		{"at first", none, 50, 0, 0, attemptDue},
		{"while it runs", running, 60, 0, time.Hour, nothingDue},
		{"while it runs, and an operator wants another", running, 60, 1, lateAfter - 1, nothingDue},
		{"while it hangs, and an operator wants another", running, 60, 1, lateAfter, endDue},
		{"freed, on facts from before that", running.ended(nameFreed, 70, noon), 69, 0, time.Hour, nothingDue},
		{"freed, and an operator wants another, on facts from before that", running.ended(nameFreed, 70, noon), 69, 1,
			time.Hour, nothingDue},
		{"freed, and there again", running.ended(nameFreed, 70, noon), 70, 0, 0, freeingDue},
		{"failed, on facts from before that was noted", failed, 69, 0, time.Hour, nothingDue},
		{"failed a moment ago", failed, 70, 0, firstPause - 1, nothingDue},
		{"failed a while ago", failed, 70, 0, firstPause, attemptDue},
		{"failed a moment ago, and an operator wants another", failed, 70, 1, 0, attemptDue},
		{"failed a moment ago, as the operator wanted", none.begun(1, noon).ended(attemptFailed, 70, noon), 70, 1, 0,
			nothingDue},
		{"failed, and the reason could not be noted", running.ended(attemptFailed, 0, noon), 60, 0, firstPause, attemptDue},
		{"told to end", running.ended(attemptEnded, 0, noon), 60, 1, 0, attemptDue},
		{"removed, the name not known to be free", running.ended(freeingFailed, 0, noon), 60, 0, firstPause, freeingDue},
		{"removed, the name not known to be free, a moment ago", running.ended(freeingFailed, 0, noon), 60, 0, firstPause - 1,
			nothingDue},
		{"removed, and somebody wrote to the intent", running.ended(freeingLate, 0, noon), 60, 0, 0, freeingDue},
		{"removed, and an operator wants another attempt", running.ended(freeingLate, 0, noon), 60, 1, 0, freeingDue},
		{"removed in an earlier attempt, the freeing fails again", running.ended(freeingFailed, 0, noon).begun(0,
			noon).ended(freeingFailed, 0, noon), 60, 0, time.Hour, freeingDue},
	} {
		assert.Equal(t, test.want, test.m.due(test.at, test.retry, noon.Add(test.after)), test.name)
	}
}

// Pauses grow, and not beyond all bounds.
func TestPausesBetweenAttempts(t *testing.T) {
	var m removal
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		m = m.begun(0, noon).ended(attemptFailed, 0, noon)
		assert.Equal(t, want*time.Second, m.next.Sub(noon))
	}
}

// Attempts are bounded, and one that hangs makes room for another.
func TestRoom(t *testing.T) {
	var young, late []removal
	for range 100 {
		young = append(young, removal{}.begun(0, noon))
		late = append(late, removal{}.begun(0, noon.Add(-lateAfter)))
	}
	assert.True(t, room(young[:maxRemovals-1], noon))
	assert.False(t, room(young[:maxRemovals], noon))
	assert.True(t, room(late[:maxRemovals], noon))
	assert.True(t, room(append(late[:maxLate:maxLate], young[:maxRemovals-1]...), noon))
	assert.False(t, room(late[:maxLate+maxRemovals], noon))
}

// Each drop comes to an attempt in its turn, and at once when an operator wants one.
func TestInTurn(t *testing.T) {
	known := map[protocol.Revision]removal{1: {failed: 3}, 2: {failed: 1}, 3: {}, 4: {failed: 9}, 5: {}}
	drop := func(mark protocol.Revision, retry int) protocol.Action {
		return protocol.Action{Mark: mark, Intent: protocol.Intent{Retry: retry}}
	}
	var order []protocol.Revision
	for _, a := range inTurn([]protocol.Action{drop(1, 0), drop(2, 0), drop(3, 0), drop(4, 1), drop(5, 0)},
		func(a protocol.Action) removal { return known[a.Mark] }) {
		order = append(order, a.Mark)
	}
	assert.Equal(t, []protocol.Revision{4, 3, 5, 2, 1}, order)
}

// What operators are told of an attempt: what its Dropper says or, of one that hangs, since when.
func TestTold(t *testing.T) {
	m := removal{}.begun(0, noon)
	assert.Empty(t, m.told(noon))
	assert.Equal(t, "the attempt that began at 12:00:00 UTC has not ended", m.told(noon.Add(lateAfter)))
	assert.Equal(t, m.told(noon.Add(lateAfter)), m.told(noon.Add(time.Hour)), "it does not change with time")
	m.trouble = "worker-3 does not answer"
	assert.Equal(t, "worker-3 does not answer", m.told(noon))
	assert.Empty(t, m.ended(attemptFailed, 0, noon).told(noon.Add(time.Hour)))
}
