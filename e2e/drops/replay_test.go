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
			effects := deletion.Replay(dropTiming)
			czarSteps += replayTrace(d.t, r.trace, func(s deletion.CzarStep) (any, any) { return s.Effects, effects(s.Event) })
		}
	}
	for _, c := range d.coordinators {
		for _, r := range c.files() {
			actions := coordinator.Replay()
			coordinatorSteps += replayTrace(d.t, r.trace, func(s coordinator.Step) (any, any) {
				return s.Actions, actions(s.Facts, s.Now)
			})
		}
	}
	d.t.Logf("replayed %d steps of czars and %d of coordinators", czarSteps, coordinatorSteps)
}

// replayTrace compares what each step of one process did with what the state machine does, and returns how many there
// were.
func replayTrace[S any](t *testing.T, path string, both func(S) (did, does any)) (steps int) {
	t.Helper()
	eachLine(t, path, func(line []byte) {
		var s S
		readStep(t, line, &s)
		steps++
		did, does := both(s)
		sameJSON(t, did, does, "step %d in %s: %s", steps, path, line)
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
func sameJSON(t *testing.T, want, have any, message string, args ...any) {
	t.Helper()
	text := func(list any) string {
		text, err := json.Marshal(list)
		require.NoError(t, err)
		if string(text) == "null" {
			return "[]"
		}
		return string(text)
	}
	if text(want) != text(have) {
		require.Failf(t, "the state machine does something else: "+text(have), message, args...)
	}
}
