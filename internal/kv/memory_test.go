package kv_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestMemoryIsSavedFirst: what a transaction makes is saved before anyone sees it, and what cannot be saved does not
// happen.
func TestMemoryIsSavedFirst(t *testing.T) {
	b := kv.NewSnapshot(7, kv.Everything).Edit()
	b.Put("a", kv.Entry{Value: "1", Create: 5, Mod: 6})
	var saved []map[kv.Path]string
	var failure error
	st := kv.NewMemoryAt(b.Snapshot(7), func(s *kv.Snapshot) error {
		saved = append(saved, kvtest.Values(s))
		return failure
	})
	assert.Equal(t, map[kv.Path]kv.Entry{"a": {Value: "1", Create: 5, Mod: 6}},
		kvtest.Contents(kvtest.MustFetch(t, st, kv.Everything)))
	assert.EqualValues(t, 8, kvtest.MustPut(t, st, "b", "2"))
	want := map[kv.Path]string{"a": "1", "b": "2"}
	assert.Equal(t, []map[kv.Path]string{want}, saved)

	failure = errors.New("disk full")
	require.ErrorIs(t, errOf(st.Commit(t.Context(), kv.Change{Deletes: []kv.Span{kv.Key("a")}})), failure)
	_, err := kv.Run(t.Context(), st, increment("b"))
	require.ErrorIs(t, err, failure)
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
	now := kvtest.MustFetch(t, st, kv.Everything)
	assert.EqualValues(t, 8, now.Revision)
	assert.Equal(t, want, kvtest.Values(now))

	failure, saved = nil, nil
	for name, c := range map[string]kv.Change{
		"reads":           {Gets: []kv.Span{kv.Key("a")}},
		"deletes nothing": {Deletes: []kv.Span{kv.Below("a")}},
	} {
		_, err := st.Commit(t.Context(), c)
		require.NoError(t, err, name)
	}
	_, err = st.Commit(t.Context(), kv.Change{Guards: []kv.Guard{{Kind: kv.Absent, Path: "a"}},
		Puts: []kv.Put{{Path: "c"}}})
	require.ErrorIs(t, err, kv.ErrGuard)
	assert.Empty(t, saved, "nothing new, nothing saved")
}

func TestMemoryKeepsTheNewestWhenCompacted(t *testing.T) {
	st := kv.NewMemory()
	at := kvtest.MustPut(t, st, "a", "1")
	for _, compacted := range []kv.Revision{0, at, at + 100, 1} {
		st.Compact(compacted)
		s := must(st.Fetch(t.Context(), at, kv.Key("a")))(t)
		assert.Equal(t, "1", s.At("a").Value)
	}
	assert.Equal(t, at+1, kvtest.MustPut(t, st, "a", "2"))
}
