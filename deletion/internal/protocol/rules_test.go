package protocol

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/testkit"
)

// missing is a rule that was taken away, and what goes wrong then.
type missing struct {
	name   string
	rule   Rule
	bounds bounds
	broken string
}

const (
	used, wrongRows         = "S2: a table is dropped while a query uses it", "S5"
	cancelled, early, stale = "S4: a drop that was cancelled", "S4: a drop is carried out before",
		"S4: a drop is carried out as it was before"
	tableEarly           = "S4: a table is dropped with its database before"
	nameTaken, inDropped = "S7: a name is used again", "S7: a table is created in a database"
	deposed, toldEarly   = "S9", "S10"
	noTable              = "S1: a chunk query may be sent to a table that is gone"
	tooLate              = "S1: a query is admitted on a table that is gone"
)

var withoutRule = []missing{
	{"WaitBeforeDeleting", WaitBeforeDeleting, newID, used},
	{"WaitOutlastsProof", WaitOutlastsProof, newID, used},
	{"ProofNeedsRegistration", ProofNeedsRegistration, newID, used},
	{"ProofDatesFromSending", ProofDatesFromSending, newID, used},
	{"AckNamesMark", AckNamesMark, again, used},
	{"AckOnlyDrained", AckOnlyDrained, newID, used},
	{"ExecuteNeedsAcks", ExecuteNeedsAcks, newID, used},
	{"ExecuteNeedsMark", ExecuteNeedsMark, handWritten, cancelled},
	{"ExecuteNeedsDelay", ExecuteNeedsDelay, newID, early},
	{"ExecuteNeedsIntent", ExecuteNeedsIntent, handWritten, stale},
	{"ResyncBeforeProof", ResyncBeforeProof, newID, used},
	{"ResyncEndsCarried", ResyncEndsCarried, newID, used},
	{"CarriedKeepOldProof", CarriedKeepOldProof, newID, used},
	{"OpenOnlyByNewerReady", OpenOnlyByNewerReady, repeats, used},
	{"UnknownWasNotThere", UnknownWasNotThere, repeats, tooLate},
	{"CountOutlivesRegistration", CountOutlivesRegistration, newID, used},
	{"WaitForRegistrations", WaitForRegistrations, late, used},
	{"AbsenceReadAfterMark", AbsenceReadAfterMark, late, used},
	{"LeaveOnlyDrained", LeaveOnlyDrained, leaving, used},
	{"AdmitChecksProof", AdmitChecksProof, newID, tooLate},
	{"AdmitChecksSnapshot", AdmitChecksSnapshot, planning, used},
	{"AdmitCountsDatabase", AdmitCountsDatabase, database, used},
	{"AdmitIsWhole", AdmitIsWhole, database, used},
	{"DatabaseNeedsEmpty", DatabaseNeedsEmpty, database, tableEarly},
	{"TableNeedsDatabase", TableNeedsDatabase, recreated, inDropped},
	{"CreateNeedsNoIntent", CreateNeedsNoIntent, again, nameTaken},
	{"LeaderProves", LeaderProves, deposing, deposed},
	{"CancelNeedsDelay", CancelNeedsDelay, repeats, toldEarly},
	{"ProofReadsLatest", ProofReadsLatest, reading, used},
	{"LapsedRegistersAnew", LapsedRegistersAnew, restoring, used},
	{"ResyncCompares", ResyncCompares, restoring, used},
	{"OlderIsAnother", OlderIsAnother, restoring, used},
}

// bySimulator are the rules that take a richer world than this one to be missed: etcd that is set back to a backup, and
// data to be removed.
const bySimulator = CzarNeedsHistory | RemoveByIncarnation

// TestEveryRuleIsNeeded takes away one rule at a time: then something goes wrong.
func TestEveryRuleIsNeeded(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores a world for each rule")
	all := Rule(bySimulator)
	for _, m := range withoutRule {
		all |= m.rule
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := &checker{bounds: m.bounds, kept: variant{Rules: Without(m.rule)}}
			assertBreaks(t, c, m.broken)
		})
	}
	assert.Equal(t, lastRule<<1-1, all, "every rule is here")
}

// TestEveryDetailIsNeeded makes mistakes that no rule names, and those of the rules whose harm the shortest way to
// another harm hides.
func TestEveryDetailIsNeeded(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores a world for each mistake")
	for _, m := range []struct {
		name   string
		bounds bounds
		kept   variant
		only   string
		broken string
	}{
		{"the key as it was read", handWritten, variant{Rules: Without(ExecuteNeedsMark), asRead: true}, "", cancelled},
		{"a czar told late that it counts no query", again, variant{lateDrain: true}, "", used},
		{"a query that looks at the snapshot first", looking, variant{snapshotFirst: true}, "", used},
		{"an old query after re-creation", again, variant{Rules: Without(WaitBeforeDeleting)}, "S5", wrongRows},
		{"a restore before all proofs have run out", restoring, variant{hasty: true}, "", used},
		{"an old query after the drop", newID, variant{Rules: Without(WaitBeforeDeleting)}, "S1", noTable},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			assertBreaks(t, &checker{bounds: m.bounds, kept: m.kept, only: m.only}, m.broken)
		})
	}
}

func assertBreaks(t *testing.T, c *checker, broken string) {
	t.Helper()
	began := time.Now()
	c.run()
	assert.Contains(t, c.broken, broken)
	t.Logf("%d states in %s: %s", len(c.seen), time.Since(began).Round(time.Millisecond), c.broken)
}

// A gate looks at its view's snapshot only where that is newer than what it has blocked by. For the rest it is enough
// that what ends queries reaches those, too, that are counted and not admitted yet.
func TestAbortsReachWhatIsCounted(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores two worlds")
	for _, b := range []bounds{newID, again} {
		c := &checker{bounds: b, kept: variant{Rules: Without(AdmitChecksSnapshot), abortsCounted: true}}
		c.run()
		assert.Empty(t, c.broken)
		t.Logf("%d states", len(c.seen))
	}
}
