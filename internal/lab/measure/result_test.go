package measure

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoalSaysWhichWayItGoes(t *testing.T) {
	faster, within := Faster(20), Within(1.2)
	assert.Equal(t, ">= 20", faster.String())
	assert.Equal(t, "<= 1.2", within.String())
	assert.InDelta(t, 25, faster.ratio(4, 100), 1e-9, "the peer takes 25 times as long")
	assert.InDelta(t, 0.04, within.ratio(4, 100), 1e-9)
	assert.True(t, faster.reached(20))
	assert.False(t, faster.reached(19.9))
	assert.True(t, within.reached(1.2))
	assert.False(t, within.reached(1.21))
	text, err := json.Marshal(map[string]Goal{"goal": Faster(0.8)})
	require.NoError(t, err)
	assert.NotContains(t, string(text), "{}")
}

func TestQuantile(t *testing.T) {
	assert.True(t, math.IsNaN(Median(nil)))
	assert.InDelta(t, 7, Median([]float64{7}), 1e-9)
	assert.InDelta(t, 2.5, Median([]float64{4, 1, 3, 2}), 1e-9)
	assert.InDelta(t, 3, Median([]float64{9, 3, 1}), 1e-9)
	var hundred []float64
	for i := range 101 {
		hundred = append(hundred, float64(i))
	}
	assert.InDelta(t, 99, p99(hundred), 1e-9)
	assert.InDelta(t, 4, quantile([]float64{1, 4}, 1), 1e-9)
}

func TestResultIsTheMedianOfTheRounds(t *testing.T) {
	s := Samples{Ours: [][]float64{{1, 2, 3}, {10, 20, 30}, {4, 5, 6}}, Peer: [][]float64{{50}, {100}, {5000}}}
	r, err := NewResult("x", "ms", "this against that", Faster(20), s)
	require.NoError(t, err)
	assert.InDelta(t, 5, r.Ours, 1e-9)
	assert.InDelta(t, 100, r.Peer, 1e-9)
	assert.InDelta(t, 25, r.Ratio, 1e-9, "of 25, 5 and 1000")
	assert.True(t, r.OK)

	for _, s := range []Samples{{}, {Ours: [][]float64{{1}}}, {Ours: [][]float64{{1}, {}}, Peer: [][]float64{{1}, {1}}}} {
		_, err = NewResult("x", "ms", "this against that", Faster(20), s)
		assert.Error(t, err)
	}
}

func TestTableSaysWhatWasReached(t *testing.T) {
	results := []Result{
		{Name: "a", Unit: "ms", Ours: 12.345, Peer: 1234.5, Ratio: 100, Goal: Faster(20), OK: true,
			Versus: "this; peer: that"},
		{Name: "b", Unit: "ms", Ours: 0.5, Peer: 0.25, Ratio: 2, Goal: Within(1.2), Versus: "these; peer: those"},
	}
	var text strings.Builder
	require.NoError(t, WriteTable(&text, results))
	results[0].Note("keys", "", 1000)
	results[0].Add("time", "ns", 151, Within(150))
	assert.False(t, results[0].OK, "one goal of two is missed")
	results[0].OK = true
	text.Reset()
	require.NoError(t, WriteTable(&text, results))
	assert.Contains(t, text.String(), "keys: 1000\n")
	assert.Contains(t, text.String(), "time: 151 ns (<= 150, missed)")
	for _, want := range []string{"12.3 ms", "1234 ms", ">= 20", "reached", "missed", "this; peer: that", "1 of 2 goals"} {
		assert.Contains(t, text.String(), want)
	}
	text.Reset()
	require.NoError(t, WriteTable(&text, results[:1]))
	assert.Contains(t, text.String(), "The goal is reached.")
	text.Reset()
	require.NoError(t, WriteJSON(&text, nil))
	assert.JSONEq(t, `[]`, text.String())
}
