package measure

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
	Ratio   float64 `json:"ratio"` // the median of the ratios of the rounds; which way it goes is up to Goal
	Goal    Goal    `json:"goal"`
	OK      bool    `json:"ok"`     // whether the ratio reaches the goal, and every number of Also its own
	Versus  string  `json:"versus"` // what was measured, against what
	Also    []Also  `json:"also,omitempty"`
	Samples Samples `json:"samples"` // all that was measured, in the order of measuring
}

// Also is a number that belongs to a figure beside its ratio. With a goal, it has to reach that for the figure to be
// OK.
type Also struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Goal  *Goal   `json:"goal,omitempty"`
	OK    bool    `json:"ok"`
}

// Add adds a number that has to be reached for the result to be OK.
func (r *Result) Add(name, unit string, value float64, goal Goal) {
	ok := goal.reached(value)
	r.OK = r.OK && ok
	r.Also = append(r.Also, Also{Name: name, Unit: unit, Value: value, Goal: &goal, OK: ok})
}

// Note adds a number that only helps to understand.
func (r *Result) Note(name, unit string, value float64) {
	r.Also = append(r.Also, Also{Name: name, Unit: unit, Value: value, OK: true})
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

// ratio returns what the goal is about.
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

// NewResult sums samples up. The median of each block counts. Ours and Peer are the medians of these; the ratio is the
// median of the rounds' ratios, so that what slows the machine for a while, and with it both sides, does not show.
func NewResult(name, unit, versus string, goal Goal, s Samples) (Result, error) {
	return newResult(name, unit, versus, goal, s, Median)
}

// Figure sums a series up that both sides have.
func (t Turns) Figure(name, unit, versus string, goal Goal, series string) (Result, error) {
	return NewResult(name, unit, versus, goal, t.Samples(series, series))
}

func newResult(name, unit, versus string, goal Goal, s Samples, of statistic) (Result, error) {
	ours, peer := each(s.Ours, of), each(s.Peer, of)
	if len(ours) == 0 || len(ours) != len(peer) {
		return Result{}, fmt.Errorf("%s: there are %d blocks of ours and %d of the peer", name, len(ours), len(peer))
	}
	var ratios []float64
	for i := range ours {
		if !(ours[i] > 0) || !(peer[i] > 0) {
			return Result{}, fmt.Errorf("%s: nothing was measured in round %d: ours %v, peer %v", name, i+1, ours[i], peer[i])
		}
		ratios = append(ratios, goal.ratio(ours[i], peer[i]))
	}
	ratio := Median(ratios)
	return Result{
		Name: name, Unit: unit, Ours: Median(ours), Peer: Median(peer), Ratio: ratio,
		Goal: goal, OK: goal.reached(ratio), Versus: versus, Samples: s,
	}, nil
}

// MedianAndP99 makes two figures of a series of times: their median, which versus is about, and their 99th percentile.
func (t Turns) MedianAndP99(name, versus string, middle, tail Goal, series string) ([]Result, error) {
	s := t.Samples(series, series)
	first, err := NewResult(name, "ms", versus, middle, s)
	if err != nil {
		return nil, err
	}
	second, err := newResult(name+"-p99", "ms", "the 99th percentile of the same measurements", tail, s, p99)
	return []Result{first, second}, err
}

// Typical returns the median of the blocks' medians.
func Typical(blocks [][]float64) float64 { return Median(each(blocks, Median)) }

func each(blocks [][]float64, of statistic) []float64 {
	var all []float64
	for _, block := range blocks {
		all = append(all, of(block))
	}
	return all
}
