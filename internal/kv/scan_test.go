package kv_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

var scanned = kv.Below("many")

// scanning is an operation that looks for a word in values, and writes what its plan says.
func scanning(word string, first bool, plan func(found []kv.Path) kv.Change) kv.Op {
	keep := func(_ kv.Path, value string) bool { return strings.Contains(value, word) }
	written := []kv.Span{kv.Key("many/01")} // what is written is read on its own
	return kv.Op{Name: "look for " + word, Reads: written, Scans: []kv.Scan{{Span: scanned, Keep: keep, First: first}},
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			var found []kv.Path
			for p, e := range have.Sifted(scanned) {
				if keep(p, e.Value) {
					found = append(found, p)
				}
			}
			return plan(found), nil
		}}
}

func fillMany(t *testing.T, st kv.Store) {
	for i := range 20 {
		kvtest.MustPut(t, st, fmt.Sprintf("many/%02d", i), []string{"red", "green", "blue"}[i%3])
	}
	kvtest.MustPut(t, st, "other", "red")
}

// TestScan: a plan sees what is kept of a range, all of it or the first, and nothing else of it.
func TestScan(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		fillMany(t, st)
		var all, first []kv.Path
		nothing := func(into *[]kv.Path) func([]kv.Path) kv.Change {
			return func(found []kv.Path) kv.Change { *into = found; return kv.Change{} }
		}
		must(kv.Run(t.Context(), st, scanning("green", false, nothing(&all))))(t)
		assert.Equal(t, []kv.Path{"many/01", "many/04", "many/07", "many/10", "many/13", "many/16", "many/19"}, all)
		must(kv.Run(t.Context(), st, scanning("green", true, nothing(&first))))(t)
		assert.Equal(t, []kv.Path{"many/01"}, first)

		undeclared := kv.Op{Name: "x", Reads: []kv.Span{kv.Key("other")}, Plan: func(have *kv.Snapshot) (kv.Change, error) {
			assert.Panics(t, func() { have.Sifted(scanned) })
			return kv.Change{}, nil
		}}
		must(kv.Run(t.Context(), st, undeclared))(t)
	})
}

// TestScansOfOneTransaction: each operation finds what those before it changed; what one keeps is not for the others to
// see.
func TestScansOfOneTransaction(t *testing.T) {
	eachStore(t, func(t *testing.T, st kv.Store) {
		fillMany(t, st)
		var greens, reds []kv.Path
		repaint := scanning("green", true, func(found []kv.Path) kv.Change {
			greens = found
			return kv.Change{Puts: []kv.Put{{Path: found[0], Value: "red"}}}
		})
		look := scanning("red", true, func(found []kv.Path) kv.Change {
			reds = found
			return kv.Change{Deletes: []kv.Span{kv.Key(found[1])}}
		})
		must(kv.Run(t.Context(), st, kv.All("both", repaint, look)))(t)
		assert.Equal(t, kv.Path("many/01"), greens[0])
		require.Greater(t, len(reds), 2, "the first is not enough where another operation may change it")
		assert.Equal(t, []kv.Path{"many/00", "many/01", "many/03"}, reds[:3])
		have := kvtest.MustFetch(t, st, scanned)
		assert.False(t, have.At("many/01").Exists())
		assert.Equal(t, "red", have.At("many/03").Value)
	})
}

// TestScanFails when etcd does.
func TestScanFails(t *testing.T) {
	server := newServer(t, embedetcd.Options{})
	st := storeOn(t, newClient(t, server.Endpoints()[0]))
	kvtest.MustPut(t, st, "many/1", "red")
	boom := errors.New("boom")
	err := st.Scan(t.Context(), 0, scanned, func(kv.Path, kv.Entry) error { return boom })
	require.ErrorIs(t, err, boom)
	at := kvtest.MustPut(t, st, "many/2", "red")
	compact(t, st.Client(), at)
	require.ErrorIs(t, st.Scan(t.Context(), at-1, scanned, func(kv.Path, kv.Entry) error { return nil }), kv.ErrCompacted)
}

// TestRehearse: etcd refuses what it would refuse in earnest, and nothing is written either way.
func TestRehearse(t *testing.T) {
	server := newServer(t, embedetcd.Options{MaxTxnOps: 64})
	st := storeOn(t, newClient(t, server.Endpoints()[0]))
	at := kvtest.MustPut(t, st, "a", "1")
	puts := func(n int) (c kv.Change) {
		for i := range n {
			c.Puts = append(c.Puts, kv.Put{Path: kv.Path(fmt.Sprintf("p/%d", i)), Value: "v"})
		}
		return c
	}
	require.NoError(t, st.Rehearse(t.Context(), puts(62)))
	require.ErrorIs(t, st.Rehearse(t.Context(), puts(64)), kv.ErrTooLarge,
		"with the key that each transaction puts besides")
	large := kv.Change{Puts: []kv.Put{{Path: "p", Value: strings.Repeat("v", 1900<<10)}}}
	require.ErrorIs(t, st.Rehearse(t.Context(), large), kv.ErrTooLarge)
	guarded := puts(1)
	guarded.Guards = []kv.Guard{{Kind: kv.Absent, Path: "a"}}
	require.NoError(t, st.Rehearse(t.Context(), guarded), "whether guards hold does not matter")
	assert.Equal(t, at, kvtest.MustFetch(t, st, kv.Key("a")).Revision)
}

// TestCheckRoom against a quota.
func TestCheckRoom(t *testing.T) {
	server := newServer(t, embedetcd.Options{Quota: 64 << 20})
	st := storeOn(t, newClient(t, server.Endpoints()[0]))
	require.NoError(t, st.CheckRoom(t.Context(), 32<<20))
	err := st.CheckRoom(t.Context(), 65<<20)
	require.ErrorIs(t, err, kv.ErrNoRoom)
	require.ErrorContains(t, err, "of the quota of "+server.Endpoints()[0]+", 67.1 MB")
	require.NoError(t, newStore(t).CheckRoom(t.Context(), 1<<20), "a quota that nobody set is etcd's own")

	silent := onCall(func(_ string, reply any, call func() error) error {
		err := call()
		if r, ok := reply.(*etcdserverpb.StatusResponse); ok {
			r.DbSizeQuota = 0
		}
		return err
	})
	older := storeOn(t, newClient(t, server.Endpoints()[0], silent))
	require.NoError(t, older.CheckRoom(t.Context(), 65<<20), "one that does not tell")
}
