package deletion

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Each acknowledgement that did not land is sent again, and no other: a drop would wait for ever.
func TestWhatDidNotLandIsSentAgain(t *testing.T) {
	g := unopened(t)
	g.czar.Timing = DefaultTiming
	var log strings.Builder
	g.log = slog.New(slog.NewTextHandler(&log, nil))
	var asked []protocol.Name
	g.act = func(_ context.Context, x protocol.CzarEffect) {
		if x.Kind == protocol.CzarAcknowledge {
			asked = append(asked, x.Name)
		}
	}
	first, second, third := protocol.TableName("d", "first"), protocol.TableName("d", "second"), protocol.TableName("d",
		"third")
	var observations []protocol.Observation
	var acks []protocol.Acknowledgement
	for i, n := range []protocol.Name{first, second, third} {
		mark := protocol.Revision(10 + i)
		observations = append(observations, protocol.Observation{Name: n,
			Entry: protocol.Entry{Standing: protocol.DropPending, Incarnation: 3, Modified: mark}})
		acks = append(acks, protocol.Acknowledgement{Name: n, Mark: mark, ID: "a", Registered: 5})
	}
	ctx := t.Context()
	tick := func() {
		asked = nil
		g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked})
	}
	tick()
	g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarEntered, ID: "a", At: 5})
	g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarSaw, At: 12, Observations: observations})
	require.Equal(t, []protocol.Name{first, second, third}, asked)

	g.acknowledged(ctx, answer{acks: acks, landed: acks[1:2]})
	tick()
	assert.Equal(t, []protocol.Name{first, third}, asked)
	rest := []protocol.Acknowledgement{acks[0], acks[2]}
	for range 3 {
		g.acknowledged(ctx, answer{acks: rest, err: errors.New("etcd is full")})
		tick()
		assert.Equal(t, []protocol.Name{first, third}, asked)
	}
	assert.Equal(t, 1, strings.Count(log.String(), "etcd is full"), "it is told once")
	g.acknowledged(ctx, answer{acks: rest, landed: rest})
	tick()
	assert.Empty(t, asked)
}

// A gate says why it has no proof, and for how long one would last, also when nothing has gone wrong since.
func TestStaleGateSaysWhy(t *testing.T) {
	g := unopened(t)
	g.fence.Store(&protocol.Fence{Carried: protocol.Proof{Length: time.Second}})
	assert.EqualError(t, g.stale("ask"), "ask: the view is stale: etcd has not confirmed that this czar is registered "+
		"within the last 1s: this czar is not registered yet")
	g.trouble.Store(nil)
	g.fence.Store(&protocol.Fence{Proof: protocol.Proof{Valid: true, Length: time.Minute},
		Carried: protocol.Proof{Length: time.Second}})
	assert.EqualError(t, g.stale("ask"), "ask: the view is stale: etcd has not confirmed that this czar is registered "+
		"within the last 1m0s")
}
