package kv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	mathrand "math/rand/v2"
	"slices"
	"time"
)

// Op is an operation: what it must see, and a pure function from that to the change it makes. Plan may be called several
// times. An error of Plan ends the operation with nothing written, unless it is a [Need]. A change that writes nothing ends
// it successfully.
type Op struct {
	Name  string // for messages and for whoever looks at CommitPath: "create table LSST.Object"
	Reads []Span
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
	maxWalk     = 10_000 // commits of others that the search for one's own token looks through
)

// Run carries out an operation: fetch, plan, commit, and again when a guard failed. It returns the revision at which the
// operation took effect, or for one that had nothing to write the revision at which that was seen.
func Run(ctx context.Context, st Store, op Op) (Revision, error) {
	r := run{st: st, op: op, reads: slices.Clone(op.Reads), token: rand.Text() + " " + op.Name}
	for attempt := range maxAttempts {
		if err := pause(ctx, attempt); err != nil {
			return 0, r.giveUp(err)
		}
		rev, done, err := r.attempt(ctx)
		if done || err != nil {
			return rev, err
		}
	}
	return 0, r.giveUp(ErrContended)
}

type run struct {
	st    Store
	op    Op
	reads []Span
	token string
	since Revision // the revision of the first fetch: no commit of this run is older
	lost  error    // why the answer to an earlier commit was lost
}

// giveUp is the error of a run that ends with err: while a commit of it is in doubt, so is its outcome.
func (r *run) giveUp(err error) error {
	if r.lost != nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, errors.Join(r.lost, err))
	}
	return err
}

// attempt does one round. Not done and no error means: once more.
func (r *run) attempt(ctx context.Context) (rev Revision, done bool, err error) {
	have, c, err := r.plan(ctx)
	if err != nil {
		if have == nil { // the fetch failed, not the plan
			return 0, false, r.giveUp(err)
		}
		// What the plan objects to may be this very operation, whose answer was lost.
		return r.orCommitted(ctx, have.Revision, err)
	}
	if !c.Writes() {
		return r.orCommitted(ctx, have.Revision, nil)
	}
	got, err := r.st.Commit(ctx, c)
	switch {
	case err == nil:
		return got.Revision, true, nil
	case errors.Is(err, ErrGuard):
		return 0, false, nil
	case errors.Is(err, ErrOutcomeUnknown):
		r.lost = err
		return 0, false, nil
	default:
		return r.orCommitted(ctx, have.Revision, err)
	}
}

// plan fetches and plans, fetching more as long as the plan asks for it, and completes the change.
func (r *run) plan(ctx context.Context) (*Snapshot, Change, error) {
	for {
		have, err := r.st.Fetch(ctx, 0, r.reads...)
		if err != nil {
			return nil, Change{}, err
		}
		if r.since == 0 {
			r.since = have.Revision
		}
		c, err := r.op.Plan(have)
		var need Need
		if errors.As(err, &need) && !containsAll(r.reads, need) {
			r.reads = append(r.reads, need...)
			continue
		}
		if err != nil {
			return have, Change{}, err
		}
		if !c.Writes() {
			return have, c, nil
		}
		c, err = complete(c, have, r.reads)
		c.Puts = append(c.Puts, Put{Path: CommitPath, Value: r.token, Touch: true})
		return have, c, err
	}
}

func containsAll(have, want []Span) bool {
	return !slices.ContainsFunc(want, func(s Span) bool { return !slices.Contains(have, s) })
}

// orCommitted ends a run that would end with err, or well with nothing to write, unless an earlier commit of it, whose answer
// was lost, turns out to have happened by revision at.
func (r *run) orCommitted(ctx context.Context, at Revision, err error) (Revision, bool, error) {
	if r.lost == nil {
		return at, true, err
	}
	rev, found, werr := findToken(ctx, r.st, r.token, r.since, at)
	if werr != nil {
		return 0, true, r.giveUp(werr)
	}
	if found {
		return rev, true, nil
	}
	return at, true, err
}

// findToken looks through the commits in (since, at], newest first, for the one that carried token.
func findToken(ctx context.Context, st Store, token string, since, at Revision) (Revision, bool, error) {
	for range maxWalk {
		s, err := st.Fetch(ctx, at, Key(CommitPath))
		if err != nil {
			return 0, false, err
		}
		e := s.At(CommitPath)
		if e.Mod <= since {
			return 0, false, nil
		}
		if e.Value == token {
			return e.Mod, true, nil
		}
		at = e.Mod - 1
		if at <= since {
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
	t := time.NewTimer(mathrand.N(limit) + time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// All returns one operation that does all of ops in their order, in one transaction: each plans on what the ones before it
// leave. The first error ends all of them.
func All(name string, ops ...Op) Op {
	all := Op{Name: name}
	for _, op := range ops {
		for _, s := range op.Reads {
			if !slices.Contains(all.Reads, s) {
				all.Reads = append(all.Reads, s)
			}
		}
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
// another writer came between, or because its answer was lost, it fetches again and goes on with what is still missing.
// After each commit it calls done with the change and its revision, where done is not nil.
func RunStage(ctx context.Context, st Store, name string, reads []Span, stage Stage, done func(Change, Revision)) (Revision, error) {
	var last Revision
	for attempt := 0; attempt < maxAttempts; attempt++ {
		if err := pause(ctx, attempt); err != nil {
			return last, err
		}
		have, err := st.Fetch(ctx, 0, reads...)
		if err != nil {
			return last, err
		}
		last = max(last, have.Revision)
		progress, err := runStageOnce(ctx, st, name, reads, stage, have, func(c Change, rev Revision) {
			last = rev
			if done != nil {
				done(c, rev)
			}
		})
		if progress {
			attempt = 0
		}
		if err == nil || (!errors.Is(err, ErrGuard) && !errors.Is(err, ErrOutcomeUnknown)) {
			return last, err
		}
	}
	return last, ErrContended
}

func runStageOnce(ctx context.Context, st Store, name string, reads []Span, stage Stage, have *Snapshot, done func(Change, Revision)) (progress bool, err error) {
	changes, err := stage(have)
	if err != nil {
		return false, err
	}
	now := have
	for c := range changes {
		full, err := complete(c, now, reads)
		if err != nil {
			return progress, err
		}
		full.Puts = append(full.Puts, Put{Path: CommitPath, Value: rand.Text() + " " + name, Touch: true})
		got, err := st.Commit(ctx, full)
		if err != nil {
			return progress, err
		}
		now = c.applyAt(now, got.Revision)
		progress = true
		done(c, got.Revision)
	}
	return progress, nil
}
