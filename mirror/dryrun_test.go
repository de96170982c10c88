package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// dryRun says what a mirror would do, and fails the test when that does not agree with what one does then.
func (w *world) dryRun(change ...func(*mirror.Config)) mirror.Result {
	w.t.Helper()
	said, err := w.single(change...).DryRun(w.t.Context())
	require.NoError(w.t, err)
	assert.Equal(w.t, said, w.once(change...))
	return said
}

// TestDryRunSaysWhatOnceDoes, and makes and changes nothing.
func TestDryRunSaysWhatOnceDoes(t *testing.T) {
	w := newWorld(t)
	rev := w.put("/DBS/lsst", "READY", "/DBS/lsst/TABLES/Object", "READY", "/DBS/LSST", "READY", "/DBS/a", "READY",
		"/DBS/gone", "")
	_, err := w.single().DryRun(t.Context())
	require.NoError(t, err)
	_, err = kvdata.ReadState(t.Context(), w.target)
	require.ErrorIs(t, err, mirror.ErrNoMirror)
	assert.ErrorContains(t, err, "does not exist", "nor does the database")
	said := w.dryRun()
	assert.Equal(t, rev, said.Revision)
	assert.NotZero(t, said.Quarantined)

	before, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	rows := w.rows()
	w.put("/DBS/a", "DO_NOT_USE", "/DBS/new", "READY")
	w.del("/DBS/gone")
	_, err = w.single().DryRun(t.Context())
	require.NoError(t, err)
	after, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	before.Age, after.Age = 0, 0 // it passes
	assert.Equal(t, before, after, "nobody is overtaken")
	assert.Equal(t, rows, w.rows())
	said = w.dryRun()
	assert.Equal(t, [3]int{1, 1, 1}, [3]int{said.Inserted, said.Updated, said.Deleted})
	w.agree()
}

// TestDryRunRefusesWhatOnceRefuses: the brake and another catalogue, each with what lets it through.
func TestDryRunRefusesWhatOnceRefuses(t *testing.T) {
	w := newWorld(t)
	w.put("/DBS/a", "READY")
	w.once()
	w.forget()
	w.del("/DBS/a")
	_, err := w.single().DryRun(t.Context())
	require.ErrorIs(t, err, mirror.ErrBrake)
	said, err := w.single(allow).DryRun(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, said.Deleted)
	assert.Equal(t, 1, w.dryRun(allow).Deleted)
	other := func(c *mirror.Config) { c.Name = "other" }
	_, err = w.single(allow, other).DryRun(t.Context())
	require.ErrorIs(t, err, mirror.ErrIdentity)
	_, err = w.single(allow, other, adopt).DryRun(t.Context())
	require.NoError(t, err)
	w.exec("ALTER TABLE kvData DROP FOREIGN KEY kvData_parent_key")
	w.exec("ALTER TABLE kvData ENGINE = MyISAM")
	_, err = w.single().DryRun(t.Context())
	require.ErrorIs(t, err, mirror.ErrNotKvData)
}
