package deletion_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// What does not hold any more keeps nothing else from being acknowledged, and all that holds is acknowledged in one
// transaction.
func TestAcknowledgementsOfOneTransaction(t *testing.T) {
	f := newFleet(t)
	store, err := kv.NewEtcd(f.Etcd, f.CSS.Prefix())
	require.NoError(t, err)
	registration, err := edge.ReadRegistrationContext(t.Context(), store)
	require.NoError(t, err)
	entered, err := store.Commit(t.Context(), registration.Register("a", "a czar", time.Now(), 0))
	require.NoError(t, err)
	mark := func(n cssetcd.TableName) protocol.Acknowledgement {
		d := f.Drop(n, deletion.Delay(0))
		return protocol.Acknowledgement{Name: protocol.TableName(n.DB, n.Table), Mark: d.Mark(), ID: "a",
			Registered: entered.Revision}
	}
	var all []protocol.Acknowledgement
	for i := range 5 {
		n := cssetcd.TableName{DB: "LSST", Table: fmt.Sprintf("T%d", i)}
		f.Create(n)
		all = append(all, mark(n))
	}
	require.NoError(t, f.Undo(t.Context(), "LSST.T1"))
	require.NoError(t, f.Undo(t.Context(), "LSST.T4"))
	mark(cssetcd.TableName{DB: "LSST", Table: "T4"})

	landed, err := edge.Acknowledge(t.Context(), store, registration, slices.Clone(all))
	require.NoError(t, err)
	assert.Equal(t, []protocol.Acknowledgement{all[0], all[2], all[3]}, landed)
	after, err := store.Fetch(t.Context(), 0, kv.Below(csskey.Acks))
	require.NoError(t, err)
	assert.Equal(t, 3, after.Len())
	at := map[kv.Revision]bool{}
	for _, e := range after.Range(kv.Below(csskey.Acks)) {
		at[e.Mod] = true
	}
	assert.Len(t, at, 1, "one transaction")

	ok(t)(store.Commit(t.Context(), kv.Change{Deletes: []kv.Span{kv.Below(csskey.Czars)}}))
	landed, err = edge.Acknowledge(t.Context(), store, registration, all)
	require.NoError(t, err)
	assert.Empty(t, landed, "the registration is over")
}
