package inbox

// Rule is one of the rules on which it rests that both sides become equal and lose nothing. Production keeps them all;
// a check that breaks one must see it fail.
type Rule uint32

// The rules.
const (
	// Rows are decided on once: what was decided on is read, and guarded, by whoever decides.
	DecidedOnce Rule = 1 << iota
	// Nobody decides on an inbox that is older than what was decided on last.
	NeedsNewerInbox
	// A unit is taken only where etcd holds what kvData showed.
	NeedsBase
	// That etcd holds already what a unit writes is no base for a name: it may be another incarnation.
	NamesNeedBase
	// What is written upon an overruled change, or below one, is overruled.
	Succession
	// What lies above a key is there.
	NeedsAncestors
	// A name is of the incarnation that kvData showed.
	NeedsIncarnation
	// The incarnations that came from kvData are known for as long as their rows are in the inbox.
	KnowsIncarnations
	// A name below which something was overruled while it was being made does not become READY.
	CompletesNames
	// A removal takes all that is below the key, or is overruled.
	TakesAllBelow
	// Nothing came below a key that is removed since that was decided.
	GuardsBelow
	// Rows of one connection, of one key, and of keys above each other stand or fall together.
	UnitsAreWhole
	// A name that went and came again goes and comes in two transactions.
	NamesGoFirst
	// A name is removed at once only while no czar is registered.
	NeedsNoCzar
	// What was overruled is known until it is recorded.
	KnowsOverruled
	// Rows of another incarnation are replaced, and not changed in place.
	ReplacesRows
	// So is the row of a name that others made and that was overruled.
	ReplacesOverruled
	// A step goes no less far than to what was decided on.
	StepsFarEnough
	// A mirror whose writes met a row that it has not decided on takes its step back.
	LooksAfterWrites

	lastRule = LooksAfterWrites
)

// Rules says which rules are kept. The zero value keeps all.
type Rules struct{ without Rule }

func (r Rules) keep(rule Rule) bool { return r.without&rule == 0 }

// Without returns the rules less some. It is for checks that show what goes wrong then.
func Without(rules Rule) Rules { return Rules{rules} }
