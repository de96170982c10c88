package kv_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// historyOf returns what History told, a text a revision.
func historyOf(t testing.TB, st *kv.Etcd, from, to kv.Revision) []string {
	t.Helper()
	var all []string
	require.NoError(t, st.History(t.Context(), from, to, func(at kv.Revision, deltas []kv.Delta) {
		all = append(all, fmt.Sprint(at)+":"+deltaTexts(deltas))
	}))
	return all
}

func deltaTexts(deltas []kv.Delta) string {
	var text strings.Builder
	for _, d := range deltas {
		fmt.Fprintf(&text, " %s %q@%d>%q@%d", d.Path, d.Old.Value, d.Old.Mod, d.New.Value, d.New.Mod)
	}
	return text.String()
}

// Whole revisions come, in order, with what was before, and none of another prefix.
func TestHistory(t *testing.T) {
	t.Parallel()
	st := newStoreAlone(t)
	other := storeOn(t, st.Client())
	first := kvtest.MustPut(t, st, "a", "1", "b", "2")
	kvtest.MustPut(t, other, "a", "elsewhere")
	kvtest.MustPut(t, st, "a", "3")
	gone := must(st.Commit(t.Context(), kv.Change{Deletes: []kv.Span{kv.Below("x"), kv.Key("a")},
		Puts: []kv.Put{{Path: "b", Value: "2"}}}))(t).Revision
	last := kvtest.MustPut(t, other, "a", "elsewhere too")
	require.Equal(t, kv.Revision(2), first)
	want := []string{`2: a ""@0>"1"@2 b ""@0>"2"@2`, `4: a "1"@2>"3"@4`, `5: a "3"@4>""@0 b "2"@2>"2"@5`}
	assert.Equal(t, want, historyOf(t, st, 1, last), "what is last was written elsewhere, and is waited for")
	assert.Equal(t, want, historyOf(t, st, first, gone))
	assert.Equal(t, want[1:2], historyOf(t, st, first+1, gone-1), "the first and the last count")
	assert.Empty(t, historyOf(t, st, gone, first))
}

// Of many revisions none is left out, and none that is written meanwhile is told.
func TestHistoryOfManyRevisions(t *testing.T) {
	t.Parallel()
	st := newStoreAlone(t)
	const many = 2_500 // etcd sends a thousand at a time
	var last kv.Revision
	for i := range many {
		last = kvtest.MustPut(t, st, "k", fmt.Sprint(i))
	}
	next := last - many + 1
	require.NoError(t, st.History(t.Context(), 1, last, func(at kv.Revision, deltas []kv.Delta) {
		assert.Equal(t, next, at)
		assert.Len(t, deltas, 1)
		next++
		kvtest.MustPut(t, st, "k", "written meanwhile")
	}))
	assert.Equal(t, last+1, next)
}

// Rule: what was compacted is not told, and the search for where history begins finds just that.
func TestHistoryBeginsAfterTheCompaction(t *testing.T) {
	t.Parallel()
	st := newStoreAlone(t)
	newest := kvtest.MustPut(t, st, "k", "0")
	assert.Equal(t, kv.Revision(2), must(kv.OldestWhole(t.Context(), st, newest))(t), "nothing was compacted")
	for i := range 20 {
		newest = kvtest.MustPut(t, st, "k", fmt.Sprint(i))
	}
	for _, at := range []kv.Revision{3, 4, 11, newest - 1, newest} {
		compact(t, st.Client(), at)
		oldest := must(kv.OldestWhole(t.Context(), st, newest))(t)
		assert.Equal(t, at+1, oldest)
		told := historyOf(t, st, oldest, newest)
		assert.Len(t, told, int(newest-at))
		if len(told) > 0 {
			assert.Contains(t, told[0], fmt.Sprintf("@%d>", at), "the old value is what was compacted to")
		}
		for _, from := range []kv.Revision{at - 1, at} {
			err := st.History(t.Context(), from, newest, func(kv.Revision, []kv.Delta) {})
			assert.ErrorIs(t, err, kv.ErrCompacted, "of revision %d itself deletions would be missing", at)
		}
	}
}

// An etcd client that was closed, and one that may not read, are told of.
func TestHistoryRefused(t *testing.T) {
	t.Parallel()
	st := newStoreAlone(t)
	at := kvtest.MustPut(t, st, "k", "0")
	client := must(clientv3.New(clientv3.Config{Endpoints: st.Client().Endpoints()}))(t)
	closed := storeWithPrefix(t, client, st)
	require.NoError(t, client.Close())
	assert.ErrorIs(t, closed.History(t.Context(), 1, at, nil), kv.ErrClosed)
	for _, err := range []error{errOf(st.Client().UserAdd(t.Context(), "root", "root")),
		errOf(st.Client().UserGrantRole(t.Context(), "root", "root")), errOf(st.Client().AuthEnable(t.Context()))} {
		require.NoError(t, err)
	}
	assert.ErrorIs(t, st.History(t.Context(), 1, at, nil), kv.ErrUnauthorized)
}
