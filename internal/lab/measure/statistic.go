package measure

import (
	"math"
	"slices"
)

// statistic makes one number of the samples of a block; NaN of none.
type statistic func([]float64) float64

func Median(samples []float64) float64 { return quantile(samples, 0.5) }

func p99(samples []float64) float64 { return quantile(samples, 0.99) }

// quantile interpolates between the two samples next to it.
func quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	part := at - float64(below)
	return sorted[below]*(1-part) + sorted[below+1]*part
}
