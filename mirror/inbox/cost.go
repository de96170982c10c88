package inbox

import (
	"github.com/qserv/css-etcd/internal/csskey"
)

// size is what a part of a transaction comes to. Each condition names a key, and so does each write.
type size struct{ conditions, writes, bytes int }

// most is what one transaction may come to. etcd takes 128 conditions and as many writes, and a request of 1.5 MB; what
// is kept of the inbox goes along. It is a variable for tests that have little to put into it.
var most = size{conditions: 110, writes: 110, bytes: 1 << 20}

func (s *size) add(more size) {
	s.conditions += more.conditions
	s.writes += more.writes
	s.bytes += more.bytes
}

func (s size) fits() bool {
	return s.conditions <= most.conditions && s.writes <= most.writes && s.bytes <= most.bytes
}

// every is what each transaction has: the history, the version, what was decided on, the fence and the token of the
// commit, and the keys that kvData always has.
var every = size{conditions: 6, writes: 5}

// tally adds up what changes cost. Keys that several of them look at count once.
type tally struct {
	size
	seen map[string]bool
}

func newTally() *tally { return &tally{size: every, seen: map[string]bool{}} }

// add counts a change of a unit.
func (t *tally) add(u unit, c change) {
	if c.nothing() || u.goesWithAbove(c) {
		return
	}
	t.see(c.key)
	for above := range ancestors(c.key) {
		t.see(above)
	}
	t.size.add(size{writes: 1, bytes: len(c.key) + len(c.last.Text)})
	switch {
	case c.removes(): // with all below it, and the records of spellings; nothing came below it, and no czar is there
		t.size.add(size{conditions: 3, writes: 3, bytes: 4 * len(c.key)})
	case c.isName(): // the record of the spelling, and what forbids the name and one that differs in case only
		t.size.add(size{conditions: 6, writes: 1, bytes: 7 * len(c.key)})
	case csskey.NodeOfReplica(c.key, c.last.Text) != "":
		t.size.add(size{writes: 1, bytes: len(c.last.Text)})
	}
}

func (t *tally) see(key string) {
	if !t.seen[key] {
		t.seen[key] = true
		t.size.add(size{conditions: 1, bytes: len(key)})
	}
}

// goesWithAbove reports whether a key goes with one above it that the unit removes.
func (u unit) goesWithAbove(c change) bool {
	if !c.removes() {
		return false
	}
	_, above := u.removedAbove(c.key)
	return above
}

// fits reports whether a unit fits into a transaction.
func (u unit) fits() bool {
	t := newTally()
	for _, c := range u.changes {
		if t.add(u, c); !t.fits() {
			return false
		}
	}
	return true
}
