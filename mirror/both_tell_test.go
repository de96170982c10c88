package mirror_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// Rule: that changes of others were not taken is told for as long as they are on record: by who records them, by who
// takes the table over, also when only etcd is written again.
func TestConflictsAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/DBS/a", "READY", "/m", "1", "/n", "1")
	w.shared()
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/m'") // no mirror runs
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/n'")
	w.put("/m", "ours", "/n", "ours")
	for range 2 { // who records them, and who takes over; neither looks a second time
		m := w.mirror(w.sharing, func(c *mirror.Config) { c.CompareEvery = -1 })
		stop := w.run(m)
		s := awaitStatus(t, m, has(mirror.Conflicts))
		assert.Contains(t, s.Troubles[0].Text, "2 changes that others wrote")
		assert.False(t, s.Troubles[0].Holds)
		w.rest()
		stop()
	}
	next := w.mirror(w.sharing, quickly(mirror.Alert))
	w.run(next)
	awaitStatus(t, next, has(mirror.Conflicts))
	w.drop(1)
	awaitStatus(t, next, func(s mirror.Status) bool {
		return len(s.Troubles) == 1 && s.Troubles[0].Text == "1 change that others wrote into kvData was not taken into etcd"
	})
	require.NoError(t, mirror.StopSharing(t.Context(), w.target, w.taker(), patience, false))
	w.await(w.put("/m", "of etcd alone"))
	awaitStatus(t, next, has(mirror.Conflicts))
	w.drop(1)
	awaitStatus(t, next, func(s mirror.Status) bool { return following(s) && len(s.Troubles) == 0 })
}

// drop drops the newest conflicts.
func (w *world) drop(n int) {
	w.t.Helper()
	for _, c := range w.conflicts()[:n] {
		dropped, err := kvdata.DropConflicts(w.t.Context(), w.target, c.ID)
		require.NoError(w.t, err)
		assert.Equal(w.t, 1, dropped)
	}
}

// Rule: the mirrors are named that take what others write.
func TestSharedMirrorsAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	none, err := mirror.Modes(t.Context(), w.client)
	require.NoError(t, err)
	assert.Empty(t, none)
	w.shared()
	all, err := mirror.Modes(t.Context(), w.client)
	require.NoError(t, err)
	assert.Equal(t, map[string]mirror.Mode{mirror.DefaultName: {Shared: true}}, all)
}
