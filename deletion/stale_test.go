package deletion

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

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
