package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/proxy"
)

// The two halves of the rule for lost answers, each of which can be taken away from outside.

// forgetful returns the store for somebody who does not look for his token: whose search finds nothing.
func forgetful(st kv.Store) kv.Store {
	return kvtest.Hooks{Store: st, OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span,
		next kvtest.Fetch) (*kv.Snapshot, error) {
		s, err := next(ctx, at, spans...)
		if err == nil && len(spans) == 1 && spans[0] == kv.Key(kv.CommitPath) {
			return kv.NewSnapshot(s.Revision, spans...), nil
		}
		return s, err
	}}
}

// unfenced returns the store for somebody who looks, but lets what is under way arrive later.
func unfenced(st kv.Store) kv.Store { return unguarded(st, kv.FencePath) }

// keyOps are operations on the key k, which holds 7 unless it is to be created, and what each leaves.
var keyOps = map[string]struct {
	op   kv.Op
	want string
}{
	"increment": {increment("k"), "8"},
	"put":       {onKey("k", func(kv.Entry) (kv.Change, error) { return put("k", "5"), nil }), "5"},
	"create": {onKey("k", func(e kv.Entry) (kv.Change, error) {
		if e.Exists() {
			return kv.Change{}, errors.New("it exists")
		}
		return put("k", "5"), nil
	}), "5"},
	"compare and set": {onKey("k", func(e kv.Entry) (kv.Change, error) {
		if e.Value != "7" {
			return kv.Change{}, errors.New("another value")
		}
		return put("k", "5"), nil
	}), "5"},
	"delete": {onKey("k", func(e kv.Entry) (kv.Change, error) {
		if !e.Exists() {
			return kv.Change{}, errors.New("it is absent")
		}
		return kv.Change{Deletes: []kv.Span{kv.Key("k")}}, nil
	}), "(absent)"},
}

func onKey(p kv.Path, plan func(kv.Entry) (kv.Change, error)) kv.Op {
	return kv.Op{Reads: []kv.Span{kv.Key(p)}, Plan: func(have *kv.Snapshot) (kv.Change, error) { return plan(have.At(p)) }}
}

// commitsBy returns how often each name stands in the history of commits.
func commitsBy(t testing.TB, st kv.Store, after kv.Revision) map[string]int {
	t.Helper()
	out := map[string]int{}
	at := kvtest.MustFetch(t, st).Revision
	for at > after {
		s := must(st.Fetch(t.Context(), at, kv.Key(kv.CommitPath)))(t)
		e := s.At(kv.CommitPath)
		if e.Mod <= after {
			break
		}
		out[kv.ParseCommit(e.Value).Name]++
		at = e.Mod - 1
	}
	return out
}

// TestLostAnswer (I3) goes through everything that can become of the first commits of an operation: exactly one takes
// effect, and Run says at which revision. A commit that is late may arrive at any later call, and after the operation
// has ended.
func TestLostAnswer(t *testing.T) {
	fates := map[string][]kvtest.Fault{
		"committed":               {{Fate: kvtest.Committed}},
		"dropped":                 {{Fate: kvtest.Dropped}},
		"dropped often":           {{Fate: kvtest.Dropped}, {}, {Fate: kvtest.Dropped}, {}, {Fate: kvtest.Dropped}},
		"fence lost too":          {{Fate: kvtest.Dropped}, {Fate: kvtest.Committed}, {Fate: kvtest.Dropped}},
		"committed after dropped": {{Fate: kvtest.Dropped}, {}, {Fate: kvtest.Committed}},
		"everything late": {{Fate: kvtest.Late, Calls: 7}, {Fate: kvtest.Late, Calls: 5},
			{Fate: kvtest.Late, Calls: 3}, {Fate: kvtest.Late, Calls: 9}},
	}
	for calls := 1; calls <= 12; calls++ {
		fates[fmt.Sprintf("late by %d calls", calls)] = []kvtest.Fault{{Fate: kvtest.Late, Calls: calls}}
		fates[fmt.Sprintf("late by %d calls, its fence too", calls)] = []kvtest.Fault{{Fate: kvtest.Late, Calls: calls},
			{Fate: kvtest.Late, Calls: 13 - calls}}
	}
	for name, c := range keyOps {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, st kv.Store) {
				for fate, faults := range fates {
					kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("k")}})
					before := kvtest.MustFetch(t, st).Revision
					if name != "create" {
						before = kvtest.MustPut(t, st, "k", "7")
					}
					f := kvtest.NewFaults(st, kvtest.Script(faults...))
					op := c.op
					op.Name = fate
					rev, err := kv.Run(t.Context(), f, op)
					require.NoError(t, err, fate)
					now := kvtest.MustFetch(t, st, kv.Key("k"))
					got := now.At("k").Value
					if !now.At("k").Exists() {
						got = "(absent)"
					} else {
						assert.Equal(t, rev, now.At("k").Mod, fate)
					}
					assert.Equal(t, c.want, got, fate)
					at := must(st.Fetch(t.Context(), rev, kv.Key(kv.CommitPath)))(t)
					assert.Equal(t, rev, at.At(kv.CommitPath).Mod, fate)

					// What is late finds the door shut even when the key is as it was before.
					if name == "create" {
						kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("k")}})
					}
					f.Flush()
					assert.Equal(t, 1, commitsBy(t, st, before)[fate], fate)
				}
			})
		})
	}
}

// TestLostAnswerRulesAreNeeded: without the search for the token, or without the fence, an operation takes effect
// twice.
func TestLostAnswerRulesAreNeeded(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		for _, c := range []struct {
			name   string
			mutant func(kv.Store) kv.Store
			fault  kvtest.Fault
		}{
			{"no search", forgetful, kvtest.Fault{Fate: kvtest.Committed}},
			{"no fence", unfenced, kvtest.Fault{Fate: kvtest.Late, Calls: 100}},
		} {
			// Somebody takes a number and another gives it back: the state is as before, and the late commit still
			// fits.
			take := func(wrap func(kv.Store) kv.Store) int {
				kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Below("n")}})
				since := kvtest.MustFetch(t, st).Revision
				f := kvtest.NewFaults(st, kvtest.Script(c.fault))
				must(kv.Run(t.Context(), wrap(f), takeNumber("n", c.name)))(t)
				kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Below("n")}})
				f.Flush()
				return commitsBy(t, st, since)[c.name]
			}
			assert.Equal(t, 1, take(func(st kv.Store) kv.Store { return st }), c.name)
			assert.Equal(t, 2, take(c.mutant), "%s: the rule taken away", c.name)
		}
	})
}

// takeNumber is an operation that puts the first free number below a path, of which it reads the range only.
func takeNumber(dir kv.Path, name string) kv.Op {
	return kv.Op{Name: name, Reads: []kv.Span{kv.Below(dir)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		for i := 0; ; i++ {
			if p := dir + kv.Path(fmt.Sprintf("/%d", i)); !have.At(p).Exists() {
				return put(p, name), nil
			}
		}
	}}
}

// lostAnswer returns the store with something done after each commit, whose answer is then lost.
func lostAnswer(st kv.Store, then func()) kv.Store {
	return kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot,
		error) {
		_, err := next(ctx, c)
		then()
		return nil, errors.Join(kv.ErrOutcomeUnknown, err)
	}}
}

// goneFor returns the store behind a network that fails right after the first commit, for so many reads.
func goneFor(st kv.Store, reads int) kv.Store {
	down := 0
	return kvtest.Hooks{
		Store: lostAnswer(st, func() { down = reads }),
		OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
			if down--; down >= 0 {
				return nil, kv.ErrUnavailable
			}
			return next(ctx, at, spans...)
		},
	}
}

func TestOutcomeUnknown(t *testing.T) {
	const never = 1 << 30
	t.Run("the context ends", func(t *testing.T) {
		eachStore(t, func(t *testing.T, st kv.Store) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := kv.Run(ctx, lostAnswer(st, cancel), increment("k"))
			require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value, "and in fact it happened")
		})
	})
	dropped := func() kvtest.Fault { return kvtest.Fault{Fate: kvtest.Dropped, Calls: never} }
	for name, c := range map[string]struct {
		st  kv.Store
		why error
	}{
		"every answer is lost":   {kvtest.NewFaults(kv.NewMemory(), dropped), context.DeadlineExceeded},
		"etcd stays unreachable": {goneFor(kv.NewMemory(), never), kv.ErrUnavailable},
		"access is refused": {kvtest.Hooks{Store: kv.NewMemory(),
			OnCommit: func(_ context.Context, c kv.Change, _ kvtest.Commit) (*kv.Snapshot, error) {
				if c.Puts[0].Path == kv.FencePath {
					return nil, kv.ErrUnauthorized
				}
				return nil, kv.ErrOutcomeUnknown
			}}, kv.ErrUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := kv.Run(ctx, c.st, increment("k"))
			require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
			require.ErrorIs(t, err, c.why)
		})
	}
	compacted := func(t *testing.T, st kv.Store, compact func(kv.Revision)) {
		_, err := kv.Run(t.Context(), lostAnswer(st, func() {
			for range 3 { // others commit, so that the token is in the history only
				must(kv.Run(t.Context(), st, increment("other")))(t)
			}
			compact(kvtest.MustFetch(t, st).Revision)
		}), increment("k"))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, kv.ErrCompacted)
		assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value, "and in fact it happened")
	}
	t.Run("the history was compacted, memory", func(t *testing.T) {
		st := kv.NewMemory()
		compacted(t, st, st.Compact)
	})
	t.Run("the history was compacted, etcd", func(t *testing.T) {
		client := newClient(t, newServer(t, embedetcd.Options{}).Endpoints()[0])
		compacted(t, storeOn(t, client), func(at kv.Revision) { compact(t, client, at) })
	})
}

// TestLostAnswerIsNotWaitedForForEver (I3): an etcd that stays away is asked for some seconds, also by who set no
// limit.
func TestLostAnswerIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := kv.Run(context.Background(), goneFor(kv.NewMemory(), 1<<30), increment("k"))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, kv.ErrUnavailable)
		assert.InDelta(t, 10*time.Second, time.Since(began), float64(time.Second), "of an invented clock")
	})
}

// TestLostAnswerWaitsForEtcd: an etcd that cannot be reached for a while is asked again.
func TestLostAnswerWaitsForEtcd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := kv.NewMemory()
		rev := must(kv.Run(t.Context(), goneFor(st, 60), increment("k")))(t)
		assert.Equal(t, kv.Entry{Value: "1", Create: rev, Mod: rev}, kvtest.MustFetch(t, st, kv.Key("k")).At("k"))
	})
}

// TestLostAnswerNeedsNoOlderHistory: what was compacted before an operation began does not matter to it.
func TestLostAnswerNeedsNoOlderHistory(t *testing.T) {
	st := kv.NewMemory()
	for range 3 {
		must(kv.Run(t.Context(), st, increment("k")))(t)
	}
	st.Compact(kvtest.MustPut(t, st, "not", "a commit"))
	for _, fate := range []kvtest.Fate{kvtest.Committed, kvtest.Dropped, kvtest.Late} {
		must(kv.Run(t.Context(), kvtest.NewFaults(st, kvtest.Script(kvtest.Fault{Fate: fate, Calls: 3})),
			increment("k")))(t)
		st.Compact(kvtest.MustFetch(t, st).Revision)
	}
	assert.Equal(t, "6", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
}

// TestLostAnswerNeedsNoHistoryBeforeIt: the search ends with the first commit after the operation's read.
func TestLostAnswerNeedsNoHistoryBeforeIt(t *testing.T) {
	st := kv.NewMemory()
	dropped := kvtest.NewFaults(st, kvtest.Script(kvtest.Fault{Fate: kvtest.Dropped}))
	must(kv.Run(t.Context(), between(dropped, func() { st.Compact(must(kv.Run(t.Context(), st, increment("other")))(t)) }),
		increment("k")))(t)
	assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
}

// TestLostAnswerIsFoundAmongMany: the search goes past what others have committed since.
func TestLostAnswerIsFoundAmongMany(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		var at kv.Revision
		rev := must(kv.Run(t.Context(), lostAnswer(st, func() {
			at = kvtest.MustFetch(t, st).Revision
			for range 20 {
				must(kv.Run(t.Context(), st, increment("k")))(t)
				kvtest.MustPut(t, st, "not", "a commit")
			}
		}), increment("k")))(t)
		assert.Equal(t, at, rev)
		assert.Equal(t, "21", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
	})
}

// TestAnswerLostOnTheWire loses real answers: etcd commits, and the connection is cut before it can say so.
func TestAnswerLostOnTheWire(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	p := must(proxy.Start("tcp", hostPort(t, direct.Client().Endpoints()[0])))(t)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	over := storeWithPrefix(t, newClient(t, p.Addr()), direct)
	for i := range 20 {
		before := kvtest.MustFetch(t, direct).Revision
		ended := make(chan error, 1)
		var rev kv.Revision
		go func() {
			var err error
			rev, err = kv.Run(t.Context(), between(over, func() { p.Pause(proxy.ToClient) }), increment("k"))
			ended <- err
		}()
		require.Eventually(t, func() bool {
			return kvtest.MustFetch(t, direct, kv.Key("k")).At("k").Mod > before
		}, soon, time.Millisecond, "it commits")
		p.Cut()
		p.Resume()
		require.NoError(t, <-ended)
		e := kvtest.MustFetch(t, direct, kv.Key("k")).At("k")
		assert.Equal(t, fmt.Sprint(i+1), e.Value)
		assert.Equal(t, e.Mod, rev)
	}
}
