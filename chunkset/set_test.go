package chunkset_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/chunkset"
)

// TestTextForm: what people read and type.
func TestTextForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "",
		"0":                            "0",
		"0-311,313,400-402":            "0-311,313,400-402",
		"2147483647":                   "2147483647",
		"2130706432-2147483647":        "2130706432-2147483647",
		"402,400-401,313,0-311":        "0-311,313,400-402",
		"1,1,1":                        "1",
		"0-5,3-4,5-9":                  "0-9",
		"7-7":                          "7",
		"1,2":                          "1-2",
		"65535,65536":                  "65535-65536",
		"0-16777215,0-16777215,5-1000": "0-16777215",
	} {
		s, err := chunkset.Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, s.String(), text)
	}
	for _, text := range []string{
		"a", " 1", "1 ", "1, 2", "1,", ",", ",1", "-", "-1", "1-", "1--2", "1-2-3", "2-1", "+1", "01", "00", "1-02",
		"2147483648", "0-2147483647", "0-16777216", "0-16777214,2147483646-2147483647",
		"0-2147483648", "99999999999999999999", "1.5", "1;2", "１", "1\n", strings.Repeat("9", 1000),
	} {
		s, err := chunkset.Parse(text)
		require.ErrorIs(t, err, chunkset.ErrInvalid, text)
		assert.Less(t, len(err.Error()), 250, "a long part is cut")
		assert.True(t, s.IsEmpty())
	}
	_, err := chunkset.Parse("0-311,400-3")
	assert.EqualError(t, err, `not a set of chunk ids: "400-3" is neither an id, such as 313, nor a run, such as 0-311, `+
		`of ids from 0 to 2147483647`)
	assert.Panics(t, func() { chunkset.MustParse("x") })
}

// TestSetsInJSON: a set is a text there, and the empty set is one, too.
func TestSetsInJSON(t *testing.T) {
	t.Parallel()
	type document struct{ Empty, None chunkset.Set }
	text, err := json.Marshal(document{Empty: chunkset.MustParse("3,1-2")})
	require.NoError(t, err)
	assert.JSONEq(t, `{"Empty":"1-3","None":""}`, string(text))
	var back document
	require.NoError(t, json.Unmarshal(text, &back))
	assert.True(t, back.Empty.Equal(chunkset.MustParse("1-3")))
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"Empty":"1-"}`), &back), chunkset.ErrInvalid)
}

func TestNoSuchIds(t *testing.T) {
	t.Parallel()
	for _, id := range []int{-1, chunkset.MaxID + 1, 1 << 40} {
		_, err := chunkset.Of(1, id)
		assert.ErrorIs(t, err, chunkset.ErrInvalid)
		assert.False(t, chunkset.MustParse("0-9,2147483647").Contains(id))
	}
}

// aSet draws ids near each other and near the borders of what the bitmap keeps together, and the same as a map.
func aSet(t *rapid.T, name string) (chunkset.Set, map[int]bool) {
	near := rapid.SampledFrom([]int{0, 100, 65_530, 131_070, chunkset.MaxID - 10})
	have := map[int]bool{}
	for range rapid.IntRange(0, 8).Draw(t, name) {
		first := near.Draw(t, "near") + rapid.IntRange(0, 10).Draw(t, "first")
		for id := first; id <= min(chunkset.MaxID, first+rapid.SampledFrom([]int{0, 1, 5, 5000}).Draw(t, "more")); id++ {
			have[id] = true
		}
	}
	s, err := chunkset.Of(slices.Collect(maps.Keys(have))...)
	require.NoError(t, err)
	return s, have
}

func same(t *rapid.T, want map[int]bool, s chunkset.Set) {
	ids := slices.Sorted(maps.Keys(want))
	require.Equal(t, ids, slices.Collect(s.All()))
	require.Equal(t, len(ids), s.Len())
	require.Equal(t, len(ids) == 0, s.IsEmpty())
	var runs []int
	last := -2
	for first, end := range s.Runs() {
		require.Greater(t, first, last+1, "runs have gaps between them")
		for id := first; id <= end; id++ {
			runs = append(runs, id)
		}
		last = end
	}
	require.Equal(t, ids, runs)
	back, err := chunkset.Parse(s.String())
	require.NoError(t, err)
	require.True(t, back.Equal(s) && s.Equal(back))
	require.Equal(t, s.String(), back.String())
}

// TestSetsAreSets compares with a map, and sees that no operation changes the sets it is made of.
func TestSetsAreSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, inA := aSet(t, "a")
		b, inB := aSet(t, "b")
		union, difference, both := maps.Clone(inA), map[int]bool{}, map[int]bool{}
		maps.Copy(union, inB)
		for id := range inA {
			if inB[id] {
				both[id] = true
			} else {
				difference[id] = true
			}
		}
		same(t, union, a.Union(b))
		same(t, difference, a.Difference(b))
		same(t, both, a.Intersection(b))
		same(t, inA, a)
		same(t, inB, b)
		require.Equal(t, maps.Equal(inA, inB), a.Equal(b))
		for id := range union {
			require.Equal(t, inA[id], a.Contains(id))
			require.Equal(t, inB[id+1], b.Contains(id+1))
		}
	})
}

// TestIterationStops where its consumer does.
func TestIterationStops(t *testing.T) {
	t.Parallel()
	s := chunkset.MustParse("1-3,7,9")
	for id := range s.All() {
		assert.Equal(t, 1, id)
		break
	}
	for first, last := range s.Runs() {
		assert.Equal(t, []int{1, 3}, []int{first, last})
		break
	}
}

// FuzzParse: whatever is taken is printed in a form that is taken for the same set.
func FuzzParse(f *testing.F) {
	f.Add("0-311,313,400-402")
	f.Add("0-2147483647,5")
	f.Add("65535,65536,131070-131073")
	f.Add("9-1")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := chunkset.Parse(text)
		if err != nil {
			return
		}
		back, err := chunkset.Parse(s.String())
		if err != nil || !back.Equal(s) || back.String() != s.String() {
			t.Fatalf("%q is printed as %q, which reads as %q, %v", text, s, back, err)
		}
	})
}
