package drops_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
)

// replay gives what each process saw to the state machines that the model checks, anew. They must do what the process
// did: then it did nothing of its own.
func (d *drops) replay() {
	d.t.Helper()
	czarSteps, coordinatorSteps := 0, 0
	for _, c := range d.czars {
		for _, r := range c.files() {
			czarSteps += replayCzar(d.t, r.trace)
		}
	}
	for _, c := range d.coordinators {
		for _, r := range c.files() {
			coordinatorSteps += replayCoordinator(d.t, r.trace)
		}
	}
	d.t.Logf("replayed %d steps of czars and %d of coordinators", czarSteps, coordinatorSteps)
}

// replayCzar replays the steps of one process and returns how many there were.
func replayCzar(t *testing.T, path string) (steps int) {
	t.Helper()
	effects := deletion.Replay(dropTiming)
	eachLine(t, path, func(line []byte) {
		var s deletion.CzarStep
		readStep(t, line, &s)
		steps++
		sameJSON(t, s.Effects, effects(s.Event), "step %d in %s: %s", steps, path, line)
	})
	return steps
}

// replayCoordinator is replayCzar for a coordinator.
func replayCoordinator(t *testing.T, path string) (steps int) {
	t.Helper()
	actions := coordinator.Replay()
	eachLine(t, path, func(line []byte) {
		var s coordinator.Step
		readStep(t, line, &s)
		steps++
		sameJSON(t, s.Actions, actions(s.Facts, s.Now), "step %d in %s: %s", steps, path, line)
	})
	return steps
}

// readStep reads a step and checks that its text says all of it.
func readStep(t *testing.T, line []byte, s any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(line, s), "%s", line)
	again, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, string(line), string(again), "the text of a step does not say all of it")
}

// sameJSON compares two lists by their texts; an empty one is as good as none.
func sameJSON[T any](t *testing.T, want, have []T, message string, args ...any) {
	t.Helper()
	if len(want) == 0 && len(have) == 0 {
		return
	}
	a, err := json.Marshal(want)
	require.NoError(t, err)
	b, err := json.Marshal(have)
	require.NoError(t, err)
	if string(a) != string(b) {
		require.Failf(t, "the state machine does something else: "+string(b), message, args...)
	}
}
