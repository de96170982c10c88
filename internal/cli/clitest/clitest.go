// Package clitest runs command lines of the programs in their tests: in process, in the background, and as processes.
package clitest

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// AsProgram makes the test binary the program itself, for tests that need a process of their own. Its name is not one
// of the variables of the programs, which the demo keeps from those that it starts.
const AsProgram = "TEST_AS_PROGRAM"

// ListenHTTP is the variable that says where a daemon answers over HTTP.
const ListenHTTP = "CSS_SYNC_LISTEN_HTTP"

// Patience is how long a test waits for what happens in a moment.
const Patience = time.Minute

// Main runs the tests of a program, or is the program.
func Main(m *testing.M, program func(), options ...goleak.Option) {
	if os.Getenv(AsProgram) != "" { // whatever it is: tests that are started by tests would start tests
		program()
	}
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "6") // the tests mostly wait for servers and leases
	}
	goleak.VerifyTestMain(m, options...)
}

// Program makes the program that is tested.
type Program func(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *cli.Program

// In returns a command line with an environment.
func (p Program) In(t *testing.T, env map[string]string) *CommandLine {
	return &CommandLine{T: t, Env: env, program: p}
}

// Elsewhere returns a command line that no variable helps.
func (p Program) Elsewhere(t *testing.T) *CommandLine { return p.In(t, map[string]string{}) }

// OnEtcd returns a command line whose environment names an etcd of its own.
func (p Program) OnEtcd(t *testing.T) *CommandLine {
	t.Helper()
	return p.OnServer(t, StartEtcd(t))
}

// OnServer gives an etcd more time than an operator would: the machine may be busy with other tests.
func (p Program) OnServer(t *testing.T, server *embedetcd.Server) *CommandLine {
	return p.In(t, map[string]string{
		"CSS_SYNC_ENDPOINTS": server.Endpoints()[0], "CSS_SYNC_DIAL_TIMEOUT": "20s", "CSS_SYNC_COMMAND_TIMEOUT": "60s",
	})
}

// OnBoth returns a command line whose environment names an etcd and a MySQL server of its own.
func (p Program) OnBoth(t *testing.T) (*CommandLine, *mariadbd.Server) {
	t.Helper()
	server := testkit.MariaDB(t, mariadbd.Options{})
	c := p.OnEtcd(t)
	c.Env["CSS_SYNC_MYSQL_DSN"] = server.DSN("")
	return c, server
}

// StartEtcd starts an etcd that ends with the test.
func StartEtcd(t *testing.T) *embedetcd.Server {
	t.Helper()
	// to start sooner
	server, err := embedetcd.Start(t.Context(), embedetcd.Options{UnsafeNoFsync: true, Tick: 10 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// Result is what one command line did.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// CommandLine runs command lines in process, on an environment of its own. One argument that has spaces is a whole
// line.
type CommandLine struct {
	T       *testing.T
	Env     map[string]string
	Stdin   string
	program Program
}

// Words splits an argument that is a whole line.
func Words(args []string) []string {
	if len(args) == 1 {
		return strings.Fields(args[0])
	}
	return args
}

// words are the words of a command line. A daemon does not answer over HTTP unless the test says where: there are many
// of them on one machine.
func (c *CommandLine) words(args []string) []string {
	words := Words(args)
	said := c.Env[ListenHTTP] != "" || slices.Contains(words, "--listen-http")
	if len(words) == 0 || words[0] != "serve" || said {
		return words
	}
	return append(slices.Clone(words), "--listen-http", "off")
}

// Program returns the program in the environment of the test.
func (c *CommandLine) Program(in io.Reader, out, messages io.Writer) *cli.Program {
	return c.program(in, out, messages, func(name string) string { return c.Env[name] })
}

// Run runs a command line.
func (c *CommandLine) Run(args ...string) Result { return c.RunContext(c.T.Context(), args...) }

// Printed is told of each command line and what it did, where a program sets it.
var Printed func(t *testing.T, words []string, env map[string]string, r Result)

// RunContext is run with a context.
func (c *CommandLine) RunContext(ctx context.Context, args ...string) Result {
	var out, messages bytes.Buffer
	p := c.Program(strings.NewReader(c.Stdin), &out, &messages)
	words := c.words(args)
	r := Result{p.Run(ctx, words), out.String(), messages.String()}
	if Printed != nil {
		Printed(c.T, words, c.Env, r)
	}
	return r
}

// OK runs a command line that must succeed without a message, and returns its output.
func (c *CommandLine) OK(args ...string) string {
	c.T.Helper()
	return c.Run(args...).OK(c.T, args)
}

// OK checks that a command line succeeded without a message, and returns its output.
func (r Result) OK(t *testing.T, args []string) string {
	t.Helper()
	require.Equal(t, cli.ExitOK, r.Code, "%v: %s", args, r.Stderr)
	require.Empty(t, r.messages(), "%v", args)
	return r.Stdout
}

// progressLine is what a command says of how far it has come, once it takes more than a moment.
var progressLine = regexp.MustCompile(`(?m)^[a-z ]+: \d+ of \d+ \(.*\n`)

// messages is what was said but for progress, which a slow machine has more of.
func (r Result) messages() string { return progressLine.ReplaceAllString(r.Stderr, "") }

// Fails runs a command line that must fail with a code, and returns its messages.
func (c *CommandLine) Fails(code int, args ...string) string {
	c.T.Helper()
	r := c.Run(args...)
	require.Equal(c.T, code, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
	require.True(c.T, strings.HasPrefix(r.messages(), c.Program(nil, nil, nil).Name()+": "), "%v: %s", args, r.Stderr)
	require.NotContains(c.T, r.Stderr, "Usage:", "usage is for --help")
	require.NotContains(c.T, r.Stderr, "rpc error")
	return r.Stderr
}

// Says runs a command line that must succeed with some text in its output. " ... " stands for anything.
func (c *CommandLine) Says(want string, args ...string) {
	c.T.Helper()
	c.has(want, c.OK(args...), args)
}

// Refuses runs a command line that must fail with a code, and with some text in its messages. " ... " stands for
// anything.
func (c *CommandLine) Refuses(code int, want string, args ...string) {
	c.T.Helper()
	c.has(want, c.Fails(code, args...), args)
}

func (c *CommandLine) has(want, text string, args []string) {
	c.T.Helper()
	rest := text
	for part := range strings.SplitSeq(want, " ... ") {
		_, after, ok := strings.Cut(rest, part)
		assert.True(c.T, ok, "%v: %q is missing, or not in its place, in:\n%s", args, part, text)
		rest = after
	}
}

// RefusesAll tells which lines must be refused, with what in their messages, before anything is asked of a server. No
// password is shown.
func (c *CommandLine) RefusesAll(code int, wants map[string]string) {
	for line, want := range wants {
		c.T.Run(line, func(t *testing.T) {
			message := c.program.In(t, c.Env).Fails(code, strings.Fields(line)...)
			assert.Contains(t, message, want)
			assert.NotContains(t, message, "secret")
			assert.NotContains(t, message, "se%cret")
		})
	}
}

// Etcd returns a client of etcd past css-sync, as etcdctl is.
func (c *CommandLine) Etcd() *clientv3.Client {
	c.T.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Env["CSS_SYNC_ENDPOINTS"]}, DialTimeout: Patience})
	require.NoError(c.T, err)
	c.T.Cleanup(func() { _ = etcd.Close() })
	return etcd
}

// Put puts a key into etcd past all rules.
func (c *CommandLine) Put(key, value string) {
	c.T.Helper()
	_, err := c.Etcd().Put(c.T.Context(), key, value)
	require.NoError(c.T, err)
}

// Await waits until something is so.
func Await(t *testing.T, so func() bool, or ...any) {
	t.Helper()
	require.Eventually(t, so, Patience, 20*time.Millisecond, or...)
}

// Golden compares the output of a command line with testdata/<name>.txt.
func (c *CommandLine) Golden(name string, args ...string) {
	c.T.Helper()
	Golden(c.T, name+".txt", c.OK(args...))
}

// GoldenOf compares what a command line writes that must end with a code, its messages included, with a file.
func (c *CommandLine) GoldenOf(code int, name string, args ...string) {
	c.T.Helper()
	r := c.Run(args...)
	assert.Equal(c.T, code, r.Code, "%v", args)
	Golden(c.T, name, r.Stdout+r.Stderr)
}

// Goldens compares the output of a command line with testdata/<name>.txt, and as JSON with testdata/<name>.json.
func (c *CommandLine) Goldens(name string, args ...string) {
	c.T.Helper()
	c.Golden(name, args...)
	Golden(c.T, name+".json", c.OK(asJSON(args)...))
}

func asJSON(args []string) []string { return append(Words(args), "-w", "json") }

// JSON runs a command line that must succeed, and reads the JSON that it prints.
func JSON[T any](c *CommandLine, args ...string) T {
	c.T.Helper()
	return Decode[T](c.T, c.OK(asJSON(args)...))
}

// JSONOf runs a command line that must end with a code, and reads the JSON that it prints.
func JSONOf[T any](c *CommandLine, code int, args ...string) T {
	c.T.Helper()
	r := c.Run(asJSON(args)...)
	assert.Equal(c.T, code, r.Code, "%v", args)
	return Decode[T](c.T, r.Stdout)
}

// Decode reads the JSON that a command printed.
func Decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// Golden compares a text with testdata/<name>.
func Golden(t *testing.T, name, got string) {
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

// Execute runs statements on a MySQL server, in the database of kvData.
func Execute(t *testing.T, server *mariadbd.Server, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(cli.DefaultDatabase))
	require.NoError(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

// Refusing is an address at which nobody listens.
func Refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// AwaitGone waits until a table, which is being dropped, is gone and its name free. Run runs css-sync.
func AwaitGone(t *testing.T, run func(args ...string) Result, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return strings.Contains(run("drops", "show", name).Stderr, "no drop of this name is under way") &&
			run("table", "show", name).Code == cli.ExitError
	}, Patience, 50*time.Millisecond)
}

// QuickDrops sets durations of the protocol of deletion that tests can wait for, if no czar dies. Those after which one
// is taken for dead are long: on a machine that stalls it would register anew, and be counted twice.
const QuickDrops = "drops settings set --confirm 200ms --fence 20s --wait 25s --alive 30s --delay 0s"

// Fill writes a small catalogue of one thing of each kind, with commands of css-sync.
func Fill(ok func(args ...string) string) {
	ok("node add worker-1 --host w1.example.org --port 5012")
	ok("node add worker-2 --host w2.example.org --port 5012 --state INACTIVE")
	ok("db create LSST --stripes 340 --sub-stripes 3 --overlap 0.01667")
	ok("db create LSST_2 --like LSST")
	ok("db create Plain --storage-class L1 --release-status PRIVATE")
	ok("table", "create", "LSST.Filter", "--schema", "(id INT)")
	ok("table", "create", "LSST.Object", "--schema", "(objectId BIGINT, ra DOUBLE, decl DOUBLE)", "--director",
		"--dir-col", "objectId", "--lat-col", "decl", "--lon-col", "ra", "--overlap", "0.02", "--sub-chunks",
		"--scan-rating", "1", "--lock-in-mem")
	ok("table", "create", "LSST.Source", "--schema", "(objectId BIGINT)", "--dir-table", "Object", "--dir-col",
		"objectId", "--scan-rating", "2")
	ok("table", "create", "LSST.ObjMatch", "--schema", "(a BIGINT, b BIGINT, f INT)", "--status", "DO_NOT_USE",
		"--match-table1", "Object", "--match-col1", "a", "--match-table2", "LSST.Object", "--match-col2", "b",
		"--match-flag", "f", "--ang-sep", "0.001")
}
