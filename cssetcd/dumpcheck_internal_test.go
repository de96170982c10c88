package cssetcd

import (
	"testing"

	"strings"

	"slices"

	"github.com/stretchr/testify/require"

	"pgregory.net/rapid"
)

func TestNamesAreClean(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "A", "b", "a b", "É", "é", "TABLES", "x.y", ".packed.json", "ab"})
	top := rapid.SampledFrom([]string{"/DBS", "/NODES", "/dbs", "/q"})
	rapid.Check(t, func(t *rapid.T) {
		d := &Dump{}
		for range rapid.IntRange(0, 8).Draw(t, "keys") {
			key := top.Draw(t, "top") + "/" + strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
			if checkKey(key) == nil { // which is looked at before
				d.rows = append(d.rows, row{key: key})
			}
		}
		d.sort()
		require.Equal(t, len(d.nameFaults()) == 0, d.namesAreClean(), "%v", d.Keys())
		var all []string
		for key := range d.eachWithAncestors() {
			all = append(all, key)
		}
		slices.Sort(all)
		require.Equal(t, sortedKeys(d.withAncestors()), slices.Clip(append([]string{}, all...)))
	})
}
