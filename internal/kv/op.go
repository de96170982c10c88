package kv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/qserv/css-etcd/internal/wait"
)

// Op is an operation: what it must see, and a pure function from that to the change it makes. Plan may be called
// several times. An error of Plan ends the operation with nothing written, unless it is a [Need]. A change that writes
// nothing ends it successfully.
type Op struct {
	Name  string // for messages and for whoever reads a [Commit]: "create table LSST.Object"
	Reads []Span
	Scans []Scan
	Plan  func(*Snapshot) (Change, error)
}

// Need is the error with which Plan asks for more: what it must also see was not known before it looked.
type Need []Span

// Error makes Need an error.
func (n Need) Error() string { return fmt.Sprintf("the plan must also read %v", []Span(n)) }

const (
	maxAttempts = 40
	calmTries   = 3 // attempts before the back-off begins
	maxBackoff  = 50 * time.Millisecond
	maxWalk     = 10_000           // commits of others that the search for one's own token looks through
	maxSettling = 10 * time.Second // how long an etcd that cannot be reached is asked about a lost answer
)

// Run carries out an operation: fetch, plan, commit, and again when a guard failed. It returns the revision at which
// the operation took effect, or for one that had nothing to write the revision at which that was seen.
func Run(ctx context.Context, st Store, op Op) (Revision, error) {
	token := newCommit(st.Author(), op.Name).Encode()
	reads := fenced(op.Reads)
	for attempt := range maxAttempts {
		if err := pause(ctx, attempt); err != nil {
			return 0, err
		}
		have, c, err := plan(ctx, st, op, &reads)
		if err != nil {
			return 0, err
		}
		if !c.Writes() {
			return have.Revision, nil
		}
		rev, err := commit(ctx, st, c, have, reads, token)
		if err == nil || !errors.Is(err, ErrGuard) {
			return rev, err
		}
	}
	return 0, ErrContended
}

// plan fetches and plans, adding to reads and fetching more as long as the plan asks for it.
func plan(ctx context.Context, st Store, op Op, reads *[]Span) (*Snapshot, Change, error) {
	for overtaken := 0; ; {
		have, err := st.Fetch(ctx, 0, *reads...)
		if err == nil {
			have, err = sift(ctx, st, have, op.Scans)
		}
		if errors.Is(err, ErrCompacted) && overtaken < loadAttempts { // compaction was quicker than a scan
			overtaken++
			continue
		}
		if err != nil {
			return nil, Change{}, err
		}
		c, err := op.Plan(have)
		var need Need
		if errors.As(err, &need) && !containsAll(*reads, need) {
			*reads = append(*reads, need...)
			continue
		}
		return have, c, err
	}
}

func containsAll(have, want []Span) bool {
	return !slices.ContainsFunc(want, func(s Span) bool { return !slices.Contains(have, s) })
}

// fenced adds the fence to what is read, and with it the guard that it has not moved.
func fenced(reads []Span) []Span { return slices.Concat(reads, []Span{Key(FencePath)}) }

// commit commits a change that was planned on have, under a token (an encoded [Commit]) and with the derived guards. It
// returns ErrGuard only when the change has not happened and never will.
func commit(ctx context.Context, st Store, c Change, have *Snapshot, reads []Span, token string) (Revision, error) {
	c, err := complete(c, have, reads)
	if err != nil {
		return 0, err
	}
	c.Puts = slices.Concat(c.Puts, []Put{{Path: CommitPath, Value: token, Touch: true}})
	got, err := st.Commit(ctx, c)
	if err == nil {
		return got.Revision, nil
	}
	if !errors.Is(err, ErrOutcomeUnknown) {
		return 0, err
	}
	rev, found, serr := settle(ctx, st, token, have.Revision)
	switch {
	case serr != nil:
		return 0, fmt.Errorf("%w; looking for it: %w", err, serr)
	case !found:
		return 0, ErrGuard
	}
	return rev, nil
}

// settle finds out whether the commit that carried token, sent after revision since, has happened. It may still be
// under way. Therefore, unless it is there already, the fence is moved: the guard on the fence then keeps it from
// arriving later, so that what is not in the history by that revision never will be. It does no harm when the answer to
// that is lost too.
func settle(ctx context.Context, st Store, token string, since Revision) (Revision, bool, error) {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		rev, found, err := settleOnce(ctx, st, token, since)
		lost := errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnavailable)
		if !lost || time.Since(began) > maxSettling {
			return rev, found, err
		}
		if perr := pause(ctx, attempt); perr != nil {
			return 0, false, errors.Join(perr, err)
		}
	}
}

func settleOnce(ctx context.Context, st Store, token string, since Revision) (Revision, bool, error) {
	now, err := st.Fetch(ctx, 0, Key(CommitPath))
	if err != nil {
		return 0, false, err
	}
	rev, found, err := findToken(ctx, st, token, since, now.Revision)
	if found || err != nil {
		return rev, found, err
	}
	moved, err := st.Commit(ctx, Change{Puts: []Put{{Path: FencePath, Value: token, Touch: true}}})
	if err != nil {
		return 0, false, err
	}
	return findToken(ctx, st, token, now.Revision, moved.Revision)
}

// findToken looks through the commits in (since, at], newest first, for the one that carried token.
func findToken(ctx context.Context, st Store, token string, since, at Revision) (Revision, bool, error) {
	for range maxWalk {
		s, err := st.Fetch(ctx, at, Key(CommitPath))
		if err != nil {
			return 0, false, err
		}
		e := s.At(CommitPath)
		if e.Value == token {
			return e.Mod, true, nil
		}
		if at = e.Mod - 1; at <= since {
			return 0, false, nil
		}
	}
	return 0, false, fmt.Errorf("more than %d other commits since", maxWalk)
}

// complete adds the derived guards: every key read on its own and every key put has not changed since it was seen.
func complete(c Change, have *Snapshot, reads []Span) (Change, error) {
	if err := c.check(); err != nil {
		return c, err
	}
	// What is there by hand about a key may be weaker than what is derived, so nothing is left out but repeats.
	guards := slices.Clone(c.Guards)
	seen := map[Path]bool{}
	add := func(p Path) {
		if !seen[p] {
			seen[p] = true
			guards = append(guards, Guard{Kind: ModIs, Path: p, Revision: have.At(p).Mod})
		}
	}
	for _, s := range reads {
		if s.Single() {
			add(s.From)
		}
	}
	for _, p := range c.Puts {
		if !p.Touch {
			add(p.Path)
		}
	}
	c.Guards = guards
	return c, nil
}

func pause(ctx context.Context, attempt int) error {
	if attempt < calmTries {
		return ctx.Err()
	}
	limit := min(maxBackoff, time.Millisecond<<min(attempt-calmTries, 10))
	return wait.For(ctx, mathrand.N(limit)+time.Millisecond)
}

// All returns one operation that does all of ops in their order, in one transaction: each plans on what the ones before
// it leave. The first error ends all of them.
func All(name string, ops ...Op) Op {
	all := Op{Name: name}
	for _, op := range ops {
		for _, s := range op.Reads {
			if !slices.Contains(all.Reads, s) {
				all.Reads = append(all.Reads, s)
			}
		}
		all.Scans = together(all.Scans, op.Scans)
	}
	all.Plan = func(have *Snapshot) (Change, error) {
		var sum Change
		for _, op := range ops {
			c, err := op.Plan(have)
			if err != nil {
				return Change{}, err
			}
			if sum, err = sum.And(c); err != nil {
				return Change{}, fmt.Errorf("%s: %w", op.Name, err)
			}
			// Later plans must not take the future revision for a seen one: guards on these keys are c's own.
			have = c.applyAt(have, have.Revision)
		}
		return sum, nil
	}
	return all
}

// Stage is a piece of work too large for one transaction: from what is there, the changes that are still to be made, in
// order. Running it again continues it, so it must yield only what is missing. An error ends the work.
type Stage func(have *Snapshot) (iter.Seq[Change], error)

// RunStage commits the changes of a stage one after the other, each guarded like an operation's. When one fails because
// another writer came between, it fetches again and goes on with what is still missing. After each commit it calls done
// with the change and its revision, where done is not nil.
func RunStage(ctx context.Context, st Store, name string, reads []Span, stage Stage,
	done func(Change, Revision)) (Revision, error) {
	var last Revision
	reads = fenced(reads)
	for attempt := 0; attempt < maxAttempts; attempt++ {
		if err := pause(ctx, attempt); err != nil {
			return last, err
		}
		have, err := st.Fetch(ctx, 0, reads...)
		if err != nil {
			return last, err
		}
		last = max(last, have.Revision)
		err = runStageOnce(ctx, st, name, reads, stage, have, func(c Change, rev Revision) {
			last = rev
			attempt = 0
			if done != nil {
				done(c, rev)
			}
		})
		if err == nil || !errors.Is(err, ErrGuard) {
			return last, err
		}
	}
	return last, ErrContended
}

func runStageOnce(ctx context.Context, st Store, name string, reads []Span, stage Stage, have *Snapshot,
	done func(Change, Revision)) error {
	changes, err := stage(have)
	if err != nil {
		return err
	}
	now := have
	for c := range changes {
		rev, err := commit(ctx, st, c, now, reads, newCommit(st.Author(), name).Encode())
		if err != nil {
			return err
		}
		now = c.applyAt(now, rev)
		done(c, rev)
	}
	return nil
}
