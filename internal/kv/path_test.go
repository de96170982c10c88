package kv_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/kv"
)

func TestParent(t *testing.T) {
	for p, want := range map[kv.Path]kv.Path{"a/b/c": "a/b", "a/b": "a", "a": "", "": "", "a/": "a", "/a": ""} {
		assert.Equal(t, want, p.Parent(), p)
	}
}

func TestBelowIsWhatLiesBelow(t *testing.T) {
	for p, below := range map[kv.Path]bool{
		"t/Object": false, "t/Object/": true, "t/Object/a": true, "t/Object/a/b": true, "t/Object/\xff": true,
		"t/Object2": false, "t/Object0": false, "t/Object.": false, "t/Objec": false, "t": false, "t/Object\x00": false,
	} {
		assert.Equal(t, below, kv.Below("t/Object").Contains(p), p)
		in := 0
		for _, s := range kv.Tree("t/Object") {
			if s.Contains(p) {
				in++
			}
		}
		want := 0
		if below || p == "t/Object" {
			want = 1
		}
		assert.Equal(t, want, in, "%s lies in exactly one span of the tree, or none", p)
	}
}

func TestSpanString(t *testing.T) {
	for want, s := range map[string]kv.Span{
		"css/DBS/lsst": kv.Key("css/DBS/lsst"), "css/DBS/...": kv.Below("css/DBS"), "[a, b)": {From: "a", To: "b"},
		"[a/, b)": {From: "a/", To: "b"},
	} {
		assert.Equal(t, want, s.String())
	}
}

var (
	shortPath = rapid.StringMatching(`[a/0]{0,3}`)
	anySpan   = rapid.Custom(func(t *rapid.T) kv.Span {
		return kv.Span{From: kv.Path(shortPath.Draw(t, "from")), To: kv.Path(shortPath.Draw(t, "to"))}
	})
)

// everyShortPath are all paths that the generators above can make.
func everyShortPath() []kv.Path {
	out := []kv.Path{""}
	for from := 0; from < len(out); from++ {
		if len(out[from]) < 3 {
			for _, c := range []kv.Path{"a", "/", "0"} {
				out = append(out, out[from]+c)
			}
		}
	}
	return out
}

// TestCoversMeansContainsAll: a span covers another when it contains all that the other contains.
func TestCoversMeansContainsAll(t *testing.T) {
	all := everyShortPath()
	require.Len(t, all, 1+3+9+27)
	rapid.Check(t, func(t *rapid.T) {
		s, o := anySpan.Draw(t, "s"), anySpan.Draw(t, "o")
		if s.Covers(o) {
			for _, p := range all {
				require.True(t, !o.Contains(p) || s.Contains(p), "%v covers %v, and not %q", s, o, p)
			}
		}
		require.True(t, s.Covers(s), "%v covers itself", s)
		require.Equal(t, s.Contains(o.From), s.Covers(kv.Key(o.From)))
		require.True(t, kv.Everything.Covers(s))
		p := kv.Path(shortPath.Draw(t, "p"))
		require.True(t, kv.Below(p).Covers(kv.Below(p+"/a")))
		require.False(t, kv.Below(p).Covers(kv.Below(p+"a")))
		require.False(t, kv.Below(p).Contains(p))
	})
}

func TestNewEtcdRefusesOddPrefixes(t *testing.T) {
	client := &clientv3.Client{}
	for _, prefix := range []string{"", "/", "qserv", "/qserv/", "//qserv", "/a//b", "/a/"} {
		_, err := kv.NewEtcd(client, prefix)
		require.ErrorContains(t, err, "prefix", prefix)
	}
	st := must(kv.NewEtcd(client, "/a/b"))(t)
	assert.Equal(t, "/a/b/css/x", st.EtcdKey("css/x"))
	assert.Same(t, client, st.Client())
}
