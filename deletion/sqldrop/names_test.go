package sqldrop_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
)

func TestWhatBelongsToATable(t *testing.T) {
	for name, levels := range map[string]struct{ whole, chunked bool }{
		"Object":                         {true, true},
		"Object_1":                       {false, true},
		"Object_1234567890":              {false, true},
		"ObjectFullOverlap_1":            {false, true},
		"object":                         {},
		"object_1":                       {},
		"ObjectfullOverlap_1":            {},
		"Object_":                        {},
		"ObjectFullOverlap":              {},
		"ObjectFullOverlap_":             {},
		"ObjectFullOverlapFullOverlap_1": {},
		"Object_backup":                  {},
		"Object2":                        {},
		"Object2_1":                      {},
		"Object_1_2":                     {},
		"Object_1a":                      {},
		"Object_-1":                      {},
		"Object__1":                      {},
		"Object_1 ":                      {},
		"Object_\u0661":                  {}, // a digit, but not one of those
		"MyObject":                       {},
		"MyObject_1":                     {},
		"":                               {},
	} {
		for level := range 3 {
			want := levels.chunked
			if level == 0 {
				want = levels.whole
			}
			got := coordinator.JobTable{Table: "Object", ChunkLevel: level}.Owns(name)
			assert.Equal(t, want, got, "%q, chunk level %d", name, level)
		}
	}
}

// Property: what belongs to a table is what a regular expression says.
func TestBelongsIsAsARegularExpressionSays(t *testing.T) {
	parts := []string{"Object", "object", "FullOverlap", "_", "1", "42", "a", ".", "`", "(", "é"}
	name := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 6).Draw(t, "parts"), "")
	})
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		base := name.Draw(t, "base")
		candidate := name.Draw(t, "candidate")
		switch rapid.SampledFrom([]int{0, 1, 2, 2, 2, 3, 3, 3}).Draw(t, "kind") {
		case 1:
			candidate = base + candidate
		case 2:
			candidate = base + "_" + rapid.StringMatching("[0-9]{1,3}a?").Draw(t, "chunk")
		case 3:
			candidate = base + "FullOverlap_" + rapid.StringMatching("[0-9]{1,3}a?").Draw(t, "chunk")
		}
		level := rapid.IntRange(0, 2).Draw(t, "chunk level")
		pattern := `\A` + regexp.QuoteMeta(base) + `\z`
		if level > 0 {
			pattern = `\A` + regexp.QuoteMeta(base) + `((FullOverlap)?_[0-9]+)?\z`
		}
		want := regexp.MustCompile(pattern).MatchString(candidate)
		if want {
			found++
		}
		assert.Equal(t, want, coordinator.JobTable{Table: base, ChunkLevel: level}.Owns(candidate))
	})
	if !testing.Short() { // which tries a fifth as many
		assert.Greater(t, found, 5)
	}
}

// Rule: all names made are within MySQL's limit, and differ where incarnation, database or table do.
func TestNamesOfMarkers(t *testing.T) {
	long := strings.Repeat("x", 64)
	seen := map[string]bool{}
	for _, database := range []string{"d", "d.t", long} {
		for _, table := range []string{"t", "d.t", "t.t", long} {
			for _, incarnation := range []cssetcd.Revision{1, 0x10, 10, math.MaxInt64} {
				fence, spent, trash := sqldrop.Names(database, coordinator.JobTable{Table: table, Incarnation: incarnation})
				for _, name := range []string{fence, spent, trash + "9999999999999999999"} {
					assert.LessOrEqual(t, len(name), 64)
					require.False(t, seen[name], name)
					seen[name] = true
				}
			}
		}
	}
}

func TestVersionsWithAtomicRename(t *testing.T) {
	for version, want := range map[string]bool{
		"10.11.19-MariaDB-0+deb12u1": true,
		"10.6.1-MariaDB":             true,
		"11.0.2-MariaDB-log":         true,
		"8.0.34":                     true,
		"9.1.0-commercial":           true,
		"10.5.99-MariaDB":            false,
		"5.7.44-log":                 false,
		"nonsense":                   false,
		"":                           false,
	} {
		assert.Equal(t, want, sqldrop.AtomicRename(version), version)
	}
}
