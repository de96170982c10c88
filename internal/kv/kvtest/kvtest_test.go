package kvtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestModelPassesTheSuite(t *testing.T) {
	// The model copies every state, so it is spared the many keys.
	kvtest.TestStore(t, kvtest.Harness{Many: 1000, Open: func(*testing.T) kv.Store { return kvtest.NewModel() }})
}

func put(p kv.Path) kv.Change { return kv.Change{Puts: []kv.Put{{Path: p}}} }

func TestFaultsDecideWhatBecomesOfACommit(t *testing.T) {
	st := kv.NewMemory()
	f := kvtest.NewFaults(st, kvtest.Script(
		kvtest.Fault{}, kvtest.Fault{Fate: kvtest.Committed}, kvtest.Fault{Fate: kvtest.Dropped},
		kvtest.Fault{Fate: kvtest.Late, Calls: 2},
	))
	there := func(p kv.Path) bool { return kvtest.MustFetch(t, st, kv.Key(p)).At(p).Exists() }
	_, err := f.Commit(t.Context(), put("fine"))
	require.NoError(t, err)
	for _, p := range []kv.Path{"committed", "dropped", "late"} {
		_, err = f.Commit(t.Context(), put(p))
		require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
	}
	assert.True(t, there("fine"))
	assert.True(t, there("committed"))
	assert.False(t, there("late"))
	kvtest.MustFetch(t, f)
	assert.False(t, there("late"), "after one call")
	s := kvtest.MustFetch(t, f, kv.Key("late"))
	assert.True(t, s.At("late").Exists(), "before the second call")
	assert.False(t, there("dropped"))
	assert.Equal(t, 1, f.Count(kvtest.Late))
	assert.Equal(t, 1, f.Landed())
}

func TestFaultsKeepToTheGuards(t *testing.T) {
	st := kv.NewMemory()
	f := kvtest.NewFaults(st, kvtest.Script(kvtest.Fault{Fate: kvtest.Late, Calls: 100},
		kvtest.Fault{Fate: kvtest.Committed}))
	c := put("k")
	c.Guards = []kv.Guard{{Kind: kv.Absent, Path: "k"}}
	_, err := f.Commit(t.Context(), c)
	require.ErrorIs(t, err, kv.ErrOutcomeUnknown)
	at := kvtest.MustPut(t, st, "k", "other")
	_, err = f.Commit(t.Context(), c)
	require.ErrorIs(t, err, kv.ErrOutcomeUnknown, "the answer that a guard failed is lost, too")
	f.Flush()
	assert.Equal(t, at, kvtest.MustFetch(t, st).Revision)
	assert.Zero(t, f.Landed())
}

func TestRandomFaultsRepeat(t *testing.T) {
	a, b := kvtest.Random(7, 0.5, 9), kvtest.Random(7, 0.5, 9)
	seen := map[kvtest.Fate]int{}
	for range 1000 {
		f := a()
		require.Equal(t, f, b())
		seen[f.Fate]++
	}
	assert.Len(t, seen, 4)
	assert.InDelta(t, 500, seen[kvtest.Fine], 100)
}
