package kv_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// inHole says that what lies below .../chunks is left out.
func inHole(p kv.Path) (kv.Span, bool) {
	at := strings.Index(string(p), "/chunks/")
	if at < 0 {
		return kv.Span{}, false
	}
	return kv.Below(p[:at+len("/chunks")]), true
}

// withHoles writes things with holes; it returns what a read around them has to show, and the holes that have keys, in
// order.
func withHoles(t *testing.T, st *kv.Etcd, things, most int) (want map[kv.Path]string, holes []kv.Span) {
	t.Helper()
	want = map[kv.Path]string{}
	var puts []clientv3.Op
	put := func(p kv.Path, value string) {
		puts = append(puts, clientv3.OpPut(st.EtcdKey(p), value))
		if _, in := inHole(p); !in {
			want[p] = value
		}
	}
	for i := range things {
		p := kv.Path(fmt.Sprintf("t/%04d", i))
		put(p, "thing")
		put(p+"/about", fmt.Sprint(i))
		put(p+"/chunks", "")
		put(p+"/zone", "after the hole")
		if i%most > 0 {
			holes = append(holes, kv.Below(p+"/chunks"))
		}
		for c := range i % most {
			put(p+kv.Path(fmt.Sprintf("/chunks/%d", c)), "left out")
		}
	}
	putAll(t, st, puts)
	return want, holes
}

// putAll puts keys in transactions that the smallest of the tests' etcds takes.
func putAll(t *testing.T, st *kv.Etcd, puts []clientv3.Op) {
	t.Helper()
	for part := range slices.Chunk(puts, 50) {
		must(st.Client().Txn(t.Context()).Then(part...).Commit())(t)
	}
}

// requireAround compares a read around holes with what is outside of them.
func requireAround(t *testing.T, st *kv.Etcd, want map[kv.Path]string, known, met []kv.Span) {
	t.Helper()
	have, found, err := st.LoadAround(t.Context(), latest(t, st), inHole, known, kv.Below("t"))
	require.NoError(t, err)
	got := map[kv.Path]string{}
	for p, e := range have.Range(kv.Below("t")) {
		got[p] = e.Value
	}
	require.Equal(t, want, got)
	require.Equal(t, met, found)
}

// latest returns the revision of now.
func latest(t *testing.T, st *kv.Etcd) kv.Revision {
	t.Helper()
	s := must(st.Fetch(t.Context(), 0, kv.Key("t")))(t)
	return s.Revision
}

// odd returns every second hole, and the others.
func odd(holes []kv.Span) (known, others []kv.Span) {
	for i, h := range holes {
		if i%2 == 0 {
			known = append(known, h)
		} else {
			others = append(others, h)
		}
	}
	return known, others
}

// TestLoadAround: what is outside of the holes is read, whichever of them are known beforehand; those that are not are
// returned.
func TestLoadAround(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	want, holes := withHoles(t, st, 700, 4)
	requireAround(t, st, want, holes, nil)
	requireAround(t, st, want, nil, holes)
	known, others := odd(holes)
	requireAround(t, st, want, known, others)
}

// TestLoadAroundAHoleOfMany that was not known, and more keys between two holes than one request asks for.
func TestLoadAroundAHoleOfMany(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	want, holes := withHoles(t, st, 3, 1000)
	require.Equal(t, 2, len(holes))
	var puts []clientv3.Op
	for i := range 600 {
		p := kv.Path(fmt.Sprintf("t/0001/more/%d", i))
		want[p] = "more"
		puts = append(puts, clientv3.OpPut(st.EtcdKey(p), "more"),
			clientv3.OpPut(st.EtcdKey(kv.Path(fmt.Sprintf("t/0002/chunks/%d", i))), "left out"))
	}
	putAll(t, st, puts)
	requireAround(t, st, want, holes, nil)
	requireAround(t, st, want, nil, holes)
}

// TestLoadAroundOnASmallEtcd that refuses requests of as many ranges as are asked for at first; several are on their
// way then.
func TestLoadAroundOnASmallEtcd(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{MaxTxnOps: 64})
	st := storeOn(t, newClient(t, server.Endpoints()[0]))
	want, holes := withHoles(t, st, 900, 3)
	requireAround(t, st, want, holes, nil)
	known, others := odd(holes)
	requireAround(t, st, want, known, others)
}

// TestLoadAroundEndsWithTheFirstError, whichever request has it, and leaves none on its way.
func TestLoadAroundEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	server := newServer(t, embedetcd.Options{})
	var failing, asked, ended atomic.Int64
	failing.Store(1 << 40)
	client := newClient(t, server.Endpoints()[0], onCall(func(method string, _ any, call func() error) error {
		if !strings.HasSuffix(method, "/Txn") {
			return call()
		}
		defer ended.Add(1)
		if asked.Add(1) == failing.Load() {
			return status.Error(codes.PermissionDenied, "etcdserver: permission denied")
		}
		return call()
	}))
	st := storeOn(t, client)
	_, holes := withHoles(t, st, 1200, 2)
	at := latest(t, st)
	for nth := range int64(12) {
		asked.Store(0)
		ended.Store(0)
		failing.Store(nth + 1)
		have, met, err := st.LoadAround(t.Context(), at, inHole, holes, kv.Below("t"))
		if asked.Load() <= nth {
			require.NoError(t, err, "no request has failed")
			require.Greater(t, nth, int64(5), "there are several requests")
			return
		}
		require.ErrorIs(t, err, kv.ErrUnauthorized, "request %d", nth)
		assert.Nil(t, have)
		assert.Nil(t, met)
		assert.Equal(t, asked.Load(), ended.Load(), "all requests have ended")
	}
}

// TestLoadAroundFromWithinAHole: a span may begin in one.
func TestLoadAroundFromWithinAHole(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	_, holes := withHoles(t, st, 3, 3)
	span := kv.Span{From: "t/0002/chunks/1", To: "t/0003"}
	have, met, err := st.LoadAround(t.Context(), latest(t, st), inHole, holes, span)
	require.NoError(t, err)
	assert.Empty(t, met, "what is known is not read")
	var got []kv.Path
	for p := range have.Range(kv.Span{From: kv.Below("t/0002/chunks").To, To: span.To}) {
		got = append(got, p)
	}
	assert.Equal(t, []kv.Path{"t/0002/zone"}, got)
}

// TestLoadAroundFailsWithTheStream of what is left between two holes.
func TestLoadAroundFailsWithTheStream(t *testing.T) {
	t.Parallel()
	direct := newStore(t)
	refusing := onStream(func() func(func() error) error {
		return func(func() error) error { return status.Error(codes.PermissionDenied, "etcdserver: permission denied") }
	})
	over := storeWithPrefix(t, newClient(t, direct.Client().Endpoints()[0], refusing), direct)
	kvtest.Fill(t, direct, "t/", 300)
	_, _, err := over.LoadAround(t.Context(), latest(t, direct), inHole, nil, kv.Below("t"))
	require.ErrorIs(t, err, kv.ErrUnauthorized)
}
