package protocol

// Word is what a czar counts for one incarnation: the queries that use it, and whether it is blocked. It is one machine word, so that
// a czar can hold it in an atomic: a query is counted only where nothing is blocked, in one step.
type Word uint64

const blockedBit Word = 1 << 63

// Admit counts a query; ok is false when the incarnation is blocked.
func (w Word) Admit() (next Word, ok bool) {
	if w&blockedBit != 0 {
		return w, false
	}
	return w + 1, true
}

// Release counts a query no more.
func (w Word) Release() Word { return w - 1 }

// Block keeps queries from being admitted. Those that are counted stay.
func (w Word) Block() Word { return w | blockedBit }

// Open lets queries be admitted again.
func (w Word) Open() Word { return w &^ blockedBit }

// Blocked reports whether no query is admitted.
func (w Word) Blocked() bool { return w&blockedBit != 0 }

// Queries returns how many queries are counted.
func (w Word) Queries() int { return int(w &^ blockedBit) }
