package history

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// many returns a store on an etcd of its own where a table and another one have changed in turns, and what came last.
func many(t *testing.T, changes int) (st *kv.Etcd, newest kv.Revision) {
	t.Helper()
	server, err := embedetcd.Start(t.Context(), embedetcd.Options{UnsafeNoFsync: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	client := testkit.ClientOf(t, server)
	st, err = kv.NewEtcd(client, "/p")
	require.NoError(t, err)
	st = st.By("alice")
	for i := range changes {
		path := kv.Path("css/DBS/d/TABLES/even")
		if i%2 == 1 {
			path = "css/DBS/d/TABLES/odd"
		}
		newest, err = kv.Run(t.Context(), st, kv.Op{Name: "set", Reads: []kv.Span{kv.Key(path)},
			Plan: func(*kv.Snapshot) (kv.Change, error) {
				return kv.Change{Puts: []kv.Put{{Path: path, Value: fmt.Sprint(i)}}}, nil
			}})
		require.NoError(t, err)
	}
	return st, newest
}

// Rule: however the history is cut into parts and whatever the limit, the newest come, each once.
func TestPartsLoseNothing(t *testing.T) {
	t.Parallel()
	const changes = 60
	st, newest := many(t, changes)
	whole, err := reader{st, st.History, 1000}.read(t.Context(), Query{})
	require.NoError(t, err)
	require.Len(t, whole.Entries, changes)
	assert.True(t, whole.Complete)
	for i, e := range whole.Entries {
		assert.Equal(t, newest-kv.Revision(i), e.Revision)
		assert.Equal(t, "alice", e.Author)
		assert.NotEmpty(t, e.Changes)
	}
	for _, part := range []kv.Revision{1, 7, 60} {
		for _, limit := range []int{0, 1, 5, 30, 31, 60, 61} {
			for _, table := range []string{"", "odd"} {
				q := Query{Limit: limit, Wanted: Wanted{DB: "d", Table: table}}
				l, err := reader{st, st.History, part}.read(t.Context(), q)
				require.NoError(t, err)
				want := whole.Entries
				if table != "" {
					want = nil
					for i := 0; i < changes; i += 2 { // the last of an even number is odd
						want = append(want, whole.Entries[i])
					}
				}
				assert.Equal(t, limit == 0 || limit > len(want), l.Complete)
				if limit > 0 {
					want = want[:min(limit, len(want))]
				}
				require.Equal(t, want, l.Entries, "parts of %d, limit %d, table %q", part, limit, table)
			}
		}
	}
	some, err := reader{st, st.History, 2}.read(t.Context(), Query{From: newest - 9, To: newest - 3})
	require.NoError(t, err)
	assert.Equal(t, whole.Entries[3:10], some.Entries)
}

// Rule: a compaction that is quicker than the reading leaves what is not compacted, and says where that begins.
func TestCompactedWhileReading(t *testing.T) {
	t.Parallel()
	for _, part := range []kv.Revision{3, 1000} {
		st, newest := many(t, 20)
		at := newest - 5
		var once sync.Once
		history := func(ctx context.Context, from, to kv.Revision, each func(kv.Revision, []kv.Delta)) error {
			once.Do(func() {
				_, err := st.Client().Compact(t.Context(), int64(at))
				assert.NoError(t, err)
			})
			return st.History(ctx, from, to, each)
		}
		l, err := reader{st, history, part}.read(t.Context(), Query{Wanted: Wanted{DB: "d"}})
		require.NoError(t, err)
		require.Len(t, l.Entries, 5)
		assert.Equal(t, at+1, l.Begins)
		assert.Equal(t, at+1, l.Entries[4].Revision)
		assert.True(t, l.Complete)
		require.Len(t, l.Entries[4].Changes, 1)
		assert.Regexp(t, `^status of table d\.(odd|even): \d+ -> \d+$`, l.Entries[4].Changes[0])
	}
}

// Rule: what is kept while looking is bounded by the limit.
func TestFewAreKept(t *testing.T) {
	var kept tail
	kept.most = 3
	for i := range 1000 {
		kept.add(Entry{Revision: kv.Revision(i)})
		assert.LessOrEqual(t, len(kept.entries), 6)
	}
	assert.Equal(t, []kv.Revision{997, 998, 999}, []kv.Revision{kept.last()[0].Revision, kept.last()[1].Revision,
		kept.last()[2].Revision})
}
