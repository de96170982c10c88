package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// between returns the store with something done once, after the first fetch and before the first commit.
func between(st kv.Store, do func()) kv.Store {
	done := false
	return kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot,
		error) {
		if !done {
			done = true
			do()
		}
		return next(ctx, c)
	}}
}

// unguarded returns the store without the guards on a path: what it was if that rule were missing.
func unguarded(st kv.Store, p kv.Path) kv.Store {
	return kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot,
		error) {
		c.Guards = slices.DeleteFunc(slices.Clone(c.Guards), func(g kv.Guard) bool { return g.Path == p })
		return next(ctx, c)
	}}
}

func put(p kv.Path, value string) kv.Change {
	return kv.Change{Puts: []kv.Put{{Path: p, Value: value}}}
}

// derive is an operation that puts a key with the value of another and a stroke.
func derive(read kv.Span, from, to kv.Path) kv.Op {
	return kv.Op{Name: "derive", Reads: []kv.Span{read, kv.Below("to")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		return put(to, have.At(from).Value+"'"), nil
	}}
}

// TestRunDerivesGuards (I2): what an operation reads on its own and what it puts cannot change between its plan and its
// commit. Each case is run again without the one guard in question, and then goes wrong.
func TestRunDerivesGuards(t *testing.T) {
	create := func(read kv.Span) kv.Op {
		return kv.Op{Name: "create", Reads: []kv.Span{read}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if have.At("k/x").Exists() {
				return kv.Change{}, errors.New("exists")
			}
			return put("k/x", "mine"), nil
		}}
	}
	type contents = map[kv.Path]string
	for _, c := range []struct {
		name    string
		op      kv.Op
		other   kv.Change // what another client does between
		guarded kv.Path
		right   contents
		wrong   contents // what comes out without the guard
	}{
		{
			name: "a key read on its own", op: derive(kv.Key("k/a"), "k/a", "to/b"), guarded: "k/a", other: put("k/a", "2"),
			right: contents{"k/a": "2", "to/b": "2'"}, wrong: contents{"k/a": "2", "to/b": "1'"},
		}, {
			name: "a key read on its own is deleted", op: derive(kv.Key("k/a"), "k/a", "to/b"), guarded: "k/a",
			other: kv.Change{Deletes: []kv.Span{kv.Key("k/a")}},
			right: contents{"to/b": "'"}, wrong: contents{"to/b": "1'"},
		}, {
			name: "a key read on its own was absent", op: derive(kv.Key("k/new"), "k/new", "to/b"), guarded: "k/new",
			other: put("k/new", "2"),
			right: contents{"k/a": "1", "k/new": "2", "to/b": "2'"}, wrong: contents{"k/a": "1", "k/new": "2", "to/b": "'"},
		}, {
			name: "a key put and read in a range", op: derive(kv.Below("k"), "k/a", "k/a"), guarded: "k/a",
			other: put("k/a", "2"),
			right: contents{"k/a": "2'"}, wrong: contents{"k/a": "1'"},
		}, {
			name: "a key put and read in a range was absent", op: create(kv.Below("k")), guarded: "k/x",
			other: put("k/x", "theirs"),
			right: contents{"k/a": "1", "k/x": "theirs"}, wrong: contents{"k/a": "1", "k/x": "mine"},
		}, {
			name: "a key put and read on its own was absent", op: create(kv.Key("k/x")), guarded: "k/x",
			other: put("k/x", "theirs"),
			right: contents{"k/a": "1", "k/x": "theirs"}, wrong: contents{"k/a": "1", "k/x": "mine"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, st kv.Store) {
				for _, guarded := range []bool{true, false} {
					kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Below("k"), kv.Below("to")}})
					kvtest.MustPut(t, st, "k/a", "1")
					run, want := between(st, func() { kvtest.MustCommit(t, st, c.other) }), c.right
					if !guarded {
						run, want = unguarded(run, c.guarded), c.wrong
					}
					_, err := kv.Run(t.Context(), run, c.op)
					if err != nil {
						require.EqualError(t, err, "exists")
					}
					assert.Equal(t, want, kvtest.Values(kvtest.MustFetch(t, st, kv.Below("k"), kv.Below("to"))), "guarded: %v",
						guarded)
				}
			})
		})
	}
}

// TestRunSeesThroughReplacement: a key that was deleted and made again with the same value is another key.
func TestRunSeesThroughReplacement(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		kvtest.MustPut(t, st, "k", "v")
		var seen []kv.Revision
		must(kv.Run(t.Context(), between(st, func() {
			kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("k")}})
			kvtest.MustPut(t, st, "k", "v")
		}), kv.Op{Reads: []kv.Span{kv.Key("k"), kv.Key("x")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			seen = append(seen, have.At("k").Create)
			return put("x", ""), nil
		}}))(t)
		require.Len(t, seen, 2)
		assert.Equal(t, seen[0]+2, seen[1])
	})
}

func TestRunKeepsGuardsOfThePlan(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		plans := 0
		op := kv.Op{Reads: []kv.Span{kv.Below("dir"), kv.Key("mark")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			plans++
			if !have.Empty(kv.Below("dir")) {
				return kv.Change{}, errors.New("not empty")
			}
			c := put("mark", "")
			c.Guards = []kv.Guard{{Kind: kv.NothingBelow, Path: "dir"}}
			return c, nil
		}}
		_, err := kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, "dir/x", "") }), op)
		require.EqualError(t, err, "not empty")
		assert.Equal(t, 2, plans)
		assert.False(t, kvtest.MustFetch(t, st, kv.Key("mark")).At("mark").Exists())
	})
}

func TestRunTouchIsBlind(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		plans := 0
		rev := must(kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, "ref/n", "x") }), kv.Op{
			Reads: []kv.Span{kv.Key("k")},
			Plan: func(*kv.Snapshot) (kv.Change, error) {
				plans++
				c := put("k", "v")
				c.Puts = append(c.Puts, kv.Put{Path: "ref/n", Touch: true})
				return c, nil
			},
		}))(t)
		assert.Equal(t, 1, plans)
		assert.Equal(t, rev, kvtest.MustFetch(t, st, kv.Key("ref/n")).At("ref/n").Mod)
	})
}

func TestRunPutOfWhatWasNotReadPanics(t *testing.T) {
	op := kv.Op{Reads: []kv.Span{kv.Below("a")}, Plan: func(*kv.Snapshot) (kv.Change, error) { return put("b", ""), nil }}
	assert.PanicsWithValue(t, "kv: b was not declared as read; the snapshot shows [a/... fence]", func() {
		_, _ = kv.Run(t.Context(), kv.NewMemory(), op)
	})
}

func TestRunLeavesThePlansChangeAlone(t *testing.T) {
	puts := make([]kv.Put, 1, 10)
	puts[0] = kv.Put{Path: "k", Value: "v"}
	guards := make([]kv.Guard, 0, 10)
	must(kv.Run(t.Context(), kv.NewMemory(), kv.Op{Reads: []kv.Span{kv.Key("k")},
		Plan: func(*kv.Snapshot) (kv.Change, error) { return kv.Change{Puts: puts, Guards: guards}, nil }}))(t)
	assert.Zero(t, puts[:2][1])
	assert.Zero(t, guards[:1][0])
}

func TestRunReturnsTheRevision(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		at := kvtest.MustPut(t, st, "k", "v")
		rev := must(kv.Run(t.Context(), st, derive(kv.Key("k"), "k", "to/b")))(t)
		assert.Equal(t, at+1, rev)
		s := kvtest.MustFetch(t, st, kv.Key("to/b"), kv.Key(kv.CommitPath))
		assert.Equal(t, kv.Entry{Value: "v'", Create: rev, Mod: rev}, s.At("to/b"))

		rev = must(kv.Run(t.Context(), st, kv.Op{Name: "idle", Reads: []kv.Span{kv.Key("k")},
			Plan: func(*kv.Snapshot) (kv.Change, error) {
				return kv.Change{Guards: []kv.Guard{{Kind: kv.Absent, Path: "k"}}}, nil
			}}))(t)
		assert.Equal(t, at+1, rev, "nothing to write: what was seen")
		assert.Equal(t, at+1, kvtest.MustFetch(t, st).Revision)
	})
}

func TestRunNamesItselfInTheCommit(t *testing.T) {
	st := kv.NewMemory()
	tokens := map[string]bool{}
	for range 3 {
		rev := must(kv.Run(t.Context(), st, kv.Op{Name: "touch it all", Reads: []kv.Span{kv.Key("k")},
			Plan: func(*kv.Snapshot) (kv.Change, error) { return put("k", ""), nil }}))(t)
		e := kvtest.MustFetch(t, st, kv.Key(kv.CommitPath)).At(kv.CommitPath)
		assert.Equal(t, rev, e.Mod)
		c := kv.ParseCommit(e.Value)
		assert.Equal(t, "touch it all", c.Name)
		tokens[c.Token] = true
	}
	assert.Len(t, tokens, 3)
}

func TestRunErrors(t *testing.T) {
	mine := errors.New("mine")
	good := kv.Op{Reads: []kv.Span{kv.Key("k")}, Plan: func(*kv.Snapshot) (kv.Change, error) { return put("k", ""), nil }}
	for _, c := range []struct {
		name string
		st   kvtest.Hooks
		op   kv.Op
		want error
	}{
		{"of the plan", kvtest.Hooks{}, kv.Op{Plan: func(*kv.Snapshot) (kv.Change, error) { return put("k", ""), mine }},
			mine},
		{"of the fetch", kvtest.Hooks{OnFetch: func(context.Context, kv.Revision, []kv.Span, kvtest.Fetch) (*kv.Snapshot,
			error) {
			return nil, mine
		}}, good, mine},
		{"of the commit", kvtest.Hooks{OnCommit: func(context.Context, kv.Change, kvtest.Commit) (*kv.Snapshot, error) {
			return nil, kv.ErrTooLarge
		}}, good, kv.ErrTooLarge},
		{"of an impossible change", kvtest.Hooks{}, kv.Op{Reads: []kv.Span{kv.Key("k")},
			Plan: func(*kv.Snapshot) (kv.Change, error) {
				c := put("k", "")
				c.Deletes = []kv.Span{kv.Key("k")}
				return c, nil
			}}, kv.ErrUnorderable},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := kv.NewMemory()
			c.st.Store = st
			_, err := kv.Run(t.Context(), c.st, c.op)
			require.ErrorIs(t, err, c.want)
			require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
			assert.EqualValues(t, 1, kvtest.MustFetch(t, st).Revision, "nothing was written")
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := kv.Run(ctx, kv.NewMemory(), good)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown, "nothing was sent")
}

func TestRunNeed(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		kvtest.MustPut(t, st, "a", "b", "b", "c", "c", "1")
		// The operation follows a chain of names to the key that it changes.
		op := kv.Op{Reads: []kv.Span{kv.Key("a")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			p := kv.Path("a")
			for range 2 {
				p = kv.Path(have.At(p).Value)
				if !have.Shows(kv.Key(p)) {
					return kv.Change{}, fmt.Errorf("on the way: %w", kv.Need{kv.Key(p)})
				}
			}
			return put(p, have.At(p).Value+"1"), nil
		}}
		// What was asked for on the way is guarded like what was declared.
		must(kv.Run(t.Context(), between(st, func() { kvtest.MustPut(t, st, "b", "d", "d", "2") }), op))(t)
		assert.Equal(t, map[kv.Path]string{"a": "b", "b": "d", "c": "1", "d": "21"},
			kvtest.Values(kvtest.MustFetch(t, st, kv.Span{From: "a", To: "c0"}, kv.Key("d"))))

		plans := 0
		_, err := kv.Run(t.Context(), st, kv.Op{Reads: []kv.Span{kv.Key("a")}, Plan: func(*kv.Snapshot) (kv.Change, error) {
			plans++
			return kv.Change{}, kv.Need{kv.Key("a"), kv.Below("z")}
		}})
		require.ErrorContains(t, err, "z/...")
		assert.Equal(t, 2, plans, "who asks for what is there gets no more")
	})
}

// increment counts a key up.
func increment(p kv.Path) kv.Op {
	return kv.Op{Name: "increment", Reads: []kv.Span{kv.Key(p)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		n, _ := strconv.Atoi(have.At(p).Value)
		return put(p, strconv.Itoa(n+1)), nil
	}}
}

func TestRunGivesUpWhenContended(t *testing.T) {
	st := kv.NewMemory()
	commits := 0
	contended := kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
		next kvtest.Commit) (*kv.Snapshot, error) {
		commits++
		kvtest.MustPut(t, st, "k", strconv.Itoa(commits))
		return next(ctx, c)
	}}
	_, err := kv.Run(t.Context(), contended, kv.Op{Reads: []kv.Span{kv.Key("k"), kv.Key("mine")},
		Plan: func(*kv.Snapshot) (kv.Change, error) { return put("mine", ""), nil }})
	require.ErrorIs(t, err, kv.ErrContended)
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
	assert.Equal(t, 40, commits)
	assert.False(t, kvtest.MustFetch(t, st, kv.Key("mine")).At("mine").Exists())

	ctx, cancel := context.WithCancel(t.Context())
	commits = 0
	contended.OnCommit = func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot, error) {
		if commits++; commits == 5 {
			cancel()
		}
		return nil, kv.ErrGuard
	}
	require.ErrorIs(t, errOf(kv.Run(ctx, contended, increment("k"))), context.Canceled)
	assert.Equal(t, 5, commits)
}
