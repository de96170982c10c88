package mirror_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// interruptedImport begins an import and ends it while it fills etcd.
func (w *world) interruptedImport() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	i := w.importing()
	i.Progress = func(done, _ int) {
		if done > 0 {
			cancel()
		}
	}
	_, err := i.Run(ctx)
	require.ErrorIs(w.t, err, context.Canceled)
}

func (w *world) leave(ctx context.Context, force bool) (mirror.Left, error) {
	return mirror.Leave(ctx, w.target, w.client, w.taker(), patience, force)
}

func (w *world) sides() mirror.Sides {
	w.t.Helper()
	s, err := mirror.ReadSides(w.t.Context(), w.target, w.taker())
	require.NoError(w.t, err)
	return s
}

// Rule: until an import that was interrupted is made good or given up nothing writes to kvData: a part of a catalogue
// would take the place of all of it.
func TestAnInterruptedImportIsNoCatalogue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.upstreams()
	w.interruptedImport()
	before := w.rows()
	state, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)

	_, err = w.single(w.sharing).Once(t.Context())
	require.ErrorIs(t, err, mirror.ErrImporting)
	require.ErrorIs(t, mirror.StopSharing(t.Context(), w.target, w.taker(), patience, true), mirror.ErrImporting)
	require.ErrorIs(t, mirror.ShareWriting(t.Context(), w.target, w.client, w.taker(), patience), mirror.ErrImporting)
	assert.Equal(t, before, w.rows())
	now, err := kvdata.ReadState(t.Context(), w.target)
	require.NoError(t, err)
	assert.Equal(t, state.Term, now.Term, "an import that is under way is not fenced off")
	require.Len(t, w.sides().Troubles(), 1)
	assert.Equal(t, mirror.ImportUnfinished, w.sides().Troubles()[0].Code)

	left, err := w.leave(t.Context(), false)
	require.NoError(t, err)
	assert.True(t, left.GaveUp)
	assert.Equal(t, before, w.rows())
	s := w.sides()
	assert.Equal(t, mirror.OnlyMySQL, s.Writers)
	assert.Empty(t, s.Troubles())

	again := w.importing()
	again.Overwrite = true
	_, err = again.Run(t.Context())
	require.NoError(t, err)
	w.once(w.sharing)
	w.settled()
}

// lacking is a world in which both sides write, and kvData does not show a database that etcd holds.
func lacking(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.put("/DBS", "", "/DBS/a", "READY")
	w.shared()
	w.put("/DBS/b", "READY")
	return w
}

// Rule: kvData is left when it shows all that etcd held, or when that is given up.
func TestKvDataIsLeftWithAllOfEtcd(t *testing.T) {
	t.Parallel()
	w := lacking(t)
	limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := w.leave(limited, false)
	require.ErrorIs(t, err, mirror.ErrNotShown)
	assert.Equal(t, mirror.BothSides, w.sides().Writers)

	stop := w.run(w.mirror(w.sharing))
	left, err := w.leave(t.Context(), false)
	require.NoError(t, err)
	assert.Empty(t, left.Newer)
	assert.Contains(t, w.rows(), "/DBS/b")
	stop()
}

// Rule: what was written to etcd is given up where that is asked for, and named.
func TestWhatKvDataLacksIsNamed(t *testing.T) {
	t.Parallel()
	w := lacking(t)
	left, err := w.leave(t.Context(), true)
	require.NoError(t, err)
	assert.Equal(t, []string{"/DBS/b"}, left.Newer)
	assert.NotContains(t, w.rows(), "/DBS/b")
	assert.Empty(t, w.sides().Troubles())
}

// Rule: a conflict that comes of what waits is recorded also while capturing ends.
func TestAConflictThatWaitsIsRecordedWhileCapturingEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/m", "1")
	w.shared()
	w.put("/m", "ours")
	w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/m'")
	limited, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- mirror.StopSharing(limited, w.target, w.taker(), patience, false) }()
	require.Eventually(t, func() bool { return !w.sides().Capture.Installed }, patience, 10*time.Millisecond)
	m := w.mirror(w.sharing)
	w.run(m)
	require.NoError(t, <-done)
	awaitStatus(t, m, following)
	assert.Len(t, w.conflicts(), 1)
	assert.Equal(t, "ours", w.rows()["/m"].value)
}

// meddled is a catalogue that others write past when it is first read.
type meddled struct {
	*cssetcd.Client
	once   sync.Once
	meddle func()
}

func (m *meddled) Snapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error) {
	s, err := m.Client.Snapshot(ctx, at)
	m.once.Do(m.meddle)
	return s, err
}

// Rule: what others write between the comparison and the triggers is not taken for the catalogue's.
func TestWhatWasWrittenBeforeTheTriggersIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("/DBS", "", "/m", "1")
	w.once()
	catalogue := &meddled{Client: w.client, meddle: func() {
		w.exec("UPDATE kvData SET kvVal = 'theirs' WHERE kvKey = '/m'")
	}}
	err := mirror.ShareWriting(t.Context(), w.target, catalogue, w.taker(), patience)
	require.ErrorIs(t, err, mirror.ErrForeign)
	assert.Equal(t, mirror.OnlyEtcd, w.sides().Writers)
	assert.Equal(t, kvdata.Capture{}, w.sides().Capture, "all is as it was")
}
