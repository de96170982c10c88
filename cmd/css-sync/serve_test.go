package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/internal/testkit"
)

// mirroring returns a command line on a catalogue, and a daemon that mirrors it to a MySQL server.
func mirroring(t *testing.T) (*clitest.CommandLine, *mariadbd.Server, *clitest.Process) {
	t.Helper()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	serve := c.Process("serve")
	serve.Await(`msg="mirror follows etcd"`)
	return c, server, serve
}

// awaitAgreement waits until MySQL shows the newest revision of etcd, exactly.
func awaitAgreement(c *clitest.CommandLine) {
	c.T.Helper()
	clitest.Await(c.T, func() bool {
		r := c.Run("status -w json")
		if r.Code != cli.ExitOK {
			return false
		}
		v := clitest.Decode[status.Status](c.T, r.Stdout)
		return v.Mirrors[0].LagRevisions != nil && *v.Mirrors[0].LagRevisions == 0
	})
	c.OK("check")
}

func TestServeFollowsAndEndsGracefully(t *testing.T) {
	t.Parallel()
	c, _, serve := mirroring(t)
	awaitAgreement(c)
	c.OK("db create Later")
	c.OK("table drop LSST.Source")
	awaitAgreement(c)
	serve.Stop()
	assert.Contains(t, serve.String(), `msg="css-sync stops"`)
}

// What one process mirrors, another goes on to mirror when the first is killed, and at once when the first ends by
// itself.
func TestServeStandsByAndTakesOver(t *testing.T) {
	t.Parallel()
	c, _, first := mirroring(t)
	second := c.Process("serve")
	second.Await("standing by")
	assert.NotContains(t, second.String(), "mirror follows etcd")

	first.Signal(syscall.SIGKILL)
	first.Wait()
	c.OK("db create AfterTheKill")
	began := time.Now()
	second.Await(`msg="mirror follows etcd"`)
	t.Logf("the second took over after %v", time.Since(began))
	awaitAgreement(c)

	third := c.Process("serve")
	third.Await("standing by")
	second.Signal(syscall.SIGTERM)
	began = time.Now()
	second.Ends()
	third.Await(`msg="mirror follows etcd"`)
	assert.Less(t, time.Since(began), 5*time.Second, "who withdraws is replaced at once")
	c.OK("db create AfterTheEnd")
	awaitAgreement(c)
}

func TestServeWithItsOwnEtcd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	c := elsewhere(t)
	args := []string{"serve", "--no-mirror", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client",
		"unix://" + socket}
	serve := c.Process(args...)
	serve.Await(`msg="daemon started"`)
	at := []string{"--endpoints", "unix://" + socket}
	c.OK(append(at, "db", "create", "D")...)
	c.Refuses(cli.ExitError, "the etcd data directory is in use", args...)
	serve.Signal(syscall.SIGINT)
	serve.Ends()

	serve = c.Process(args...)
	serve.Await(`msg="daemon started"`)
	c.Says("READY", append(at, "db", "show", "D")...)
	serve.Stop()
}

func TestServeSurvivesMySQL(t *testing.T) {
	t.Parallel()
	c, server, serve := mirroring(t)
	require.NoError(t, server.Kill())
	c.OK("db create Meanwhile")
	serve.Await("level=WARN")
	require.NoError(t, server.Restart(t.Context()))
	serve.AwaitN(`msg="mirror follows etcd"`, 2)
	awaitAgreement(c)
	serve.Stop()
}

// In process, so that what serve leaves behind is seen.
func TestServeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.OK)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serve := c.Start(ctx, "serve")
	serve.Await(`msg="mirror follows etcd"`)
	cancel()
	serve.Ends()
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	c.Env[clitest.AsProgram] = "deaf"
	deaf := c.Process()
	deaf.Await("ready")
	deaf.Signal(syscall.SIGTERM)
	deaf.Await("first signal")
	deaf.Signal(syscall.SIGINT)
	assert.Equal(t, cli.ExitError, deaf.Wait())
	deaf.Await("css-sync: stopped at once by another signal")
}

// Whoever types `css-sync restore -` by mistake must get out again.
func TestInterruptWhileWaitingForInput(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	restore := c.Process("restore -")
	_, err := restore.Stdin.WriteString("{")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // until it has read that, and waits for more
		left, err := unix.IoctlGetInt(int(restore.Stdin.Fd()), unix.TIOCINQ)
		return err == nil && left == 0
	}, clitest.Patience, time.Millisecond)
	restore.Signal(os.Interrupt)
	assert.Equal(t, cli.ExitError, restore.Wait(), restore.String())
}

// A mirror that waits for a MySQL that does not answer must not hold up the end.
func TestServeEndsWhileMySQLHangs(t *testing.T) {
	t.Parallel()
	c, server, serve := mirroring(t)
	require.NoError(t, server.Pause())
	defer func() { require.NoError(t, server.Resume()) }()
	c.OK("db create Unseen")
	serve.Stop()
}

// TestServeTellsSystemd: it is ready when the mirror has begun, lives, begins again without ending, and ends.
func TestServeTellsSystemd(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.OK)
	systemd := testkit.NewSystemd(t)
	c.Env["NOTIFY_SOCKET"], c.Env["WATCHDOG_USEC"] = systemd.Path, "1000000"
	file := configFile(t, "log-level: info\n")
	serve := c.Process("serve", "--config", file)
	systemd.Await("READY=1")
	c.OK("check")
	systemd.Await("STATUS=mirror following at revision ")
	systemd.Await("WATCHDOG=1")
	systemd.Forget()
	for _, text := range []string{"log-level: debug\n", "log-level: loud\n", "log-level: info\ncompact: 2h\n"} {
		rewrite(t, file, text)
		serve.Signal(syscall.SIGHUP)
		systemd.Await("RELOADING=1\nMONOTONIC_USEC=")
		systemd.Await("READY=1")
	}
	assert.NotContains(t, systemd.Heard, "STOPPING=1", "with which systemd would wait for the end, and then kill")
	serve.Signal(syscall.SIGTERM)
	systemd.Await("STOPPING=1")
	serve.Ends()

	delete(c.Env, "WATCHDOG_USEC")
	c.Env["NOTIFY_SOCKET"] = "/nowhere/notify"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	unheard := c.Start(ctx, "serve --no-mirror")
	unheard.Await("sd_notify failed")
	cancel()
	assert.Equal(t, cli.ExitOK, unheard.Wait(), "which is no reason to fail")
}

// TestWhoStandsByIsReady: the other daemon may lead for years.
func TestWhoStandsByIsReady(t *testing.T) {
	t.Parallel()
	c, _, _ := mirroring(t)
	systemd := testkit.NewSystemd(t)
	c.Env["NOTIFY_SOCKET"] = systemd.Path
	second := c.Process("serve")
	systemd.Await("STATUS=standing by for the mirror default")
	systemd.Await("READY=1")
	second.Stop()
}

// TestElectionKeysOfMirrorsAreDeleted while their leases live: both stand again by themselves and one leads. Without
// that both would write by turns, each taking the table over from the other, and reading all of it each time.
func TestElectionKeysOfMirrorsAreDeleted(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.OK)
	for range 2 {
		c.Process("serve --no-drops")
	}
	etcd := c.Etcd()
	candidates := daemon.MirrorKeys("/qserv") + "default/"
	awaitTwo := func(since int64) {
		t.Helper()
		clitest.Await(t, func() bool {
			got, err := etcd.Get(t.Context(), candidates, clientv3.WithPrefix(), clientv3.WithMinCreateRev(since+1),
				clientv3.WithCountOnly())
			return err == nil && got.Count == 2
		})
	}
	awaitTwo(0)
	awaitAgreement(c)
	term := func() int64 { return statusOf(c).Mirrors[0].Term }
	before := term()
	gone, err := etcd.Delete(t.Context(), candidates, clientv3.WithPrefix())
	require.NoError(t, err)
	require.EqualValues(t, 2, gone.Deleted)
	awaitTwo(gone.Header.Revision)
	c.OK("db create After")
	clitest.Await(t, func() bool { return term() > before })
	now := term()
	assert.LessOrEqual(t, now, before+2, "who led may have been on its way to the table, and was followed by who leads")
	for _, db := range []string{"A", "B", "C"} {
		c.OK("db", "create", db)
		awaitAgreement(c)
	}
	assert.Equal(t, now, term(), "one leads")
}

// TestServeBeginsAgainAtSIGHUP: a new password is taken from its file; a file that cannot be used changes nothing; and
// no lease is left behind for which another daemon would have to wait.
func TestServeBeginsAgainAtSIGHUP(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once")
	file := filepath.Join(t.TempDir(), "dsn")
	secret := func(password string) {
		require.NoError(t, os.WriteFile(file, []byte("m:"+password+"@unix("+server.Socket()+")/"), 0o600))
	}
	clitest.Execute(t, server, "CREATE USER m@localhost IDENTIFIED BY 'old'", "GRANT ALL ON qservCssData.* TO m@localhost")
	secret("old")
	serve := c.Process("serve", "--mysql-dsn-file", file)
	serve.Await(`msg="mirror follows etcd"`)

	require.NoError(t, os.WriteFile(file, []byte("mysql://m:Sec@ret@localhost/"), 0o600))
	serve.Signal(syscall.SIGHUP)
	serve.Await("css-sync goes on as it was")
	assert.NotContains(t, serve.String(), "Sec")
	c.OK("db create Meanwhile")
	awaitAgreement(c)

	clitest.Execute(t, server, "ALTER USER m@localhost IDENTIFIED BY 'new'")
	secret("new")
	serve.Signal(syscall.SIGHUP)
	serve.Await("begins again with what its files say now")
	serve.AwaitN(`msg="mirror follows etcd"`, 2)
	c.OK("db create Afterwards")
	awaitAgreement(c)

	serve.Stop()
	etcd := c.Etcd()
	leases, err := etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases)
}

// TestOwnEtcdGoesOnAtSIGHUP: only what uses it begins again.
func TestOwnEtcdGoesOnAtSIGHUP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "s")
	c := elsewhere(t)
	serve := c.Process("serve", "--no-mirror", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client", socket)
	serve.Await(`msg="drops are carried out"`)
	serve.Signal(syscall.SIGHUP)
	serve.AwaitN(`msg="drops are carried out"`, 2)
	assert.Equal(t, 1, strings.Count(serve.String(), "etcd runs in this process"))
	c.OK("db", "create", "D", "--endpoints", socket)
	serve.Stop()
}
