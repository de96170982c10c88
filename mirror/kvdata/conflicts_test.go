package kvdata_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// Rule: a conflict is read as it was recorded, the newest first, and by its number; what is dropped is gone.
func TestConflictsAreRecorded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	list, total, err := kvdata.ReadConflicts(t.Context(), s.target, 0)
	require.NoError(t, err)
	assert.Empty(t, list)
	assert.Zero(t, total)
	_, err = kvdata.ReadConflict(t.Context(), s.target, 1)
	require.ErrorIs(t, err, kvdata.ErrNoConflict)
	n, err := kvdata.DropConflicts(t.Context(), s.target, 1, 2)
	require.NoError(t, err)
	assert.Zero(t, n)

	w := capture(t, s, small)
	there := func(text string) inbox.Value { return inbox.Value{There: true, Text: text} }
	one := inbox.Conflict{Row: inbox.Row{ID: 7, Conn: 8, KvID: 9, Parent: 2, Key: "/n/\xff'\x00\\ ", Before: there(""),
		After: there(strings.Repeat("é", 30_000)), Writer: "a'b@%",
		At: time.Date(2026, 11, 27, 1, 2, 3, 456789000, time.UTC)},
		Kind: "conflict", Reason: "base", Detail: "it's \xfe", Etcd: there("😀\xff"), Revision: 1 << 60}
	drift := inbox.Conflict{Row: inbox.Row{KvID: 4, Key: strings.Repeat("k", 3000)}, Kind: "drift", Reason: "unlogged",
		Revision: 1}
	request := inbox.Conflict{Row: inbox.Row{ID: 8, Key: "/DBS/a", Before: there("READY"), At: one.At}, Kind: "request",
		Etcd: there("PENDING_DROP:")}
	w.apply(plan.Nothing(plan.NewTable(nil)), nil, one, drift)
	w.apply(plan.Nothing(plan.NewTable(nil)), nil, request)
	list, total, err = kvdata.ReadConflicts(t.Context(), s.target, 2)
	require.NoError(t, err)
	assert.Equal(t, 3, total)
	require.Len(t, list, 2)
	assert.Equal(t, request, list[0].Conflict)
	assert.Equal(t, drift, list[1].Conflict)
	assert.Equal(t, []int64{3, 2}, []int64{list[0].ID, list[1].ID})
	assert.Equal(t, list[0].Seen.Format("2006-01-02 15:04:05.000000"), s.answer("SELECT seen FROM css_mirror_conflicts "+
		"WHERE id = 3"))
	got, err := kvdata.ReadConflict(t.Context(), s.target, 1)
	require.NoError(t, err)
	assert.Equal(t, one, got.Conflict)
	assert.EqualValues(t, 1, got.ID)
	n, err = kvdata.DropConflicts(t.Context(), s.target, 1, 3, 99)
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	_, err = kvdata.ReadConflict(t.Context(), s.target, 1)
	require.ErrorIs(t, err, kvdata.ErrNoConflict)
	_, total, err = kvdata.ReadConflicts(t.Context(), s.target, 1)
	require.NoError(t, err)
	assert.Equal(t, 1, total)
	require.NoError(t, kvdata.RemoveCapture(t.Context(), s.target, patience, false))
	_, total, err = kvdata.ReadConflicts(t.Context(), s.target, 1)
	require.NoError(t, err)
	assert.Equal(t, 1, total, "what nobody has looked at is kept")
	require.NoError(t, kvdata.RemoveCapture(t.Context(), s.target, patience, true))
	_, total, err = kvdata.ReadConflicts(t.Context(), s.target, 1)
	require.NoError(t, err)
	assert.Equal(t, 1, total, "also where the inbox is given up")
}

// Rule: only the newest conflicts are kept, and of values that fit into no statement the beginning.
func TestConflictsAreBounded(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	many := make([]inbox.Conflict, kvdata.MaxConflicts+5)
	for i := range many {
		many[i] = inbox.Conflict{Row: inbox.Row{ID: int64(i + 1), Key: fmt.Sprint("/k", i)}, Kind: "conflict"}
	}
	w.apply(plan.Nothing(plan.NewTable(nil)), nil, many...)
	large := inbox.Value{There: true, Text: strings.Repeat("'", 5_000_000)}
	w.apply(plan.Nothing(plan.NewTable(nil)), nil, inbox.Conflict{
		Row: inbox.Row{ID: 99_999, Before: large, After: large}, Kind: "conflict", Etcd: large})
	list, total, err := kvdata.ReadConflicts(t.Context(), w.target, 0)
	require.NoError(t, err)
	assert.Equal(t, kvdata.MaxConflicts, total)
	require.Len(t, list, total)
	assert.EqualValues(t, 99_999, list[0].Row.ID)
	assert.EqualValues(t, len(many), list[1].Row.ID)
	assert.EqualValues(t, 7, list[total-1].Row.ID)
	for _, v := range []inbox.Value{list[0].Before, list[0].After, list[0].Etcd} {
		assert.Greater(t, len(v.Text), 100_000)
		assert.True(t, strings.HasPrefix(large.Text, v.Text))
	}
}
