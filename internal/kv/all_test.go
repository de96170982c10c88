package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// appendTo is an operation that lengthens the value of a key.
func appendTo(p kv.Path, what string) kv.Op {
	return kv.Op{Name: "append", Reads: []kv.Span{kv.Key(p)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		return put(p, have.At(p).Value+what), nil
	}}
}

func remove(spans ...kv.Span) kv.Op {
	return kv.Op{Name: "remove", Reads: spans, Plan: func(*kv.Snapshot) (kv.Change,
		error) {
		return kv.Change{Deletes: spans}, nil
	}}
}

// removeEmpty removes a key below which nothing is.
func removeEmpty(p kv.Path) kv.Op {
	return kv.Op{Name: "remove empty", Reads: kv.Tree(p), Plan: func(have *kv.Snapshot) (kv.Change, error) {
		if !have.Empty(kv.Below(p)) {
			return kv.Change{}, errors.New("not empty")
		}
		return kv.Change{Deletes: []kv.Span{kv.Key(p)}, Guards: []kv.Guard{{Kind: kv.NothingBelow, Path: p}}}, nil
	}}
}

func TestAllPlansOnWhatIsLeftBefore(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		before := kvtest.MustPut(t, st, "a", "0", "b", "0", "d/x", "", "d/y", "")
		var seen []kv.Entry
		look := kv.Op{Reads: []kv.Span{kv.Key("a"), kv.Key("new"), kv.Below("d")},
			Plan: func(have *kv.Snapshot) (kv.Change, error) {
				seen = append(seen, have.At("a"), have.At("new"))
				assert.True(t, have.Empty(kv.Below("d")))
				return kv.Change{}, nil
			}}
		rev, err := kv.Run(t.Context(), st, kv.All("all",
			appendTo("a", "1"), appendTo("b", "1"), appendTo("a", "2"), remove(kv.Below("d")), appendTo("new", "1"), look,
			appendTo("a", "3"),
		))
		require.NoError(t, err)
		assert.Equal(t, before+1, rev)
		assert.Equal(t, map[kv.Path]kv.Entry{
			"a":   {Value: "0123", Create: before, Mod: rev},
			"b":   {Value: "01", Create: before, Mod: rev},
			"new": {Value: "1", Create: rev, Mod: rev},
		}, kvtest.Contents(kvtest.MustFetch(t, st, kv.Key("a"), kv.Key("b"), kv.Key("new"), kv.Below("d"))))
		assert.Equal(t, []kv.Entry{{Value: "012", Create: before, Mod: before}, {Value: "1", Create: before, Mod: before}},
			seen,
			"what is in between belongs to no future revision")
	})
}

// TestAllGuardsWhatItReadFirst: guards of a later operation on what an earlier one writes speak of a state in between,
// and yet nothing that was read at the beginning may change before the commit.
func TestAllGuardsWhatItReadFirst(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		kvtest.MustPut(t, st, "a", "0")
		byHand := kv.Op{Reads: []kv.Span{kv.Key("a"), kv.Key("b")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			c := put("b", have.At("a").Value)
			c.Guards = []kv.Guard{
				{Kind: kv.ValueIs, Path: "a", Value: have.At("a").Value},
				{Kind: kv.ModIs, Path: "a", Revision: have.At("a").Mod},
			}
			return c, nil
		}}
		must(kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, "a", "9") }),
			kv.All("all", appendTo("a", "1"), byHand)))(t)
		assert.Equal(t, map[kv.Path]string{"a": "91", "b": "91"}, kvtest.Values(kvtest.MustFetch(t, st, kv.Key("a"),
			kv.Key("b"))))
	})
}

// TestAllKeepsRangeGuardsInPart: when an earlier operation empties a directory, nobody may fill it again before the
// commit.
func TestAllKeepsRangeGuardsInPart(t *testing.T) {
	for name, earlier := range map[string]kv.Op{
		"key by key": kv.All("both", remove(kv.Key("dir/b")), remove(kv.Key("dir/d"))),
		"a tree":     kv.All("both", remove(kv.Tree("dir/b")...), remove(kv.Tree("dir/d")...)),
	} {
		for _, other := range []kv.Path{"dir/a", "dir/c", "dir/e", "dir/b!"} {
			t.Run(name+", "+string(other), func(t *testing.T) {
				eachStore(t, func(t *testing.T, st kv.Store) {
					kvtest.MustPut(t, st, "dir", "", "dir/b", "", "dir/d", "")
					both := kv.All("all", earlier, removeEmpty("dir"))
					_, err := kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, string(other), "") }), both)
					require.EqualError(t, err, "not empty")
					s := kvtest.MustFetch(t, st, kv.Tree("dir")...)
					assert.Equal(t, map[kv.Path]string{"dir": "", "dir/b": "", "dir/d": "", other: ""}, kvtest.Values(s))

					kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key(other)}})
					must(kv.Run(t.Context(), st, both))(t)
					assert.Zero(t, kvtest.MustFetch(t, st, kv.Tree("dir")...).Len())
				})
			})
		}
	}
}

// TestAllGuardsWhatWasTouchedAndThenLookedAt: a blind put followed by a look is a look.
func TestAllGuardsWhatWasTouchedAndThenLookedAt(t *testing.T) {
	touch := kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) {
		return kv.Change{Puts: []kv.Put{{Path: "ref/n", Value: "t", Touch: true}}}, nil
	}}
	plans := 0
	look := kv.Op{Reads: []kv.Span{kv.Below("ref"), kv.Key("x")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		plans++
		c := put("x", "")
		c.Guards = []kv.Guard{{Kind: kv.ModIs, Path: "ref/n", Revision: have.At("ref/n").Mod}}
		return c, nil
	}}
	for name, ops := range map[string][]kv.Op{"guarded": {touch, look}, "touched again": {touch, look, touch},
		"put before": {appendTo("ref/n", "1"), touch}} {
		t.Run(name, func(t *testing.T) {
			st := kv.NewMemory()
			kvtest.MustPut(t, st, "ref/n", "0")
			commits := 0
			other := between(st, func() { kvtest.MustPut(t, st, "ref/n", "other") })
			counted := kvtest.Hooks{Store: other, OnCommit: func(ctx context.Context, c kv.Change,
				next kvtest.Commit) (*kv.Snapshot, error) {
				commits++
				return next(ctx, c)
			}}
			must(kv.Run(t.Context(), counted, kv.All("all", ops...)))(t)
			assert.Equal(t, 2, commits)
		})
	}
	assert.Equal(t, 4, plans)
}

func TestAllErrors(t *testing.T) {
	mine := errors.New("mine")
	failing := kv.Op{Name: "failing", Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{}, mine }}
	never := kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) { panic("planned after an error") }}
	guardsEmpty := kv.Op{Name: "guards", Reads: []kv.Span{kv.Below("a")}, Plan: func(*kv.Snapshot) (kv.Change, error) {
		return kv.Change{Guards: []kv.Guard{{Kind: kv.NothingBelow, Path: "a"}}}, nil
	}}
	for _, c := range []struct {
		name string
		ops  []kv.Op
		want error
		text string
	}{
		{"of a plan", []kv.Op{appendTo("a", ""), failing, never}, mine, "mine"},
		{"put after delete", []kv.Op{remove(kv.Key("a")), appendTo("a", "1")}, kv.ErrUnorderable,
			"append: cannot be done in one etcd transaction: a would be deleted and written in one transaction"},
		{"put after delete of a range", []kv.Op{remove(kv.Below("a")), appendTo("b", ""), appendTo("a/x", "1")},
			kv.ErrUnorderable, "a/x"},
		{"a guard that its own transaction breaks", []kv.Op{appendTo("a/x", "1"), guardsEmpty}, kv.ErrGuard,
			"a/... must be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := kv.NewMemory()
			_, err := kv.Run(t.Context(), st, kv.All("all", c.ops...))
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			assert.EqualValues(t, 1, kvtest.MustFetch(t, st).Revision, "nothing was written")
		})
	}
}

func TestAllPassesNeedsOn(t *testing.T) {
	st := kv.NewMemory()
	needy := kv.Op{Plan: func(have *kv.Snapshot) (kv.Change, error) {
		if !have.Shows(kv.Key("b")) {
			return kv.Change{}, kv.Need{kv.Key("b")}
		}
		return put("b", have.At("a").Value), nil
	}}
	must(kv.Run(t.Context(), st, kv.All("all", appendTo("a", "1"), needy)))(t)
	assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("b")).At("b").Value)
}

func TestAllOfNothingWritesNothing(t *testing.T) {
	idle := kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{}, nil }}
	for _, ops := range [][]kv.Op{nil, {idle}, {idle, idle}} {
		st := kv.NewMemory()
		rev := must(kv.Run(t.Context(), st, kv.All("none", ops...)))(t)
		assert.EqualValues(t, 1, rev)
		assert.EqualValues(t, 1, kvtest.MustFetch(t, st).Revision)
	}
}

func TestAllReadsEachSpanOnce(t *testing.T) {
	op := kv.All("all", appendTo("a", ""), appendTo("b", ""), appendTo("a", ""))
	assert.Equal(t, []kv.Span{kv.Key("a"), kv.Key("b")}, op.Reads)
}

// TestAndIsOneAfterTheOther: a change followed by another, put together, commits when the two would have committed one
// after the other, and leaves the same.
func TestAndIsOneAfterTheOther(t *testing.T) {
	together := 0
	rapid.Check(t, func(t *rapid.T) {
		twoSteps, oneStep := kv.NewMemory(), kv.NewMemory()
		for _, c := range rapid.SliceOfN(aChange, 0, 3).Draw(t, "before") {
			_, err := twoSteps.Commit(t.Context(), c)
			_, err2 := oneStep.Commit(t.Context(), c)
			require.Equal(t, err, err2)
		}
		c, d := aChange.Draw(t, "c"), aChange.Draw(t, "d")
		c.Gets, d.Gets = nil, nil
		for range rapid.IntRange(0, 2).Draw(t, "guards of c") {
			c.Guards = append(c.Guards, aPlainGuard.Draw(t, "guard of c"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "guards of d") {
			g := aPlainGuard.Draw(t, "guard of d")
			// On a key that c writes, a guard of d is taken to hold, since d was planned on what c leaves.
			if g.Kind == kv.NothingBelow || g.Kind == kv.NothingIn || !writes(c, g.Path) {
				d.Guards = append(d.Guards, g)
			}
		}
		both, andErr := c.And(d)
		_, oneErr := oneStep.Commit(t.Context(), both)
		_, firstErr := twoSteps.Commit(t.Context(), c)
		_, secondErr := twoSteps.Commit(t.Context(), d)
		switch {
		case firstErr != nil && !errors.Is(firstErr, kv.ErrGuard): // nothing that could be done by itself
		case firstErr != nil || secondErr != nil:
			require.Error(t, errors.Join(andErr, oneErr))
		case slices.ContainsFunc(d.Puts, func(p kv.Put) bool {
			return slices.ContainsFunc(c.Deletes, func(s kv.Span) bool { return s.Contains(p.Path) })
		}):
			require.ErrorIs(t, andErr, kv.ErrUnorderable, "which two transactions can do")
		default:
			require.NoError(t, andErr)
			require.NoError(t, oneErr)
			together++
			a := must(twoSteps.Fetch(t.Context(), 0, kv.Everything))(t)
			b := must(oneStep.Fetch(t.Context(), 0, kv.Everything))(t)
			require.Equal(t, kvtest.Values(a), kvtest.Values(b))
		}
	})
	assert.Positive(t, together)
}

var aPlainGuard = rapid.Custom(func(t *rapid.T) kv.Guard {
	return kv.Guard{
		Kind:  rapid.SampledFrom([]kv.GuardKind{kv.Absent, kv.ValueIs, kv.NothingBelow, kv.NothingIn}).Draw(t, "kind"),
		Path:  aPath.Draw(t, "path"),
		Value: aValue.Draw(t, "value"),
		To:    aPath.Draw(t, "to"),
	}
})

func writes(c kv.Change, p kv.Path) bool {
	for _, put := range c.Puts {
		if put.Path == p {
			return true
		}
	}
	for _, d := range c.Deletes {
		if d.Contains(p) {
			return true
		}
	}
	return false
}

// TestApplyIsCommit: Apply shows what a commit makes, without one, as far as the snapshot shows it.
func TestApplyIsCommit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := kv.NewMemory()
		spans := rapid.SliceOfN(aSpan, 1, 3).Draw(t, "spans")
		for _, c := range rapid.SliceOfN(aChange, 1, 4).Draw(t, "changes") {
			before := must(st.Fetch(t.Context(), 0, spans...))(t)
			contents := kvtest.Contents(before)
			applied := c.Apply(before)
			got, err := st.Commit(t.Context(), c)
			if err != nil || got.Revision == before.Revision {
				continue
			}
			after := must(st.Fetch(t.Context(), 0, spans...))(t)
			require.Equal(t, kvtest.Contents(after), kvtest.Contents(applied))
			require.Equal(t, after.Revision, applied.Revision)
			require.Empty(t, kv.Diff(after, applied), "and holds nothing else")
			require.Equal(t, contents, kvtest.Contents(before), "the snapshot stays as it was")
		}
	})
}

// TestAllComparesWhatItDidNotChange: a range that must be unchanged since a revision may have newer keys that an
// earlier operation removes or puts, and no other newer ones.
func TestAllComparesWhatItDidNotChange(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		old := kvtest.MustPut(t, st, "dir/a", "", "dir/c", "")
		kvtest.MustPut(t, st, "dir/b", "newer")
		unchanged := kv.Op{Reads: []kv.Span{kv.Below("dir"), kv.Key("done")},
			Plan: func(have *kv.Snapshot) (kv.Change, error) {
				if last := have.Changed(kv.Below("dir")); last > old {
					return kv.Change{}, fmt.Errorf("changed at %d", last-old)
				}
				guard := kv.Guard{Kind: kv.UnchangedSince, Path: "dir/", To: "dir0", Revision: old}
				return kv.Change{Guards: []kv.Guard{guard}, Puts: []kv.Put{{Path: "done"}}}, nil
			}}
		_, err := kv.Run(t.Context(), st, unchanged)
		require.EqualError(t, err, "changed at 1")
		both := kv.All("all", remove(kv.Key("dir/b")), unchanged)
		_, err = kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, "dir/b!", "") }), both)
		require.EqualError(t, err, "changed at 2")
		kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("dir/b!")}})
		must(kv.Run(t.Context(), st, both))(t)
	})
}
