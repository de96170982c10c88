package protocol_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// TestTimingThatFits: each bound is still allowed, and what lies beyond it is refused with what is wrong and what would
// do.
func TestTimingThatFits(t *testing.T) {
	const ms, s, h = time.Millisecond, time.Second, time.Hour
	least := protocol.Timing{Confirm: 20 * ms, Fence: 80 * ms, Wait: protocol.Outlasts(80 * ms), Alive: 2 * s}
	most := protocol.Timing{Confirm: 4 * h, Fence: 16 * h, Wait: 24 * h, Alive: 24 * h, Delay: 24 * h}
	tight := protocol.Timing{Confirm: 5 * s, Fence: 20 * s, Wait: protocol.Outlasts(20 * s), Alive: 10 * s, Delay: 2 * s}
	for _, fits := range []protocol.Timing{protocol.DefaultTiming, least, most, tight} {
		require.NoError(t, fits.Check())
	}
	begins := protocol.ErrTiming.Error() + ": "
	for _, c := range []struct {
		of     protocol.Timing
		change func(*protocol.Timing)
		want   string
	}{
		{least, func(t *protocol.Timing) { t.Confirm-- }, "confirm is 19.999999ms and must be from 20ms to 24h0m0s"},
		{least, func(t *protocol.Timing) { t.Fence = 20*ms - 1 }, "fence is 19.999999ms and must be from 20ms to 24h0m0s"},
		{least, func(t *protocol.Timing) { t.Wait = 20*ms - 1 }, "wait is 19.999999ms and must be from 20ms to 24h0m0s"},
		{least, func(t *protocol.Timing) { t.Alive = 20*ms - 1 }, "alive is 19.999999ms and must be from 20ms to 24h0m0s"},
		{most, func(t *protocol.Timing) { t.Wait++ }, "wait is 24h0m0.000000001s and must be from 20ms to 24h0m0s"},
		{most, func(t *protocol.Timing) { t.Alive++ }, "alive is 24h0m0.000000001s and must be from 20ms to 24h0m0s"},
		{most, func(t *protocol.Timing) { t.Fence, t.Alive = 0, 0 },
			"fence is 0s and must be from 20ms to 24h0m0s\nalive is 0s and must be from 20ms to 24h0m0s"},
		{tight, func(t *protocol.Timing) { t.Fence-- },
			"fence is 19.999999999s and must be at least 4 times confirm, 20s, so that a lost confirmation or two stop no " +
				"query"},
		{tight, func(t *protocol.Timing) { t.Wait-- },
			"wait is 24.444444443s and must be at least 24.444s, since the clocks of two machines may differ by a tenth each " +
				"and fence is 20s"},
		{tight, func(t *protocol.Timing) { t.Alive = 9 * s },
			"alive is 9s and must be at least twice confirm, 10s, or czars that do well are taken for silent"},
		{tight, func(t *protocol.Timing) { t.Alive += ms },
			"alive is 10.001s and must be whole seconds, at least 2s: it is a lease"},
		{least, func(t *protocol.Timing) { t.Alive = s },
			"alive is 1s and must be whole seconds, at least 2s: it is a lease"},
		{tight, func(t *protocol.Timing) { t.Delay = s },
			"delay: 1s: must be 0, or whole seconds from 2s to 24h0m0s, since a lease of etcd keeps the time"},
	} {
		c.change(&c.of)
		err := c.of.Check()
		require.ErrorIs(t, err, protocol.ErrTiming)
		require.EqualError(t, err, begins+c.want)
	}
}

// TestDelays: a delay is kept by a lease of etcd, which has whole seconds.
func TestDelays(t *testing.T) {
	for d, fits := range map[time.Duration]bool{
		0: true, 1: false, time.Second: false, 2*time.Second - 1: false, 2 * time.Second: true, 2*time.Second + 1: false,
		3 * time.Second: true,
		24 * time.Hour:  true, 24*time.Hour + time.Second: false, -time.Second: false, -2 * time.Second: false,
	} {
		assert.Equal(t, fits, protocol.CheckDelay(d) == nil, d)
	}
}

// TestTimingAsItIsKept: what is written is read again, what is missing has its default, and what cannot be used is
// refused.
func TestTimingAsItIsKept(t *testing.T) {
	own := protocol.Timing{Confirm: time.Second, Fence: 10 * time.Second, Wait: 20 * time.Second, Alive: 4 * time.Second,
		Delay: 5 * time.Second}
	for text, want := range map[string]protocol.Timing{
		"": protocol.DefaultTiming, "{}": protocol.DefaultTiming,
		`{"confirm":"1s","fence":"10s","wait":"20s","alive":"4s","delay":"5s"}`: own,
	} {
		got, err := protocol.ParseTiming(text)
		require.NoError(t, err)
		assert.Equal(t, want, got, text)
	}
	written, err := own.MarshalJSON()
	require.NoError(t, err)
	assert.JSONEq(t, `{"confirm":"1s","fence":"10s","wait":"20s","alive":"4s","delay":"5s"}`, string(written))
	for _, text := range []string{"{", `{"confirm":1}`, `{"confirm":"soon"}`, `{"confirm":"1h"}`} {
		_, err := protocol.ParseTiming(text)
		require.ErrorIs(t, err, protocol.ErrTiming, text)
	}
}

// TestOutlasts: a clock that is a tenth too fast waits for what lasts on one that is a tenth too slow.
func TestOutlasts(t *testing.T) {
	assert.Equal(t, 11*time.Second, protocol.Outlasts(9*time.Second).Round(time.Nanosecond*10))
}

// TestTime: a clock that was set makes a proof end early and a wait last longer, never the other way.
func TestTime(t *testing.T) {
	from := protocol.Time{Mono: 10, Wall: 100}
	for _, c := range []struct{ mono, wall, age, waited time.Duration }{
		{15, 105, 5, 5},
		{15, 200, 100, 5}, // the machine slept, or the clock was set forward
		{15, 50, 5, 5},    // it was set back
	} {
		now := protocol.Time{Mono: c.mono, Wall: c.wall}
		assert.Equal(t, c.age, now.Age(from))
		assert.Equal(t, c.waited, now.Waited(from))
	}
}
