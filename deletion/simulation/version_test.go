package simulation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// versioned is the other way that was thought of: one version of the whole catalogue, which every czar has to have
// reached before queries of any go on, so that nobody plans on what another knows to be dropped.
type versioned struct {
	version kv.Revision
	seen    []kv.Revision // by czar
}

// admits reports whether a czar may begin a query, whatever it uses.
func (v *versioned) admits() bool {
	for _, seen := range v.seen {
		if seen < v.version {
			return false
		}
	}
	return true
}

// TestSchemaVersionStopsOthers: while one czar lags, a version of everything stops the queries of all czars on a table
// that nobody drops. The protocol does not: each czar goes on as long as it has a proof, and knows its own.
func TestSchemaVersionStopsOthers(t *testing.T) {
	global := versioned{version: 1, seen: []kv.Revision{1, 1}}
	require.True(t, global.admits())
	global.version = 2 // a mark on another table
	global.seen[0] = 2
	assert.False(t, global.admits(), "the second czar has not seen the mark, and so the first one waits")

	dropped := protocol.TableName("A", "x")
	czars := []protocol.Czar{registered("first"), registered("second")}
	marked := protocol.CzarEvent{Kind: protocol.CzarSaw, At: 5, Observations: []protocol.Observation{
		{Name: dropped, Entry: protocol.Entry{Standing: protocol.DropPending, Incarnation: 2, Modified: 5}},
	}}
	czars[0].Step(marked) // the second lags
	uses := []protocol.Use{{Name: untouched, Incarnation: 3}}
	for _, c := range czars {
		fence := c.Fence()
		assert.True(t, fence.Admits(protocol.Time{}) && c.Knows(uses), "%s admits queries on the untouched table", c.ID)
	}
	gone := []protocol.Use{{Name: dropped, Incarnation: 2}}
	assert.False(t, czars[0].Knows(gone))
	assert.True(t, czars[1].Knows(gone), "until it has seen the mark, and so long the drop waits for it")
}

// registered returns a czar that knows two tables and has a proof.
func registered(id string) protocol.Czar {
	c := protocol.Czar{Timing: timing}
	c.Step(protocol.CzarEvent{Kind: protocol.CzarSaw, At: 4, Observations: []protocol.Observation{
		{Name: protocol.TableName("A", "x"), Entry: protocol.Entry{Standing: protocol.Ready, Incarnation: 2, Modified: 2}},
		{Name: untouched, Entry: protocol.Entry{Standing: protocol.Ready, Incarnation: 3, Modified: 3}},
	}})
	c.Step(protocol.CzarEvent{Kind: protocol.CzarTicked})
	c.Step(protocol.CzarEvent{Kind: protocol.CzarEntered, ID: id, At: 4})
	c.Step(protocol.CzarEvent{Kind: protocol.CzarConfirmed, ID: id})
	return c
}
