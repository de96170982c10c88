package embedetcd_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/embedetcd"
)

func TestClusterSurvivesAMemberAndComesBack(t *testing.T) {
	began := time.Now()
	members, err := embedetcd.StartCluster(t.Context(), 3)
	require.NoError(t, err)
	t.Logf("start of three members: %v", time.Since(began))
	t.Cleanup(func() {
		for _, m := range members {
			assert.NoError(t, m.Close())
		}
	})
	c, err := embedetcd.ClusterClient(members)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	list, err := c.MemberList(t.Context())
	require.NoError(t, err)
	require.Len(t, list.Members, 3)

	for i, m := range members {
		put(t, c, "before", m.Dir())
		began := time.Now()
		require.NoError(t, m.Stop())
		t.Logf("stop of member %d: %v", i+1, time.Since(began))
		put(t, c, "during", m.Dir())
		require.NoError(t, m.Restart(t.Context()))
		assert.Equal(t, m.Dir(), value(t, client(t, m), "during"), "the member has caught up")
	}

	for _, m := range members[1:] {
		require.NoError(t, m.Stop())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err = c.Put(ctx, "without", "majority")
	require.Error(t, err)
	require.NoError(t, members[0].Stop())
	ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, members[0].Restart(ctx), context.DeadlineExceeded, "one of three does not serve")
	require.NoError(t, embedetcd.RestartAll(t.Context(), members))
	assert.Equal(t, members[2].Dir(), value(t, c, "during"))
}

func TestClusterOptionsAreChecked(t *testing.T) {
	for _, opts := range []embedetcd.Options{{Dir: "d"}, {Name: "n"}, {Listen: "127.0.0.1:0"}} {
		_, err := embedetcd.StartClusterWith(t.Context(), 3, opts)
		require.Error(t, err)
	}
	_, err := embedetcd.StartCluster(t.Context(), 0)
	require.Error(t, err)
}
