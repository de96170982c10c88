package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/daemon"
)

// TestElectionKeysOfMirrorsAreDeleted while their leases live: both stand again by themselves and one leads. Without
// that both would write by turns, each taking the table over from the other, and reading all of it each time.
func TestElectionKeysOfMirrorsAreDeleted(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.Ok)
	for range 2 {
		c.Process("serve --no-drops")
	}
	etcd := raw(c)
	candidates := daemon.MirrorKeys("/qserv") + "default/"
	awaitTwo := func(since int64) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, err := etcd.Get(t.Context(), candidates, clientv3.WithPrefix(), clientv3.WithMinCreateRev(since+1),
				clientv3.WithCountOnly())
			return err == nil && got.Count == 2
		}, clitest.Patience, 20*time.Millisecond)
	}
	awaitTwo(0)
	awaitAgreement(c)
	term := func() int64 { return statusOf(c).Mirror.Term }
	before := term()
	gone, err := etcd.Delete(t.Context(), candidates, clientv3.WithPrefix())
	require.NoError(t, err)
	require.EqualValues(t, 2, gone.Deleted)
	awaitTwo(gone.Header.Revision)
	c.Ok("db create After")
	require.Eventually(t, func() bool { return term() > before }, clitest.Patience, 50*time.Millisecond)
	now := term()
	assert.LessOrEqual(t, now, before+2, "who led may have been on its way to the table, and was followed by who leads")
	for _, db := range []string{"A", "B", "C"} {
		c.Ok("db", "create", db)
		awaitAgreement(c)
	}
	assert.Equal(t, now, term(), "one leads")
}
