package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

// keys are CSS keys and their values.
type keys = map[string]string

var update = flag.Bool("update", false, "write the golden files anew")

// asProgram makes the test binary css-sync itself, for tests that need a process of their own: with any value but
// "deaf". Its name is not one of css-sync's own variables, which the demo keeps from the programs that it starts.
const asProgram = "TEST_AS_CSS_SYNC"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
	case "deaf": // one that does not care for its context
		ctx, _ := newProgram(nil, nil, os.Stderr, nil).UntilSignalled(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("first signal")
		select {}
	default: // whatever it is: tests that are started by tests would start tests
		main()
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "6") // the tests mostly wait for servers and leases
	}
	goleak.VerifyTestMain(m)
}

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

// ok runs a command line that must succeed without a message, and returns its output.
func (c *commandLine) ok(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	require.Equal(c.t, cli.ExitOK, r.code, "%v: %s", args, r.stderr)
	require.Empty(c.t, r.stderr, "%v", args)
	return r.stdout
}

// fails runs a command line that must fail with a code, and returns its messages.
func (c *commandLine) fails(code int, args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	require.Equal(c.t, code, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	require.True(c.t, strings.HasPrefix(r.stderr, "css-sync: "), "%v: %s", args, r.stderr)
	require.NotContains(c.t, r.stderr, "Usage:", "usage is for --help")
	require.NotContains(c.t, r.stderr, "rpc error")
	return r.stderr
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

// decode reads the JSON that a command printed.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}
