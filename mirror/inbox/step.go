package inbox

import (
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Image is the catalogue at the revision that a step goes to.
type Image interface {
	Key(key string) (e kv.Entry, ok bool)
}

// Step is what a step does beside making kvData equal to an image: the next transaction of MySQL, after all rows of the
// snapshot have been decided on.
type Step struct {
	Rules
	Done    IDs         // rows that leave the inbox
	AtLeast kv.Revision // that the step goes to

	shot Snapshot
	live Taken
}

// Step returns what the next step does. It is for when Undecided returns nothing.
func (s Snapshot) Step(t Taken, r Rules) Step {
	live := t.Within(s.Rows)
	step := Step{Rules: r, Done: live.IDs, AtLeast: s.Applied, shot: s, live: live}
	if live.Open() && r.keep(StepsFarEnough) {
		step.AtLeast = max(step.AtLeast, t.At)
	}
	return step
}

// Conflicts returns what has to be recorded of the rows that leave the inbox.
func (s Step) Conflicts(to Image) (conflicts []Conflict) {
	for _, r := range s.shot.Rows {
		if o, ok := s.live.overruled(r); ok {
			e, _ := to.Key(r.Key)
			conflicts = append(conflicts, Conflict{Row: r, Kind: o.Kind, Reason: string(o.Reason), Detail: o.Detail,
				Etcd: valueOf(e), Revision: o.Revision})
		}
	}
	return conflicts
}

// Anew returns those of the names that kvData has to show with new rows, below which all rows are new ones, too: who
// read the old ones must not write below another incarnation without noticing. The function row says which row kvData
// has, 0 for none.
func (s Step) Anew(names []string, to Image, row func(key string) (kvID int32)) (anew []string) {
	j := judge{Rules: s.Rules, applied: s.shot.Applied, taken: s.live}
	for _, name := range names {
		e, ok := to.Key(name)
		if !ok || row(name) == 0 {
			continue
		}
		if s.keep(ReplacesRows) && !j.shown(e) || s.keep(ReplacesOverruled) && s.refusedRow(name, row(name)) {
			anew = append(anew, name)
		}
	}
	return anew
}

// refusedRow reports whether others made the row of a name, and that was overruled.
func (s Step) refusedRow(name string, kvID int32) bool {
	for _, r := range s.shot.Rows {
		if _, refused := s.live.overruled(r); refused && r.Key == name && !r.Before.There && r.KvID == kvID {
			return true
		}
	}
	return false
}

// NamesIn returns the names of databases, tables and nodes that keys are or lie below.
func NamesIn(keys []string) (names []string) {
	seen := map[string]bool{}
	for _, key := range keys {
		for _, name := range csskey.Parse(key).Names() {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}
