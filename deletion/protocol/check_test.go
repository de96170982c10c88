package protocol

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checker explores all states.
type checker struct {
	bounds bounds
	seen   map[string]struct{}
	parent map[string]step
	queue  []world
	broken string
	trace  bool
}

type step struct{ from, name string }

func (c *checker) run(rules Rules, timing Timing) {
	w := world{czar: Czar{Timing: timing, Rules: rules}, coord: Coordinator{Timing: timing, Rules: rules}}
	w.rev = 1
	w.write(Ready, 0)
	w.creates = 1
	c.seen = map[string]struct{}{}
	c.parent = map[string]step{}
	c.add(w, "", "begin")
	for len(c.queue) > 0 && c.broken == "" {
		w := c.queue[0]
		c.queue = c.queue[1:]
		c.expand(w)
	}
}

func (c *checker) add(w world, from, name string) {
	key := string(w.key(c.bounds))
	if _, known := c.seen[key]; known {
		return
	}
	c.seen[key] = struct{}{}
	if c.trace {
		c.parent[key] = step{from, name}
	}
	c.queue = append(c.queue, w)
}

func (c *checker) expand(w world) {
	from := ""
	if c.trace {
		from = string(w.key(c.bounds))
	}
	next := func(name string, change func(*world) string) {
		if c.broken != "" {
			return
		}
		n := w.clone()
		if broken := change(&n); broken != "" {
			c.broken = broken
			c.tell(from, name)
			return
		}
		c.add(n, from, name)
	}
	c.users(w, next)
	c.czars(w, next)
	c.coordinators(w, next)
}

func (c *checker) tell(from, last string) {
	if !c.trace {
		return
	}
	var names []string
	for at := from; at != "" && len(names) < 99; at = c.parent[at].from {
		names = append(names, c.parent[at].name)
	}
	slices.Reverse(names)
	c.broken += fmt.Sprintf(" after %v, %s", names, last)
}

var checkTiming = Timing{Fence: 2 * tick, Wait: tick}

// The bounds of the exhaustive check: each adds another kind of event to the smallest world.
var (
	twoIDs  = bounds{ids: 2, marks: 1, creates: 1}
	again   = bounds{ids: 1, marks: 2, creates: 2}
	late    = bounds{ids: 1, marks: 1, creates: 1, leases: true, stale: true}
	planned = bounds{ids: 2, marks: 1, creates: 1, plans: true}
	leaving = bounds{ids: 1, marks: 1, creates: 1, leaving: true}
	repeats = bounds{ids: 1, marks: 2, creates: 1, repeats: true}
	byHand  = bounds{ids: 1, marks: 2, creates: 1, byHand: true, delays: true}
)

// alone skips what has no goroutine but its own and takes ten times as long under the race detector; make test runs it without.
func alone(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("one goroutine only; make test runs this once more without the race detector")
	}
}

// TestNothingGoesWrong tries everything that can happen within the bounds, while all rules are kept.
func TestNothingGoesWrong(t *testing.T) {
	alone(t)
	const least = 700_000
	states := 0
	began := time.Now()
	for _, b := range []bounds{twoIDs, again, late, planned, leaving, repeats, byHand} {
		c := &checker{bounds: b, trace: true}
		c.run(Rules{}, checkTiming)
		require.Empty(t, c.broken, "%+v", b)
		states += len(c.seen)
	}
	t.Logf("%d states in %s", states, time.Since(began).Round(time.Millisecond))
	assert.GreaterOrEqual(t, states, least)
}

// TestEveryRuleIsNeeded takes away one rule at a time: then something goes wrong.
func TestEveryRuleIsNeeded(t *testing.T) {
	alone(t)
	const queryBroken, undone, early = "S2", "S4: a drop that was cancelled", "S4: a drop is carried out before"
	needed := []struct {
		name   string
		rule   Rule
		bounds bounds
		broken string
	}{
		{"WaitBeforeDeleting", WaitBeforeDeleting, twoIDs, queryBroken},
		{"WaitOutlastsProof", WaitOutlastsProof, twoIDs, queryBroken},
		{"ProofNeedsRegistration", ProofNeedsRegistration, twoIDs, queryBroken},
		{"ProofDatesFromSending", ProofDatesFromSending, twoIDs, queryBroken},
		{"AckNamesMark", AckNamesMark, again, queryBroken},
		{"AckOnlyDrained", AckOnlyDrained, twoIDs, queryBroken},
		{"ExecuteNeedsMark", ExecuteNeedsMark, byHand, undone},
		{"ExecuteNeedsDelay", ExecuteNeedsDelay, twoIDs, early},
		{"ResyncBeforeProof", ResyncBeforeProof, twoIDs, queryBroken},
		{"ResyncEndsCarried", ResyncEndsCarried, twoIDs, queryBroken},
		{"CarriedKeepOldProof", CarriedKeepOldProof, twoIDs, queryBroken},
		{"OpenOnlyByNewerReady", OpenOnlyByNewerReady, repeats, queryBroken},
		{"CountOutlivesRegistration", CountOutlivesRegistration, twoIDs, queryBroken},
		{"WaitForRegistrations", WaitForRegistrations, late, queryBroken},
		{"AbsenceReadAfterMark", AbsenceReadAfterMark, late, queryBroken},
		{"LeaveOnlyDrained", LeaveOnlyDrained, leaving, queryBroken},
		{"AdmitChecksProof", AdmitChecksProof, twoIDs, queryBroken},
		{"AdmitChecksSnapshot", AdmitChecksSnapshot, twoIDs, queryBroken},
	}
	all := Rule(0)
	for _, n := range needed {
		all |= n.rule
		t.Run(n.name, func(t *testing.T) {
			c := &checker{bounds: n.bounds, trace: true}
			c.run(Rules{without: n.rule}, checkTiming)
			assert.Contains(t, c.broken, n.broken)
			t.Logf("%d states: %s", len(c.seen), c.broken)
		})
	}
	assert.Equal(t, lastRule<<1-1, all, "every rule is here")
}
