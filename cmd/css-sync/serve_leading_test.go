package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/daemon"
)

// TestElectionKeysOfMirrorsAreDeleted while their leases live: both stand again by themselves and one leads. Without
// that both would write by turns, each taking the table over from the other, and reading all of it each time.
func TestElectionKeysOfMirrorsAreDeleted(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	for range 2 {
		c.process("serve", "--no-drops")
	}
	etcd := c.raw()
	candidates := daemon.MirrorKeys("/qserv") + "default/"
	awaitTwo := func(since int64) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, err := etcd.Get(t.Context(), candidates, clientv3.WithPrefix(), clientv3.WithMinCreateRev(since+1),
				clientv3.WithCountOnly())
			return err == nil && got.Count == 2
		}, patience, 20*time.Millisecond)
	}
	awaitTwo(0)
	c.awaitAgreement()
	term := func() int64 { return c.status().Mirror.Term }
	before := term()
	gone, err := etcd.Delete(t.Context(), candidates, clientv3.WithPrefix())
	require.NoError(t, err)
	require.EqualValues(t, 2, gone.Deleted)
	awaitTwo(gone.Header.Revision)
	c.ok("db", "create", "After")
	require.Eventually(t, func() bool { return term() > before }, patience, 50*time.Millisecond)
	now := term()
	assert.LessOrEqual(t, now, before+2, "who led may have been on its way to the table, and was followed by who leads")
	for _, db := range []string{"A", "B", "C"} {
		c.ok("db", "create", db)
		c.awaitAgreement()
	}
	assert.Equal(t, now, term(), "one leads")
}
