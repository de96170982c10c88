package kv_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

const (
	stageKeys   = 20
	stageEach   = 4
	stageStops  = stageKeys / stageEach // commits of a whole stage
	stagePrefix = "s"
)

var stageReads = []kv.Span{kv.Below(stagePrefix)}

func stagePath(i int) kv.Path { return kv.Path(fmt.Sprintf("%s/%02d", stagePrefix, i)) }

// fillStage puts the keys that are missing, some in each change. Its changes share one slice, as a stage's may.
func fillStage(have *kv.Snapshot) (iter.Seq[kv.Change], error) {
	var missing []kv.Put
	for i := range stageKeys {
		if p := stagePath(i); !have.At(p).Exists() {
			missing = append(missing, kv.Put{Path: p, Value: "stage"})
		}
	}
	return func(yield func(kv.Change) bool) {
		for from := 0; from < len(missing); from += stageEach {
			if !yield(kv.Change{Puts: missing[from:min(from+stageEach, len(missing))]}) {
				return
			}
		}
	}, nil
}

// tally is a done function that counts how often each key was reported.
type tally struct {
	counts    map[kv.Path]int
	calls     int
	revisions []kv.Revision
	then      func()
}

func (y *tally) done(c kv.Change, at kv.Revision) {
	if y.counts == nil {
		y.counts = map[kv.Path]int{}
	}
	for _, p := range c.Puts {
		y.counts[p.Path]++
	}
	y.calls++
	y.revisions = append(y.revisions, at)
	if y.then != nil {
		y.then()
	}
}

func requireFilled(t *testing.T, st kv.Store) {
	t.Helper()
	s := kvtest.MustFetch(t, st, stageReads...)
	require.Equal(t, stageKeys, s.Len())
	for p, e := range s.Range(stageReads[0]) {
		assert.Equal(t, kv.Entry{Value: "stage", Create: e.Create, Mod: e.Create}, e, p)
	}
}

func eachOnce(t *testing.T, y *tally) {
	t.Helper()
	require.Len(t, y.counts, stageKeys)
	for p, n := range y.counts {
		assert.Equal(t, 1, n, p)
	}
}

func TestStageRunsToItsEnd(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		before := kvtest.MustFetch(t, st).Revision
		var y tally
		last := must(kv.RunStage(t.Context(), st, "fill", stageReads, fillStage, y.done))(t)
		assert.Equal(t, before+stageStops, last)
		assert.Len(t, y.revisions, stageStops)
		assert.IsIncreasing(t, y.revisions)
		requireFilled(t, st)
		eachOnce(t, &y)
		assert.Equal(t, map[string]int{"fill": stageStops}, commitsBy(t, st, before))

		again := must(kv.RunStage(t.Context(), st, "fill", stageReads, fillStage, nil))(t)
		assert.Equal(t, last, again, "nothing is left to do")
	})
}

// TestStageResumesAfterAnyStop: work that ended after any commit is continued, and nothing is done twice.
func TestStageResumesAfterAnyStop(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		for stop := range stageStops + 1 {
			kvtest.MustCommit(t, st, kv.Change{Deletes: stageReads})
			ctx, cancel := context.WithCancel(t.Context())
			y := tally{}
			y.then = func() {
				if y.calls == stop {
					cancel()
				}
			}
			if stop == 0 {
				cancel()
			}
			last, err := kv.RunStage(ctx, st, "fill", stageReads, fillStage, y.done)
			if stop == stageStops {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, context.Canceled, "stop %d", stop)
			}
			if stop > 0 {
				assert.Equal(t, y.revisions[len(y.revisions)-1], last)
			}
			assert.Equal(t, stop, y.calls)
			assert.Equal(t, stop*stageEach, kvtest.MustFetch(t, st, stageReads...).Len())
			y.then = nil
			must(kv.RunStage(t.Context(), st, "fill", stageReads, fillStage, y.done))(t)
			requireFilled(t, st)
			eachOnce(t, &y)
			cancel()
		}
	})
}

// TestStageMeetsAnotherWriter: what another client writes between two commits is not overwritten.
func TestStageMeetsAnotherWriter(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		for at := range stageStops {
			for i := range stageKeys {
				kvtest.MustCommit(t, st, kv.Change{Deletes: stageReads})
				commits := 0
				other := kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
					next kvtest.Commit) (*kv.Snapshot, error) {
					if commits == at {
						kvtest.MustPut(t, st, string(stagePath(i)), "other")
					}
					commits++
					return next(ctx, c)
				}}
				must(kv.RunStage(t.Context(), other, "fill", stageReads, fillStage, nil))(t)
				s := kvtest.MustFetch(t, st, stageReads...)
				assert.Equal(t, stageKeys, s.Len())
				// A key that the stage had put already is the other's now; one that it had not, is left to the other.
				assert.Equal(t, "other", s.At(stagePath(i)).Value, "commit %d, key %d", at, i)
			}
		}
	})
}

// TestStageSurvivesLostAnswers: whatever becomes of the answer to any commit, each change happens and is reported once.
func TestStageSurvivesLostAnswers(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		for at := range stageStops {
			for _, fault := range []kvtest.Fault{
				{Fate: kvtest.Committed}, {Fate: kvtest.Dropped}, {Fate: kvtest.Late, Calls: 1}, {Fate: kvtest.Late, Calls: 2},
				{Fate: kvtest.Late, Calls: 3}, {Fate: kvtest.Late, Calls: 4}, {Fate: kvtest.Late, Calls: 6},
				{Fate: kvtest.Late, Calls: 1000},
			} {
				name := fmt.Sprintf("commit %d: %+v", at, fault)
				kvtest.MustCommit(t, st, kv.Change{Deletes: stageReads})
				before := kvtest.MustFetch(t, st).Revision
				f := kvtest.NewFaults(st, kvtest.Script(append(make([]kvtest.Fault, at), fault)...))
				var y tally
				_, err := kv.RunStage(t.Context(), f, "fill", stageReads, fillStage, y.done)
				require.NoError(t, err, name)
				requireFilled(t, st)
				eachOnce(t, &y)
				kvtest.MustCommit(t, st, kv.Change{Deletes: stageReads})
				f.Flush()
				assert.Zero(t, kvtest.MustFetch(t, st, stageReads...).Len(), "%s: arrived after the end", name)
				assert.Equal(t, map[string]int{"fill": stageStops}, commitsBy(t, st, before), name)
			}
		}
		f := kvtest.NewFaults(st, kvtest.Random(1, 0.5, 20))
		var y tally
		must(kv.RunStage(t.Context(), f, "fill", stageReads, fillStage, y.done))(t)
		requireFilled(t, st)
		eachOnce(t, &y)
	})
}

// TestStageGuardsWhatItReads: a stage stops over a change of what it reads on its own.
func TestStageGuardsWhatItReads(t *testing.T) {
	st := kv.NewMemory()
	kvtest.MustPut(t, st, "allowed", "yes")
	refused := errors.New("not allowed")
	stage := func(have *kv.Snapshot) (iter.Seq[kv.Change], error) {
		if have.At("allowed").Value != "yes" {
			return nil, refused
		}
		return fillStage(have)
	}
	y := tally{}
	y.then = func() {
		if y.calls == 2 {
			kvtest.MustPut(t, st, "allowed", "no")
		}
	}
	_, err := kv.RunStage(t.Context(), st, "fill", append([]kv.Span{kv.Key("allowed")}, stageReads...), stage, y.done)
	require.ErrorIs(t, err, refused)
	assert.Equal(t, 2, y.calls)
	assert.Equal(t, 2*stageEach, kvtest.MustFetch(t, st, stageReads...).Len())
}

// TestStageSeesItsOwnChanges: a later change may put again what an earlier one put.
func TestStageSeesItsOwnChanges(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		stage := func(have *kv.Snapshot) (iter.Seq[kv.Change], error) {
			return func(yield func(kv.Change) bool) {
				if have.At("s/state").Value != "ready" && yield(put("s/state", "filling")) && yield(put("s/x", "")) {
					yield(put("s/state", "ready"))
				}
			}, nil
		}
		before := kvtest.MustFetch(t, st).Revision
		must(kv.RunStage(t.Context(), st, "fill", stageReads, stage, nil))(t)
		s := kvtest.MustFetch(t, st, stageReads...)
		assert.Equal(t, kv.Entry{Value: "ready", Create: before + 1, Mod: before + 3}, s.At("s/state"))
	})
}

func TestStageErrors(t *testing.T) {
	mine := errors.New("mine")
	noFetch := func(context.Context, kv.Revision, []kv.Span, kvtest.Fetch) (*kv.Snapshot, error) { return nil, mine }
	noCommit := func(err error) func(context.Context, kv.Change, kvtest.Commit) (*kv.Snapshot, error) {
		return func(context.Context, kv.Change, kvtest.Commit) (*kv.Snapshot, error) { return nil, err }
	}
	for name, c := range map[string]struct {
		st   kvtest.Hooks
		want error
	}{
		"fetch":            {kvtest.Hooks{OnFetch: noFetch}, mine},
		"commit":           {kvtest.Hooks{OnCommit: noCommit(mine)}, mine},
		"always overtaken": {kvtest.Hooks{OnCommit: noCommit(kv.ErrGuard)}, kv.ErrContended},
	} {
		t.Run(name, func(t *testing.T) {
			c.st.Store = kv.NewMemory()
			require.ErrorIs(t, errOf(kv.RunStage(t.Context(), c.st, "fill", stageReads, fillStage, nil)), c.want)
		})
	}
	_, err := kv.RunStage(t.Context(), kv.NewMemory(), "fill", stageReads,
		func(*kv.Snapshot) (iter.Seq[kv.Change], error) { return nil, mine }, nil)
	require.ErrorIs(t, err, mine)
	_, err = kv.RunStage(t.Context(), kv.NewMemory(), "fill", stageReads, func(*kv.Snapshot) (iter.Seq[kv.Change], error) {
		return func(yield func(kv.Change) bool) { yield(kv.Change{Puts: []kv.Put{{Path: "s/a"}, {Path: "s/a"}}}) }, nil
	}, nil)
	require.ErrorContains(t, err, "twice")
}

// TestStageIsNotContendedWhileItGetsOn: being overtaken counts only as long as nothing is committed.
func TestStageIsNotContendedWhileItGetsOn(t *testing.T) {
	st := kv.NewMemory()
	tries := 0
	overtaken := kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
		next kvtest.Commit) (*kv.Snapshot, error) {
		if tries++; tries%15 != 0 {
			return nil, kv.ErrGuard
		}
		return next(ctx, c)
	}}
	must(kv.RunStage(t.Context(), overtaken, "fill", stageReads, fillStage, nil))(t)
	requireFilled(t, st)
	assert.Greater(t, tries, 60)
}
