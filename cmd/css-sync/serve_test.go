package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

// process is css-sync as a process of its own.
type process struct {
	running
	cmd   *exec.Cmd
	stdin *os.File // of which nothing comes unless the test writes something
}

func (c *commandLine) process(args ...string) *process {
	c.t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...)}
	p.done = make(chan int, 1)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	for name, value := range c.environment {
		p.cmd.Env = append(p.cmd.Env, name+"="+value)
	}
	stdin, w, err := os.Pipe()
	require.NoError(c.t, err)
	p.cmd.Stdin, p.stdin = stdin, w
	c.t.Cleanup(func() { _, _ = stdin.Close(), w.Close() })
	p.cmd.Stdout, p.cmd.Stderr = &p.running, &p.running
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(c.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait()
		p.done <- p.cmd.ProcessState.ExitCode()
	}()
	c.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// awaitAgreement waits until MySQL shows the newest revision of etcd, exactly.
func (c *commandLine) awaitAgreement() {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		r := c.run("status", "-w", "json")
		if r.code != cli.ExitOK {
			return false
		}
		v := decode[status.Status](c.t, r.stdout)
		return v.Mirror.LagRevisions != nil && *v.Mirror.LagRevisions == 0
	}, patience, 50*time.Millisecond)
	c.ok("check")
}

func TestServeFollowsAndEndsGracefully(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	serve := c.process("serve")
	serve.await(t, `msg="mirror follows etcd"`)
	c.awaitAgreement()
	c.ok("db", "create", "Later")
	c.ok("table", "drop", "LSST.Source")
	c.awaitAgreement()
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
	assert.Contains(t, serve.text(), `msg="css-sync stops"`)
}

// What one process mirrors, another goes on to mirror when the first is killed, and at once when the first ends by
// itself.
func TestServeStandsByAndTakesOver(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	first := c.process("serve")
	first.await(t, `msg="mirror follows etcd"`)
	second := c.process("serve")
	second.await(t, "standing by")
	assert.NotContains(t, second.text(), "mirror follows etcd")

	first.signal(t, syscall.SIGKILL)
	first.wait(t)
	c.ok("db", "create", "AfterTheKill")
	began := time.Now()
	second.await(t, `msg="mirror follows etcd"`)
	t.Logf("the second took over after %v", time.Since(began))
	c.awaitAgreement()

	third := c.process("serve")
	third.await(t, "standing by")
	second.signal(t, syscall.SIGTERM)
	began = time.Now()
	assert.Equal(t, cli.ExitOK, second.wait(t))
	third.await(t, `msg="mirror follows etcd"`)
	assert.Less(t, time.Since(began), 5*time.Second, "who withdraws is replaced at once")
	c.ok("db", "create", "AfterTheEnd")
	c.awaitAgreement()
}

func TestServeWithItsOwnEtcd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	c := elsewhere(t)
	args := []string{"serve", "--no-mirror", "--data-dir", filepath.Join(dir, "etcd"), "--listen-client",
		"unix://" + socket}
	serve := c.process(args...)
	serve.await(t, `msg="daemon started"`)
	at := []string{"--endpoints", "unix://" + socket}
	c.ok(append(at, "db", "create", "D")...)
	assert.Contains(t, c.fails(cli.ExitError, args...), "the etcd data directory is in use")
	serve.signal(t, syscall.SIGINT)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())

	serve = c.process(args...)
	serve.await(t, `msg="daemon started"`)
	assert.Contains(t, c.ok(append(at, "db", "show", "D")...), "READY")
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
}

func TestServeSurvivesMySQL(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	fill(c)
	serve := c.process("serve")
	serve.await(t, `msg="mirror follows etcd"`)
	require.NoError(t, server.Kill())
	c.ok("db", "create", "Meanwhile")
	serve.await(t, "level=WARN")
	require.NoError(t, server.Restart(t.Context()))
	serve.awaitN(t, `msg="mirror follows etcd"`, 2)
	c.awaitAgreement()
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t))
}

// In process, so that what serve leaves behind is seen.
func TestServeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serve := c.start(ctx, "serve")
	serve.await(t, `msg="mirror follows etcd"`)
	cancel()
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	c.environment[asProgram] = "deaf"
	deaf := c.process()
	deaf.await(t, "ready")
	deaf.signal(t, syscall.SIGTERM)
	deaf.await(t, "first signal")
	deaf.signal(t, syscall.SIGINT)
	assert.Equal(t, cli.ExitError, deaf.wait(t))
	deaf.await(t, "css-sync: stopped at once by another signal")
}

// Whoever types `css-sync restore -` by mistake must get out again.
func TestInterruptWhileWaitingForInput(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	restore := c.process("restore", "-")
	_, err := restore.stdin.WriteString("{")
	require.NoError(t, err)
	require.Eventually(t, func() bool { // until it has read that, and waits for more
		left, err := unix.IoctlGetInt(int(restore.stdin.Fd()), unix.TIOCINQ)
		return err == nil && left == 0
	}, patience, time.Millisecond)
	restore.signal(t, os.Interrupt)
	assert.Equal(t, cli.ExitError, restore.wait(t), restore.text())
}

// A mirror that waits for a MySQL that does not answer must not hold up the end.
func TestServeEndsWhileMySQLHangs(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	fill(c)
	serve := c.process("serve")
	serve.await(t, `msg="mirror follows etcd"`)
	require.NoError(t, server.Pause())
	defer func() { require.NoError(t, server.Resume()) }()
	c.ok("db", "create", "Unseen")
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
}

func TestServeTellsSystemd(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	c.environment["NOTIFY_SOCKET"] = socket
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	serve := c.start(ctx, "serve")
	var heard []string
	hear := func() string {
		require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
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
	assert.Equal(t, cli.ExitOK, serve.wait(t))

	c.environment["NOTIFY_SOCKET"] = "/nowhere/notify"
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	serve = c.start(ctx, "serve", "--no-mirror")
	serve.await(t, "sd_notify failed")
	cancel()
	assert.Equal(t, cli.ExitOK, serve.wait(t), "which is no reason to fail")
}
