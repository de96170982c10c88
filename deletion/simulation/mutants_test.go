package simulation

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// TestEveryRuleIsNeededHere takes away one rule at a time, in a world that then breaks, and in which nothing goes wrong
// with it.
func TestEveryRuleIsNeededHere(t *testing.T) {
	if os.Getenv("SEARCH") != "" {
		search(t)
		return
	}
	all := protocol.Rule(0)
	for _, n := range needed {
		all |= n.rule
		if n.unseen != "" {
			t.Logf("%s cannot be shown here: %s", n.name, n.unseen)
			continue
		}
		t.Run(n.name, func(t *testing.T) {
			broken, _ := simulate(n.seed, n.rule, n.tune)
			require.NotNil(t, broken, "nothing goes wrong without it; SEARCH=1 finds another seed")
			assert.Equal(t, n.broken, broken.invariant, broken.what)
			t.Log(broken)
			kept, _ := simulate(n.seed, 0, n.tune)
			assert.Nil(t, kept, "with the rule")
		})
	}
	assert.Equal(t, protocol.OlderIsAnother<<1-1, all, "every rule is here")
}

// search prints the table anew: for each rule the first seed whose world breaks, in the way that the table says or else
// in any.
func search(t *testing.T) {
	t.Helper()
	const most = 30_000
	for _, n := range needed {
		if only := os.Getenv("RULE"); n.unseen != "" || only != "" && only != n.name {
			continue
		}
		line := n.name + ": nothing"
		for first := uint64(1); first < most; {
			broken, _ := simulateMany(first, most-first, n.rule, n.tune)
			if broken == nil {
				break
			}
			if kept, _ := simulate(broken.seed, 0, n.tune); kept == nil && (n.broken == "" || n.broken == broken.invariant) {
				line = fmt.Sprintf("\t{name: %q, rule: protocol.%s, seed: %d, broken: %q},", n.name, n.name, broken.seed,
					broken.invariant)
				break
			}
			first = broken.seed + 1
		}
		fmt.Println(line)
	}
}

// TestDelayAloneIsNotEnough: a drop that only waits, for however long that everybody should have heard of it, ends
// under queries that were admitted before. No delay is long enough for a query that takes longer.
func TestDelayAloneIsNotEnough(t *testing.T) {
	patient := func(w *world) { w.options.delay, w.options.longest = 2*timing.Wait, 3*timing.Wait }
	broken := firstBreak(t, 1, protocol.ExecuteNeedsAcks, patient)
	assert.Equal(t, "S2", broken.invariant)
	kept, _ := simulate(broken.seed, 0, patient)
	assert.Nil(t, kept, "with acknowledgements the same delay is enough")
}

// TestDirectTalkMissesTheSilent: who asks the czars and counts those that answer takes a silent one for one that is not
// there. It may have queries all the same: it only cannot be heard.
func TestDirectTalkMissesTheSilent(t *testing.T) {
	broken := firstBreak(t, 138, protocol.WaitForRegistrations, nil)
	assert.Contains(t, []string{"S1", "S2"}, broken.invariant)
	kept, _ := simulate(broken.seed, 0, nil)
	assert.Nil(t, kept, "with registrations, which the silent have, too")
}

// TestRestoreNeedsProofsToLapse: whoever restores etcd at once, while czars have proofs, lets drops pass czars that
// registered since the backup: etcd knows nothing of those. It is to stay down for as long as a proof lasts.
func TestRestoreNeedsProofsToLapse(t *testing.T) {
	hasty := func(w *world) { w.options.hasty = true }
	broken := firstBreak(t, 15206, 0, hasty)
	assert.Contains(t, []string{"S1", "S2", "S5"}, broken.invariant)
	kept, _ := simulate(broken.seed, 0, nil)
	assert.Nil(t, kept, "when it stays down for so long")
}

// firstBreak returns what goes wrong in the first world that breaks. It begins at a seed that is known to, so as to
// take less time.
func firstBreak(t *testing.T, first uint64, without protocol.Rule, tune func(*world)) *failure {
	t.Helper()
	most := uint64(20_000)
	broken, c := simulateMany(first, most, without, tune)
	require.NotNil(t, broken, "in %d schedules", c.Schedules)
	t.Log(broken)
	return broken
}
