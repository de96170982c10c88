package flatjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkFlat fails when the quick scanner takes a text that the standard library reads otherwise, or takes for no flat
// object.
func checkFlat(t require.TestingT, text string) (taken bool) {
	if !utf8.ValidString(text) {
		return false
	}
	type member struct{ name, value string }
	var want []member
	err := Decode(strings.NewReader(text), func(name, value string) { want = append(want, member{name, value}) })
	for _, out := range []*strings.Builder{nil, {}} {
		var got []member
		s := scanner{text: text, out: out}
		taken = s.members(func(name, value string) { got = append(got, member{name, value}) })
		if taken {
			require.NoError(t, err, text)
			require.Equal(t, want, got, text)
			require.Less(t, HalfCharacter(text), 0, text)
		}
	}
	return taken
}

var flatSeeds = []string{
	`{}`, ` { } `, `{"a":"b"}`, "{\n\t\"a\" : \"b\" ,\r\"c\":\"\"}\n", `{"\/a\"\\\b\f\n\r\t":"\u00e9\u0041\ud83d\ude00é"}`,
	`{"a":"\ud83d"}`, `{"a":"\ude00"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\ud83dx"}`, `{"a":"\x"}`, `{"a":"\u00g0"}`,
	`{"a":"\u00"}`, `{"a":"\`,
	`{"a":1}`, `{"a":null}`, `{"a":{}}`, `{"a":"b",}`, `{,}`, `{"a"}`, `{"a":"b"`, `{"a":"b"} x`, `{"a":"b"}{}`, `[]`, ``,
	"{\"a\":\"\x01\"}", `{"a":"1","a":"2"}`,
	`{"a":"\u0000"}`, "{\"a\":\"\u2028\ufffd\"}", `{"a":"\ufffd"}`, `{"a":"\uFFFF"}`, `{a:"b"}`, `{"a":'b'}`,
	`{"a":"b" "c":"d"}`,
}

// TestFlatScannerReadsAsTheStandardLibrary: what it takes, and that it takes what dumps are made of.
func TestFlatScannerReadsAsTheStandardLibrary(t *testing.T) {
	for _, seed := range flatSeeds {
		checkFlat(t, seed)
	}
	rapid.Check(t, func(t *rapid.T) {
		members := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "members")
		text, err := json.Marshal(members)
		require.NoError(t, err)
		require.True(t, checkFlat(t, string(text)), "%s", text)
		broken := slices.Clone(text)
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		broken[at] = rapid.SampledFrom([]byte(`"\{}:, ua0`)).Draw(t, "becomes")
		checkFlat(t, string(broken))
		checkFlat(t, string(slices.Delete(broken, at, at+1)))
	})
}

func FuzzFlat(f *testing.F) {
	for _, seed := range flatSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkFlat(t, text) })
}

// TestNamesAreClean: the quick look never passes what the slow one finds fault with, and passes the rest.
