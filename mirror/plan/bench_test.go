package plan_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/plan"
)

// big returns a catalogue of n keys: chunks of tables, which are what makes catalogues big.
func big(n int) *image {
	entries := map[string]cssetcd.Entry{}
	for i := range n {
		key := fmt.Sprintf("/DBS/database_%d/TABLES/Object/CHUNKS/%d/REPLICAS/%010d", i/10_000, i%10_000, 1)
		entries[key] = cssetcd.Entry{Value: `{"nodeName":"worker-1"} `, Create: 1, Mod: 1}
	}
	return imageOf(entries)
}

func BenchmarkFullOfEqual(b *testing.B) {
	im := big(100_000)
	table := tableOf(b, im)
	b.ReportAllocs()
	for b.Loop() {
		p, err := plan.Full(table, im)
		require.NoError(b, err)
		require.True(b, p.Empty())
	}
}

func BenchmarkFullIntoEmpty(b *testing.B) {
	im := big(100_000)
	b.ReportAllocs()
	for b.Loop() {
		_, err := plan.Full(plan.NewTable(qserv.Columns), im)
		require.NoError(b, err)
	}
}

// Rule: one change costs the same in a catalogue of any size.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		im := big(n)
		table := tableOf(b, im)
		key := im.keys[n/2]
		e := im.entries[key]
		im.entries[key] = cssetcd.Entry{Value: "changed", Create: e.Create, Mod: 2}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := plan.Changed(table, im, []string{key})
				require.NoError(b, err)
				require.Len(b, p.Updates, 1)
			}
		})
	}
}
