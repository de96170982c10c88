package kvdata_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Rule: a step of any kind is executed while the tables are held; what others do waits until they are let go of, and
// goes on.
func TestStepWhileTheTablesAreHeld(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	w.exec("UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/m'")
	require.NoError(t, w.mirror.Hold(t.Context()))
	theirs, done := w.other(), make(chan []upstream.Outcome, 1)
	go func() {
		answers, _ := upstream.Run(t.Context(), theirs, "BEGIN", "SELECT kvVal FROM kvData WHERE kvKey = '/m'",
			"UPDATE kvData SET kvVal = 'g' WHERE kvKey = '/m'", "COMMIT")
		done <- answers
	}()
	read, err := w.mirror.Inbox(t.Context())
	require.NoError(t, err)
	require.Len(t, read.Rows, 1)
	first, err := w.mirror.ReserveIDs(t.Context(), 2)
	require.NoError(t, err)
	now := rowM
	now.Value = "f"
	step := w.step(&plan.Plan{
		Clear:   []plan.Row{rowC},
		Inserts: []plan.Row{{ID: int32(first), Parent: rowN.ID, Key: rowC.Key, Value: "again"}},
		Updates: []plan.Update{with(now, "e"), with(rowN, "e")},
		Records: []plan.Quarantined{{Key: "/q", Reason: plan.KeyTooLong}},
		Rows:    smallLen,
	}, ids(read.Rows), inbox.Conflict{Row: read.Rows[0], Kind: inbox.KindConflict})
	step.Foreign = []plan.Difference{{Kind: plan.Extra, Key: "/f"}}
	require.NoError(t, w.mirror.Apply(t.Context(), step))
	w.state.Applied++
	read, err = w.mirror.Inbox(t.Context())
	require.NoError(t, err)
	assert.Empty(t, read.Rows)
	assert.Equal(t, w.state.Applied, read.Applied)
	assert.Empty(t, done, "others wait")
	require.NoError(t, w.mirror.Release(t.Context()))
	for _, o := range <-done {
		assert.Zero(t, o.Error, o.Text)
	}
	assert.Equal(t, "g", w.answer("SELECT kvVal FROM kvData WHERE kvKey = '/m'"))
	assert.Equal(t, "again", w.answer("SELECT kvVal FROM kvData WHERE kvKey = '/n/c'"))
	for _, table := range []string{"css_mirror_quarantine", "css_mirror_foreign", "css_mirror_conflicts"} {
		assert.Equal(t, "1", w.answer("SELECT COUNT(*) FROM "+table), table)
	}
	assert.Equal(t, []string{`4 "/m" below 1: "e" -> "g"`}, in(w.inbox().Rows))
	w.apply(plan.Nothing(plan.NewTable(nil)), ids(w.inbox().Rows)) // the connection works on
}

// Rule: the tables are not held, and nobody is ended for it, while others have a transaction open, whatever it did with
// kvData.
func TestHoldWaitsForNobody(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"reads":  "SELECT kvVal FROM kvData WHERE kvKey = '/m'",
		"locks":  "SELECT kvVal FROM kvData WHERE kvKey = '/m' FOR UPDATE",
		"writes": "UPDATE kvData SET kvVal = 'f' WHERE kvKey = '/n/c'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			theirs, held := w.other(), w.other("BEGIN", statement)
			done := make(chan error, 1)
			go func() { done <- w.mirror.Hold(t.Context()) }()
			for ended := false; !ended; {
				select {
				case err := <-done:
					ended = true
					require.ErrorIs(t, err, kvdata.ErrBusy)
				default:
					require.Equal(t, "0", w.answer("SELECT COUNT(*) FROM information_schema.processlist WHERE "+
						"INFO LIKE 'LOCK TABLES%' AND STATE LIKE 'Waiting%'"), "it waits")
				}
			}
			w.must(theirs, "UPDATE kvData SET kvVal = 'h' WHERE kvKey = '/DBS'")
			w.must(held, "UPDATE kvData SET kvVal = 'g' WHERE kvKey = '/m'", "COMMIT")
			require.NoError(t, w.mirror.Hold(t.Context()))
			require.NoError(t, w.mirror.Release(t.Context()))
			w.apply(plan.Nothing(plan.NewTable(nil)), ids(w.inbox().Rows))
		})
	}
}

// Rule: of a step that fails, or that is given up, nothing is left when the tables are let go of.
func TestFailedStepWhileTheTablesAreHeld(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	before := w.everything()
	fails := w.step(&plan.Plan{Updates: []plan.Update{with(rowM, "e")}, Deletes: []plan.Row{with(rowC, "?").New}}, nil)
	require.NoError(t, w.mirror.Hold(t.Context()))
	require.ErrorIs(t, w.mirror.Apply(t.Context(), fails), kvdata.ErrDrift)
	require.NoError(t, w.mirror.Release(t.Context()))
	assert.Equal(t, before, w.everything())

	require.NoError(t, w.mirror.Hold(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	err := w.mirror.WriteWithin(ctx, "UPDATE kvData SET kvVal = 'e' WHERE kvKey = '/m'", cancel)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.mirror.Release(ctx))
	assert.Equal(t, before, w.everything())
	w.apply(&plan.Plan{Updates: []plan.Update{with(rowM, "e")}, Rows: smallLen}, nil)
}
