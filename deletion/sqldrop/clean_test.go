package sqldrop_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/deletion/sqldrop"
)

// clean removes markers, and returns why that of a job stays; "" when it is gone.
func (w *world) clean(job coordinator.Job, dryRun bool, underWay ...coordinator.Job) string {
	w.t.Helper()
	all, err := w.dropper().Clean(w.t.Context(), func(context.Context) ([]coordinator.Job, error) { return underWay, nil },
		0, dryRun)
	require.NoError(w.t, err)
	_, spent, _ := sqldrop.Names(job.Database, job.Tables[0])
	for _, m := range all {
		if m.Name == spent {
			assert.Equal(w.t, quoted(w.database)+"."+quoted(job.Tables[0].Table)+", incarnation "+m.Of[len(m.Of)-4:], m.Of)
			return m.Stays
		}
	}
	w.t.Fatal("it is not listed")
	return ""
}

// Rule: a marker goes when its drop has ended and no attempt is connected that may have begun before that.
func TestMarkersThatNobodyNeeds(t *testing.T) {
	w := newWorld(t)
	w.create("Object", "Source")
	old, other := w.job(0, "Object"), w.job(0, "Source")
	w.drop(old)
	require.Equal(t, "its drop has not ended", w.clean(old, false, old))
	w.marked(old)

	reached, resumed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	late := w.dropper()
	late.At(func(_ *mysql.Config, step string) {
		if step == "rename" {
			close(reached)
			<-resumed
		}
	})
	go func() { done <- late.Drop(t.Context(), other) }()
	<-reached
	require.Contains(t, w.clean(old, false, other), "an attempt to remove data is connected, as process ")
	w.marked(old)
	close(resumed)
	require.NoError(t, <-done)

	require.Eventually(t, func() bool { return w.clean(old, true) == "" }, patience, 10*time.Millisecond,
		"a connection that was closed is gone soon")
	w.marked(old)
	require.Equal(t, "its drop has not ended", w.clean(other, false, other))
	w.marked(other)
	_, spent, _ := sqldrop.Names(old.Database, old.Tables[0])
	assert.Empty(t, w.namesIn(sqldrop.Markers, spent))

	// What is late now asks first.
	w.create("Object")
	old.Held = func(context.Context, []string) ([]string, error) { return nil, coordinator.ErrDropEnded }
	require.ErrorIs(t, w.dropper().Drop(t.Context(), old), coordinator.ErrDropEnded)
	w.intact("Object")

	unknown := func(context.Context) ([]coordinator.Job, error) { return nil, deletion.ErrTiming }
	_, err := w.dropper().Clean(t.Context(), unknown, 0, false)
	require.ErrorIs(t, err, deletion.ErrTiming, "what is not known to have ended stays")
	w.marked(other)
}

// Whoever cleans is not taken for an attempt by another who does.
func TestCleaningIsNoAttempt(t *testing.T) {
	w := newWorld(t)
	w.create("Object")
	old := w.job(0, "Object")
	w.drop(old)
	require.Eventually(t, func() bool { return w.clean(old, true) == "" }, patience, 10*time.Millisecond,
		"the connection that dropped is gone soon")
	_, err := w.dropper().Clean(t.Context(), func(context.Context) ([]coordinator.Job, error) {
		assert.Empty(t, w.clean(old, true), "while another is connected")
		return nil, nil
	}, 0, true)
	require.NoError(t, err)
}
