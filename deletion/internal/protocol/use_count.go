package protocol

// UseCount is what a czar counts for one incarnation: the queries that use it, and whether it is blocked. It is one
// machine word, so that a czar can hold it in an atomic: a query is counted only where nothing is blocked, in one step.
//
// A czar may count a database in the counts of its tables: it is blocked when each of them is, and drained when each
// counts no query after it was blocked. A table that appears while its database is blocked begins blocked.
type UseCount uint64

// What a count is blocked by.
const (
	ByTable    UseCount = 1 << 63 // what is counted is blocked itself
	ByDatabase UseCount = 1 << 62 // the database that it is in is blocked

	blockedBits = ByTable | ByDatabase
)

// Admit counts a query; ok is false when the incarnation is blocked.
func (w UseCount) Admit() (next UseCount, ok bool) {
	if w&blockedBits != 0 {
		return w, false
	}
	return w + 1, true
}

// Release counts a query no more. Where none is counted it changes nothing.
func (w UseCount) Release() UseCount {
	if w.Queries() == 0 {
		return w
	}
	return w - 1
}

// Block keeps queries from being admitted. Those that are counted stay.
func (w UseCount) Block() UseCount { return w | ByTable }

// Open lets queries be admitted again.
func (w UseCount) Open() UseCount { return w &^ ByTable }

// Blocked reports whether no query is admitted.
func (w UseCount) Blocked() bool { return w&blockedBits != 0 }

// Queries returns how many queries are counted.
func (w UseCount) Queries() int { return int(w &^ blockedBits) }
