package main

import (
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

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

func TestAgentUsage(t *testing.T) {
	t.Parallel()
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		"agent":                             "say with --socket where to answer",
		"agent --socket s":                  `--socket is "s" and must begin with a slash`,
		"agent --socket /s --query-ttl 1ms": "--query-ttl is 1ms and must be at least 1s",
		"agent --socket /s --grace -1s":     "--grace is -1s and must be 0 or above",
		"agent --socket /s x":               `unexpected argument "x"`,
	})
}

// inC is a czar in C beside an agent.
type inC struct {
	*clitest.CommandLine
	program, socket string
	agent           *clitest.Process
}

// newInC compiles the example, and starts an agent and a daemon that carries drops out.
func newInC(t *testing.T) *inC {
	t.Helper()
	dir := t.TempDir()
	c := &inC{CommandLine: onEtcd(t), program: filepath.Join(dir, "czar"), socket: filepath.Join(dir, "s")}
	out, err := exec.CommandContext(t.Context(), "gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", c.program,
		"../../examples/czar-c/czar.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	clitest.Fill(c.OK)
	c.OK(clitest.QuickDrops)
	c.Process("serve", "--no-mirror").Await(`msg="drops are carried out"`)
	c.startAgent()
	return c
}

func (c *inC) startAgent() {
	c.T.Helper()
	c.agent = c.Process("agent", "--socket", c.socket, "--name", "czar in C", "--grace", "1m")
	c.agent.Await(`msg="agent started"`)
}

// query begins a query of a czar of its own.
func (c *inC) query(tables string) *clitest.Process {
	c.T.Helper()
	q := c.ProcessOf(c.program, c.socket, tables)
	q.Await("\n")
	return q
}

// chunk has a czar send a chunk query, and waits for what it says.
func (c *inC) chunk(q *clitest.Process, chunk, want string) {
	c.T.Helper()
	_, err := q.Stdin.WriteString(chunk + "\n")
	require.NoError(c.T, err)
	q.Await("chunk " + chunk + " " + want + "\n")
}

// awaitHeld waits until a drop waits for a query of the agent.
func (c *inC) awaitHeld(name string) {
	c.T.Helper()
	clitest.Await(c.T, func() bool {
		return strings.Contains(c.OK("drops", "show", name), "1 query is running on it")
	})
}

// TestCzarInC: a drop waits for its query, a query after the mark is refused, a query that is cancelled ends, an agent
// that is killed stops dispatch, and one that was started anew knows no old token.
func TestCzarInC(t *testing.T) {
	t.Parallel()
	c := newInC(t)

	q := c.query("LSST.Filter,LSST.Object")
	c.chunk(q, "1", "sent")
	c.OK("table drop LSST.Filter --wait=false")
	c.awaitHeld("LSST.Filter")
	late := c.query("LSST.Filter")
	assert.Equal(t, 2, late.Wait())
	assert.Equal(t, "not admitted: drop_pending\n", late.String())
	c.chunk(q, "2", "sent")
	require.NoError(t, q.Stdin.Close())
	q.Ends()
	assert.Contains(t, q.String(), "released\n")
	clitest.AwaitGone(t, c.Run, "LSST.Filter")

	q = c.query("LSST.Source")
	c.OK("table drop LSST.Source --wait=false --policy cancel")
	assert.Equal(t, 1, q.Wait())
	assert.Contains(t, q.String(), "the query has to end\nreleased\n")
	clitest.AwaitGone(t, c.Run, "LSST.Source")

	q = c.query("LSST.Object")
	c.chunk(q, "1", "sent")
	c.agent.Signal(syscall.SIGKILL)
	q.Await("the agent is gone\n")
	c.chunk(q, "2", "not sent: no agent")
	c.startAgent() // where the other one left its socket behind
	c.chunk(q, "3", "not sent: unknown_token")
	assert.Equal(t, 1, q.Wait())
	assert.NotContains(t, q.String(), "released")

	c.OK("table", "create", "LSST.Last", "--schema", "(id INT)")
	clitest.Await(t, func() bool { // until the agent sees it
		q = c.query("LSST.Last")
		return strings.HasPrefix(q.String(), "admitted")
	})
	q.Signal(syscall.SIGKILL)
	c.agent.Await("a session of the czar ended with queries")
	c.OK("table drop LSST.Last --wait=false")
	c.awaitHeld("LSST.Last")
}

// TestAgentEndsInOrder: no query begins, those that run go on until they are released, and the czar is registered no
// more.
func TestAgentEndsInOrder(t *testing.T) {
	t.Parallel()
	c := newInC(t)
	info, err := os.Stat(c.socket)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSocket|0o660, info.Mode())
	c.Refuses(cli.ExitError, "another process listens at ... --socket says where", "agent", "--socket", c.socket)

	q := c.query("LSST.Object")
	c.agent.Signal(syscall.SIGTERM)
	c.agent.Await("admits no query any more")
	clitest.Await(t, func() bool { // the gate is about to close
		late := c.query("LSST.Object")
		require.NoError(t, late.Stdin.Close())
		late.Wait()
		return late.String() == "not admitted: closed\n"
	})
	c.chunk(q, "1", "sent")
	assert.Contains(t, c.OK("drops czars"), "czar in C")
	require.NoError(t, q.Stdin.Close())
	q.Ends()
	c.agent.Ends()
	assert.NotContains(t, c.OK("drops czars"), "czar in C")
	assert.NoFileExists(t, c.socket)
}

// TestAgentTellsSystemd when it answers, and leaves nothing behind when it ends.
func TestAgentTellsSystemd(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	clitest.Fill(c.OK)
	socket := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	c.Env["NOTIFY_SOCKET"] = socket
	agent := c.Process("agent", "--socket", filepath.Join(t.TempDir(), "s"))
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		require.NoError(t, l.SetReadDeadline(time.Now().Add(clitest.Patience)))
		buffer := make([]byte, 100)
		n, err := l.Read(buffer)
		require.NoError(t, err)
		assert.Equal(t, want, string(buffer[:n]))
		if want == "READY=1" {
			agent.Signal(syscall.SIGTERM)
		}
	}
	agent.Ends()
	assert.Contains(t, c.OK("drops czars -w json"), "[]")
}
