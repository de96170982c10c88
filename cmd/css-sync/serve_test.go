package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/status"
)

// awaitAgreement waits until MySQL shows the newest revision of etcd, exactly.
func awaitAgreement(c *clitest.CommandLine) {
	c.T.Helper()
	require.Eventually(c.T, func() bool {
		r := c.Run("status -w json")
		if r.Code != cli.ExitOK {
			return false
		}
		v := clitest.Decode[status.Status](c.T, r.Stdout)
		return v.Mirror.LagRevisions != nil && *v.Mirror.LagRevisions == 0
	}, clitest.Patience, 50*time.Millisecond)
	c.Ok("check")
}

func TestServeFollowsAndEndsGracefully(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.Ok)
	serve := c.Process("serve")
	serve.Await(`msg="mirror follows etcd"`)
	awaitAgreement(c)
	c.Ok("db create Later")
	c.Ok("table drop LSST.Source")
	awaitAgreement(c)
	serve.Stop()
	assert.Contains(t, serve.String(), `msg="css-sync stops"`)
}

// What one process mirrors, another goes on to mirror when the first is killed, and at once when the first ends by
// itself.
func TestServeStandsByAndTakesOver(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.Ok)
	first := c.Process("serve")
	first.Await(`msg="mirror follows etcd"`)
	second := c.Process("serve")
	second.Await("standing by")
	assert.NotContains(t, second.String(), "mirror follows etcd")

	first.Signal(syscall.SIGKILL)
	first.Wait()
	c.Ok("db create AfterTheKill")
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
	c.Ok("db create AfterTheEnd")
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
	c.Ok(append(at, "db", "create", "D")...)
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
	c, server := onBoth(t)
	clitest.Fill(c.Ok)
	serve := c.Process("serve")
	serve.Await(`msg="mirror follows etcd"`)
	require.NoError(t, server.Kill())
	c.Ok("db create Meanwhile")
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
	clitest.Fill(c.Ok)
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
	c, server := onBoth(t)
	clitest.Fill(c.Ok)
	serve := c.Process("serve")
	serve.Await(`msg="mirror follows etcd"`)
	require.NoError(t, server.Pause())
	defer func() { require.NoError(t, server.Resume()) }()
	c.Ok("db create Unseen")
	serve.Stop()
}

func TestServeTellsSystemd(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.Ok)
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	c.Env["NOTIFY_SOCKET"] = socket
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serve := c.Start(ctx, "serve")
	var heard []string
	hear := func() string {
		require.NoError(t, l.SetReadDeadline(time.Now().Add(clitest.Patience)))
		buffer := make([]byte, 1000)
		n, err := l.Read(buffer)
		require.NoError(t, err, "after %v", heard)
		heard = append(heard, string(buffer[:n]))
		return heard[len(heard)-1]
	}
	assert.Equal(t, "READY=1", hear())
	for !strings.HasPrefix(hear(), "STATUS=mirror following at revision ") {
	}
	cancel()
	for hear() != "STOPPING=1" {
	}
	serve.Ends()

	c.Env["NOTIFY_SOCKET"] = "/nowhere/notify"
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	serve = c.Start(ctx, "serve --no-mirror")
	serve.Await("sd_notify failed")
	cancel()
	assert.Equal(t, cli.ExitOK, serve.Wait(), "which is no reason to fail")
}
