package cssetcd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/packed"
)

// TestFloatsAreThoseOfUpstreamWhereThatLosesNothing: six decimals, and never another number than was given.
func TestFloatsAreThoseOfUpstreamWhereThatLosesNothing(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.000000", 0.01667: "0.016670", 0.1: "0.100000", 1e-6: "0.000001", 1e20: "100000000000000000000.000000",
		5:    "5.000000",
		5e-7: "5e-07", 1e-7: "1e-07", 123456789.123456789: "1.2345678912345679e+08", 0.000277778: "0.000277778",
		0.025: "0.025000",
	} {
		assert.Equal(t, want, formatFloat(f))
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }).Draw(t, "f")
		if rapid.Bool().Draw(t, "few decimals") {
			f = math.Round(math.Mod(f, 1e6)*1e6) / 1e6
		}
		got := formatFloat(f)
		back, err := strconv.ParseFloat(got, 64)
		require.NoError(t, err)
		require.Equal(t, f, back)
		upstream := fmt.Sprintf("%f", f)
		if back, err := strconv.ParseFloat(upstream, 64); err == nil && back == f {
			require.Equal(t, upstream, got)
		}
	})
}

// recordOf makes a snapshot with some keys below /r and reads it as a record.
func recordOf(values map[string]string) *record {
	b := kv.NewSnapshot(1, csskey.Catalogue).Edit()
	for name, value := range values {
		b.Put(cssPath("/r/"+name), kv.Entry{Value: value, Create: 1, Mod: 1})
	}
	return readRecord(b.Snapshot(1), "/r")
}

func TestRecordNumbers(t *testing.T) {
	integers := map[string]int{
		"0": 0, "12": 12, "+5": 5, "-1": -1, "007": 7, "85.0": 85, "85.000000": 85, "1e2": 100, "1E2": 100,
		"2147483647": math.MaxInt32, "-2147483648": math.MinInt32,
	}
	for text, want := range integers {
		r := recordOf(map[string]string{"n": text})
		assert.Equal(t, want, r.integer("n"), text)
		assert.Equal(t, want != 0, r.flag("n"), text)
		assert.NoError(t, r.err, text)
	}
	for _, text := range []string{"", " ", "x", "0.5", "0.5xyz", "true", "null", "2147483648", "-2147483649", "1e10",
		"nan", "inf", "1_000", "0x10", "9999999999999999999999"} {
		r := recordOf(map[string]string{"n": text})
		assert.Zero(t, r.integer("n"), text)
		var bad *ValueError
		require.ErrorAs(t, r.err, &bad, text)
		assert.Equal(t, ValueError{"/r/n", fmt.Sprintf("%q is not a whole number of 32 bits", text)}, *bad)
	}
	for text, want := range map[string]float64{
		"0.016670": 0.01667, "1e-07": 1e-7, "-1": -1, "100000000000000000000.000000": 1e20, "0.25": 0.25,
	} {
		r := recordOf(map[string]string{packedName: `{"f":` + text + `}`})
		assert.InDelta(t, want, r.number("f"), 0, text)
		assert.NoError(t, r.err, text)
	}
	for _, text := range []string{"", "x", "true", "null", "nan", "inf", "Infinity", "1e999", "0.5xyz", "1_0.5",
		"0x1p-2"} {
		r := recordOf(map[string]string{packedName: packed.Format(map[string]string{"f": text})})
		assert.Zero(t, r.number("f"), text)
		var bad *ValueError
		require.ErrorAs(t, r.err, &bad, text)
		assert.Equal(t, ValueError{"/r/.packed.json f", fmt.Sprintf("%q is not a number", text)}, *bad)
	}
}

func TestRecordFields(t *testing.T) {
	t.Run("a plain key wins over the packed member", func(t *testing.T) {
		r := recordOf(map[string]string{"a": "plain", packedName: `{"a":"packed","b":"packed"}`})
		assert.Equal(t, "plain", r.text("a"))
		assert.Equal(t, "packed", r.text("b"))
		assert.NoError(t, r.err)
	})
	t.Run("also when it is empty", func(t *testing.T) {
		r := recordOf(map[string]string{"a": "", packedName: `{"a":"packed"}`})
		assert.Empty(t, r.text("a"))
		assert.True(t, r.has("a"))
	})
	t.Run("what is absent is zero", func(t *testing.T) {
		r := recordOf(nil)
		assert.False(t, r.has("a"))
		assert.Empty(t, r.text("a"))
		assert.Zero(t, r.integer("a"))
		assert.Zero(t, r.number("a"))
		assert.False(t, r.flag("a"))
		assert.NoError(t, r.err)
	})
	t.Run("null is the text", func(t *testing.T) {
		assert.Equal(t, "null", recordOf(map[string]string{packedName: `{"a":null}`}).text("a"))
	})
	t.Run("the first fault stays", func(t *testing.T) {
		r := recordOf(map[string]string{"a": "x", "b": "y"})
		r.integer("a")
		r.integer("b")
		assert.EqualError(t, r.err, `bad value: /r/a: "x" is not a whole number of 32 bits`)
	})
	t.Run("a packed key that is no JSON is named", func(t *testing.T) {
		assert.ErrorContains(t, recordOf(map[string]string{packedName: "{"}).err, "bad value: /r/.packed.json: not JSON")
	})
}

func FuzzKey(f *testing.F) {
	for _, seed := range []string{
		"", "/", "//", "/a", "/a/", "a", "/DBS", "/DBS/lsst",
		"/DBS/lsst/TABLES/Object/CHUNKS/1/REPLICAS/0000000001/.packed.json",
		"/DBS/.packed.json", "/DBS/lsst/TABLES/.packed.json", "/NODES/w", "/a /b", "/a ", "/\x00", "/é", "/😀", "/\xff",
		"/DBS//TABLES/x",
		"/css_meta/version", "/DBS/a.b/TABLES/c.d", "/" + strings.Repeat("x", 255),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := checkKey(key)
		if err == nil {
			if len(key) > 255 || !utf8.ValidString(key) || key[0] != '/' || strings.Contains(key+"/", "//") ||
				strings.Contains(key+"/", " /") {
				t.Fatalf("%q is a key", key)
			}
			for p := parentKey(key); p != ""; p = parentKey(p) {
				if err := checkKey(p); err != nil {
					t.Fatalf("%q is a key and its ancestor %q is not: %v", key, p, err)
				}
			}
			if cssKey(cssPath(key)) != key {
				t.Fatalf("%q became %q", key, cssKey(cssPath(key)))
			}
		}
		names := nameKeys(key)
		for i, name := range names {
			if name != key && !strings.HasPrefix(key, name+"/") {
				t.Fatalf("%q is not above %q", name, key)
			}
			if !isNameKey(name) {
				t.Fatalf("%q of %q is no name key", name, key)
			}
			if i > 0 && !strings.HasPrefix(name, names[i-1]+"/") {
				t.Fatalf("%q", names)
			}
			_ = checkNameKey(name)
			intents(name)
		}
		if isNameKey(key) != (len(names) > 0 && names[len(names)-1] == key) {
			t.Fatalf("%q", key)
		}
		_, _ = csskey.NodeOfReplica(key, key), foldPath(key)
		_, _ = checkAnyKey(key), checkNotMeta(key)
	})
}
