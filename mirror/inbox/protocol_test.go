package inbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/testkit"
)

func alone(t *testing.T) {
	t.Helper()
	if testkit.RaceDetector {
		t.Skip("one goroutine only; make test runs this once more without the race detector")
	}
}

func TestWorlds(t *testing.T) {
	alone(t)
	for _, s := range append(smallWorlds, largeWorlds...) {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			c := &checker{bounds: s.bounds, live: true}
			c.run()
			t.Logf("%d states in %s, asked %d %d %d %d", len(c.keys), time.Since(began), len(c.layings), len(c.decisions), len(c.steps), len(c.aimsAt))
			assert.Empty(t, c.broken)
		})
	}
}
