package protocol

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// entered returns a czar that is registered and knows one marked table without queries.
func entered(t *testing.T) *Czar {
	t.Helper()
	c := &Czar{Timing: DefaultTiming}
	c.Step(CzarEvent{Kind: CzarTicked})
	c.Step(CzarEvent{Kind: CzarEntered, ID: "a", At: 5})
	c.Step(CzarEvent{Kind: CzarSaw, At: 7, Observations: []Observation{{"/DBS/d/TABLES/t", Entry{DropPending, 3, 6}}}})
	return c
}

func count(effects []CzarEffect, kind CzarEffectKind) (n int) {
	for _, e := range effects {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// What is on its way is not sent again: with a slow etcd and many drops that would never end. What has failed is, with
// the next tick.
func TestAcknowledgementsAreSentOnce(t *testing.T) {
	c := entered(t)
	drained := CzarEvent{Kind: CzarDrained, Name: "/DBS/d/TABLES/t", Incarnation: 3}
	require.Equal(t, 1, count(c.Step(drained), CzarAcknowledge))
	for range 10 {
		assert.Zero(t, count(c.Step(CzarEvent{Kind: CzarTicked}), CzarAcknowledge))
	}
	failed := CzarEvent{Kind: CzarAckFailed, Name: "/DBS/d/TABLES/t", Mark: 6, ID: "a"}
	assert.Zero(t, count(c.Step(failed), CzarAcknowledge), "not at once")
	assert.Equal(t, 1, count(c.Step(CzarEvent{Kind: CzarTicked}), CzarAcknowledge))
}

// A leave that failed is tried again with a tick, and not at once.
func TestLeavesAreSentOnce(t *testing.T) {
	c := entered(t)
	c.Step(CzarEvent{Kind: CzarAskedToGo})
	require.Equal(t, 1, count(c.Step(CzarEvent{Kind: CzarEmpty}), CzarLeave))
	assert.Zero(t, count(c.Step(CzarEvent{Kind: CzarEmpty}), CzarLeave))
	c.Step(CzarEvent{Kind: CzarLeaveFailed})
	assert.Zero(t, count(c.Step(CzarEvent{Kind: CzarEmpty}), CzarLeave))
	c.Step(CzarEvent{Kind: CzarTicked})
	assert.Equal(t, 1, count(c.Step(CzarEvent{Kind: CzarEmpty}), CzarLeave))
}

// A policy counts for the mark that it was found with.
func TestPolicyOfAnotherMark(t *testing.T) {
	c := entered(t)
	confirmed := func(mark Revision) []CzarEffect {
		return c.Step(CzarEvent{Kind: CzarConfirmed, ID: "a", Cancel: []Cancelling{{"/DBS/d/TABLES/t", mark}}})
	}
	assert.Zero(t, count(confirmed(4), CzarAbort))
	assert.Equal(t, 1, count(confirmed(6), CzarAbort))
	assert.Zero(t, count(confirmed(6), CzarAbort), "they were told")
}

// What was missed once is news, also when it is older than what has been seen since; what is repeated is none.
func TestMissedObservations(t *testing.T) {
	c := entered(t)
	missed := CzarEvent{Kind: CzarSaw, At: 8, Observations: []Observation{{"/DBS/d/TABLES/old", Entry{Ready, 2, 2}}}}
	assert.Zero(t, count(c.Step(missed), CzarOpen))
	missed.Whole = true
	assert.Equal(t, 1, count(c.Step(missed), CzarOpen))
}

// A registration that was sent to an etcd that is gone is none.
func TestRegistrationOfAnotherHistory(t *testing.T) {
	c := &Czar{Timing: DefaultTiming}
	c.Step(CzarEvent{Kind: CzarTicked})
	c.Step(CzarEvent{Kind: CzarSawAnother, At: 3})
	c.Step(CzarEvent{Kind: CzarEntered, ID: "a", At: 500})
	assert.Empty(t, c.ID)
	assert.Equal(t, 1, count(c.Step(CzarEvent{Kind: CzarTicked, Now: Time{Mono: time.Second}}), CzarRegister))
}

// manyDrops lets a czar see many tables marked, drained and acknowledged.
func manyDrops(c *Czar, first Revision, n int) (names []Name) {
	for i := range n {
		name, at := TableName("d", fmt.Sprintf("t%d", i)), first+3*Revision(i)
		names = append(names, name)
		c.Step(CzarEvent{Kind: CzarSaw, At: at, Observations: []Observation{{name, Entry{Ready, at, at}}}})
		c.Step(CzarEvent{Kind: CzarSaw, At: at + 1, Observations: []Observation{{name, Entry{DropPending, at, at + 1}}}})
		c.Step(CzarEvent{Kind: CzarDrained, Name: name, Incarnation: at})
		c.Step(CzarEvent{Kind: CzarAcked, Name: name, Mark: at + 1, ID: c.ID})
	}
	return names
}

// A czar that runs for years knows what is there, and not all that ever was.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	c := entered(t)
	before := c.Clone()
	for i, n := range manyDrops(c, 10, 1000) {
		c.Step(CzarEvent{Kind: CzarSaw, At: 10_000 + Revision(i),
			Observations: []Observation{{n, Entry{Modified: 10_000 + Revision(i)}}}})
	}
	assert.Equal(t, before.entries, c.entries)
	assert.Equal(t, before.pending, c.pending)
	assert.Equal(t, before.duty, c.duty)
	old := CzarEvent{Kind: CzarSaw, At: 11, Observations: []Observation{{TableName("d", "t0"), Entry{Ready, 10, 10}}}}
	assert.Empty(t, c.Step(old), "what is older than what was seen brings nothing back")
}

// A step costs what it is about, and not what else is pending: with many drops at once all would be too slow.
func TestStepsDoNotLookAtAllThatIsPending(t *testing.T) {
	c := entered(t)
	manyDrops(c, 10, 1000)
	assert.LessOrEqual(t, testing.AllocsPerRun(10, func() { c.Step(CzarEvent{Kind: CzarTicked}) }), 8.0,
		"nothing is collected or sorted")
}

// Confirmations look at the drops that queries hold up, and at no other.
func TestConfirmationsLookAtWhatIsHeld(t *testing.T) {
	c := entered(t)
	looked := func(now Time) []Name {
		for _, e := range c.Step(CzarEvent{Kind: CzarTicked, Now: now}) {
			if e.Kind == CzarConfirm {
				c.Step(CzarEvent{Kind: CzarConfirmed, ID: "a", Sent: e.Sent, Now: now})
				return e.Look
			}
		}
		t.Fatal("nothing is confirmed")
		return nil
	}
	c.Step(CzarEvent{Kind: CzarSaw, At: 8, Whole: true, ID: "a", Observations: []Observation{{"/DBS/d/TABLES/t",
		Entry{DropPending, 3, 6}}}})
	c.Step(CzarEvent{Kind: CzarConfirmed, ID: "a"})
	later := func(d time.Duration) Time { return Time{Mono: d, Wall: d} }
	require.Equal(t, []Name{"/DBS/d/TABLES/t"}, looked(later(c.Timing.Confirm+time.Second)))
	c.Step(CzarEvent{Kind: CzarDrained, Name: "/DBS/d/TABLES/t", Incarnation: 3})
	require.Empty(t, looked(later(2*c.Timing.Confirm+2*time.Second)))
}

// A registration that is found ending anew, as in an etcd that was restored, is waited for anew.
func TestEndingAnewIsWaitedForAnew(t *testing.T) {
	timing := DefaultTiming
	at := func(d time.Duration) Time { return Time{Mono: d, Wall: d} }
	ending := Registered{ID: "a", Modified: 5, Ending: true, Fence: timing.Fence}
	again := ending
	again.Modified = 7
	wait := max(timing.Wait, Outlasts(timing.Fence))
	var c Coordinator
	c.See([]Registered{ending}, at(0))
	long := 2 * wait
	require.Len(t, c.Ended(Facts{Timing: timing, Registrations: []Registered{ending}}, at(long)), 1)
	require.Empty(t, c.Ended(Facts{Timing: timing, Registrations: []Registered{again}}, at(long)))
	c.See([]Registered{again}, at(long))
	require.Empty(t, c.Ended(Facts{Timing: timing, Registrations: []Registered{again}}, at(long)))
	require.Len(t, c.Ended(Facts{Timing: timing, Registrations: []Registered{again}}, at(2*long)), 1)
}
