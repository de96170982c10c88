package kvdata_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror/inbox"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// capturing is a database in which the writes of others are captured, and the connection of a mirror that has taken it.
type capturing struct {
	*server
	mirror *kvdata.Conn
	state  kvdata.State
}

// small is a catalogue of a few rows.
const small = "INSERT INTO kvData VALUES (1,'','',NULL), (2,'/n','READY',1), (3,'/n/c','v0',2), (4,'/m','v0',1), " +
	"(5,'/DBS','',1), (6,'/DBS/a','READY',5), (7,'/DBS/a/TABLES','',6), (8,'/DBS/a/TABLES/t','READY',7)"

func newCapturing(t testing.TB, rows ...string) *capturing {
	t.Helper()
	return capture(t, newServer(t), rows...)
}

// capture installs the capture, beside a table that may be there.
func capture(t testing.TB, s *server, rows ...string) *capturing {
	t.Helper()
	require.NoError(t, kvdata.InstallCapture(t.Context(), s.target, patience))
	w := &capturing{server: s, mirror: s.open()}
	var err error
	w.state, _, err = w.mirror.TakeOver(t.Context(), kvdata.Claim{Name: "m", Identity: cssetcd.Identity{Prefix: "/p"}})
	require.NoError(t, err)
	for _, insert := range rows {
		s.exec("SET @css_mirror = 1; " + insert + "; SET @css_mirror = NULL")
	}
	return w
}

// open opens the connection of a mirror for the length of the test.
func (s *server) open() *kvdata.Conn {
	s.t.Helper()
	c, err := kvdata.Open(s.t.Context(), s.target, patience)
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

// other returns a connection of somebody else, with some settings.
func (s *server) other(settings ...string) *sql.Conn {
	s.t.Helper()
	c, err := s.sql.Conn(s.t.Context())
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = c.Close() })
	for _, setting := range settings {
		_, err := c.ExecContext(s.t.Context(), setting)
		require.NoError(s.t, err)
	}
	return c
}

// does executes statements of somebody else, and returns the answers, in which the database has no name.
func (s *server) does(c *sql.Conn, statements ...string) []upstream.Outcome {
	s.t.Helper()
	all, err := upstream.Run(s.t.Context(), c, statements...)
	require.NoError(s.t, err)
	for i := range all {
		all[i].Text = strings.ReplaceAll(all[i].Text, s.target.DBName, "database")
	}
	return all
}

// must is does of what succeeds.
func (s *server) must(c *sql.Conn, statements ...string) {
	s.t.Helper()
	for i, o := range s.does(c, statements...) {
		require.Zero(s.t, o.Error, "%s: %s", statements[i], o.Text)
	}
}

// answer is the one row of a query of one column.
func (s *server) answer(query string, args ...any) (text string) {
	s.t.Helper()
	require.NoError(s.t, s.sql.QueryRowContext(s.t.Context(), query, args...).Scan(&text))
	return text
}

func (w *capturing) inbox() kvdata.Inbox {
	w.t.Helper()
	in, err := w.mirror.Inbox(w.t.Context())
	require.NoError(w.t, err)
	return in
}

// emptied is the inbox, which is then empty.
func (w *capturing) emptied() []inbox.Row {
	w.t.Helper()
	rows := w.inbox().Rows
	w.exec("DELETE FROM css_mirror_inbox")
	return rows
}

// in writes rows of the inbox such that a person can read them.
func in(rows []inbox.Row) (all []string) {
	for _, r := range rows {
		all = append(all, fmt.Sprintf("%d %q below %d: %s -> %s", r.KvID, r.Key, r.Parent, text(r.Before), text(r.After)))
	}
	return all
}

func text(v inbox.Value) string {
	if !v.There {
		return "none"
	}
	return fmt.Sprintf("%q", v.Text)
}

// kinds writes rows of the inbox as one letter each: Insert, Update, Delete.
func kinds(rows []inbox.Row) string {
	var out strings.Builder
	for _, r := range rows {
		switch {
		case !r.Before.There:
			out.WriteByte('I')
		case !r.After.There:
			out.WriteByte('D')
		default:
			out.WriteByte('U')
		}
	}
	return out.String()
}

// Rule: each kind of statement is captured, row by row, with what was and what is; one that changes nothing is not.
func TestStatementsAreCaptured(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	plain := newServer(t)
	plain.open()
	plain.exec(small)
	theirs, control := w.other(), plain.other()
	for _, tt := range []struct {
		statement string
		want      []string
	}{
		{"INSERT INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','1',1)", []string{`9 "/x" below 1: none -> "1"`}},
		{"INSERT INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','2',1) ON DUPLICATE KEY UPDATE kvVal='2'",
			[]string{`9 "/x" below 1: "1" -> "2"`}},
		{"INSERT INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','2',1) ON DUPLICATE KEY UPDATE kvVal='2'", nil},
		{"INSERT INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/X','3',1) ON DUPLICATE KEY UPDATE kvVal='3'",
			[]string{`9 "/x" below 1: "2" -> "3"`}},
		{"INSERT INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','4',1)", nil}, // 1062
		{"REPLACE INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','5',1)",
			[]string{`9 "/x" below 1: "3" -> none`, `14 "/x" below 1: none -> "5"`}},
		{"INSERT IGNORE INTO kvData (kvKey,kvVal,parentKvId) VALUES ('/x','6',1)", nil},
		{"UPDATE kvData SET kvVal='5' WHERE kvKey='/x'", nil},
		{"UPDATE kvData SET kvVal='5 ' WHERE kvKey='/x'", []string{`14 "/x" below 1: "5" -> "5 "`}},
		{"UPDATE kvData SET kvVal='É' WHERE kvKey='/x'", []string{`14 "/x" below 1: "5 " -> "É"`}},
		{"UPDATE kvData SET kvVal='e' WHERE kvKey='/x'", []string{`14 "/x" below 1: "É" -> "e"`}},
		{"UPDATE kvData SET parentKvId=4 WHERE kvKey='/x'", []string{`14 "/x" below 4: "e" -> "e"`}},
		{"UPDATE kvData SET parentKvId=NULL WHERE kvKey='/x'", []string{`14 "/x" below 0: "e" -> "e"`}},
		{"UPDATE kvData SET kvKey='/X' WHERE kvKey='/x'",
			[]string{`14 "/x" below 0: "e" -> none`, `14 "/X" below 0: none -> "e"`}},
		{"UPDATE kvData SET kvId=30, kvVal='7' WHERE kvKey='/x'",
			[]string{`14 "/X" below 0: "e" -> none`, `30 "/X" below 0: none -> "7"`}},
		{"INSERT INTO kvData (kvKey,kvVal) VALUES ('/y','1'),('/z','2')",
			[]string{`31 "/y" below 0: none -> "1"`, `32 "/z" below 0: none -> "2"`}},
		{"DELETE FROM kvData WHERE kvKey IN ('/y','/z')",
			[]string{`31 "/y" below 0: "1" -> none`, `32 "/z" below 0: "2" -> none`}},
		{"DELETE FROM kvData WHERE kvKey='/n'", nil},         // 1451
		{"INSERT INTO kvData VALUES (99,'/o','1',77)", nil},  // 1452
		{"UPDATE kvData SET kvVal=NULL WHERE kvId=4", nil},   // 1048
		{"INSERT INTO kvData (kvKey) VALUES ('/o')", nil},    // 1364
		{"DELETE FROM kvData WHERE kvKey='/not there'", nil}, // no row
	} {
		assert.Equal(t, plain.does(control, tt.statement, "SELECT LAST_INSERT_ID()"),
			w.does(theirs, tt.statement, "SELECT LAST_INSERT_ID()"), tt.statement)
		assert.Equal(t, tt.want, in(w.emptied()), tt.statement)
	}
	w.must(theirs, "BEGIN", "UPDATE kvData SET kvVal='q' WHERE kvKey='/m'", "ROLLBACK")
	assert.Empty(t, w.emptied(), "rolled back")
	w.must(theirs, "SET @css_mirror = 1", "UPDATE kvData SET kvVal='q' WHERE kvKey='/m'", "SET @css_mirror = NULL")
	assert.Empty(t, w.emptied(), "a mirror's own")
	w.must(theirs, "TRUNCATE kvData")
	assert.Empty(t, w.emptied(), "TRUNCATE fires no trigger")
}

// Rule: a captured row says who wrote it, and when, by the server's clock in UTC.
func TestCapturedRowsSayWhoAndWhen(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	theirs := w.other("SET time_zone = '+09:00'")
	before := w.does(theirs, "SELECT CONNECTION_ID(), USER(), UTC_TIMESTAMP(6)")[0].Rows[0]
	w.must(theirs, "UPDATE kvData SET kvVal='1' WHERE kvKey='/m'")
	after := w.does(theirs, "SELECT UTC_TIMESTAMP(6)")[0].Rows[0]
	rows := w.inbox().Rows
	require.Len(t, rows, 1)
	assert.Equal(t, before[0].String, fmt.Sprint(rows[0].Conn))
	assert.Equal(t, before[1].String, rows[0].Writer)
	const layout = "2006-01-02 15:04:05.000000"
	at := rows[0].At.Format(layout)
	assert.LessOrEqual(t, before[2].String, at)
	assert.LessOrEqual(t, at, after[0].String)
	assert.Equal(t, time.UTC, rows[0].At.Location())
}
