package protocol

// Word is what a czar counts for one incarnation: the queries that use it, and whether it is blocked. It is one machine word, so that
// a czar can hold it in an atomic: a query is counted only where nothing is blocked, in one step.
//
// A czar may count a database in the words of its tables: it is blocked when each of them is, and drained when each counts no query after it was blocked. A
// table that appears while its database is blocked begins blocked.
type Word uint64

// What a word is blocked by.
const (
	ByTable    Word = 1 << 63 // what is counted is blocked itself
	ByDatabase Word = 1 << 62 // the database that it is in is blocked

	blockedBits = ByTable | ByDatabase
)

// Admit counts a query; ok is false when the incarnation is blocked.
func (w Word) Admit() (next Word, ok bool) {
	if w&blockedBits != 0 {
		return w, false
	}
	return w + 1, true
}

// Release counts a query no more. Where none is counted it changes nothing.
func (w Word) Release() Word {
	if w.Queries() == 0 {
		return w
	}
	return w - 1
}

// Block keeps queries from being admitted. Those that are counted stay.
func (w Word) Block() Word { return w | ByTable }

// Open lets queries be admitted again.
func (w Word) Open() Word { return w &^ ByTable }

// Blocked reports whether no query is admitted.
func (w Word) Blocked() bool { return w&blockedBits != 0 }

// Queries returns how many queries are counted.
func (w Word) Queries() int { return int(w &^ blockedBits) }
