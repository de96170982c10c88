package kv

import (
	"fmt"
	"slices"
)

// GuardKind says what a [Guard] requires.
type GuardKind int

// The kinds of guard.
const (
	Absent         GuardKind = iota // the key does not exist
	ModIs                           // the key was last changed at Revision; 0: it does not exist
	CreateIs                        // the key came into being at Revision; 0: it does not exist
	ValueIs                         // the key exists and holds Value
	NothingBelow                    // no key lies below the path; the path itself does not matter
	NothingIn                       // no key lies in [Path, To)
	UnchangedSince                  // no key in [Path, To) was changed after Revision
)

// Guard is a condition under which a transaction commits.
type Guard struct {
	Kind     GuardKind
	Path     Path
	Revision Revision
	Value    string
	To       Path
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

// And returns one change with the effect of c followed by d. Where both put a key, d's value stands. It fails with
// ErrUnorderable when d puts a key that c deletes, which one etcd transaction cannot express, and with ErrGuard when c
// puts a key where d says that nothing is.
func (c Change) And(d Change) (Change, error) {
	out := Change{
		Guards:  slices.Clone(c.Guards),
		Deletes: slices.Concat(c.Deletes, d.Deletes),
		Gets:    slices.Concat(c.Gets, d.Gets),
	}
	seen := map[Path]bool{} // what c puts unseen, if it does, d has looked at: it must be guarded after all
	for _, g := range d.Guards {
		before, err := c.before(g)
		if err != nil {
			return Change{}, err
		}
		out.Guards = append(out.Guards, before...)
		seen[g.Path] = seen[g.Path] || !g.ofRange()
	}
	replaced := map[Path]bool{}
	for _, p := range d.Puts {
		replaced[p.Path] = true
	}
	for _, p := range c.Puts {
		seen[p.Path] = seen[p.Path] || !p.Touch
		if !replaced[p.Path] && !inAny(d.Deletes, p.Path) {
			p.Touch = p.Touch && !seen[p.Path]
			out.Puts = append(out.Puts, p)
		}
	}
	for _, p := range d.Puts {
		p.Touch = p.Touch && !seen[p.Path]
		out.Puts = append(out.Puts, p)
	}
	return out, out.check()
}

// before returns what must hold before c so that g holds after it. A guard on a key that c writes speaks of a state in
// between: c's own guards stand for it. One on a range is kept for the part of it that c does not delete.
func (c Change) before(g Guard) ([]Guard, error) {
	if !g.ofRange() {
		if inAny(c.Deletes, g.Path) || slices.ContainsFunc(c.Puts, func(p Put) bool { return p.Path == g.Path }) {
			return nil, nil
		}
		return []Guard{g}, nil
	}
	for _, p := range c.Puts {
		if g.Kind != UnchangedSince && g.span().Contains(p.Path) {
			return nil, fmt.Errorf("%w: %s must be empty, and the same change puts %s", ErrGuard, g.span(), p.Path)
		}
	}
	rest := []Span{g.span()}
	for _, d := range c.Deletes {
		rest = without(rest, d)
	}
	if len(rest) == 1 && rest[0] == g.span() {
		return []Guard{g}, nil
	}
	kind := g.Kind
	if kind == NothingBelow {
		kind = NothingIn
	}
	var out []Guard
	for _, s := range rest {
		out = append(out, Guard{Kind: kind, Path: s.From, To: s.To, Revision: g.Revision})
	}
	return out, nil
}

func (g Guard) ofRange() bool {
	return g.Kind == NothingBelow || g.Kind == NothingIn || g.Kind == UnchangedSince
}

// span is the range that a guard of a range speaks of.
func (g Guard) span() Span {
	if g.Kind == NothingBelow {
		return Below(g.Path)
	}
	return Span{From: g.Path, To: g.To}
}

// without returns the parts of the ranges that lie outside of cut.
func without(ranges []Span, cut Span) []Span {
	if cut.Single() {
		cut.To = cut.From + "\x00"
	}
	var out []Span
	for _, r := range ranges {
		for _, part := range []Span{{From: r.From, To: min(r.To, cut.From)}, {From: max(r.From, cut.To), To: r.To}} {
			if part.From < part.To {
				out = append(out, part)
			}
		}
	}
	return out
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
	case NothingBelow, NothingIn:
		return s.Empty(g.span())
	case UnchangedSince:
		return s.Changed(g.span()) <= g.Revision
	}
	panic(fmt.Sprintf("kv: unknown kind of guard %d", g.Kind))
}

// Apply returns what s becomes when the change commits at the revision after it. Paths that s does not show are left
// out, since a snapshot says nothing about them. Guards are not looked at.
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
