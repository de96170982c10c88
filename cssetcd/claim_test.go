package cssetcd_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// Rule: a dump can be made of any keys and values, and all faults are told together.
func TestDumpOfKeysAndValues(t *testing.T) {
	t.Parallel()
	good := map[string]string{"/css_meta/version": "1", "/DBS/a": "READY", "/m": "x"}
	d, err := cssetcd.NewDump(maps.All(good))
	require.NoError(t, err)
	assert.Equal(t, good, maps.Collect(d.All()))
	_, err = cssetcd.NewDump(maps.All(map[string]string{"no slash": "", "/a//b": "", "/css_meta/version": "2"}))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
	assert.ErrorIs(t, err, cssetcd.ErrVersionMismatch)
	for _, fault := range []string{"no slash", "/a//b"} {
		assert.ErrorContains(t, err, fault)
	}
}

// Rule: of two restores that take the key from each other only the last one writes, whatever was removed meanwhile.
func TestRestoreThatWasOvertaken(t *testing.T) {
	t.Parallel()
	etcd := testkit.SharedEtcdClient()
	c, err := cssetcd.New(t.Context(), etcd, cssetcd.WithPrefix("/overtaken"))
	require.NoError(t, err)
	put, err := etcd.Put(t.Context(), "/overtaken/claim", "1")
	require.NoError(t, err)
	d, err := cssetcd.NewDump(maps.All(largeDump()))
	require.NoError(t, err)
	keys := 0
	_, err = c.Restore(t.Context(), d, cssetcd.OnlyWhile("claim", cssetcd.Revision(put.Header.Revision)),
		cssetcd.OnProgress(func(done, total int) {
			if keys == 0 {
				keys = done
				_, err := etcd.Put(t.Context(), "/overtaken/claim", "2")
				assert.NoError(t, err)
			}
			assert.Equal(t, keys, done, "nothing is written after the key was taken")
		}))
	require.ErrorIs(t, err, cssetcd.ErrOvertaken)
	got, err := etcd.Get(t.Context(), "/overtaken/claim")
	require.NoError(t, err)
	claim := cssetcd.OnlyWhile("claim", cssetcd.Revision(got.Kvs[0].ModRevision))
	res, err := c.Restore(t.Context(), d, claim)
	require.NoError(t, err)
	assert.Positive(t, res.Present)
	_, err = etcd.Delete(t.Context(), "/overtaken/claim")
	require.NoError(t, err)
	_, err = c.Restore(t.Context(), d, claim, cssetcd.Overwrite())
	require.ErrorIs(t, err, cssetcd.ErrOvertaken)
	s, err := c.Snapshot(t.Context(), 0)
	require.NoError(t, err)
	assert.Equal(t, res.Keys, s.Len(), "nothing was removed")
	_, err = c.Restore(t.Context(), d, cssetcd.OnlyWhile("", 0))
	require.ErrorIs(t, err, cssetcd.ErrInvalid)
}
