package kv

import (
	"fmt"
	"slices"
)

// GuardKind says what a [Guard] requires.
type GuardKind int

// The kinds of guard.
const (
	Absent       GuardKind = iota // the key does not exist
	ModIs                         // the key was last changed at Revision; 0: it does not exist
	CreateIs                      // the key came into being at Revision; 0: it does not exist
	ValueIs                       // the key exists and holds Value
	NothingBelow                  // no key lies below the path; the path itself does not matter
)

// Guard is a condition under which a transaction commits.
type Guard struct {
	Kind     GuardKind
	Path     Path
	Revision Revision
	Value    string
}

// Put sets one key.
type Put struct {
	Path  Path
	Value string
	Lease int64 // id of the lease that the key lives on; 0 for none
	// Touch marks a put that is neither read nor guarded and whose only point is the new ModRevision. It is for keys
	// below ref/ and for CommitPath: anywhere else a blind put could undo what another client wrote.
	Touch bool
}

// Change is what one transaction does. Deletes take effect before Puts; no put may lie in a deleted span, since etcd
// refuses that. Gets are read in the same transaction: after its writes, or as they stand when a guard fails.
type Change struct {
	Guards  []Guard
	Puts    []Put
	Deletes []Span
	Gets    []Span
}

// Writes reports whether the change does anything to the store.
func (c Change) Writes() bool { return len(c.Puts)+len(c.Deletes) > 0 }

// And returns one change with the effect of c followed by d. Where both put a key, d's value stands. It fails when d puts a
// key that c deletes, which one etcd transaction cannot express.
func (c Change) And(d Change) (Change, error) {
	out := Change{
		Guards:  slices.Clone(c.Guards),
		Deletes: slices.Concat(c.Deletes, d.Deletes),
		Gets:    slices.Concat(c.Gets, d.Gets),
	}
	for _, g := range d.Guards {
		// A guard of d on what c writes speaks of a state in between; c's own guards stand for it.
		if !c.writesWhat(g) {
			out.Guards = append(out.Guards, g)
		}
	}
	replaced := map[Path]bool{}
	for _, p := range d.Puts {
		replaced[p.Path] = true
	}
	for _, p := range c.Puts {
		if !replaced[p.Path] && !inAny(d.Deletes, p.Path) {
			out.Puts = append(out.Puts, p)
		}
	}
	out.Puts = append(out.Puts, d.Puts...)
	return out, out.check()
}

func (c Change) writesWhat(g Guard) bool {
	looked := Key(g.Path)
	if g.Kind == NothingBelow {
		looked = Below(g.Path)
	}
	return slices.ContainsFunc(c.Deletes, looked.overlaps) ||
		slices.ContainsFunc(c.Puts, func(put Put) bool { return looked.Contains(put.Path) })
}

func inAny(spans []Span, p Path) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.Contains(p) })
}

// check finds what no store can do in one transaction.
func (c Change) check() error {
	seen := make(map[Path]bool, len(c.Puts))
	for _, p := range c.Puts {
		if seen[p.Path] {
			return fmt.Errorf("kv: %s is put twice in one transaction", p.Path)
		}
		seen[p.Path] = true
		if inAny(c.Deletes, p.Path) {
			return fmt.Errorf("%w: %s would be deleted and written in one transaction", ErrUnorderable, p.Path)
		}
	}
	return nil
}

// Holds reports whether the guard is satisfied in s, which must show its path.
func (g Guard) Holds(s *Snapshot) bool {
	switch g.Kind {
	case Absent:
		return !s.At(g.Path).Exists()
	case ModIs:
		return s.At(g.Path).Mod == g.Revision
	case CreateIs:
		return s.At(g.Path).Create == g.Revision
	case ValueIs:
		e := s.At(g.Path)
		return e.Exists() && e.Value == g.Value
	case NothingBelow:
		return s.Empty(Below(g.Path))
	}
	panic(fmt.Sprintf("kv: unknown kind of guard %d", g.Kind))
}

// Apply returns what s becomes when the change commits at the revision after it. Paths that s does not show are left out,
// since a snapshot says nothing about them. Guards are not looked at.
func (c Change) Apply(s *Snapshot) *Snapshot { return c.applyAt(s, s.Revision+1) }

func (c Change) applyAt(s *Snapshot, at Revision) *Snapshot {
	b := s.Edit()
	for _, d := range c.Deletes {
		b.DeleteSpan(d)
	}
	for _, p := range c.Puts {
		if !s.Shows(Key(p.Path)) {
			continue
		}
		e := Entry{Value: p.Value, Create: at, Mod: at}
		if old := b.At(p.Path); old.Exists() {
			e.Create = old.Create
		}
		b.Put(p.Path, e)
	}
	return b.Snapshot(at)
}
