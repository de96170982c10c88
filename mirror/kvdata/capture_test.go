package kvdata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// read is how the capture looks from outside, and from the mirror's connection, which are the same but for faults.
func (w *capturing) read() kvdata.Capture {
	w.t.Helper()
	is, err := w.mirror.Capture(w.t.Context())
	require.NoError(w.t, err)
	return is
}

func (s *server) capture() kvdata.Capture {
	s.t.Helper()
	is, err := kvdata.ReadCapture(s.t.Context(), s.target)
	require.NoError(s.t, err)
	return is
}

func (s *server) install() {
	s.t.Helper()
	require.NoError(s.t, kvdata.InstallCapture(s.t.Context(), s.target, patience))
}

// Rule: a capture is installed and removed as often as one likes, and is then there, or not.
func TestCaptureComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	none := kvdata.Capture{}
	assert.Equal(t, none, s.capture())
	require.NoError(t, kvdata.RemoveCapture(t.Context(), s.target, patience, false), "nothing is there")
	w := capture(t, s, small)
	installed := kvdata.Capture{Installed: true}
	assert.Equal(t, installed, w.read())
	require.NoError(t, w.mirror.RefuseDrops(t.Context(), true))
	made := s.answer("SELECT installed FROM css_mirror_capture")
	s.install()
	assert.Equal(t, made, s.answer("SELECT installed FROM css_mirror_capture"), "what is right is not made again")
	s.exec("UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")
	assert.Equal(t, kvdata.Capture{Installed: true, Refuses: true, Waiting: 1}, s.capture())
	assert.Equal(t, s.capture(), w.read())

	err := kvdata.RemoveCapture(t.Context(), s.target, patience, false)
	require.ErrorIs(t, err, kvdata.ErrNotTaken)
	assert.ErrorContains(t, err, "1 are in css_mirror_inbox")
	assert.Equal(t, kvdata.Capture{Waiting: 1}, s.capture())
	s.exec("DELETE FROM kvData WHERE kvKey = '/DBS/a/TABLES/t'") // neither refused nor captured
	assert.Len(t, w.inbox().Rows, 1)
	last := w.inbox().Rows[0].ID
	s.install()
	assert.Equal(t, kvdata.Capture{Installed: true, Waiting: 1}, s.capture(), "what waited is still there")
	require.NoError(t, kvdata.RemoveCapture(t.Context(), s.target, patience, true))
	assert.Equal(t, none, s.capture())
	assert.Equal(t, "0", s.answer("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "+
		"TABLE_NAME IN ('css_mirror_inbox', 'css_mirror_conflicts', 'css_mirror_capture')"))
	require.NoError(t, kvdata.RemoveCapture(t.Context(), s.target, patience, false))
	s.install()
	s.exec("UPDATE kvData SET kvVal = '2' WHERE kvKey = '/m'")
	assert.Greater(t, w.inbox().Rows[0].ID, last, "ids never come again")
	_, err = w.mirror.Inbox(t.Context())
	require.NoError(t, err)

	absent := s.target.Clone()
	absent.DBName = "not_there"
	is, err := kvdata.ReadCapture(t.Context(), absent)
	require.NoError(t, err)
	assert.Equal(t, none, is)
}

// Rule: whatever is not as it is installed is a fault that is named, and installing again mends it and keeps what
// waits.
func TestCaptureFaultsAreNamedAndMended(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, break_, fault string }{
		{"a trigger is gone", "DROP TRIGGER css_mirror_updated", "the trigger css_mirror_updated is missing"},
		{"another body", "CREATE OR REPLACE TRIGGER css_mirror_deleted AFTER DELETE ON kvData FOR EACH ROW SET @x = 1",
			"the trigger css_mirror_deleted is not as this version makes it"},
		{"another time", "CREATE OR REPLACE TRIGGER css_mirror_inserted BEFORE INSERT ON kvData FOR EACH ROW SET @x = 1",
			"the trigger css_mirror_inserted is not as this version makes it"},
		{"other modes", "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH'\n" +
			"CREATE OR REPLACE TRIGGER css_mirror_inserted AFTER INSERT ON kvData FOR EACH ROW BODY",
			"the trigger css_mirror_inserted was made in another sql_mode or character set"},
		{"another character set", "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'\n" +
			"SET NAMES latin1\nCREATE OR REPLACE TRIGGER css_mirror_inserted AFTER INSERT ON kvData FOR EACH ROW BODY",
			"the trigger css_mirror_inserted was made in another sql_mode or character set"},
		{"the row is gone", "DELETE FROM css_mirror_capture", "the row of css_mirror_capture is missing"},
		{"kvData was made anew", "SET foreign_key_checks = 0\nCREATE TABLE k LIKE kvData\nDROP TABLE kvData\n" +
			"RENAME TABLE k TO kvData\nALTER TABLE kvData ADD FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)",
			"the trigger css_mirror_inserted is missing"},
		{"a dropped inbox", "DROP TABLE css_mirror_inbox",
			"the table css_mirror_inbox is missing, and writes of others to kvData fail"},
		{"no table of conflicts", "DROP TABLE css_mirror_conflicts", "the table css_mirror_conflicts is missing"},
		{"no table of the capture", "DROP TABLE css_mirror_capture",
			"the table css_mirror_capture is missing, and writes of others to kvData fail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newCapturing(t, small)
			w.exec("UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")
			body := w.answer("SELECT ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() " +
				"AND TRIGGER_NAME = 'css_mirror_inserted'")
			w.must(w.other(), strings.Split(strings.ReplaceAll(tt.break_, "BODY", body), "\n")...)
			is := w.read()
			assert.True(t, is.Installed)
			assert.Contains(t, strings.Join(is.Faults, "\n"), tt.fault)
			assert.Equal(t, is, w.server.capture())
			w.install()
			want := kvdata.Capture{Installed: true, Waiting: 1}
			if strings.Contains(tt.name, "inbox") {
				want.Waiting = 0
			}
			assert.Equal(t, want, w.read())
			w.exec("INSERT INTO kvData (kvKey, kvVal) VALUES ('/again', '1'); DELETE FROM kvData WHERE kvKey = '/again'")
			assert.Len(t, w.inbox().Rows, want.Waiting+2)
		})
	}
}

// Rule: a table of the capture's name that is something else is left alone.
func TestCaptureLeavesOtherTablesAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.exec("CREATE TABLE css_mirror_inbox (id INT)")
	err := kvdata.InstallCapture(t.Context(), s.target, patience)
	require.ErrorIs(t, err, kvdata.ErrDrift)
	assert.ErrorContains(t, err, "the table css_mirror_inbox is not as a mirror makes it, but InnoDB: id int")
	assert.Equal(t, kvdata.Capture{}, s.capture())
}

// user makes a user with the privileges of a mirror, and returns the target as it.
func (s *server) user(name string, grants ...string) *mysql.Config {
	s.t.Helper()
	name = s.target.DBName + name
	s.exec("CREATE USER " + name + "@localhost IDENTIFIED BY 'secret'")
	for _, g := range grants {
		s.exec(strings.ReplaceAll(strings.ReplaceAll(g, "USER", name+"@localhost"), "DB", s.target.DBName))
	}
	as := s.target.Clone()
	as.User, as.Passwd = name, "secret"
	return as
}

func (s *server) grants(create bool) []string {
	return append(kvdata.Grants("USER", s.target.DBName, create), kvdata.CaptureGrants("USER", s.target.DBName)...)
}

// Rule: the grants that are printed are enough to install, to run, to look at and to remove a capture, and for others
// rights on kvData alone; what is missing is named.
func TestCaptureNeedsItsGrants(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	as := s.user("m", s.grants(true)...)
	require.NoError(t, kvdata.InstallCapture(t.Context(), as, patience))
	s.exec(small)
	conn, err := kvdata.Open(t.Context(), as, patience)
	require.NoError(t, err)
	defer conn.Close()
	is, err := conn.Capture(t.Context())
	require.NoError(t, err)
	assert.Equal(t, kvdata.Capture{Installed: true, Waiting: 8}, is)
	require.NoError(t, conn.RefuseDrops(t.Context(), true))

	low := openSQL(t, s.user("low", "GRANT SELECT, INSERT, UPDATE, DELETE ON DB.kvData TO USER"))
	_, err = low.Exec("UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")
	require.NoError(t, err)
	_, err = low.Exec("DELETE FROM kvData WHERE kvKey = '/dbs/a/tables/T'")
	assert.ErrorContains(t, err, "run `css-sync table drop a.t` instead")
	_, err = low.Exec("SELECT 1 FROM css_mirror_inbox")
	assert.ErrorContains(t, err, "denied")

	looks, err := kvdata.ReadCapture(t.Context(), s.user("looks", "GRANT SELECT ON DB.* TO USER"))
	require.NoError(t, err)
	assert.Equal(t, kvdata.Capture{Installed: true, Refuses: true, Unseen: true, Waiting: 9}, looks)
	require.NoError(t, kvdata.RemoveCapture(t.Context(), as, patience, true))

	for _, tt := range []struct{ revoke, says string }{
		{"REVOKE TRIGGER ON DB.kvData FROM USER", "it lacks TRIGGER on kvData"},
		{"REVOKE LOCK TABLES ON DB.* FROM USER", "it lacks LOCK TABLES on the database"},
		{"REVOKE DELETE ON DB.css_mirror_inbox FROM USER", "it lacks DELETE on css_mirror_inbox;"},
		{"REVOKE CREATE ON DB.css_mirror_conflicts FROM USER", "create the table css_mirror_conflicts: "},
	} {
		s := newServer(t)
		s.open() // makes kvData
		as := s.user("n", append(append(kvdata.Grants("USER", "DB", false), kvdata.CaptureGrants("USER", "DB")...),
			tt.revoke)...)
		err := kvdata.InstallCapture(t.Context(), as, patience)
		require.ErrorIs(t, err, kvdata.ErrUnauthorized, tt.revoke)
		assert.ErrorContains(t, err, tt.says)
		assert.ErrorContains(t, err, "`css-sync grants")
		assert.Equal(t, kvdata.Capture{}, s.capture(), "and nothing is captured")
	}
}

// Rule: a mirror that may use its own tables alone sees that nothing is captured.
func TestCaptureIsNotAskedForWithoutRights(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.open() // makes kvData
	c, err := kvdata.Open(t.Context(), s.user("m", kvdata.Grants("USER", "DB", false)...), patience)
	require.NoError(t, err)
	defer c.Close()
	is, err := c.Capture(t.Context())
	require.NoError(t, err)
	assert.Equal(t, kvdata.Capture{}, is)
}

// Rule: a server that logs its changes says what it wants of who makes triggers.
func TestCaptureBesideABinaryLog(t *testing.T) {
	t.Parallel()
	maria := testkit.MariaDB(t, binlog)
	s := &server{t: t, target: maria.Config("css")}
	admin := s.target.Clone()
	admin.DBName, admin.MultiStatements = "", true
	s.sql = openSQL(t, admin)
	s.exec("CREATE DATABASE css")
	as := s.user("m", s.grants(true)...)
	err := kvdata.InstallCapture(t.Context(), as, patience)
	require.ErrorIs(t, err, kvdata.ErrUnauthorized)
	assert.ErrorContains(t, err, "say `SET GLOBAL log_bin_trust_function_creators = 1` for as long as this takes")
	assert.Equal(t, kvdata.Capture{}, s.capture(), "and nothing is captured")
	s.exec("SET GLOBAL log_bin_trust_function_creators = 1")
	require.NoError(t, kvdata.InstallCapture(t.Context(), as, patience))
	s.exec("SET GLOBAL log_bin_trust_function_creators = 0")
	s.exec("INSERT INTO css.kvData (kvKey, kvVal) VALUES ('/x', '1')")
	is, err := kvdata.ReadCapture(t.Context(), as)
	require.NoError(t, err)
	assert.Equal(t, kvdata.Capture{Installed: true, Waiting: 1}, is)
}

// Rule: a definer who lost a privilege, is another user, or is gone, is named, and installing again as the mirror's
// user mends it.
func TestCaptureNamesABrokenDefiner(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.open() // makes kvData
	as := s.user("m", s.grants(false)...)
	require.NoError(t, kvdata.InstallCapture(t.Context(), as, patience))
	s.exec(small)
	w := &capturing{server: s, mirror: s.open()} // as another user
	is := w.read()
	assert.Contains(t, strings.Join(is.Faults, "\n"), fmt.Sprintf(
		"the trigger css_mirror_inserted runs with the rights of %sm@localhost, and the mirror is root@localhost", as.DBName))
	assert.Empty(t, s.capture().Faults, "that works so far")

	mirror, err := kvdata.Open(t.Context(), as, patience)
	require.NoError(t, err)
	defer mirror.Close()
	s.exec("REVOKE INSERT ON css_mirror_inbox FROM " + as.User + "@localhost")
	assert.EqualValues(t, 1142, s.does(s.other(), "UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")[0].Error)
	is, err = mirror.Capture(t.Context())
	require.NoError(t, err)
	assert.Contains(t, strings.Join(is.Faults, "\n"), "the user lacks INSERT on css_mirror_inbox, without which "+
		"writes of others may fail")

	s.exec("DROP USER " + as.User + "@localhost")
	assert.EqualValues(t, 1449, s.does(s.other(), "UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")[0].Error)
	assert.Contains(t, strings.Join(s.capture().Faults, "\n"), "who does not exist, and writes of others to kvData fail")
	s.install()
	assert.Equal(t, kvdata.Capture{Installed: true, Waiting: 8}, w.read())
	s.exec("UPDATE kvData SET kvVal = '1' WHERE kvKey = '/m'")
}

// Rule: installing finds a moment without open transactions that used kvData and queues for none, so that who has read
// and then writes is no deadlock's victim; it gives up with its context, and captures all that is written once it has
// returned.
func TestCaptureWaitsForOpenTransactions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.open()
	s.exec(small)
	old, writer := s.other("SET autocommit = 0"), s.other()
	s.must(old, "SELECT * FROM kvData")
	until, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- kvdata.InstallCapture(until, s.target, patience) }()
	const locking = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND " +
		"INFO LIKE 'LOCK TABLES%'"
	for seen := 0; seen < 10; { // who waits to look into information_schema is in nobody's way
		require.Empty(t, s.answer("SELECT COALESCE(GROUP_CONCAT(INFO), '') FROM information_schema.PROCESSLIST "+
			"WHERE DB = DATABASE() AND STATE = 'Waiting for table metadata lock' AND INFO LIKE '%kvData%' AND "+
			"INFO NOT LIKE '%information_schema%'"))
		if s.answer(locking) != "0" {
			seen++
		}
	}
	s.must(old, "UPDATE kvData SET kvVal = 'older' WHERE kvKey = '/n'")
	cancel()
	err := <-done
	require.ErrorIs(t, err, kvdata.ErrBusy)
	assert.ErrorIs(t, err, context.Canceled)
	assert.ErrorContains(t, err, "transactions that use the table are open all the time")
	assert.Equal(t, kvdata.Capture{}, s.capture())

	go func() { done <- kvdata.InstallCapture(t.Context(), s.target, patience) }()
	for range 20 { // none of these waits for the open transaction
		s.must(writer, "UPDATE kvData SET kvVal = CONCAT(kvVal, '.') WHERE kvKey = '/m'")
	}
	s.must(old, "UPDATE kvData SET kvVal = 'old' WHERE kvKey = '/n'", "COMMIT")
	require.NoError(t, <-done)
	s.must(old, "UPDATE kvData SET kvVal = 'new' WHERE kvKey = '/n'", "COMMIT")
	assert.Equal(t, 1, s.capture().Waiting)
}

// Rule: while a capture is replaced there is no write of others that is not captured.
func TestCaptureIsReplacedWithoutAGap(t *testing.T) {
	t.Parallel()
	w := newCapturing(t, small)
	done := make(chan int)
	stop := make(chan struct{})
	writer := w.other()
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			if _, err := writer.ExecContext(t.Context(), "UPDATE kvData SET kvVal = ? WHERE kvKey = '/m'", n); err != nil {
				done <- -1
				return
			}
		}
	}()
	for range 10 { // one of another version, which captures, too
		w.exec("CREATE OR REPLACE TRIGGER css_mirror_updated AFTER UPDATE ON kvData FOR EACH ROW INSERT INTO " +
			"css_mirror_inbox (conn, kv_id, css_key, writer, written) VALUES (0, NEW.kvId, NEW.kvKey, '', '2000-01-01')")
		w.install()
	}
	close(stop)
	n := <-done
	require.Positive(t, n)
	assert.Len(t, w.inbox().Rows, n)
}
