package sqldrop_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// use begins a query on a table that goes on until it is released.
func (w *world) use(table string) (release func()) {
	w.t.Helper()
	tx, err := w.sql.Begin()
	require.NoError(w.t, err)
	_, err = tx.Exec("SELECT * FROM " + w.in(table))
	require.NoError(w.t, err)
	release = sync.OnceFunc(func() { assert.NoError(w.t, tx.Rollback()) })
	w.t.Cleanup(release)
	return release
}

// processes waits until some statements are under way in the server, or none; where says which of all but this one.
func (w *world) processes(where string, some bool) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		var n int
		err := w.sql.QueryRow("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND " +
			where).Scan(&n)
		return err == nil && n > 0 == some
	}, patience, 2*time.Millisecond)
}

// waiting are the statements that wait for a table.
const waiting = "STATE = 'Waiting for table metadata lock'"

// idle waits until no statement is under way.
func (w *world) idle() { w.processes("INFO IS NOT NULL", false) }

// Rule: tables are not taken away from under a query, and the error says what to look for.
func TestQueryStillUsesAChunk(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	release := w.use("Object_2")
	d := w.dropper(func(c *sqldrop.Config) { c.LockWait = time.Second })
	job := w.job(1, "Object")
	err := d.Drop(t.Context(), job)
	require.ErrorIs(t, err, sqldrop.ErrBusy)
	assert.ErrorContains(t, err, "remove "+w.database+".Object: a table is in use: a query or another session still "+
		"uses it; SHOW PROCESSLIST on that server shows which")
	w.intact(chunked...)
	release()
	require.NoError(t, d.Drop(t.Context(), job))
	w.intact()
	w.marked(job)
}

// Rule: a server that cannot be reached does not keep the others from being cleared; the error names it, and not the
// password.
func TestServerCannotBeReached(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	gone := w.config.Clone()
	gone.Addr, gone.Passwd = filepath.Join(t.TempDir(), "gone.sock"), "secret"
	other := gone.Clone()
	other.Net, other.Addr = "tcp", "127.0.0.1:1"
	d := w.dropper(func(c *sqldrop.Config) { c.Servers = []*mysql.Config{gone, w.config, other} })
	err := d.Drop(t.Context(), w.job(1, "Object"))
	require.ErrorIs(t, err, sqldrop.ErrUnavailable)
	assert.ErrorContains(t, err, "sqldrop: the MySQL server "+gone.Addr+": MySQL is not available: ")
	assert.ErrorContains(t, err, "; sqldrop: the MySQL server 127.0.0.1:1: MySQL is not available: ")
	assert.NotContains(t, err.Error(), w.config.Addr)
	assert.NotContains(t, err.Error(), "secret")
	assert.NotContains(t, err.Error(), "\n")
	w.intact()
}

// user makes a user who is dropped when the test ends.
func (w *world) user() *mysql.Config {
	w.t.Helper()
	c := w.config.Clone()
	c.User, c.Passwd = "u_"+w.database, "secret"
	w.exec(fmt.Sprintf("CREATE USER '%s'@'localhost' IDENTIFIED BY '%s'", c.User, c.Passwd))
	w.t.Cleanup(func() {
		_, err := w.sql.Exec(fmt.Sprintf("DROP USER '%s'@'localhost'", c.User))
		assert.NoError(w.t, err)
	})
	return c
}

func (w *world) grant(privileges, object string, user *mysql.Config) {
	w.t.Helper()
	w.exec(fmt.Sprintf("GRANT %s ON %s TO '%s'@'localhost'", privileges, object, user.User))
}

// Rule: the privileges that are documented do, also for views and for making the schema of the markers.
func TestUserWithThePrivilegesDocumented(t *testing.T) {
	testkit.RequireMariaDB(t)
	w := worldOn(t, testkit.MariaDB(t, mariadbd.Options{}))
	w.create(chunked...)
	w.create("shown")
	w.exec("CREATE VIEW " + w.in("Object_9") + " AS SELECT * FROM " + w.in("shown"))
	user := w.user()
	w.grant("CREATE, DROP, ALTER, INSERT", quoted(w.database)+".*", user)
	w.grant("CREATE, DROP, ALTER, INSERT", sqldrop.Markers+".*", user)
	d := w.dropper(func(c *sqldrop.Config) { c.Servers = []*mysql.Config{user} })
	job := w.job(1, "Object")
	require.NoError(t, d.Drop(t.Context(), job))
	require.NoError(t, d.Drop(t.Context(), job))
	w.marked(job)
	w.intact("shown")
}

// Rule: what a user does not see is not taken for gone.
func TestUserWithoutThePrivileges(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	user := w.user()
	d := w.dropper(func(c *sqldrop.Config) { c.Servers = []*mysql.Config{user} })
	job := w.job(1, "Object")
	refused := func() {
		t.Helper()
		err := d.Drop(t.Context(), job)
		require.ErrorIs(t, err, sqldrop.ErrUnauthorized)
		assert.ErrorContains(t, err, "it needs what `GRANT CREATE, DROP, ALTER, INSERT ON `"+w.database+"`.* TO ...`, and "+
			"the same on css_drops gives")
		assert.NotContains(t, err.Error(), "secret")
		w.intact(chunked...)
		_, spent, _ := sqldrop.Names(w.database, job.Tables[0])
		assert.Empty(t, w.namesIn(sqldrop.Markers, spent))
	}
	refused()
	w.grant("CREATE, DROP, ALTER, INSERT", sqldrop.Markers+".*", user)
	refused() // for this user the schema is empty
	w.grant("ALL", w.in("Object"), user)
	refused() // and now it has one table
	w.grant("SELECT, DROP", quoted(w.database)+".*", user)
	refused()
	user.Passwd = "wrong"
	err := d.Drop(t.Context(), job)
	require.ErrorIs(t, err, sqldrop.ErrUnauthorized)
	assert.ErrorContains(t, err, "check user and password")
	user.Passwd = "secret"
	w.grant("CREATE, ALTER, INSERT", quoted(w.database)+".*", user)
	require.NoError(t, d.Drop(t.Context(), job))
	w.intact()
}

// Rule: a connection that ends at any moment is an error, and the next attempt does what is left.
func TestConnectionIsKilledBeforeEachStatement(t *testing.T) {
	w := newWorld(t)
	user := w.user()
	w.grant("ALL", "*.*", user)
	for n := 1; ; n++ {
		w.anew()
		w.create(chunked...)
		job := w.job(1, "Object")
		d, count, killed := w.dropper(func(c *sqldrop.Config) { c.Servers = []*mysql.Config{user} }), 0, false
		d.At(func(*mysql.Config, string) {
			if count++; count == n {
				killed = true
				w.kill(user)
			}
		})
		err := d.Drop(t.Context(), job)
		if !killed {
			require.NoError(t, err)
			require.Greater(t, n, 5)
			break
		}
		require.ErrorIs(t, err, sqldrop.ErrUnavailable)
		w.drop(job)
		w.intact()
		w.marked(job)
	}
}

// kill kills the connection of a user.
func (w *world) kill(user *mysql.Config) {
	w.t.Helper()
	var id int64
	row := w.sql.QueryRow("SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE USER = ? AND COMMAND <> 'Killed'",
		user.User)
	if assert.NoError(w.t, row.Scan(&id)) {
		_, err := w.sql.Exec(fmt.Sprintf("KILL CONNECTION %d", id))
		assert.NoError(w.t, err)
	}
}

// Rule: the same within the statement that takes the tables away.
func TestConnectionIsKilledWithinTheRename(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	release := w.use("Object_2")
	job := w.job(1, "Object")
	done := make(chan error)
	go func() { done <- w.dropper().Drop(t.Context(), job) }()
	w.processes(waiting, true)
	var id int64
	row := w.sql.QueryRow("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'RENAME TABLE%'")
	require.NoError(t, row.Scan(&id))
	w.exec(fmt.Sprintf("KILL CONNECTION %d", id))
	require.ErrorIs(t, <-done, sqldrop.ErrUnavailable)
	w.intact(chunked...)
	release()
	w.drop(job)
	w.intact()
	w.marked(job)
}

// Rule: a statement that is still under way in the server after its attempt is gone does no harm either, whoever gets
// the locks first.
func TestStatementOutlivesItsAttempt(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	release := w.use("Object_2")
	job := w.job(1, "Object")
	first, second := make(chan error), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { first <- w.dropper().Drop(ctx, job) }()
	w.processes(waiting, true)
	cancel()
	require.ErrorIs(t, <-first, context.Canceled)
	go func() { second <- w.dropper().Drop(t.Context(), job) }()
	w.processes(waiting, true)
	release()
	require.NoError(t, <-second)
	w.create(chunked...)
	w.idle()
	w.intact(chunked...)
	w.marked(job)
}

// Rule: a server that dies in the middle of it has taken away all tables or none, and the next attempt does what is
// left.
func TestServerDies(t *testing.T) {
	testkit.RequireMariaDB(t)
	own := testkit.MariaDB(t, mariadbd.Options{})
	w := worldOn(t, own)
	for _, within := range []struct {
		step  string
		after time.Duration
	}{{"rename", time.Millisecond}, {"rename", 5 * time.Millisecond}, {"drop tables", time.Millisecond}} {
		w.anew()
		var tables []string
		for i := range 60 {
			tables = append(tables, fmt.Sprintf("Object_%d", i))
		}
		w.create(tables...)
		job := w.job(1, "Object")
		d := w.dropper()
		var killing sync.WaitGroup
		d.At(func(_ *mysql.Config, step string) {
			if step == within.step {
				killing.Go(func() {
					time.Sleep(within.after)
					assert.NoError(t, own.Kill())
				})
			}
		})
		err := d.Drop(t.Context(), job)
		killing.Wait()
		require.NoError(t, own.Restart(t.Context()))
		left := len(w.namesIn(w.database, "Object%"))
		t.Logf("killed %s after %q began: %d of %d tables have their names; %v", within.after, within.step, left, len(tables),
			err)
		assert.Contains(t, []int{0, len(tables)}, left)
		w.drop(job)
		w.intact()
		w.marked(job)
	}
	log, err := os.ReadFile(own.LogFile())
	require.NoError(t, err)
	t.Logf("the server undid or completed a statement after %d of its deaths", strings.Count(string(log),
		"DDL_LOG: Crash recovery executed"))
}

// Rule: a statement that is too long is not tried, and the error says what to set.
func TestSmallPacket(t *testing.T) {
	w := newWorld(t)
	name := strings.Repeat("t", 60)
	tables := []string{name}
	for i := range 7 {
		tables = append(tables, fmt.Sprintf("%s_%d", name, i))
	}
	w.create(tables...)
	w.setGlobal("max_allowed_packet", "1024")
	err := w.dropper().Drop(t.Context(), w.job(1, name))
	require.ErrorIs(t, err, sqldrop.ErrPacket)
	assert.ErrorContains(t, err, "for its 8 tables has ")
	assert.ErrorContains(t, err, "and max_allowed_packet is 1024; say `SET GLOBAL max_allowed_packet = 1048576`")
	w.intact(tables...)
}

// Rule: a server on which a drop is not safe is refused before anything is done.
func TestServersThatAreRefused(t *testing.T) {
	testkit.RequireMariaDB(t)
	for want, arg := range map[string]string{
		"this MySQL server is not supported: lower_case_table_names is 1 there": "--lower-case-table-names=1",
		"this MySQL server is not supported: it is version 10.5.9-MariaDB":      "--version=10.5.9-MariaDB",
	} {
		w := worldOn(t, testkit.MariaDB(t, mariadbd.Options{Args: []string{arg}}))
		w.create("t")
		err := w.dropper().Drop(t.Context(), w.job(0, "t"))
		require.ErrorIs(t, err, sqldrop.ErrServer)
		assert.ErrorContains(t, err, want)
		var n int
		require.NoError(t, w.sql.QueryRow("SELECT COUNT(*) FROM "+w.in("t")).Scan(&n))
	}
}

// Rule: the caller's end of waiting ends the attempt.
func TestCallerGivesUp(t *testing.T) {
	w := newWorld(t)
	w.create("t")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	release := w.use("t")
	err := w.dropper().Drop(ctx, w.job(0, "t"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	w.idle()
}

// Rule: what one attempt does again and again and what many do at once comes to the same.
func TestManyAttemptsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.create(chunked...)
	job := w.job(1, "Object")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			d := w.dropper()
			assert.Eventually(t, func() bool { return d.Drop(t.Context(), job) == nil }, patience, time.Millisecond)
		})
	}
	all.Wait()
	w.intact()
	w.marked(job)
}
