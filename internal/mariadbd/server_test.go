package mariadbd_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv(orphanEnv) != "" {
		startAndNeverClose()
		return
	}
	goleak.VerifyTestMain(m)
}

// open connects through the unix socket; the handle closes with the test.
func open(t *testing.T, s *mariadbd.Server, db string) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(s.Config(db))
	require.NoError(t, err)
	handle := sql.OpenDB(connector)
	// Closing reports connections that a killed server had broken.
	t.Cleanup(func() { _ = handle.Close() })
	return handle
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func TestServerHasNoTCPUnlessAsked(t *testing.T) {
	s := testkit.MariaDB(t, mariadbd.Options{})
	assert.Zero(t, s.Port())
	assert.Empty(t, s.Addr())
	var skip int
	require.NoError(t, open(t, s, "").QueryRow("SELECT @@skip_networking").Scan(&skip))
	assert.Equal(t, 1, skip)
	info, err := os.Stat(s.Dir())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "others must not reach the socket")
}

func TestServerAnswersOnTheFreePortItPicked(t *testing.T) {
	s := testkit.MariaDB(t, mariadbd.Options{Port: mariadbd.FreePort, Args: []string{"--max-connections=17"}})
	cfg := s.Config("")
	cfg.Net, cfg.Addr = "tcp", s.Addr()
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	defer db.Close()
	var port, connections int
	require.NoError(t, db.QueryRow("SELECT @@port, @@max_connections").Scan(&port, &connections))
	assert.Equal(t, s.Port(), port)
	assert.Equal(t, 17, connections, "Args must reach the server")
}

func TestCommittedDataSurvivesKillAndRestart(t *testing.T) {
	for _, fsync := range []bool{false, true} {
		t.Run(fmt.Sprintf("fsync=%v", fsync), func(t *testing.T) {
			s := testkit.MariaDB(t, mariadbd.Options{Fsync: fsync})
			exec(t, open(t, s, ""), "CREATE DATABASE d", "CREATE TABLE d.t (n INT) ENGINE=InnoDB", "INSERT INTO d.t VALUES (7)")
			before := s.PID()
			require.NoError(t, s.Kill())
			assert.Zero(t, s.PID())
			assert.ErrorIs(t, syscall.Kill(before, 0), syscall.ESRCH, "the process must be reaped")
			require.ErrorIs(t, s.Kill(), mariadbd.ErrNotRunning)
			require.NoError(t, s.Restart(t.Context()))
			assert.NotEqual(t, before, s.PID())
			var n int
			require.NoError(t, open(t, s, "d").QueryRow("SELECT n FROM t").Scan(&n))
			assert.Equal(t, 7, n)
			require.Error(t, s.Restart(t.Context()), "a running server cannot be restarted")
		})
	}
}

func TestPausedServerAnswersAfterResume(t *testing.T) {
	s := testkit.MariaDB(t, mariadbd.Options{})
	db := open(t, s, "")
	require.NoError(t, db.PingContext(t.Context()))
	require.NoError(t, s.Pause())
	require.Eventually(t, func() bool { // a signal takes its time to reach all threads
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return errors.Is(db.PingContext(ctx), context.DeadlineExceeded)
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, s.Resume())
	require.NoError(t, db.PingContext(t.Context()))
}

func TestCloseEndsAPausedServerWithoutTheGracePeriod(t *testing.T) {
	testkit.RequireMariaDB(t)
	s, err := mariadbd.Start(t.Context(), mariadbd.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Pause())
	began := time.Now()
	require.NoError(t, s.Close())
	assert.Less(t, time.Since(began), 8*time.Second)
	require.NoError(t, s.Close(), "closing twice is harmless")
	assert.NoDirExists(t, s.Dir())
	require.ErrorIs(t, s.Restart(t.Context()), mariadbd.ErrClosed)
	require.ErrorIs(t, s.Pause(), mariadbd.ErrNotRunning)
}

func TestDirectoryOfTheCallerIsKeptAndUsedAgain(t *testing.T) {
	testkit.RequireMariaDB(t)
	// Too long for a unix socket on purpose.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	t.Setenv("TMPDIR", filepath.Dir(dir)+"/"+strings.Repeat("long", 20))
	require.NoError(t, os.Mkdir(os.Getenv("TMPDIR"), 0o700))
	first, err := mariadbd.Start(t.Context(), mariadbd.Options{Dir: dir})
	require.NoError(t, err)
	assert.Less(t, len(first.Socket()), 108)
	exec(t, open(t, first, ""), "CREATE DATABASE kept")
	require.NoError(t, first.Close())
	assert.NoFileExists(t, first.Socket())

	began := time.Now()
	var log bytes.Buffer
	second := testkit.MariaDB(t, mariadbd.Options{Dir: dir, ServerLog: &log})
	t.Logf("started on existing tables in %v", time.Since(began))
	require.NoError(t, open(t, second, "kept").PingContext(t.Context()))
	require.NoError(t, second.Close())
	assert.Contains(t, log.String(), "ready for connections")
}

func TestSecondServerOnADirectoryIsRefused(t *testing.T) {
	s := testkit.MariaDB(t, mariadbd.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := mariadbd.Start(ctx, mariadbd.Options{Dir: s.Dir()})
	require.Error(t, err)
	require.NoError(t, open(t, s, "").PingContext(t.Context()), "the first one goes on")
}

func TestFailedStartShowsTheServersOwnWords(t *testing.T) {
	testkit.RequireMariaDB(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := mariadbd.Start(t.Context(), mariadbd.Options{Args: []string{"--no-such-option"}})
	require.ErrorContains(t, err, "no-such-option")
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left, "a failed start leaves nothing behind")
}

func TestStartHonoursItsContext(t *testing.T) {
	testkit.RequireMariaDB(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, limit := range []time.Duration{0, 50 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := mariadbd.Start(ctx, mariadbd.Options{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, port := range []int{-2, 65536} {
		_, err := mariadbd.Start(t.Context(), mariadbd.Options{Port: port})
		require.ErrorContains(t, err, "port")
	}
}

func TestServersStartedTogetherDoNotDisturbEachOther(t *testing.T) {
	testkit.RequireMariaDB(t)
	const most = 6
	errs := make(chan error, most)
	for range most {
		go func() {
			s, err := mariadbd.Start(t.Context(), mariadbd.Options{})
			if err == nil {
				err = s.Close()
			}
			errs <- err
		}()
	}
	for range most {
		assert.NoError(t, <-errs)
	}
}
