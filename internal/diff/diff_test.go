package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type keys = map[string]string

func compared(a, b keys) []Difference { return Compare(byKey(a), byKey(b)) }

func TestCompare(t *testing.T) {
	a := keys{"/a": "1", "/b": "", "/c": "x", "/d": "same"}
	b := keys{"/c": "y", "/d": "same", "/e": "", "/b": " "}
	value := func(text string) *string { return &text }
	assert.Equal(t, []Difference{
		{"missing", "/a", value("1"), nil}, {"different", "/b", value(""), value(" ")},
		{"different", "/c", value("x"), value("y")}, {"extra", "/e", nil, value("")},
	}, compared(a, b))
	assert.Equal(t, []Difference{}, compared(a, a))
}

func TestImage(t *testing.T) {
	assert.Equal(t, keys{"/DBS": "", "/NODES": ""}, image(nil))
	assert.Equal(t, keys{"/DBS": "", "/NODES": "", "css_empty/D": "1-3"}, image(keys{"css_empty/D": "1-3"}))
	assert.Equal(t, keys{"css_empty/D": "1-3"}, Meaning(keys{"css_empty/D": "1-3"}))
	assert.Equal(t, keys{"/DBS": "v", "/NODES": "", "/a": "", "/a/b": "", "/a/b/c": "1"},
		image(keys{"": "root", "/DBS": "v", "/a/b/c": "1"}))
}

func TestMeaning(t *testing.T) {
	tests := map[string]struct {
		a, b  keys
		alike bool
	}{
		"packed and plain":     {keys{"/NODES/n/.packed.json": `{"host":"h"}`}, keys{"/NODES/n/host": "h"}, true},
		"another packed value": {keys{"/NODES/n/.packed.json": `{"host":"h"}`}, keys{"/NODES/n/host": "i"}, false},
		"no such member":       {keys{"/NODES/n/.packed.json": `{}`}, keys{"/NODES/n/host": ""}, false},
		"spaces and order": {keys{"/a/.packed.json": `{"x":"1","y":"2"} `},
			keys{"/a/.packed.json": "{ \"y\" : 2,\n\"x\":\"1\"}"}, true},
		"escapes": {keys{"/a/.packed.json": `{"x":"a\/\u0062"}`},
			keys{"/a/.packed.json": `{"x":"a/b"}`}, true},
		"an empty packed key is none": {keys{"/a": "", "/a/.packed.json": " "}, keys{"/a": ""}, true},
		"but it has a key above":      {keys{"/a/.packed.json": "{}"}, keys{"/a": ""}, true},
		"a packed key of no object":   {keys{"/a/.packed.json": "[1]"}, keys{"/a": ""}, true},
		"a plain key wins":            {keys{"/a/.packed.json": `{"x":"1"}`, "/a/x": "2"}, keys{"/a/x": "2"}, true},
		"the first of two members":    {keys{"/a/.packed.json": `{"x":"1","x":"2"}`}, keys{"/a/x": "1"}, true},
		"a list hides what follows":   {keys{"/a/.packed.json": `{"x":[1],"x":"2"}`}, keys{"/a": ""}, true},
		"null and true are texts": {keys{"/a/.packed.json": `{"x":null,"y":true}`},
			keys{"/a/x": "null", "/a/y": "true"}, true},
		"members that cannot be keys": {keys{"/a/.packed.json": `{"":"1","x/y":"2",".packed.json":"3"}`}, keys{"/a": ""},
			true},
		"unreadable, equal":     {keys{"/a/.packed.json": "{x"}, keys{"/a/.packed.json": "{x"}, true},
		"unreadable, not equal": {keys{"/a/.packed.json": "{x"}, keys{"/a/.packed.json": "{x "}, false},
		"halves of characters": {keys{"/a/.packed.json": `{"x":"\ud800"}`},
			keys{"/a/.packed.json": `{"x":"\ud801"}`}, false},
		"numbers": {keys{"/PARTITIONING/_1/overlap": "0.100000"},
			keys{"/PARTITIONING/_1/.packed.json": `{"overlap":1e-1}`}, true},
		"whole numbers": {keys{"/NODES/n/port": "5012.0"}, keys{"/NODES/n/port": "5012"}, true},
		"other numbers": {keys{"/PARTITIONING/_1/overlap": "0.1"},
			keys{"/PARTITIONING/_1/overlap": "0.1000001"}, false},
		"two zeros": {keys{"/DBS/d/TABLES/t/match/angSep": "-0"},
			keys{"/DBS/d/TABLES/t/match/angSep": "0.0"}, true},
		"what is no number to Qserv": {keys{"/NODES/n/port": "0x10"}, keys{"/NODES/n/port": "16"}, false},
		"nor is that":                {keys{"/NODES/n/port": "inf"}, keys{"/NODES/n/port": "Inf"}, false},
		"ids are texts": {keys{"/DBS/d/partitioningId": "0000000001"}, keys{"/DBS/d/partitioningId": "1"},
			false},
		"so are statuses":          {keys{"/DBS/d": "1"}, keys{"/DBS/d": "1.0"}, false},
		"and spaces in them count": {keys{"/DBS/d": "READY"}, keys{"/DBS/d": "READY "}, false},
		"missing ancestors": {keys{"/DBS/d/TABLES/t": "READY"},
			keys{"/DBS": "", "/DBS/d": "", "/DBS/d/TABLES": "", "/DBS/d/TABLES/t": "READY"}, true},
		"an ancestor with a value": {keys{"/DBS/d/TABLES/t": "READY"},
			keys{"/DBS/d": "READY", "/DBS/d/TABLES/t": "READY"}, false},
		"a member with keys below it": {keys{"/a/.packed.json": `{"x":"1"}`, "/a/x/y": "2"},
			keys{"/a/x": "1", "/a/x/y": "2"}, true},
		"a name that is a pattern is one": {keys{"/NODES/[/port": "1.0"}, keys{"/NODES/[/port": "1"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.alike, len(compared(Meaning(test.a), Meaning(test.b))) == 0, "%v\n%v", Meaning(test.a),
				Meaning(test.b))
			assert.Equal(t, maps.Equal(test.a, test.b), len(compared(test.a, test.b)) == 0)
		})
	}
}

// catalogues are of plain keys, with every ancestor.
func catalogues() *rapid.Generator[keys] {
	part := rapid.SampledFrom([]string{"DBS", "NODES", "PARTITIONING", "TABLES", "partitioning", "overlap", "port",
		"host", "a", "a b", `q"\`, "ü"})
	value := rapid.SampledFrom([]string{"", "READY", "0.1", "0.100000", "5012", "1e3", "-0", "{}", `{"a":1}`, "x/y",
		"true", "null", "0x1", " "})
	return rapid.Custom(func(t *rapid.T) keys {
		all := keys{}
		for _, parts := range rapid.SliceOfN(rapid.SliceOfN(part, 1, 5), 0, 12).Draw(t, "keys") {
			all["/"+strings.Join(parts, "/")] = value.Draw(t, "value")
		}
		for key := range maps.Clone(all) {
			addAncestors(all, key)
		}
		return all
	})
}

func TestEqualCataloguesHaveNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := catalogues().Draw(t, "a")
		require.Empty(t, compared(a, maps.Clone(a)))
		require.Empty(t, compared(Meaning(a), Meaning(maps.Clone(a))))
		require.Equal(t, image(a), image(image(a)))
		require.Equal(t, Meaning(a), Meaning(Meaning(a)))
	})
}

// A difference is told from both sides, and making each good makes the catalogues equal.
func TestDifferencesAreAllThatDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := catalogues().Draw(t, "a"), catalogues().Draw(t, "b")
		differences := compared(a, b)
		require.Len(t, compared(b, a), len(differences))
		for _, d := range differences {
			if d.B == nil {
				delete(a, d.Key)
			} else {
				a[d.Key] = *d.B
			}
		}
		require.Equal(t, b, a)
	})
}

func TestMeaningIsTheSameHoweverItIsPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := catalogues().Draw(t, "a")
		b := repacked(t, a)
		require.Empty(t, compared(Meaning(a), Meaning(b)), "%v", b)
	})
}

// repacked writes a catalogue in another way: some keys as members of packed keys, numbers in other forms, some
// ancestors not at all.
func repacked(t *rapid.T, all keys) keys {
	out := maps.Clone(all)
	members := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		i := strings.LastIndexByte(key, '/')
		hasBelow := slices.ContainsFunc(slices.Collect(maps.Keys(all)),
			func(other string) bool { return strings.HasPrefix(other, key+"/") })
		value := reformatted(t, key, all[key])
		out[key] = value
		switch {
		case i > 0 && rapid.Bool().Draw(t, "pack"):
			delete(out, key)
			members[key[:i]] = append(members[key[:i]], quote(key[i+1:])+space(t)+":"+space(t)+quote(value))
		case hasBelow && value == "" && rapid.Bool().Draw(t, "leave out"):
			delete(out, key)
		}
	}
	for parent, list := range members {
		list = rapid.Permutation(list).Draw(t, "order")
		out[parent+"/.packed.json"] = space(t) + "{" + strings.Join(list, space(t)+",") + "}" + space(t)
	}
	return out
}

func space(t *rapid.T) string { return rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space") }

func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}

// reformatted writes a number with six decimals where that loses nothing.
func reformatted(t *rapid.T, key, value string) string {
	f, err := strconv.ParseFloat(value, 64)
	if long := fmt.Sprintf("%f", f); err == nil && shortest(key, value) != value && rapid.Bool().Draw(t, "long") {
		if back, _ := strconv.ParseFloat(long, 64); back == f {
			return long
		}
	}
	return value
}
