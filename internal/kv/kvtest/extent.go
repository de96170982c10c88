package kvtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/kv"
)

func testFetch(t *testing.T, h Harness) {
	st := h.Open(t)
	empty := MustFetch(t, st, all)
	assert.Zero(t, empty.Len())
	first := MustPut(t, st, "a", "1", "b", "1", "b/x", "1")
	assert.Equal(t, empty.Revision+1, first)
	second := MustCommit(t, st, kv.Change{Puts: []kv.Put{{Path: "a", Value: "2"}}, Deletes: kv.Tree("b")})
	MustPut(t, st, "b/x", "3")
	newest := MustPut(t, st, "c", "3")

	for _, c := range []struct {
		name  string
		at    kv.Revision
		spans []kv.Span
		want  map[kv.Path]string
	}{
		{"before anything", empty.Revision, []kv.Span{all}, map[kv.Path]string{}},
		{"the first", first, []kv.Span{all}, map[kv.Path]string{"a": "1", "b": "1", "b/x": "1"}},
		{"after the delete", second, []kv.Span{all}, map[kv.Path]string{"a": "2"}},
		{"the newest by number", newest, []kv.Span{all}, map[kv.Path]string{"a": "2", "b/x": "3", "c": "3"}},
		{"the newest", 0, []kv.Span{all}, map[kv.Path]string{"a": "2", "b/x": "3", "c": "3"}},
		{"some keys", first, []kv.Span{kv.Key("a"), kv.Key("c"), kv.Below("b")}, map[kv.Path]string{"a": "1", "b/x": "1"}},
		{"overlapping spans", first, []kv.Span{kv.Key("b"), {From: "b", To: "c"}, {From: "a", To: "b0"}},
			map[kv.Path]string{"a": "1", "b": "1", "b/x": "1"}},
		{"an empty range", 0, []kv.Span{{From: "b", To: "a"}}, map[kv.Path]string{}},
		{"no span", 0, nil, map[kv.Path]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := st.Fetch(t.Context(), c.at, c.spans...)
			require.NoError(t, err)
			assert.Equal(t, c.want, Values(s))
			assert.Equal(t, c.spans, s.Spans())
			want := c.at
			if want == 0 {
				want = newest
			}
			assert.Equal(t, want, s.Revision)
		})
	}
	old, err := st.Fetch(t.Context(), first, all)
	require.NoError(t, err)
	assert.Equal(t, kv.Entry{Value: "1", Create: first, Mod: first}, old.At("a"))

	_, err = st.Fetch(t.Context(), newest+1, all)
	require.ErrorIs(t, err, kv.ErrFutureRevision)
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
}

func testCompaction(t *testing.T, h Harness) {
	if h.Compact == nil {
		t.Skip("this store keeps all of its history")
	}
	st := h.Open(t)
	first := MustPut(t, st, "a", "1")
	second := MustPut(t, st, "a", "2")
	third := MustPut(t, st, "a", "3")
	h.Compact(t, st, second)
	_, err := st.Fetch(t.Context(), first, all)
	require.ErrorIs(t, err, kv.ErrCompacted)
	for at, want := range map[kv.Revision]string{second: "2", third: "3", 0: "3"} {
		s, err := st.Fetch(t.Context(), at, all)
		require.NoError(t, err)
		assert.Equal(t, want, s.At("a").Value)
	}
	h.Compact(t, st, third)
	_, err = st.Fetch(t.Context(), second, all)
	require.ErrorIs(t, err, kv.ErrCompacted)
	assert.Equal(t, third+1, MustPut(t, st, "a", "4"))
	s, err := st.Fetch(t.Context(), third, all)
	require.NoError(t, err)
	assert.Equal(t, kv.Entry{Value: "3", Create: first, Mod: third}, s.At("a"))
}

func testLeases(t *testing.T, h Harness) {
	if h.Grant == nil {
		t.Skip("this store has no leases")
	}
	st := h.Open(t)
	id, end := h.Grant(t, st)
	at := MustCommit(t, st, kv.Change{Puts: []kv.Put{{Path: "a", Lease: id}, {Path: "b", Lease: id}, {Path: "c"},
		{Path: "d", Lease: id}}})
	MustPut(t, st, "d", "no longer leased")
	end()
	s := MustFetch(t, st, all)
	assert.Equal(t, map[kv.Path]string{"c": "", "d": "no longer leased"}, Values(s))
	assert.Equal(t, at+2, s.Revision, "all keys of a lease go in one revision")

	_, err := st.Commit(t.Context(), kv.Change{Puts: []kv.Put{{Path: "c", Value: "new"}, {Path: "e", Lease: id}}})
	require.Error(t, err, "the lease is gone")
	require.NotErrorIs(t, err, kv.ErrOutcomeUnknown)
	now := MustFetch(t, st, all)
	assert.Equal(t, s.Revision, now.Revision)
	assert.Equal(t, Values(s), Values(now))
}

func testLimits(t *testing.T, h Harness) {
	if !h.Limited {
		t.Skip("this store has no limits")
	}
	const most = 128
	st := h.Open(t)
	at := MustPut(t, st, "k", "v")
	puts := func(n int) (out []kv.Put) {
		for i := range n {
			out = append(out, kv.Put{Path: kv.Path(fmt.Sprintf("put/%04d", i))})
		}
		return out
	}
	keys := func(n int) (out []kv.Span) {
		for i := range n {
			out = append(out, kv.Key(kv.Path(fmt.Sprintf("key/%04d", i))))
		}
		return out
	}
	guards := func(n int) []kv.Guard {
		return slices.Repeat([]kv.Guard{{Kind: kv.ValueIs, Path: "k", Value: "v"}}, n)
	}
	mib := strings.Repeat("x", 1<<20)
	tooLarge := map[string]kv.Change{
		"puts":             {Puts: puts(most + 1)},
		"deletes":          {Deletes: keys(most + 1)},
		"puts and deletes": {Puts: puts(most / 2), Deletes: keys(most/2 + 1)},
		"puts and gets":    {Puts: puts(most / 2), Gets: keys(most/2 + 1)},
		"guards":           {Guards: guards(most + 1), Puts: puts(1)},
		"bytes in puts":    {Puts: []kv.Put{{Path: "a", Value: mib}, {Path: "b", Value: mib}}},
		"bytes in guards": {Guards: []kv.Guard{{Kind: kv.ValueIs, Path: "k", Value: mib},
			{Kind: kv.ValueIs, Path: "k", Value: mib}}, Puts: puts(1)},
		"bytes in both": {Guards: []kv.Guard{{Kind: kv.ValueIs, Path: "k", Value: mib}},
			Puts: []kv.Put{{Path: "a", Value: mib}}},
		"bytes in paths": {Deletes: []kv.Span{kv.Below(kv.Path(mib))}},
	}
	for name, c := range tooLarge {
		_, err := st.Commit(t.Context(), c)
		require.ErrorIs(t, err, kv.ErrTooLarge, name)
		require.NotErrorIs(t, err, kv.ErrOutcomeUnknown, name)
	}
	_, err := st.Fetch(t.Context(), 0, keys(most+1)...)
	require.ErrorIs(t, err, kv.ErrTooLarge, "what is read has the same limit")
	s := MustFetch(t, st, all)
	assert.Equal(t, at, s.Revision, "nothing was written")

	for name, c := range map[string]kv.Change{
		"puts":    {Puts: puts(most)},
		"deletes": {Deletes: keys(most), Guards: guards(most)},
		"bytes":   {Puts: []kv.Put{{Path: "a", Value: mib + mib[:300_000]}}},
	} {
		_, err := st.Commit(t.Context(), c)
		require.NoError(t, err, name)
	}
	_, err = st.Fetch(t.Context(), 0, keys(most)...)
	require.NoError(t, err)
}

// Fill puts n keys with the given beginning, in as many transactions as it takes, and returns the last revision.
func Fill(t testing.TB, st kv.Store, beginning string, n int) kv.Revision {
	t.Helper()
	const each = 128
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				from := int(next.Add(each)) - each
				if from >= n {
					return
				}
				var c kv.Change
				for i := from; i < min(from+each, n); i++ {
					c.Puts = append(c.Puts, kv.Put{Path: kv.Path(fmt.Sprintf("%s%07d", beginning, i)), Value: "v", Touch: true})
				}
				_, err := st.Commit(t.Context(), c)
				for errors.Is(err, kv.ErrOutcomeUnknown) && t.Context().Err() == nil { // etcd is too slow for this machine
					_, err = st.Commit(t.Context(), c)
				}
				if !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	workers.Wait()
	return MustFetch(t, st).Revision
}

func testManyKeys(t *testing.T, h Harness) {
	n := cmp.Or(h.Many, 100_000)
	st := h.Open(t)
	at := Fill(t, st, "many/", n)
	MustPut(t, st, "many0", "beside")
	deleted := MustCommit(t, st, kv.Change{Deletes: []kv.Span{kv.Below("many")}})
	assert.Equal(t, at+2, deleted, "one revision for all")
	assert.Equal(t, map[kv.Path]string{"many0": "beside"}, Values(MustFetch(t, st, all)))
	old, err := st.Fetch(t.Context(), deleted-1, kv.Below("many"))
	require.NoError(t, err)
	assert.Equal(t, n, old.Len(), "the revision before has them all")
}

func testRace(t *testing.T, h Harness) {
	const rounds, writers = 20, 4
	st := h.Open(t)
	for round := range rounds {
		p := kv.Path(fmt.Sprintf("round/%d", round))
		var won atomic.Int64
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				_, err := st.Commit(t.Context(), kv.Change{
					Guards: []kv.Guard{{Kind: kv.Absent, Path: p}}, Puts: []kv.Put{{Path: p, Value: fmt.Sprint(w)}},
				})
				if err == nil {
					won.Add(1)
				} else {
					assert.ErrorIs(t, err, kv.ErrGuard)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load())
	}
}

func testEndedContext(t *testing.T, h Harness) {
	st := h.Open(t)
	at := MustPut(t, st, "k", "v")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := st.Fetch(ctx, 0, all)
	require.ErrorIs(t, err, context.Canceled)
	_, err = st.Commit(ctx, kv.Change{Puts: []kv.Put{{Path: "k", Value: "new"}}})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, at, MustFetch(t, st, all).Revision)
}
