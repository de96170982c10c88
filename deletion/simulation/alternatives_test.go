package simulation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

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
	require.NotNil(t, broken, "in %d schedules", c.schedules)
	t.Log(broken)
	return broken
}
