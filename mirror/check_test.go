package mirror_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

func TestCheckAndStateWithoutAMirror(t *testing.T) {
	w := newWorld(t)
	look := func() {
		t.Helper()
		_, err := kvdata.ReadState(t.Context(), w.target)
		assert.ErrorIs(t, err, mirror.ErrNoMirror)
		_, err = kvdata.ReadQuarantine(t.Context(), w.target, 0)
		assert.ErrorIs(t, err, mirror.ErrNoMirror)
		_, err = mirror.Check(t.Context(), w.target, w.client)
		assert.ErrorIs(t, err, mirror.ErrNoMirror)
	}
	look()
	createDatabase(w)
	look()
}

func TestReadState(t *testing.T) {
	w := newWorld(t)
	rev := w.put("/DBS/a", "READY", "/DBS/A", "READY")
	w.once(func(c *mirror.Config) { c.Owner = "host:1" })
	s, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), s.Updated, time.Minute)
	identity, err := w.client.Identity(t.Context())
	require.NoError(t, err)
	s.Updated, s.Age = time.Time{}, 0
	require.NotNil(t, s.Digest)
	s.Digest = nil
	assert.Equal(t, kvdata.State{
		Mirror: mirror.DefaultName, Term: 1, Identity: identity, Applied: rev, Rows: 6, Quarantined: 1, Owner: "host:1",
		Format: 3,
	}, s)
	w.exec("UPDATE css_mirror_state SET format = 4")
	_, err = kvdata.ReadState(t.Context(), w.target)
	assert.ErrorIs(t, err, mirror.ErrNewerFormat)
	w.refused(mirror.ErrNewerFormat)
}

func TestReadQuarantine(t *testing.T) {
	w := newWorld(t)
	rev := w.put("/DBS/a", "😀")
	w.put("/DBS/b", "😀")
	w.once()
	list, err := kvdata.ReadQuarantine(t.Context(), w.target, 1)
	require.NoError(t, err)
	require.Len(t, list, 1)
	first := list[0]
	assert.WithinDuration(t, time.Now(), first.Since, time.Minute)
	assert.Equal(t, plan.Quarantined{Key: "/DBS/a", Reason: plan.ValueEncoding, Mod: rev, ValueBytes: 4,
		Detail: "the value is not UTF-8 of at most three bytes a character"}, first.Quarantined)
	w.put("/DBS/a", "😀😀")
	w.once()
	list, err = kvdata.ReadQuarantine(t.Context(), w.target, 0)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, 8, list[0].ValueBytes)
	assert.Equal(t, first.Since, list[0].Since, "it is there since then")
}

// Rule: checking while everything changes finds no difference that is none.
func TestCheckIsExactUnderWrites(t *testing.T) {
	w := newWorld(t)
	w.run(w.mirror())
	w.await(w.put("/DBS/a", "0"))
	for i := range 30 {
		for j := range 10 {
			w.put("/DBS/a", strconv.Itoa(j), "/DBS/"+strconv.Itoa(i*10+j), "READY")
		}
		w.agree()
	}
}

// Rule: a revision that etcd no longer has cannot be checked, and the error says so.
func TestCheckOfACompactedRevision(t *testing.T) {
	w := compactable(t)
	w.put("/DBS/a", "0")
	w.once()
	rev := w.put("/DBS/a", "1")
	_, err := w.etcd.Compact(t.Context(), int64(rev))
	require.NoError(t, err)
	_, err = mirror.Check(t.Context(), w.target, w.client)
	assert.ErrorIs(t, err, cssetcd.ErrCompacted)
	assert.ErrorContains(t, err, "mirror --once")
	w.once()
	w.agree()
}
