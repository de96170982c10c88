package bench

import (
	"fmt"
	"strconv"
)

// Result is one figure. Its JSON form is a stable contract.
type Result struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"` // of Ours, Peer and the samples
	Ours    float64 `json:"ours"`
	Peer    float64 `json:"peer"`
	Ratio   float64 `json:"ratio"` // see Goal
	Goal    Goal    `json:"goal"`
	OK      bool    `json:"ok"`      // whether the ratio reaches the goal
	Versus  string  `json:"versus"`  // what was measured, against what
	Samples Samples `json:"samples"` // all that was measured, in the order of measuring
}

// Samples are the measurements behind a result, one list for each block.
type Samples struct {
	Ours [][]float64 `json:"ours"`
	Peer [][]float64 `json:"peer"`
}

// Goal is what a ratio should be. As text it is ">= 20" or "<= 1.2".
type Goal struct {
	faster bool
	bound  float64
}

// Faster is the goal that the peer takes at least n times as long as we do: the ratio is peer / ours.
func Faster(n float64) Goal { return Goal{faster: true, bound: n} }

// Within is the goal that we take at most n times as long as the peer does, or as much: the ratio is ours / peer.
func Within(n float64) Goal { return Goal{bound: n} }

// String returns the goal as a comparison with the ratio.
func (g Goal) String() string {
	bound := strconv.FormatFloat(g.bound, 'g', -1, 64)
	if g.faster {
		return ">= " + bound
	}
	return "<= " + bound
}

// MarshalText makes a goal a string in JSON.
func (g Goal) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Ratio returns what the goal is about.
func (g Goal) ratio(ours, peer float64) float64 {
	if g.faster {
		return peer / ours
	}
	return ours / peer
}

func (g Goal) reached(ratio float64) bool {
	if g.faster {
		return ratio >= g.bound
	}
	return ratio <= g.bound
}

// newResult sums samples up: the statistic of each block, and of these the median.
func newResult(name, unit, versus string, goal Goal, s Samples, of statistic) (Result, error) {
	ours, peer := s.sum(s.Ours, of), s.sum(s.Peer, of)
	if !(ours > 0) || !(peer > 0) {
		return Result{}, fmt.Errorf("%s: nothing was measured: ours %v, peer %v", name, ours, peer)
	}
	ratio := goal.ratio(ours, peer)
	return Result{
		Name: name, Unit: unit, Ours: ours, Peer: peer, Ratio: ratio,
		Goal: goal, OK: goal.reached(ratio), Versus: versus, Samples: s,
	}, nil
}

func (Samples) sum(blocks [][]float64, of statistic) float64 {
	var sums []float64
	for _, block := range blocks {
		sums = append(sums, of(block))
	}
	return median(sums)
}
