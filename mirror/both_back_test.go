package mirror_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// past executes statements that no trigger sees.
func (w *world) past(statements ...string) {
	w.t.Helper()
	c, err := w.sql.Conn(w.t.Context())
	require.NoError(w.t, err)
	defer c.Close()
	for _, statement := range append([]string{"SET @css_mirror = 1, foreign_key_checks = 0"}, append(statements,
		"SET @css_mirror = NULL, foreign_key_checks = 1")...) {
		_, err := c.ExecContext(w.t.Context(), statement)
		require.NoError(w.t, err, statement)
	}
}

// backUp copies what a backup of MySQL has; putBack puts it back, with what the inbox counts from.
func (w *world) backUp() (putBack func()) {
	w.t.Helper()
	tables := []string{"kvData", "css_mirror_state", "css_mirror_inbox", "css_mirror_conflicts"}
	for _, table := range tables {
		w.exec(fmt.Sprintf("CREATE TABLE old_%s AS SELECT * FROM %[1]s", table))
	}
	next := w.nextInboxID()
	return func() {
		w.t.Helper()
		var all []string
		for _, table := range tables {
			all = append(all, "DELETE FROM "+table, fmt.Sprintf("INSERT INTO %s SELECT * FROM old_%[1]s", table))
		}
		w.past(append(all, fmt.Sprintf("ALTER TABLE css_mirror_inbox AUTO_INCREMENT = %d", next))...)
		require.Equal(w.t, next, w.nextInboxID())
	}
}

func (w *world) nextInboxID() (id int64) {
	w.t.Helper()
	require.NoError(w.t, w.sql.QueryRowContext(w.t.Context(), `SELECT AUTO_INCREMENT FROM information_schema.tables
		WHERE table_schema = DATABASE() AND table_name = 'css_mirror_inbox'`).Scan(&id))
	return id
}

func (w *world) applied() cssetcd.Revision {
	w.t.Helper()
	in, err := kvdata.ReadInbox(w.t.Context(), w.target)
	require.NoError(w.t, err)
	return in.Applied
}

// Rule: where MySQL was set back, the ids of its inbox come again. What others write then is in etcd, or recorded, but
// never taken for what was decided on.
func TestMySQLWasSetBackAndItsInboxIsEmpty(t *testing.T) {
	t.Parallel()
	const behind = "SET STATEMENT timestamp = 1e9 FOR " // on a server whose clock is
	more := func(w *world) {
		w.exec("UPDATE kvData SET kvVal = 'x' WHERE kvKey = '/n'")
		w.once(w.sharing)
	}
	write := func(w *world) { w.exec(insert, "/y", "1", "/DBS") }
	for name, tt := range map[string]struct {
		after func(w *world) // what others wrote, and etcd has, between what was set back to and what was decided on last
		while func(w *world) // likewise before a mirror runs again
		clock string
	}{
		"to what was decided on last":                 {},
		"to what was decided on last, and they wrote": {while: write},
		"further":                    {after: more},
		"further, and they wrote":    {after: more, while: write},
		"further, to a clock behind": {after: more, clock: behind},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("/DBS", "", "/DBS/a", "READY", "/m", "1", "/n", "1")
			w.shared()
			w.once(w.sharing)
			putBack := w.backUp()
			was := w.applied()
			w.exec("UPDATE kvData SET kvVal = '2' WHERE kvKey = '/m'")
			w.once(w.sharing)
			taken, err := w.taker().Taken(t.Context())
			require.NoError(t, err)
			require.Equal(t, was, taken.Applied)
			if tt.after != nil {
				tt.after(w)
			}
			putBack()
			if tt.while != nil {
				tt.while(w)
			}
			w.once(w.sharing)
			w.exec(tt.clock+insert, "/x", "1", "/DBS")
			w.once(w.sharing)
			assert.Equal(t, "1", w.value("/x"))
			assert.Equal(t, "2", w.value("/m"))
			if tt.while != nil && w.value("/y") == "" {
				require.Len(t, w.conflicts(), 1)
				assert.Equal(t, "/y", w.conflicts()[0].Key)
				assert.EqualValues(t, inbox.SetBack, w.conflicts()[0].Reason)
			}
			w.rest()
		})
	}
}

// hold executes a statement in a transaction that stays open.
func (w *world) hold(statement string) *sql.Tx {
	w.t.Helper()
	tx, err := w.sql.BeginTx(w.t.Context(), nil)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = tx.Rollback() })
	_, err = tx.ExecContext(w.t.Context(), statement)
	require.NoError(w.t, err)
	return tx
}

// Rule: what others changed past the triggers, after they had changed the same row before them, is told and undone, and
// keeps the mirror from nothing.
func TestDriftOfACapturedRow(t *testing.T) {
	t.Parallel()
	const (
		change = "UPDATE kvData SET kvVal = '2' WHERE kvKey = '/m'"
		remove = "DELETE FROM kvData WHERE kvKey = '/m'"
	)
	for name, tt := range map[string]struct {
		theirs, past string
		want         string // of /m; "" for no row
	}{
		"changed":        {change, "UPDATE kvData SET kvVal = 'd' WHERE kvKey = '/m'", "2"},
		"changed back":   {change, "UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'", "2"},
		"removed":        {change, "DELETE FROM kvData WHERE kvKey = '/m'", "2"},
		"made again":     {remove, "INSERT INTO kvData (kvKey, kvVal) VALUES ('/m', 'd')", ""},
		"another number": {change, "UPDATE kvData SET kvId = 999 WHERE kvKey = '/m'", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("/DBS", "", "/m", "1", "/n", "1")
			w.shared()
			w.once(w.sharing)
			w.put("/n", "2")
			w.exec(tt.theirs)
			w.past(tt.past)
			others := w.hold("UPDATE kvData SET kvVal = 'h' WHERE kvKey = '/n'")
			w.run(w.mirror(w.sharing)) // and tries again, while others hold a row that it has to write
			require.Eventually(t, func() bool { return w.value("/m") == tt.want }, patience, time.Millisecond)
			require.NoError(t, others.Rollback())
			w.rest()
			assert.Equal(t, tt.want, w.rows()["/m"].value)
			assert.Empty(t, w.conflicts())
			w.exec("UPDATE kvData SET kvVal = 'on' WHERE kvKey = '/DBS'")
			w.rest()
			assert.Equal(t, "on", w.value("/DBS"))
		})
	}
}
