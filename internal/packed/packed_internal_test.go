package packed

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPackedReading: what upstream tolerates is tolerated, and what it refuses is refused.
func TestPackedReading(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		members     map[string]string
		nested      string // quoted name
		err         string // "" when there is none
	}{
		{name: "strings, as upstream writes them", value: `{"k":"v","k2":"v2"} `,
			members: map[string]string{"k": "v", "k2": "v2"}},
		{name: "spacing is free", value: " {\n\t\"k\" :  \"v\" ,\r\"n\":\t1 }\n",
			members: map[string]string{"k": "v", "n": "1"}},
		{name: "no space at the end", value: `{"k":"v"}`, members: map[string]string{"k": "v"}},
		{name: "numbers are their text", value: `{"a":1,"b":0.25,"c":-2e-3,"d":1E5}`,
			members: map[string]string{"a": "1", "b": "0.25", "c": "-2e-3", "d": "1E5"}},
		{name: "large numbers are not rounded", value: `{"a":123456789012345678901234567890}`,
			members: map[string]string{"a": "123456789012345678901234567890"}},
		{name: "true, false and null are their text", value: `{"a":true,"b":false,"c":null}`,
			members: map[string]string{"a": "true", "b": "false", "c": "null"}},
		{name: "the first of two members counts", value: `{"a":"1","a":"2"}`, members: map[string]string{"a": "1"}},
		{name: "the first counts when it is spelled with an escape", value: `{"\u0061":"1","a":"2"}`,
			members: map[string]string{"a": "1"}},
		{name: "the first counts although it is nested", value: `{"a":{},"a":"2"}`, members: map[string]string{},
			nested: `"a"`},
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
		{name: "a surrogate pair", value: `{"a":"x\ud83d\ude00y","\uD83D\uDE00":"b"}`,
			members: map[string]string{"a": "x😀y", "😀": "b"}},
		{name: "an escaped backslash before u", value: `{"a":"\\ud83d"}`, members: map[string]string{"a": `\ud83d`}},
		{name: "NUL", value: `{"a":"\u0000"}`, members: map[string]string{"a": "\x00"}},
		{name: "characters beyond 16 bits and 0x7f, raw", value: "{\"a\":\"é😀\x7f\"}",
			members: map[string]string{"a": "é😀\x7f"}},

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
		{name: "half a pair behind a whole one", value: `{"a":"\ud83d\ude00\ude00"}`,
			err: "byte 18: half of a surrogate pair"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.value)
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, tt.members, p.Members)
			assert.Equal(t, tt.nested, p.Nested)
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
		{"byte order", map[string]string{"b": "1", "a": "2", "B": "3", "é": "4", "a.": "5"},
			`{"B":"3","a":"2","a.":"5","b":"1","é":"4"} `},
		{"escapes", map[string]string{"/": "\"\\/\b\f\n\r\t\x00\x1f\x7f"},
			`{"\/":"\"\\\/\b\f\n\r\t\u0000\u001F` + "\x7f" + `"} `},
		{"UTF-8 as it is", map[string]string{"é": "日😀\u2028"}, "{\"é\":\"日😀\u2028\"} "},
		{"HTML as it is", map[string]string{"a": "<&>"}, `{"a":"<&>"} `},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, Format(tt.members)) })
	}
}

func TestPackedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		text := Format(members)
		p, err := Parse(text)
		require.NoError(t, err, text)
		require.True(t, maps.Equal(members, p.Members), "%q became %q", members, p.Members)
		require.Equal(t, text, Format(p.Members))
		require.True(t, strings.HasSuffix(text, "} "))
	})
}

func FuzzPacked(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{} `, `{"k":"v","k2":"v2"} `, `{"a":1,"a":2,"b":true,"c":null,"d":{"e":[]}}`, `[]`, `"x"`,
		`{"a":"\ud83d\ude00"}`,
		`{"a":"\ud83d"}`, `{"a":"\\ud83d"}`, `{"a":"b"} x`, "{\"a\":\"\xff\"}", `{"":""}`, "{\"a\":\"\\u0000\x7f\"}",
		`{"\/":"\/"}`, `{"a":"\ud83d\u`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, err := Parse(value)
		if err != nil {
			return
		}
		for name, text := range p.Members {
			if !utf8.ValidString(name) || !utf8.ValidString(text) {
				t.Fatalf("%q has the member %q: %q", value, name, text)
			}
			// U+FFFD in the result must have been written so: nothing was replaced.
			if strings.ContainsRune(name+text, utf8.RuneError) && !strings.ContainsRune(value, utf8.RuneError) &&
				!strings.Contains(strings.ToLower(value), `\ufffd`) {
				t.Fatalf("%q became %q: %q", value, name, text)
			}
		}
		written := Format(p.Members)
		again, err := Parse(written)
		if err != nil || !maps.Equal(p.Members, again.Members) || again.Nested != "" {
			t.Fatalf("%q was written as %q and read as %q, %v", value, written, again.Members, err)
		}
		if twice := Format(again.Members); twice != written {
			t.Fatalf("%q and then %q", written, twice)
		}
	})
}
