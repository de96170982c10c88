package chunkset_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qserv/css-etcd/chunkset"
)

// shapes are sets of 150,000 ids, or half of them: of a catalogue of a part of the sky, of one with gaps, and the worst
// case of a form by runs.
func shapes() map[string][]int {
	all := map[string][]int{}
	random := rand.New(rand.NewPCG(1, 2))
	for id := range 300_000 {
		if id%882 < 441 { // half of each stripe
			all["stripes"] = append(all["stripes"], id)
		}
		if random.IntN(2) == 0 {
			all["random"] = append(all["random"], id)
		}
		if id%2 == 0 {
			all["alternating"] = append(all["alternating"], id)
		}
	}
	return all
}

var found int

// BenchmarkContains compares a look-up with one in a sorted slice of 32-bit ids; B is the memory of the set.
func BenchmarkContains(b *testing.B) {
	for shape, ids := range shapes() {
		set, err := chunkset.Of(ids...)
		if err != nil {
			b.Fatal(err)
		}
		sorted := make([]int32, len(ids))
		for i, id := range ids {
			sorted[i] = int32(id)
		}
		asked := rand.New(rand.NewPCG(3, 4)).Perm(300_000)[:1<<16]
		b.Run(shape+"/set", func(b *testing.B) {
			for i := range b.N {
				if set.Contains(asked[i%len(asked)]) {
					found++
				}
			}
			b.ReportMetric(float64(set.Size()), "B")
		})
		b.Run(shape+"/slice", func(b *testing.B) {
			for i := range b.N {
				if _, ok := slices.BinarySearch(sorted, int32(asked[i%len(asked)])); ok {
					found++
				}
			}
			b.ReportMetric(float64(4*len(sorted)), "B")
		})
	}
}

// BenchmarkText is reading and printing 150,000 ids.
func BenchmarkText(b *testing.B) {
	for shape, ids := range shapes() {
		set, err := chunkset.Of(ids...)
		if err != nil {
			b.Fatal(err)
		}
		text := set.String()
		b.Run(shape+"/parse", func(b *testing.B) {
			for b.Loop() {
				if _, err := chunkset.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(text)), "B")
		})
		b.Run(shape+"/print", func(b *testing.B) {
			for b.Loop() {
				_ = set.String()
			}
		})
	}
}
