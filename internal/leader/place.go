package leader

import (
	"cmp"
	"fmt"
)

// candidate is a key below the prefix of an election, as it was found.
type candidate struct {
	key      string
	name     string
	created  int64 // CreateRevision
	modified int64
	lease    int64 // 0: none
}

// candidateKey is where a candidate with a lease has its key.
func candidateKey(prefix string, lease int64) string { return fmt.Sprintf("%s%016x", prefix, lease) }

// standing is what a candidate is to do.
type standing int

const (
	leads      standing = iota // its key is the oldest one
	standsBy                   // another one's is older
	standAgain                 // its key is gone, or is another one of that name: what it had proves nothing any more
)

// place is where a candidate stands among others.
type place struct {
	standing standing
	behind   candidate   // the oldest one, where another one leads
	strays   []candidate // older keys that are on no lease of their own: nobody's, and they would stay for ever
}

// placeOf returns where the candidate mine stands, given all keys below the prefix. Leadership is a key and not a
// lease: a lease that is alive proves nothing when its key was deleted, or put again.
func placeOf(prefix string, found []candidate, mine candidate) place {
	var p place
	present := false
	for _, c := range found {
		if c.key == mine.key {
			present = c.created == mine.created && c.lease == mine.lease
			continue
		}
		if !older(c, mine) {
			continue
		}
		if c.lease == 0 || c.key != candidateKey(prefix, c.lease) {
			p.strays = append(p.strays, c)
		} else if p.standing != standsBy || older(c, p.behind) {
			p.standing, p.behind = standsBy, c
		}
	}
	if !present {
		return place{standing: standAgain}
	}
	return p
}

// older orders candidates. Keys of one transaction are of one revision.
func older(a, b candidate) bool {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.key, b.key)) < 0
}
