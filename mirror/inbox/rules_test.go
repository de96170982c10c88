package inbox

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
	only   string // the invariants to look at; "": all but T9, which shows what breaks another one later
	broken string
}

// What goes wrong. Without a rule of which only T2q is broken, foreign changes are overruled for no reason; nothing is
// lost.
const (
	twice, older       = "T6: a row is decided on twice", "T6: kvData shows an older revision"
	notSeen            = "T3: /DBS/n/c in etcd is not what the foreign change was made on"
	nameNotSeen        = "T3: /DBS/n in etcd is not what the foreign change was made on"
	otherName          = "T8: the name in etcd is not that of kvData"
	otherLife          = "T8: a change below another incarnation"
	unrecorded         = "T2: what was overruled is not recorded"
	noReason           = "T2q: a change is overruled, and nothing"
	differs, restless  = "T1: at rest, and", "T7: rest cannot be reached"
	dropped, half, own = "T10: a name is removed while a czar", "T4: half a foreign transaction", "T5"
	notKnown           = "T9: the leader's table is not kvData"
)

var withoutRule = []missing{
	{"DecidedOnce", DecidedOnce, twoMirrors, "", twice},
	{"NeedsBase", NeedsBase, upstream, "", otherName},
	{"NamesNeedBase", NamesNeedBase, upstream, "", otherName},
	{"Succession", Succession, threeTransactions, "", otherName},
	{"NeedsAncestors", NeedsAncestors, upstream, "", otherLife},
	{"NeedsIncarnation", NeedsIncarnation, upstream, "", otherLife},
	{"KnowsIncarnations", KnowsIncarnations, upstream, "", noReason},
	{"TakesAllBelow", TakesAllBelow, twoGoOneSQL, "", notSeen},
	{"GuardsBelow", GuardsBelow, twoGoOneSQL, "", notSeen},
	{"UnitsAreWhole", UnitsAreWhole, upstream, "", noReason},
	{"UnitsAreWhole, half", UnitsAreWhole, twoGoOneSQL, "T4", half},
	{"NamesGoFirst", NamesGoFirst, twoGoOneSQL, "", otherName},
	{"NeedsNoCzar", NeedsNoCzar, czarComes, "", dropped},
	{"KnowsOverruled", KnowsOverruled, twoMirrors, "", unrecorded},
	{"ReplacesRows", ReplacesRows, upstream, "", otherLife},
	{"ReplacesOverruled", ReplacesOverruled, threeTransactions, "", otherLife},
	{"StepsFarEnough", StepsFarEnough, upstream, "", noReason},
	{"LooksAfterWrites", LooksAfterWrites, twoGoOneSQL, "", differs},
	{"LooksAfterWrites, at once", LooksAfterWrites, twoGoOneSQL, "T9", notKnown},
}

// Rules that are not taken away here: the absence of the first shows only together with a mistake, see below, and for
// the other one there are TestWhatLacksAPartIsNotReady and a test of mirrors.
const byVariant, byTest = NeedsNewerInbox, CompletesNames

// TestEveryRuleIsNeeded takes away one rule at a time: then something goes wrong.
func TestEveryRuleIsNeeded(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores a world for each rule")
	all := byVariant | byTest
	for _, m := range withoutRule {
		all |= m.rule
		t.Run(m.name, func(t *testing.T) {
			c := &checker{bounds: m.bounds, kept: variant{Rules: Without(m.rule)}, only: m.only, harm: m.only != "T9"}
			assertBreaks(t, c, m.broken)
		})
	}
	assert.Equal(t, lastRule<<1-1, all, "every rule is here")
}

// TestEveryDetailIsNeeded makes mistakes outside of this package.
func TestEveryDetailIsNeeded(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores a world for each mistake")
	for _, m := range []struct {
		name   string
		bounds bounds
		kept   variant
		broken string
	}{
		{"what was decided on is not guarded", twoMirrors, variant{takenUnguarded: true}, twice},
		{"keys are not guarded", upstream, variant{keysUnguarded: true}, nameNotSeen},
		{"what is above a key is not guarded", upstream, variant{aboveUnguarded: true}, otherLife},
		{"the inbox is read before what was decided on", twoMirrors,
			variant{inboxFirst: true, Rules: Without(NeedsNewerInbox)}, twice},
		{"the revision is read before the inbox", twoMirrorsName, variant{appliedBefore: true}, noReason},
		{"a step looks before its writes", twoGoOneSQL, variant{looksBefore: true}, differs},
		{"a step inserts before it clears", upstream, variant{insertsFirst: true}, restless},
		{"a step does not need the term", thereAndBack, variant{noTerm: true}, differs},
		{"a step needs nothing to be as it was", twoMirrors, variant{noTerm: true, noApplied: true}, older},
		{"a session goes on after what no row explains", smallDrift, variant{errorsIgnored: true}, restless},
		{"triggers hear the mirror", upstream, variant{heard: true}, own},
	} {
		t.Run(m.name, func(t *testing.T) {
			assertBreaks(t, &checker{bounds: m.bounds, kept: m.kept, harm: true, live: m.broken == restless}, m.broken)
		})
	}
}

func assertBreaks(t *testing.T, c *checker, broken string) {
	t.Helper()
	began := time.Now()
	c.run()
	assert.Contains(t, c.broken, broken)
	t.Logf("%d states in %s: %s", len(c.keys), time.Since(began).Round(time.Millisecond), c.broken)
}

// What one rule does, another one does as well: a step that has the term needs no comparison of the revision, and who
// refuses an inbox that is older than what was decided on may read them in any order.
func TestEitherIsEnough(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores worlds")
	for _, v := range []variant{{noApplied: true}, {inboxFirst: true}} {
		for _, b := range []bounds{twoMirrors, twoMirrorsName, thereAndBack, smallDrift, upstream} {
			c := &checker{bounds: b, kept: v, harm: true, live: true}
			c.run()
			assert.Empty(t, c.broken)
		}
	}
}
