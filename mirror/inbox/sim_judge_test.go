package inbox

import (
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What the simulator looks at.

// checkCatalogue looks at what always holds in etcd.
func (s *simulation) checkCatalogue() {
	now := s.etcd()
	for p := range now.Range(kv.Below(csskey.CSS)) {
		key := csskey.At(p)
		if above := key[:strings.LastIndexByte(key, '/')]; above != "" && !now.At(csskey.Of(above)).Exists() {
			s.fail("T8: %s is without %s", key, above)
		}
		if e := now.At(csskey.Spelling(key)); csskey.Parse(key).IsName() && e.Value != key {
			s.fail("the record of the spelling of %s is %q", key, e.Value)
		}
	}
}

// decided looks at what a decision did.
func (s *simulation) decided(d Decision, next Taken) {
	now := s.etcd()
	first, last := map[string]Row{}, map[string]Row{}
	for _, r := range d.shot.Rows {
		if !next.IDs.Has(r.ID) || d.live.IDs.Has(r.ID) && !d.discard {
			continue
		}
		if s.verdicts[r.ID] != "" && !d.discard {
			s.fail("T6: row %d is decided on twice", r.ID)
		}
		o, overruled := next.overruled(r)
		if overruled {
			s.verdicts[r.ID] = o.Kind
			s.seen[string(o.Reason)]++
		} else {
			s.verdicts[r.ID] = isTaken
			s.seen[isTaken]++
		}
		if overruled && o.Kind != KindRequest {
			continue
		}
		if _, ok := first[r.Key]; !ok {
			first[r.Key] = r
		}
		last[r.Key] = r
	}
	for key, r := range last {
		e := now.At(csskey.Of(key))
		if s.verdicts[r.ID] == isTaken && valueOf(e) != r.After && first[key].Before != r.After && !pinned(key) {
			s.fail("T2: %s was taken as %v, and etcd holds %v", key, r.After, valueOf(e))
		}
	}
	s.checkChanges(d, next, first)
	s.checkWhole(d, next)
}

// checkChanges looks for changes of a decision that undo what was not seen.
func (s *simulation) checkChanges(d Decision, next Taken, first map[string]Row) {
	now := s.etcd()
	for p := range (catalogueChanges{s.before, now}).all() {
		key := csskey.At(p)
		was, is := valueOf(s.before.At(p)), valueOf(now.At(p))
		r, decided := first[key]
		switch {
		case decided && was == r.Before, pinned(key):
		case !was.There && s.creates(d, key): // a claim, or what is above one
			s.seen["a claim"]++
		case slices.Contains(d.live.Claims, key) && was.Text == string(cssetcd.StatusIgnore):
		default:
			s.fail("T3: %s was %v and is %v, which no row explains: %+v", key, was, is, r)
		}
	}
}

func (s *simulation) creates(d Decision, key string) bool {
	return slices.ContainsFunc(d.shot.Rows, func(r Row) bool {
		return r.Key == key && r.After.There &&
			s.verdicts[r.ID] == ""
	})
}

// checkWhole looks for names that come to life before all is there that was written with them.
func (s *simulation) checkWhole(d Decision, next Taken) {
	now := s.etcd()
	for p := range (catalogueChanges{s.before, now}).all() {
		key, is := csskey.At(p), now.At(p)
		was := s.before.At(p)
		claim := slices.Contains(d.live.Claims, key)
		if !csskey.Parse(key).IsName() || !is.Exists() || was.Exists() && !claim ||
			slices.Contains(next.Claims, key) {
			continue
		}
		for _, r := range s.sinceMade(d.shot.Rows, key) {
			if r.Key == key && s.verdicts[r.ID] == "" {
				break // its next life waits
			}
			if below(r.Key, key) && s.verdicts[r.ID] != isTaken && !(s.verdicts[r.ID] == "" && d.waits(r)) {
				s.fail("T4: %s is there and %s is not: %q", key, r.Key, s.verdicts[r.ID])
			}
		}
	}
}

// sinceMade returns the rows that come after the one that made a name. What is older was below a name of another life,
// or of another spelling: kvData has no row without the one above it.
func (s *simulation) sinceMade(rows []Row, name string) []Row {
	for i, r := range slices.Backward(rows) {
		if r.Key == name && !r.Before.There && s.verdicts[r.ID] == isTaken {
			return rows[i+1:]
		}
	}
	return rows
}

// waits reports whether a row comes after one with which a name of its unit goes and comes again: etcd takes that in
// two transactions.
func (d Decision) waits(r Row) bool {
	for _, u := range unitsOf(d.shot.Undecided(d.seen), true) {
		first := u.beforeSecondLife()
		if n := len(first.rows); n < len(u.rows) && r.ID >= u.rows[n].ID &&
			slices.ContainsFunc(u.rows, func(of Row) bool { return of.ID == r.ID }) {
			return true
		}
	}
	return false
}

// catalogueChanges is between two revisions.
type catalogueChanges struct{ was, is *kv.Snapshot }

func (c catalogueChanges) all() map[kv.Path]bool {
	all := map[kv.Path]bool{}
	for _, s := range []*kv.Snapshot{c.was, c.is} {
		for p := range s.Range(kv.Below(csskey.CSS)) {
			if c.was.At(p) != c.is.At(p) {
				all[p] = true
			}
		}
	}
	return all
}

// left looks at the rows that leave the inbox with a step.
func (s *simulation) left(done IDs, conflicts []Conflict) {
	recorded := map[int64]string{}
	for _, c := range conflicts {
		recorded[c.ID] = c.Kind
	}
	for _, id := range done.All() {
		switch v := s.verdicts[id]; {
		case v == "":
			s.fail("T2: row %d is lost", id)
		case v == isTaken && recorded[id] != "", v != isTaken && recorded[id] != v:
			s.fail("T2: row %d is %s and is recorded as %q", id, v, recorded[id])
		}
	}
}
