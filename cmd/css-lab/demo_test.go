package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// took is how long something took, as the demo writes it.
const took = `(?:< )?\d+\.\d m?s`

// demoLines are what a reader has to find, in this order.
var demoLines = []string{
	`Qserv's catalogue on etcd, mirrored to MySQL`,
	`etcd 3\.\d+\.\d+ runs at http://127\.0\.0\.1:\d+`,
	`MariaDB \S+ runs\s+at\s+/`,
	`The CSS is Qserv's catalogue`,
	`A chunk is `,
	`9 tables in 2 databases, 3 nodes; 641 keys`,
	`kvData is the MySQL table`,
	`642 rows written in one transaction: kvData shows revision \d+`,
	`KEY IN ETCD +VALUE +\| kvId parentKvId kvKey +kvVal`,
	`RefStar +READY +\| \d+ +\d+ +\.\.\./RefStar +READY`,
	`A czar plans Qserv's queries`,
	`czar 1, process \d+, has all of it as of revision \d+`,
	`czar 3, process \d+, has all of it`,
	`created meridian_y1\.Transient`,
	`czar 1 sees it, READY at revision \d+ +` + took,
	`czar 2 sees it, READY at revision \d+ +` + took,
	`czar 3 sees it, READY at revision \d+ +` + took,
	`plain SQL sees it: +` + took,
	`SELECT kvVal FROM kvData .* -> READY`,
	`SQL has created meridian_y1\.Comet in kvData +` + took,
	`czar 1 sees it, READY at revision \d+ +` + took,
	`czar 2 sees it, READY at revision \d+ +` + took,
	`czar 3 sees it, READY at revision \d+ +` + took,
	`table exists: as /DBS/meridian_y1/TABLES/Object`,
	`in quarantine: /DBS/meridian_y1/TABLES/OBJECT`,
	`in agreement at revision \d+: 650 rows compared, no difference, 1 key in quarantine`,
	`it gets 51 chunk tables, of Object, LightCurve and Transient +` + took,
	`czar 1 runs a query on Transient`,
	`Transient is gone from the catalogue, and its chunk tables from the worker`,
	`the query on czar 1 fails, after \d+ chunk quer`,
	`Error 1146 \(42S02\): Table 'meridian_y1\.Transient_\d+' doesn't exist`,
	`agreed delay is over: 2s here, 30s by default`,
	`czar 1 has begun a query of 5s on LightCurve`,
	`the drop has begun: LightCurve is marked at revision \d+`,
	`czar 1 sees the mark and refuses a query on LightCurve: `,
	`admit a query on meridian_y1\.LightCurve: `,
	`PENDING_DROP`,
	`czar 2 sees the mark and refuses a query on LightCurve`,
	`czar 3 sees the mark and refuses a query on LightCurve`,
	`the delay is over, the query still runs`,
	`it waits for czar 1 \(1 quer`,
	`the query on czar 1 has finished, all its \d+ chunk queries were answered`,
	`LightCurve is gone from the catalogue, as all czars see it`,
	`kvData has no row of it`,
	`the drop has ended: the worker has none of its chunk tables`,
	`its name is free: created anew at revision \d+, and czar 3 begins a query on it`,
	`Queries on Object meanwhile: run: \d{2,}, failed: 0, refused: 0\.`,
	`Queries on LightCurve: run: 2, failed: 0, refused after the mark: 3\.`,
	`What you have seen`,
	`queries run: \d{2,}, failed: 0, refused because they came after the mark: 3\.`,
}

// demoProgram returns a program whose temporary files are in a directory of their own, and a check that none is left.
func demoProgram(t *testing.T) (p *program, stdout, stderr *bytes.Buffer, clean func()) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv(clitest.AsProgram, "czar")                 // the demo starts this program
	t.Setenv("CSS_SYNC_ENDPOINTS", "nothing.invalid:1") // and keeps these from it
	t.Setenv("CSS_SYNC_CSS", "file:///nowhere")
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	p = newProgram(strings.NewReader(""), stdout, stderr, func(string) string { return "" })
	return p, stdout, stderr, func() {
		t.Helper()
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Empty(t, left, "the demo leaves nothing behind")
	}
}

func inOrder(t *testing.T, text string, patterns []string) {
	t.Helper()
	rest := text
	for _, pattern := range patterns {
		at := regexp.MustCompile(pattern).FindStringIndex(rest)
		require.NotNil(t, at, "%q is missing, or not in its place, in:\n%s", pattern, text)
		rest = rest[at[1]:]
	}
}

// demoRun is a demo as a process of its own, so that several can run at a time, and what it said.
type demoRun struct {
	stdout, stderr string
	code           int
}

// runDemo interrupts the demo whenever a line has one of the texts, each once. It fails when a file or a czar is left
// behind.
func runDemo(t *testing.T, args []string, interruptAt ...string) demoRun {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"demo"}, args...)...)
	cmd.Env = append(os.Environ(), clitest.AsProgram+"=css-lab", "TMPDIR="+dir,
		"CSS_SYNC_ENDPOINTS=nothing.invalid:1") // which it keeps from its czars
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	require.NoError(t, cmd.Start())
	var told strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&told, lines.Text())
		if len(interruptAt) > 0 && strings.Contains(lines.Text(), interruptAt[0]) {
			interruptAt = interruptAt[1:]
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	_ = cmd.Wait()
	// Where temporary files are is the machine's affair, and how long that is.
	r := demoRun{strings.ReplaceAll(told.String(), dir, "/tmp"), messages.String(), cmd.ProcessState.ExitCode()}
	assert.Empty(t, interruptAt, "%s%s", r.stdout, r.stderr)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left, "the demo leaves nothing behind")
	for _, pid := range regexp.MustCompile(`czar \d, process (\d+)`).FindAllStringSubmatch(r.stdout, -1) {
		assert.NoDirExists(t, "/proc/"+pid[1], "a czar outlived the demo")
	}
	return r
}

func TestDemoShowsEverything(t *testing.T) {
	t.Parallel()
	testkit.RequireMariaDB(t)
	r := runDemo(t, nil)
	require.Equal(t, cli.ExitOK, r.code, r.stderr)
	inOrder(t, r.stdout, demoLines)
	assert.Empty(t, r.stderr)
	assert.NotContains(t, r.stdout, "\x1b", "no colour outside of a terminal")
	for line := range strings.Lines(r.stdout) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), pageWidth, line)
	}
}

func TestDemoWithoutMariaDBShowsTheRest(t *testing.T) {
	testkit.Long(t, "it starts the demo once more")
	p, stdout, _, clean := demoProgram(t)
	d := newDemo(p, false)
	d.database = func(context.Context, mariadbd.Options) (*mariadbd.Server, error) {
		return nil, mariadbd.ErrNotInstalled
	}
	require.NoError(t, d.run(t.Context()))
	inOrder(t, stdout.String(), []string{
		`MariaDB is not installed, so the mirror is left out`, `641 keys`, `KEY IN ETCD +VALUE\n`,
		`created meridian_y1\.Transient`,
		`czar 3 sees it`, `table exists`, `LightCurve is marked`, `czar 3 sees the mark and refuses`,
		`it waits for czar 1 \(1 quer`,
		`the query on czar 1 has finished +`, `the drop has ended +`, `run: 2, failed: 0, refused after the mark: 3\.`,
		`What you have seen`,
	})
	for _, absent := range []string{"kvData shows", "kvData has", "plain SQL",
		"SQL has created", "in quarantine:", "in agreement",
		"chunk quer", "worker", "at once"} {
		assert.NotContains(t, stdout.String(), absent)
	}
	clean()
}

func TestDemoStopsEverythingWhenInterrupted(t *testing.T) {
	testkit.Long(t, "it starts the demo once more")
	t.Parallel()
	testkit.RequireMariaDB(t)
	for _, at := range []string{"Start an etcd", "etcd 3", "Mirror it to MySQL", "czar 1, process", "Create a table",
		"Check that", "czar 1 runs a query", "czar 3 sees the mark"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, cli.ExitError, runDemo(t, nil, at).code)
		})
	}
}

func TestDemoKeepRunsOnUntilInterruptedAndSaysHowToConnect(t *testing.T) {
	testkit.Long(t, "it starts the demo once more")
	t.Parallel()
	testkit.RequireMariaDB(t)
	r := runDemo(t, []string{"--keep"}, "/qservCssData' check") // the last of the commands
	require.Equal(t, cli.ExitOK, r.code, r.stderr)
	inOrder(t, r.stdout, append(slices.Clone(demoLines), "until Ctrl-C",
		`etcdctl --endpoints=http://127\.0\.0\.1:\d+ get --prefix /qserv/css/NODES`,
		` --endpoints=\S+ ls /DBS`,
		` --endpoints=\S+ czar`,
		` --endpoints=\S+ table drop meridian_y1\.Detection --delay=2s --wait`,
		`(mariadb|mysql) --no-defaults --user=root --socket=/\S+ qservCssData -e "SELECT`,
		` --mysql-dsn='root@unix\(/\S+\)/qservCssData' check`,
		`Stopping`))
}

// TestDemoRemovesItsFilesAlthoughInterruptedAgain: who is impatient types Ctrl-C twice.
func TestDemoRemovesItsFilesAlthoughInterruptedAgain(t *testing.T) {
	testkit.Long(t, "it starts the demo once more")
	t.Parallel()
	testkit.RequireMariaDB(t)
	r := runDemo(t, []string{"--keep"}, "/qservCssData' check", "Stopping")
	require.Equal(t, cli.ExitOK, r.code, r.stderr)
	assert.Contains(t, r.stderr, "css-lab: stopping what it started, in some seconds;")
}

// TestDemoTellsWhatACzarSaid: one that ends by itself ends the demo.
func TestDemoTellsWhatACzarSaid(t *testing.T) {
	t.Setenv(clitest.AsProgram, "czar")
	czar, err := newDemoCzar("czar 7", "czar", "--endpoints", clitest.Refusing(t))
	require.NoError(t, err)
	_, err = czar.await(t.Context(), func(l czarLine) bool { return l.Ready })
	require.ErrorContains(t, err, "czar 7 ended: exit status 2: css-lab: no connection to etcd")
	require.NoError(t, czar.close())
}

type brokenPipe struct{ lines int }

func (w *brokenPipe) Write(b []byte) (int, error) {
	if w.lines--; w.lines < 0 {
		return 0, os.ErrClosed
	}
	return len(b), nil
}

func TestDemoStopsEverythingWhenNobodyReads(t *testing.T) {
	testkit.Long(t, "it starts the demo once more")
	testkit.RequireMariaDB(t)
	p, _, stderr, clean := demoProgram(t)
	p.Stdout = &brokenPipe{lines: 5}
	assert.Equal(t, cli.ExitError, p.Run(t.Context(), []string{"demo"}))
	assert.Contains(t, stderr.String(), os.ErrClosed.Error())
	clean()
}

func TestQuoteShell(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "a": "a", "/tmp/x.sock": "/tmp/x.sock", "a b": "'a b'", "it's": `'it'\''s'`,
		"root@unix(/s)/db": "'root@unix(/s)/db'",
	} {
		assert.Equal(t, want, quoteShell(text))
	}
}
