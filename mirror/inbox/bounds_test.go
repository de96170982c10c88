package inbox

var (
	allThere = [allKeys]uint8{initial, initial, initial}
	noName   = [allKeys]uint8{nothing, nothing, initial}
)

const (
	goNoCzar  = goAll &^ goRegisters
	sqlKnown  = sqlTree | setsApart
	sqlOthers = setsApart | removesApart
)

// writers returns how much each foreign writer does.
func writers(of ...uint8) (all [maxWriters]uint8) {
	copy(all[:], of)
	return all
}

func sql(of ...uint) (all [maxWriters]uint) {
	copy(all[:], of)
	return all
}

// The bounds of the check. Each has at most two mirrors, of which one may be deposed and go on.
var (
	oneGoTwoSQL = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(2), statements: writers(2),
		sql: sql(sqlAll), mirrors: 1, crashes: 1, lag: true}
	twoGoOneSQL = bounds{begin: allThere, goWrites: 2, goes: goNoCzar, transactions: writers(1), statements: writers(2),
		sql: sql(sqlAll), mirrors: 1, crashes: 1, lag: true, staleReads: true}
	deposed = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(1), statements: writers(2),
		sql: sql(sqlAll), mirrors: 2, crashes: 1, takeOvers: 1}
	deposedOnly = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(1), statements: writers(2),
		sql: sql(sqlAll), mirrors: 2, takeOvers: 1}
	deposedTwoGo = bounds{begin: allThere, goWrites: 2, goes: goTree | goSetsBack, transactions: writers(2),
		statements: writers(1), sql: sql(sqlTree), mirrors: 2, takeOvers: 1}
	twoWriters = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(1, 1),
		statements: writers(2, 2), sql: sql(sqlAll, sqlAll), mirrors: 1}
	twoWritersCrash = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(1, 1),
		statements: writers(2, 1), sql: sql(sqlAll, sqlAll), mirrors: 1, crashes: 1}
	upstreamDeposed = bounds{begin: noName, goWrites: 1, goes: goNoCzar, transactions: writers(3), statements: writers(1),
		asUpstream: true, mirrors: 2, crashes: 1, takeOvers: 1, lag: true}
	upstream = bounds{begin: noName, goWrites: 2, goes: goTree | goSetsBelow | goRemovesBelow, transactions: writers(3),
		statements: writers(1), asUpstream: true, mirrors: 1, crashes: 1, lag: true}
	longTransactions = bounds{begin: allThere, goWrites: 2, goes: goTree, transactions: writers(2), statements: writers(3),
		sql: sql(sqlTree), mirrors: 1, crashes: 1}
	threeTransactions = bounds{begin: allThere, goWrites: 1, goes: goTree, transactions: writers(3),
		statements: writers(2), sql: sql(sqlTree), mirrors: 1}
	czar = bounds{begin: allThere, goWrites: 1, goes: goAll, transactions: writers(2), statements: writers(2),
		sql: sql(sqlKnown), mirrors: 1, crashes: 1, czar: true}
	czarComes = bounds{begin: allThere, goWrites: 2, goes: goAll, transactions: writers(1), statements: writers(2),
		sql: sql(sqlKnown), mirrors: 1, crashes: 1}
	drift = bounds{begin: allThere, goWrites: 1, goes: goSetsApart | goRemovesApart | goSetsBelow,
		transactions: writers(2), statements: writers(1), sql: sql(sqlOthers), mirrors: 2, crashes: 1, takeOvers: 1,
		drifts: 1}
	noGo = bounds{begin: allThere, transactions: writers(2), statements: writers(2), sql: sql(sqlAll), mirrors: 2,
		crashes: 1, takeOvers: 1}
	byUnit = bounds{begin: allThere, goWrites: 1, goes: goNoCzar, transactions: writers(1, 1), statements: writers(2, 1),
		sql: sql(sqlTree, sqlOthers), mirrors: 1, lag: true, byUnit: true}
	byUnitDeposed = bounds{begin: allThere, goWrites: 1, goes: goSetsBelow, transactions: writers(1, 1),
		statements: writers(1, 1), sql: sql(sqlOthers, setsName|setsBelow), mirrors: 2, takeOvers: 1, byUnit: true}
	byUnitLarge = bounds{begin: allThere, goWrites: 2, goes: goTree, transactions: writers(1, 1),
		statements: writers(2, 1), sql: sql(sqlAll, sqlAll), mirrors: 1, crashes: 1, byUnit: true}
	deposedTree = bounds{begin: allThere, goWrites: 1, goes: goTree, transactions: writers(2), statements: writers(2),
		sql: sql(sqlTree), mirrors: 2, takeOvers: 1}
	twoWritersTwoGo = bounds{begin: allThere, goWrites: 2, goes: goTree, transactions: writers(1, 1),
		statements: writers(2, 2), sql: sql(sqlTree, sqlTree), mirrors: 1, crashes: 1}
)

// Bounds in which the rules for two mirrors are missed soon.
var (
	twoMirrors = bounds{begin: allThere, goWrites: 1, goes: goSetsApart, transactions: writers(2), statements: writers(1),
		sql: sql(sqlOthers), mirrors: 2, takeOvers: 1}
	twoMirrorsName = bounds{begin: noName, transactions: writers(3), statements: writers(1), asUpstream: true,
		mirrors: 2, takeOvers: 1, lag: true}
	thereAndBack = bounds{begin: allThere, goWrites: 2, goes: goSetsBelow | goSetsBack, mirrors: 2, takeOvers: 1}
	smallDrift   = bounds{begin: allThere, goWrites: 1, goes: goSetsApart, transactions: writers(1),
		statements: writers(1),
		sql:        sql(setsApart), mirrors: 1, drifts: 1}
)

// set is bounds by name.
type set struct {
	name   string
	bounds bounds
}

// smallWorlds take a few seconds each.
var smallWorlds = []set{
	{"a name made as upstream does", upstream},
	{"two Go writes and a transaction", twoGoOneSQL},
	{"three transactions", threeTransactions},
	{"a czar", czar},
	{"a czar that comes", czarComes},
	{"a mirror is deposed", deposedOnly},
	{"a transaction for each unit", byUnit},
	{"a transaction for each unit, and a mirror is deposed", byUnitDeposed},
	{"two mirrors", twoMirrors},
	{"two mirrors and a name", twoMirrorsName},
	{"there and back", thereAndBack},
	{"a little drift", smallDrift},
}

// largeWorlds take minutes.
var largeWorlds = []set{
	{"a Go write and two transactions", oneGoTwoSQL},
	{"a mirror is deposed and one dies", deposed},
	{"a mirror is deposed and Go writes twice", deposedTwoGo},
	{"two writers", twoWriters},
	{"two writers and a crash", twoWritersCrash},
	{"a name made as upstream does, a mirror is deposed", upstreamDeposed},
	{"long transactions", longTransactions},
	{"drift", drift},
	{"no Go writes", noGo},
	{"a mirror is deposed, and a name comes and goes", deposedTree},
	{"two writers, and Go writes twice", twoWritersTwoGo},
	{"a transaction for each unit", byUnitLarge},
}
