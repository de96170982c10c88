package cssetcd

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/internal/kv"
)

// TestPackedReading: what upstream tolerates is tolerated, and what it refuses is refused.
func TestPackedReading(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		members     map[string]string
		nested      string // quoted name
		err         string // "" when there is none
	}{
		{name: "strings, as upstream writes them", value: `{"k":"v","k2":"v2"} `, members: map[string]string{"k": "v", "k2": "v2"}},
		{name: "spacing is free", value: " {\n\t\"k\" :  \"v\" ,\r\"n\":\t1 }\n", members: map[string]string{"k": "v", "n": "1"}},
		{name: "no space at the end", value: `{"k":"v"}`, members: map[string]string{"k": "v"}},
		{name: "numbers are their text", value: `{"a":1,"b":0.25,"c":-2e-3,"d":1E5}`,
			members: map[string]string{"a": "1", "b": "0.25", "c": "-2e-3", "d": "1E5"}},
		{name: "large numbers are not rounded", value: `{"a":123456789012345678901234567890}`,
			members: map[string]string{"a": "123456789012345678901234567890"}},
		{name: "true, false and null are their text", value: `{"a":true,"b":false,"c":null}`,
			members: map[string]string{"a": "true", "b": "false", "c": "null"}},
		{name: "the first of two members counts", value: `{"a":"1","a":"2"}`, members: map[string]string{"a": "1"}},
		{name: "the first counts when it is spelled with an escape", value: `{"\u0061":"1","a":"2"}`, members: map[string]string{"a": "1"}},
		{name: "the first counts although it is nested", value: `{"a":{},"a":"2"}`, members: map[string]string{}, nested: `"a"`},
		{name: "a later nested one does not", value: `{"a":"1","a":[]}`, members: map[string]string{"a": "1"}},
		{name: "nested values are passed over", value: `{"a":{"b":"c"},"d":[1,{"e":2}],"f":"g"}`,
			members: map[string]string{"f": "g"}, nested: `"a"`},
		{name: "nothing", value: ``, members: map[string]string{}},
		{name: "white space", value: " \n", members: map[string]string{}},
		{name: "an empty object", value: `{} `, members: map[string]string{}},
		{name: "an array", value: `[]`, members: map[string]string{}},
		{name: "a string", value: `"str"`, members: map[string]string{}},
		{name: "a number", value: `5`, members: map[string]string{}},
		{name: "an empty name", value: `{"":"v"}`, members: map[string]string{"": "v"}},
		{name: "escapes", value: `{"a":"\"\\\/\b\f\n\r\t\u00e9"}`, members: map[string]string{"a": "\"\\/\b\f\n\r\té"}},
		{name: "a surrogate pair", value: `{"a":"x\ud83d\ude00y","\uD83D\uDE00":"b"}`, members: map[string]string{"a": "x😀y", "😀": "b"}},
		{name: "an escaped backslash before u", value: `{"a":"\\ud83d"}`, members: map[string]string{"a": `\ud83d`}},
		{name: "NUL", value: `{"a":"\u0000"}`, members: map[string]string{"a": "\x00"}},
		{name: "characters beyond 16 bits and 0x7f, raw", value: "{\"a\":\"é😀\x7f\"}", members: map[string]string{"a": "é😀\x7f"}},

		{name: "bad JSON", value: `{"a":`, err: "not JSON: unexpected end of JSON input"},
		{name: "not JSON at all", value: `READY`, err: "not JSON"},
		{name: "something behind it", value: `{"a":"b"} x`, err: "not JSON"},
		{name: "two objects", value: `{} {}`, err: "not JSON"},
		{name: "single quotes", value: `{'a':'b'}`, err: "not JSON"},
		{name: "a comma too much", value: `{"a":"b",}`, err: "not JSON"},
		{name: "a raw control character in a string", value: "{\"a\":\"\x01\"}", err: "not JSON"},
		{name: "invalid UTF-8", value: "{\"a\":\"\xff\"}", err: "not valid UTF-8"},
		{name: "the first half of a surrogate pair", value: `{"a":"\ud83d"}`, err: "byte 6: half of a surrogate pair"},
		{name: "the second half", value: `{"a":"x\udE00"}`, err: "byte 7: half of a surrogate pair"},
		{name: "two first halves", value: `{"a":"\ud83d\ud83d"}`, err: "byte 6: half of a surrogate pair"},
		{name: "a first half before another escape", value: `{"a":"\ud83d\n12345"}`, err: "byte 6: half of a surrogate pair"},
		{name: "half a pair behind a whole one", value: `{"a":"\ud83d\ude00\ude00"}`, err: "byte 18: half of a surrogate pair"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := parsePacked(tt.value)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.members, p.members)
			assert.Equal(t, tt.nested, p.nested)
		})
	}
}

func TestPackedWriting(t *testing.T) {
	for _, tt := range []struct {
		name    string
		members map[string]string
		want    string
	}{
		{"nothing", nil, `{} `},
		{"byte order", map[string]string{"b": "1", "a": "2", "B": "3", "é": "4", "a.": "5"}, `{"B":"3","a":"2","a.":"5","b":"1","é":"4"} `},
		{"escapes", map[string]string{"/": "\"\\/\b\f\n\r\t\x00\x1f\x7f"}, `{"\/":"\"\\\/\b\f\n\r\t\u0000\u001F` + "\x7f" + `"} `},
		{"UTF-8 as it is", map[string]string{"é": "日😀\u2028"}, "{\"é\":\"日😀\u2028\"} "},
		{"HTML as it is", map[string]string{"a": "<&>"}, `{"a":"<&>"} `},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, formatPacked(tt.members)) })
	}
}

func TestPackedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		text := formatPacked(members)
		p, err := parsePacked(text)
		require.NoError(t, err, text)
		require.True(t, maps.Equal(members, p.members), "%q became %q", members, p.members)
		require.Equal(t, text, formatPacked(p.members))
		require.True(t, strings.HasSuffix(text, "} "))
	})
}

// TestFloatsAreThoseOfUpstreamWhereThatLosesNothing: six decimals, and never another number than was given.
func TestFloatsAreThoseOfUpstreamWhereThatLosesNothing(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.000000", 0.01667: "0.016670", 0.1: "0.100000", 1e-6: "0.000001", 1e20: "100000000000000000000.000000", 5: "5.000000",
		5e-7: "5e-07", 1e-7: "1e-07", 123456789.123456789: "1.2345678912345679e+08", 0.000277778: "0.000277778", 0.025: "0.025000",
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
	b := kv.NewSnapshot(1, kv.Below(cssRoot)).Edit()
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
	for _, text := range []string{"", " ", "x", "0.5", "0.5xyz", "true", "null", "2147483648", "-2147483649", "1e10", "nan", "inf", "1_000", "0x10", "9999999999999999999999"} {
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
	for _, text := range []string{"", "x", "true", "null", "nan", "inf", "Infinity", "1e999", "0.5xyz", "1_0.5", "0x1p-2"} {
		r := recordOf(map[string]string{packedName: formatPacked(map[string]string{"f": text})})
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

func FuzzPacked(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{} `, `{"k":"v","k2":"v2"} `, `{"a":1,"a":2,"b":true,"c":null,"d":{"e":[]}}`, `[]`, `"x"`, `{"a":"\ud83d\ude00"}`,
		`{"a":"\ud83d"}`, `{"a":"\\ud83d"}`, `{"a":"b"} x`, "{\"a\":\"\xff\"}", `{"":""}`, "{\"a\":\"\\u0000\x7f\"}", `{"\/":"\/"}`, `{"a":"\ud83d\u`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := parsePacked(value)
		if err != nil {
			return
		}
		for name, text := range p.members {
			if !utf8.ValidString(name) || !utf8.ValidString(text) {
				t.Fatalf("%q has the member %q: %q", value, name, text)
			}
			// U+FFFD in the result must have been written so: nothing was replaced.
			if strings.ContainsRune(name+text, utf8.RuneError) && !strings.ContainsRune(value, utf8.RuneError) &&
				!strings.Contains(strings.ToLower(value), `\ufffd`) {
				t.Fatalf("%q became %q: %q", value, name, text)
			}
		}
		written := formatPacked(p.members)
		again, err := parsePacked(written)
		if err != nil || !maps.Equal(p.members, again.members) || again.nested != "" {
			t.Fatalf("%q was written as %q and read as %q, %v", value, written, again.members, err)
		}
		if twice := formatPacked(again.members); twice != written {
			t.Fatalf("%q and then %q", written, twice)
		}
	})
}

func FuzzKey(f *testing.F) {
	for _, seed := range []string{
		"", "/", "//", "/a", "/a/", "a", "/DBS", "/DBS/lsst", "/DBS/lsst/TABLES/Object/CHUNKS/1/REPLICAS/0000000001/.packed.json",
		"/DBS/.packed.json", "/DBS/lsst/TABLES/.packed.json", "/NODES/w", "/a /b", "/a ", "/\x00", "/é", "/😀", "/\xff", "/DBS//TABLES/x",
		"/css_meta/version", "/DBS/a.b/TABLES/c.d", "/" + strings.Repeat("x", 255),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		err := checkKey(key)
		if err == nil {
			if len(key) > 255 || !utf8.ValidString(key) || key[0] != '/' || strings.Contains(key+"/", "//") || strings.Contains(key+"/", " /") {
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
		_, _ = nodeOfReplica(key, key), foldPath(key)
		_, _ = checkAnyKey(key), checkNotMeta(key)
	})
}
