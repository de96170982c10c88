package cssetcd_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/kv/kvtest"
)

// TestDeleteAlone: a key is deleted alone only when nothing lies below it, also when something comes there at the same
// moment; else all below goes and is counted.
func TestDeleteAlone(t *testing.T) {
	ctx, c := t.Context(), newCatalogue(t)
	unchanged(t, c, func() {
		require.ErrorIs(t, errOf(c.Raw().Delete(ctx, "/DBS/lsst", cssetcd.IfAtMostBelow(0))), cssetcd.ErrKeysBelow)
	})
	ok(t)(c.Raw().Put(ctx, "/other/a", ""))
	came := false
	racing := c.Through(func(st kv.Store) kv.Store {
		return kvtest.Hooks{Store: st, OnCommit: func(ctx context.Context, change kv.Change,
			next kvtest.Commit) (*kv.Snapshot, error) {
			if !came {
				came = true
				ok(t)(c.Raw().Put(ctx, "/other/a/b", ""))
			}
			return next(ctx, change)
		}}
	})
	require.ErrorIs(t, errOf(racing.Raw().Delete(ctx, "/other/a", cssetcd.IfAtMostBelow(0))), cssetcd.ErrKeysBelow)
	came = false
	ok(t)(c.Raw().Delete(ctx, "/other/a/b"))
	ok(t)(c.Raw().Put(ctx, "/other/a/c", ""))
	require.ErrorIs(t, errOf(racing.Raw().Delete(ctx, "/other/a", cssetcd.IfAtMostBelow(1))), cssetcd.ErrKeysBelow)
	var more *cssetcd.KeysBelowError
	require.ErrorAs(t, errOf(c.Raw().Delete(ctx, "/other/a", cssetcd.IfAtMostBelow(1))), &more)
	assert.Equal(t, 2, more.Keys)
	ok(t)(c.Raw().Delete(ctx, "/other/a/c", cssetcd.IfAtMostBelow(1)))
	keys, rev, err := c.Raw().DeleteCounted(ctx, "/other", cssetcd.IfAtMostBelow(0))
	require.ErrorIs(t, err, cssetcd.ErrKeysBelow)
	assert.ErrorContains(t, err, "keys lie below it: 2")
	assert.Zero(t, keys)
	assert.Zero(t, rev)
	keys, _, err = c.Raw().DeleteCounted(ctx, "/other")
	require.NoError(t, err)
	assert.Equal(t, 3, keys)
}
