package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
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

var (
	errExists = errors.New("exists")
	errAbsent = errors.New("absent")
	errOther  = errors.New("another value")
)

// The operations of the tests below, on one key. Each tells what it found when it last planned.
var keyOps = map[string]func(p kv.Path, arg string, found *string) kv.Op{
	"increment": func(p kv.Path, _ string, found *string) kv.Op { return increment(p, found) },
	"put": func(p kv.Path, arg string, found *string) kv.Op {
		return onKey(p, found, func(kv.Entry) (kv.Change, error) { return put(p, arg), nil })
	},
	"create": func(p kv.Path, arg string, found *string) kv.Op {
		return onKey(p, found, func(e kv.Entry) (kv.Change, error) {
			if e.Exists() {
				return kv.Change{}, errExists
			}
			return put(p, arg), nil
		})
	},
	"delete": func(p kv.Path, _ string, found *string) kv.Op {
		return onKey(p, found, func(e kv.Entry) (kv.Change, error) {
			if !e.Exists() {
				return kv.Change{}, errAbsent
			}
			return kv.Change{Deletes: []kv.Span{kv.Key(p)}}, nil
		})
	},
	"compare and set": func(p kv.Path, arg string, found *string) kv.Op {
		return onKey(p, found, func(e kv.Entry) (kv.Change, error) {
			old, now, _ := strings.Cut(arg, ">")
			if !e.Exists() || e.Value != old {
				return kv.Change{}, errOther
			}
			return put(p, now), nil
		})
	},
}

func onKey(p kv.Path, found *string, plan func(kv.Entry) (kv.Change, error)) kv.Op {
	return kv.Op{Reads: []kv.Span{kv.Key(p)}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
		e := have.At(p)
		*found = e.Value
		if !e.Exists() {
			*found = "(absent)"
		}
		return plan(e)
	}}
}

// commitsBy returns how often each name stands in the history of commits.
func commitsBy(t testing.TB, st kv.Store, after kv.Revision) map[string]int {
	t.Helper()
	out := map[string]int{}
	at := kvtest.MustFetch(t, st).Revision
	for at > after {
		s, err := st.Fetch(t.Context(), at, kv.Key(kv.CommitPath))
		require.NoError(t, err)
		e := s.At(kv.CommitPath)
		if e.Mod <= after {
			break
		}
		_, name, _ := strings.Cut(e.Value, " ")
		out[name]++
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
	for name, want := range map[string]string{"increment": "8", "put": "5", "create": "5", "compare and set": "5",
		"delete": "(absent)"} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, st kv.Store) {
				for fate, faults := range fates {
					kvtest.MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Key("k")}})
					before := kvtest.MustFetch(t, st).Revision
					if name != "create" {
						before = kvtest.MustPut(t, st, "k", "7")
					}
					f := kvtest.NewFaults(st, kvtest.Script(faults...))
					var found string
					op := keyOps[name]("k", map[string]string{"compare and set": "7>5"}[name]+map[string]string{"put": "5",
						"create": "5"}[name], &found)
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
					assert.Equal(t, want, got, fate)
					at, err := st.Fetch(t.Context(), rev, kv.Key(kv.CommitPath))
					require.NoError(t, err)
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
				_, err := kv.Run(t.Context(), wrap(f), takeNumber("n", c.name))
				require.NoError(t, err)
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

// clock gives calls and returns an order.
type clock struct{ n atomic.Int64 }

func (c *clock) now() int64 { return c.n.Add(1) }

type call struct {
	op  string
	key kv.Path
	arg string
}

type answer struct {
	found   string // what the key held; "(absent)"
	err     string
	unknown bool // it took effect, as the history of commits shows, and did not know
	idle    bool // it gave up: others were always faster, or etcd was too slow
}

// register is one key as porcupine's model: what it holds, or "(absent)".
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[kv.Path][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(call).key
			byKey[k] = append(byKey[k], o)
		}
		var out [][]porcupine.Operation
		for _, h := range byKey {
			out = append(out, h)
		}
		return out
	},
	Init: func() any { return "(absent)" },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(string), input.(call), output.(answer)
		if out.idle {
			return true, now
		}
		next, refused := now, ""
		switch in.op {
		case "put":
			next = in.arg
		case "increment":
			n := 0
			_, _ = fmt.Sscan(now, &n)
			next = fmt.Sprint(n + 1)
		case "create":
			if next = in.arg; now != "(absent)" {
				refused = errExists.Error()
			}
		case "delete":
			if next = "(absent)"; now == "(absent)" {
				refused = errAbsent.Error()
			}
		case "compare and set":
			old, set, _ := strings.Cut(in.arg, ">")
			if next = set; now != old {
				refused = errOther.Error()
			}
		}
		if refused != "" {
			next = now
		}
		found := out.found
		if in.op == "increment" && found == "" {
			found = "(absent)" // it takes an absent key for an empty one
		}
		return out.unknown || out.err == refused && found == now, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// workload is many clients at once on few keys, over a store that loses answers.
type workload struct {
	seed          uint64
	clients, each int
	mutant        func(kv.Store) kv.Store
}

type outcome struct {
	faults       *kvtest.Faults
	ops          int
	linearizable bool
	twice        []string // operations that took effect more than once
	lost         []string // that said they took effect, and did not
	unasked      []string // that said they did not, and did
	unknown      []string // that said they did not know, as when etcd was too slow
}

func (o outcome) good() bool {
	return o.linearizable && len(o.twice)+len(o.lost)+len(o.unasked) == 0
}

func (w workload) run(t *testing.T, st kv.Store) outcome {
	since := kvtest.MustFetch(t, st).Revision
	faults := kvtest.NewFaults(st, kvtest.Random(w.seed, 0.3, 60))
	var over kv.Store = faults
	if w.mutant != nil {
		over = w.mutant(over)
	}
	var c clock
	var mu sync.Mutex
	var history []porcupine.Operation
	errs := map[string]error{}
	var clients sync.WaitGroup
	for id := range w.clients {
		r := rand.New(rand.NewPCG(w.seed, uint64(id)))
		clients.Go(func() {
			for i := range w.each {
				name := fmt.Sprintf("client %d, operation %d", id, i)
				o, err := w.one(t, st, over, r, &c, id, name)
				mu.Lock()
				history = append(history, o...)
				errs[name] = err
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	faults.Flush()
	out := outcome{faults: faults, ops: w.clients * w.each}
	done := commitsBy(t, st, since)
	for name, err := range errs {
		switch n := done[name]; {
		case n > 1:
			out.twice = append(out.twice, name)
		case errors.Is(err, kv.ErrOutcomeUnknown):
			out.unknown = append(out.unknown, name)
		case n == 0 && err == nil:
			out.lost = append(out.lost, name)
		case n == 1 && err != nil:
			out.unasked = append(out.unasked, name)
		}
	}
	// Who does not know whether it happened is found in the history, and may have happened at any later time.
	history = slices.DeleteFunc(history, func(o porcupine.Operation) bool {
		return errors.Is(errs[o.Metadata.(string)], kv.ErrOutcomeUnknown) && done[o.Metadata.(string)] == 0
	})
	for i, o := range history {
		if errors.Is(errs[o.Metadata.(string)], kv.ErrOutcomeUnknown) {
			history[i].Output, history[i].Return = answer{unknown: true}, math.MaxInt64
		}
	}
	result := porcupine.CheckOperationsTimeout(register, history, soon)
	if !assert.NotEqual(t, porcupine.Unknown, result, "the check took too long") {
		return out
	}
	out.linearizable = result == porcupine.Ok
	return out
}

// one does one operation of a client, and returns what it adds to the history of the registers.
func (w workload) one(t *testing.T, st, over kv.Store, r *rand.Rand, c *clock, id int,
	name string) ([]porcupine.Operation, error) {
	key := kv.Path(fmt.Sprintf("key/%d", r.IntN(3)))
	number := func() string { return fmt.Sprint(r.IntN(4)) }
	in := call{key: key}
	switch r.IntN(8) {
	case 0:
		in.op, in.arg = "put", number()
	case 1, 2:
		in.op, in.arg = "create", number()
	case 3:
		in.op, in.arg = "compare and set", number()+">"+number()
	case 4:
		in.op = "increment"
	case 5:
		in.op = "delete"
	case 6: // counted in the history of commits only
		_, err := kv.Run(t.Context(), over, takeNumber("numbers", name))
		if err == nil && r.IntN(2) == 0 {
			_, _ = st.Commit(t.Context(), kv.Change{Deletes: []kv.Span{kv.Below("numbers")}})
		}
		return nil, expected(t, err)
	default:
		in.op = "read"
	}
	called := c.now()
	var out answer
	var err error
	if in.op == "read" {
		var s *kv.Snapshot
		if s, err = st.Fetch(t.Context(), 0, kv.Key(key)); err == nil {
			if out.found = s.At(key).Value; !s.At(key).Exists() {
				out.found = "(absent)"
			}
		}
		out.idle = expected(t, err) != nil
		err = errAbsent // it commits nothing
	} else {
		op := keyOps[in.op](key, in.arg, &out.found)
		op.Name = name
		_, err = kv.Run(t.Context(), over, op)
		if expected(t, err) != nil {
			out.err = err.Error()
		}
		out.idle = errors.Is(err, kv.ErrContended) || errors.Is(err, kv.ErrUnavailable)
	}
	return []porcupine.Operation{{ClientId: id, Input: in, Call: called, Output: out, Return: c.now(), Metadata: name}},
		err
}

func expected(t *testing.T, err error) error {
	for _, e := range []error{nil, errExists, errAbsent, errOther, kv.ErrContended, kv.ErrUnavailable,
		kv.ErrOutcomeUnknown} {
		if errors.Is(err, e) {
			return err
		}
	}
	assert.NoError(t, err)
	return err
}

// TestLostAnswersUnderLoad (I3): with answers lost at random, every operation takes effect exactly once or not at all,
// as it says, and the keys behave as if one operation was done after the other.
func TestLostAnswersUnderLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		open  func() kv.Store
		seeds int
		each  int
	}{
		"memory": {func() kv.Store { return kv.NewMemory() }, testkit.Steps(8, 20), 100},
		"etcd":   {func() kv.Store { return newStore(t) }, testkit.Steps(2, 5), 50},
	} {
		t.Run(name, func(t *testing.T) {
			ops, lost, late, landed, unknown := 0, 0, 0, 0, 0
			for seed := range uint64(c.seeds) {
				o := workload{seed: seed, clients: 5, each: c.each}.run(t, c.open())
				assert.True(t, o.linearizable, "seed %d: not linearizable", seed)
				assert.Empty(t, o.twice, "seed %d: took effect twice", seed)
				assert.Empty(t, o.lost, "seed %d: reported and not there", seed)
				assert.Empty(t, o.unasked, "seed %d: refused and yet there", seed)
				ops += o.ops
				lost += o.faults.Count(kvtest.Committed) + o.faults.Count(kvtest.Dropped)
				late += o.faults.Count(kvtest.Late)
				landed += o.faults.Landed()
				unknown += len(o.unknown)
			}
			t.Logf("%d operations, %d answers lost at once, %d commits late, of which %d still took effect; %d outcomes "+
				"stayed unknown",
				ops, lost, late, landed, unknown)
			assert.LessOrEqual(t, unknown, ops/100)
			assert.Greater(t, lost, ops/10)
			assert.Greater(t, late, ops/20)
			assert.Positive(t, landed)
		})
	}
}

// TestLostAnswersUnderLoadNeedsItsRules: the test above notices when one of its rules is missing.
func TestLostAnswersUnderLoadNeedsItsRules(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]func(kv.Store) kv.Store{"no search": forgetful, "no fence": unfenced} {
		t.Run(name, func(t *testing.T) {
			noticed := 0
			const seeds = 10
			for seed := range uint64(seeds) {
				if !(workload{seed: seed, clients: 5, each: 100, mutant: mutant}).run(t, kv.NewMemory()).good() {
					noticed++
				}
			}
			t.Logf("noticed in %d of %d runs", noticed, seeds)
			assert.Positive(t, noticed)
		})
	}
}

func TestOutcomeUnknown(t *testing.T) {
	const never = 1 << 30
	t.Run("the context ends", func(t *testing.T) {
		eachStore(t, func(t *testing.T, st kv.Store) {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := kv.Run(ctx, kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
				next kvtest.Commit) (*kv.Snapshot, error) {
				defer cancel()
				_, err := next(ctx, c)
				return nil, errors.Join(kv.ErrOutcomeUnknown, err)
			}}, increment("k", nil))
			require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
			require.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value, "and in fact it happened")
		})
	})
	t.Run("every answer is lost until the context ends", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		st := kv.NewMemory()
		_, err := kv.Run(ctx, kvtest.NewFaults(st, func() kvtest.Fault {
			return kvtest.Fault{Fate: kvtest.Dropped,
				Calls: never}
		}), increment("k", nil))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("etcd stays unreachable", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		down := false
		_, err := kv.Run(ctx, kvtest.Hooks{
			Store: kv.NewMemory(),
			OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
				if down {
					return nil, kv.ErrUnavailable
				}
				return next(ctx, at, spans...)
			},
			OnCommit: func(context.Context, kv.Change, kvtest.Commit) (*kv.Snapshot, error) {
				down = true
				return nil, kv.ErrOutcomeUnknown
			},
		}, increment("k", nil))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, kv.ErrUnavailable)
	})
	t.Run("access is refused", func(t *testing.T) {
		_, err := kv.Run(t.Context(), kvtest.Hooks{Store: kv.NewMemory(),
			OnCommit: func(_ context.Context, c kv.Change, _ kvtest.Commit) (*kv.Snapshot, error) {
				if c.Puts[0].Path == kv.FencePath {
					return nil, kv.ErrUnauthorized
				}
				return nil, kv.ErrOutcomeUnknown
			}}, increment("k", nil))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, kv.ErrUnauthorized)
	})
	compacted := func(t *testing.T, st kv.Store, compact func(kv.Revision)) {
		_, err := kv.Run(t.Context(), kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
			next kvtest.Commit) (*kv.Snapshot, error) {
			_, err := next(ctx, c)
			require.NoError(t, err)
			for range 3 { // others commit, so that the token is in the history only
				_, err := kv.Run(ctx, st, increment("other", nil))
				require.NoError(t, err)
			}
			compact(kvtest.MustFetch(t, st).Revision)
			return nil, kv.ErrOutcomeUnknown
		}}, increment("k", nil))
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
		down, began := false, time.Now()
		_, err := kv.Run(context.Background(), kvtest.Hooks{
			Store: kv.NewMemory(),
			OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
				if down {
					return nil, kv.ErrUnavailable
				}
				return next(ctx, at, spans...)
			},
			OnCommit: func(context.Context, kv.Change, kvtest.Commit) (*kv.Snapshot, error) {
				down = true
				return nil, kv.ErrOutcomeUnknown
			},
		}, increment("k", nil))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
		require.ErrorIs(t, err, kv.ErrUnavailable)
		assert.InDelta(t, 10*time.Second, time.Since(began), float64(time.Second))
	})
}

// TestLostAnswerWaitsForEtcd: an etcd that cannot be reached for a while is asked again.
func TestLostAnswerWaitsForEtcd(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		down := 0
		rev, err := kv.Run(t.Context(), kvtest.Hooks{
			Store: st,
			OnFetch: func(ctx context.Context, at kv.Revision, spans []kv.Span, next kvtest.Fetch) (*kv.Snapshot, error) {
				if down > 0 {
					down--
					return nil, kv.ErrUnavailable
				}
				return next(ctx, at, spans...)
			},
			OnCommit: func(ctx context.Context, c kv.Change, next kvtest.Commit) (*kv.Snapshot, error) {
				down = 60
				_, err := next(ctx, c)
				return nil, errors.Join(kv.ErrOutcomeUnknown, err)
			},
		}, increment("k", nil))
		require.NoError(t, err)
		assert.Equal(t, kv.Entry{Value: "1", Create: rev, Mod: rev}, kvtest.MustFetch(t, st, kv.Key("k")).At("k"))
	})
}

// TestLostAnswerNeedsNoOlderHistory: what was compacted before an operation began does not matter to it.
func TestLostAnswerNeedsNoOlderHistory(t *testing.T) {
	st := kv.NewMemory()
	for range 3 {
		_, err := kv.Run(t.Context(), st, increment("k", nil))
		require.NoError(t, err)
	}
	st.Compact(kvtest.MustPut(t, st, "not", "a commit"))
	for _, fate := range []kvtest.Fate{kvtest.Committed, kvtest.Dropped, kvtest.Late} {
		_, err := kv.Run(t.Context(), kvtest.NewFaults(st, kvtest.Script(kvtest.Fault{Fate: fate, Calls: 3})),
			increment("k", nil))
		require.NoError(t, err)
		st.Compact(kvtest.MustFetch(t, st).Revision)
	}
	assert.Equal(t, "6", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
}

// TestLostAnswerNeedsNoHistoryBeforeIt: the search ends with the first commit after the operation's read.
func TestLostAnswerNeedsNoHistoryBeforeIt(t *testing.T) {
	st := kv.NewMemory()
	lost := false
	_, err := kv.Run(t.Context(), kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
		next kvtest.Commit) (*kv.Snapshot, error) {
		if lost {
			return next(ctx, c)
		}
		lost = true
		at, err := kv.Run(ctx, st, increment("other", nil))
		require.NoError(t, err)
		st.Compact(at)
		return nil, kv.ErrOutcomeUnknown
	}}, increment("k", nil))
	require.NoError(t, err)
	assert.Equal(t, "1", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
}

// TestLostAnswerIsFoundAmongMany: the search goes past what others have committed since.
func TestLostAnswerIsFoundAmongMany(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		var at kv.Revision
		rev, err := kv.Run(t.Context(), kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, c kv.Change,
			next kvtest.Commit) (*kv.Snapshot, error) {
			got, err := next(ctx, c)
			require.NoError(t, err)
			at = got.Revision
			for range 20 {
				_, err := kv.Run(ctx, st, increment("k", nil))
				require.NoError(t, err)
				kvtest.MustPut(t, st, "not", "a commit")
			}
			return nil, kv.ErrOutcomeUnknown
		}}, increment("k", nil))
		require.NoError(t, err)
		assert.Equal(t, at, rev)
		assert.Equal(t, "21", kvtest.MustFetch(t, st, kv.Key("k")).At("k").Value)
	})
}

// TestAnswerLostOnTheWire loses real answers: etcd commits, and the connection is cut before it can say so.
func TestAnswerLostOnTheWire(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	p, err := proxy.Start("tcp", hostPort(t, direct.Client().Endpoints()[0]))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	over := storeWithPrefix(t, newClient(t, p.Addr()), direct)
	for i := range 20 {
		before := kvtest.MustFetch(t, direct).Revision
		ended := make(chan error, 1)
		var rev kv.Revision
		go func() {
			var err error
			rev, err = kv.Run(t.Context(), between(over, func() { p.Pause(proxy.ToClient) }), increment("k", nil))
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
