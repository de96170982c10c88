package inbox

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/testkit"
)

// alone skips a test of one goroutine that the race detector would slow down tenfold.
func alone(t *testing.T) {
	t.Helper()
	if testkit.RaceDetector {
		t.Skip("one goroutine only; make test runs this once more without the race detector")
	}
}

// TestNothingGoesWrongInSmallWorlds tries everything that can happen, in every order, and looks whether rest can be
// reached from everywhere.
func TestNothingGoesWrongInSmallWorlds(t *testing.T) {
	alone(t)
	testkit.Long(t, "it explores millions of states")
	moves := nothingGoesWrong(t, 4_400_000, smallWorlds)
	for _, m := range allGoMoves {
		assert.True(t, moves[m.name], m.name)
	}
	for _, name := range []string{
		"is rolled back: a deadlock, or a lock", "is rolled back: the row above is gone", "dies", "takes over", "decides",
		"decides on more of what it has read",
		"reads what was decided on, of an etcd that lags", "plans", "commits its step", "looks at the inbox",
		"its step waits for a lock", "its step finds what it does not expect", "finds a row of a key that it wrote",
	} {
		assert.True(t, moves[name], name)
	}
	for _, v := range append(statementNames[:], insertsRow, setsRow, deletesRow) {
		for _, name := range v {
			assert.True(t, moves[name], name)
		}
	}
}

// TestNothingGoesWrongSoak is the same in larger worlds.
func TestNothingGoesWrongSoak(t *testing.T) {
	alone(t)
	testkit.Soak(t)
	nothingGoesWrong(t, 50_000_000, largeWorlds)
}

func nothingGoesWrong(t *testing.T, least int, sets []set) (moves map[string]bool) {
	t.Helper()
	moves = map[string]bool{}
	states := 0
	for _, s := range sets {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			c := &checker{bounds: s.bounds, live: true}
			c.run()
			assert.Empty(t, c.broken)
			t.Logf("%d states in %s, with %d questions", len(c.keys), time.Since(began).Round(time.Millisecond),
				len(c.layings)+len(c.decisions)+len(c.steps)+len(c.aimsAt))
			states += len(c.keys)
			maps.Copy(moves, c.moves)
		})
	}
	t.Logf("%d states", states)
	assert.GreaterOrEqual(t, states, least)
	return moves
}
