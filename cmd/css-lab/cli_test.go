package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asProgram makes the test binary css-lab itself, for tests that need a process of their own.
// Its name is not one of the variables of these programs, which the demo keeps from the programs that it starts.
const asProgram = "TEST_AS_CSS_LAB"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" { // whatever it is: tests that are started by tests would start tests
		main()
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "6") // the tests mostly wait for servers and leases
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if syncDir != "" {
			_ = os.RemoveAll(syncDir)
		}
		os.Exit(code)
	}))
}

// syncDir is where css-sync is, whose commands change what a czar sees.
var syncDir string

var buildSync = sync.OnceValues(func() (program string, err error) {
	if syncDir, err = os.MkdirTemp("", "css-lab-test-"); err != nil {
		return "", err
	}
	program = filepath.Join(syncDir, "css-sync")
	out, err := exec.Command("go", "build", "-o", program, "../css-sync").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build css-sync: %w: %s", err, out)
	}
	return program, nil
})

// result is what one command line did.
type result struct {
	code           int
	stdout, stderr string
}

// commandLine runs command lines in process, on an environment of its own.
type commandLine struct {
	t           *testing.T
	environment map[string]string
	stdin       string
}

// onEtcd returns a command line whose environment names an etcd of its own.
func onEtcd(t *testing.T) *commandLine {
	t.Helper()
	return onServer(t, startEtcd(t))
}

// onServer gives an etcd more time than an operator would: the machine may be busy with other tests.
func onServer(t *testing.T, server *embedetcd.Server) *commandLine {
	return &commandLine{t: t, environment: map[string]string{
		"CSS_SYNC_ENDPOINTS": server.Endpoints()[0], "CSS_SYNC_DIAL_TIMEOUT": "20s", "CSS_SYNC_COMMAND_TIMEOUT": "60s",
	}}
}

func startEtcd(t *testing.T) *embedetcd.Server {
	t.Helper()
	// to start sooner
	server, err := embedetcd.Start(t.Context(), embedetcd.Options{UnsafeNoFsync: true, Tick: 10 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

func (c *commandLine) runContext(ctx context.Context, args ...string) result {
	var out, messages bytes.Buffer
	p := c.program(&out, &messages)
	code := p.Run(ctx, args)
	return result{code, out.String(), messages.String()}
}

// program returns the program in the environment of the test.
func (c *commandLine) program(out, messages io.Writer) *program {
	return newProgram(strings.NewReader(c.stdin), out, messages, func(name string) string { return c.environment[name] })
}

func (c *commandLine) run(args ...string) result { return c.runContext(c.t.Context(), args...) }

// sync runs css-sync in a process of its own.
func (c *commandLine) sync(args ...string) result {
	c.t.Helper()
	program, err := buildSync()
	require.NoError(c.t, err)
	var out, messages bytes.Buffer
	cmd := exec.CommandContext(c.t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &messages
	for name, value := range c.environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Run(); !errors.As(err, new(*exec.ExitError)) {
		require.NoError(c.t, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), messages.String()}
}

// ok runs a command of css-sync that must succeed without a message, and returns its output.
func (c *commandLine) ok(args ...string) string {
	c.t.Helper()
	r := c.sync(args...)
	require.Equal(c.t, cli.ExitOK, r.code, "%v: %s", args, r.stderr)
	require.Empty(c.t, r.stderr, "%v", args)
	return r.stdout
}

// fails runs a command line that must fail with a code, and returns its messages.
func (c *commandLine) fails(code int, args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	require.Equal(c.t, code, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	require.True(c.t, strings.HasPrefix(r.stderr, "css-lab: "), "%v: %s", args, r.stderr)
	require.NotContains(c.t, r.stderr, "Usage:", "usage is for --help")
	require.NotContains(c.t, r.stderr, "rpc error")
	return r.stderr
}

// decode reads the JSON that a command printed.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// fill makes a catalogue.
func fill(c *commandLine) {
	c.t.Helper()
	c.ok("node", "add", "worker-1", "--host", "w1.example.org", "--port", "5012")
	c.ok("node", "add", "worker-2", "--host", "w2.example.org", "--port", "5012", "--state", "INACTIVE")
	c.ok("db", "create", "LSST", "--stripes", "340", "--sub-stripes", "3", "--overlap", "0.01667")
	c.ok("db", "create", "LSST_2", "--like", "LSST")
	c.ok("db", "create", "Plain", "--storage-class", "L1", "--release-status", "PRIVATE")
	c.ok("table", "create", "LSST.Filter", "--schema", "(id INT)")
	c.ok("table", "create", "LSST.Object", "--schema", "(objectId BIGINT, ra DOUBLE, decl DOUBLE)", "--director",
		"--dir-col", "objectId",
		"--lat-col", "decl", "--lon-col", "ra", "--overlap", "0.02", "--sub-chunks", "--scan-rating", "1", "--lock-in-mem")
	c.ok("table", "create", "LSST.Source", "--schema", "(objectId BIGINT)", "--dir-table", "Object", "--dir-col",
		"objectId", "--scan-rating", "2")
	c.ok("table", "create", "LSST.ObjMatch", "--schema", "(a BIGINT, b BIGINT, f INT)", "--status", "DO_NOT_USE",
		"--match-table1", "Object", "--match-col1", "a", "--match-table2", "LSST.Object", "--match-col2", "b",
		"--match-flag", "f", "--ang-sep", "0.001")
}

// quickDrops sets durations that tests can wait for, and returns a filled catalogue.
func quickDrops(t *testing.T) *commandLine {
	t.Helper()
	c := onEtcd(t)
	fill(c)
	c.ok("config", "set", "--confirm", "200ms", "--fence", "1s", "--wait", "1500ms", "--alive", "2s", "--delay", "0s")
	return c
}

// onBoth returns a command line whose environment names an etcd and a MySQL server of its own.
func onBoth(t *testing.T) (*commandLine, *mariadbd.Server) {
	t.Helper()
	server := testkit.MariaDB(t, mariadbd.Options{})
	c := onEtcd(t)
	c.environment["CSS_SYNC_MYSQL_DSN"] = server.DSN("")
	return c, server
}

func execute(t *testing.T, server *mariadbd.Server, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(cli.DefaultDatabase))
	require.NoError(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// elsewhere is a command line that no variable helps.
func elsewhere(t *testing.T) *commandLine {
	return &commandLine{t: t, environment: map[string]string{}}
}

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// process is css-sync as a process of its own.
type process struct {
	running
	cmd   *exec.Cmd
	stdin *os.File // of which nothing comes unless the test writes something
}

func (c *commandLine) process(args ...string) *process {
	c.t.Helper()
	return c.processOf(os.Args[0], args...)
}

// syncProcess starts css-sync.
func (c *commandLine) syncProcess(args ...string) *process {
	c.t.Helper()
	program, err := buildSync()
	require.NoError(c.t, err)
	return c.processOf(program, args...)
}

func (c *commandLine) processOf(program string, args ...string) *process {
	c.t.Helper()
	p := &process{cmd: exec.Command(program, args...)}
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

// golden compares a text with testdata/<name>.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "%s; go test -update writes it anew", path)
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// gone waits until a name is free.
func (c *commandLine) gone(name string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		return strings.Contains(c.sync("drops", "show", name).stderr, "no drop of this name is under way") &&
			c.sync("table", "show", name).code == cli.ExitError
	}, patience, 50*time.Millisecond)
}
