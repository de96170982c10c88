package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/status"
)

// dumped writes a dump of a small catalogue and returns its file.
func dumped(t *testing.T) (file, text string) {
	t.Helper()
	c := filled(t)
	file = filepath.Join(t.TempDir(), "css.json")
	r := c.Run("dump", "-o", file)
	require.Equal(t, cli.ExitOK, r.Code, r.Stderr)
	assert.Regexp(t, `^css-sync: .*/css.json holds the catalogue at revision \d+\n$`, r.Stderr)
	assert.Empty(t, r.Stdout)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, c.OK("dump"), string(data))
	return file, string(data)
}

func TestDumpAndRestore(t *testing.T) {
	t.Parallel()
	file, text := dumped(t)
	c := onEtcd(t)
	c.Says("the dump has 3 databases, 4 tables and 2 nodes in 37 keys\nwould restore 37 keys",
		"restore", file, "--dry-run")
	c.Refuses(cli.ExitInvalid, "there is no CSS here", "dump")
	c.Golden("restore", "restore", file)
	assert.Equal(t, text, c.OK("dump"))

	c.Goldens("restore-again", "restore", file)

	c.OK("db create Other")
	c.Refuses(cli.ExitError, "not empty ... hint: --overwrite", "restore", file)
	c.Stdin = text
	c.Says("would remove 37 keys", "restore - --overwrite --dry-run")
	c.Says("removed 37 keys that were there before", "restore - --overwrite")
	assert.Equal(t, text, c.OK("dump"))
}

// A restore that is cut off is made good by running it again.
func TestRestoreIsContinued(t *testing.T) {
	t.Parallel()
	file, text := dumped(t)
	c := onEtcd(t)
	c.OK("db create D")
	c.OK("db drop D")
	c.OK("put /NODES/worker-1 ACTIVE") // as a restore begins
	c.Says("; the other 5 were there, revision ", "restore", file)
	assert.Equal(t, text, c.OK("dump"))
}

func TestRestoreListsAllFaults(t *testing.T) {
	t.Parallel()
	_, text := dumped(t)
	c := onEtcd(t)
	tests := map[string]struct {
		dump  string
		wants []string
	}{
		"half a file": {text[:len(text)/2], []string{"the JSON ends in the middle"}},
		"empty":       {"", []string{"the JSON ends in the middle"}},
		"a list":      {"[]", []string{"not a JSON object"}},
		"no JSON":     {"DBS", []string{"not JSON"}},
		"several": {
			`{"/css_meta/version":"1","/DBS/lsst":"READY","/DBS/LSST":"READY","x":"y","/DBS/a.b":"READY"}`,
			[]string{"3 faults", "differ in case only", `"x"`, "a dot separates"},
		},
		"another version": {`{"/css_meta/version":"2"}`, []string{`version "2"`}},
		"no version":      {`{}`, []string{"/css_meta/version is missing"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := tested.In(t, c.Env)
			c.Stdin = test.dump
			message := c.Fails(cli.ExitInvalid, "restore -")
			for _, want := range test.wants {
				assert.Contains(t, message, want)
			}
			assert.NotContains(t, message, "--prefix")
		})
	}
}

func TestRestoreOfPendingDrops(t *testing.T) {
	t.Parallel()
	_, text := dumped(t)
	c := onEtcd(t)
	c.Stdin = strings.Replace(text, `"\/DBS\/Plain": "READY"`, `"\/DBS\/Plain": "PENDING_DROP:2026-01-01T00:00:00"`, 1)
	c.Refuses(cli.ExitInvalid, "/DBS/Plain ... hint: --with-pending-drops", "restore -")
	c.OK("restore - --with-pending-drops")
	assert.Equal(t, "PENDING_DROP:2026-01-01T00:00:00\n", c.OK("get /DBS/Plain"))
}

func TestDumpOfAnOldRevision(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	at := clitest.JSON[form.Result](c, "db", "create", "First").Revision
	c.OK("db create Second")
	assert.NotContains(t, c.OK("dump", "--rev", fmt.Sprint(at)), "Second")
	c.Refuses(cli.ExitError, "the revision has not been reached", "dump --rev 99999")
	c.Refuses(cli.ExitError, "/DBS/Third: no such key", "dump --root /DBS/Third")
}

func TestWriteFileLeavesTheOldOneAlone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(name, []byte("old"), 0o600))
	boom := errors.New("boom")
	require.ErrorIs(t, cli.WriteFile(name, func(w io.Writer) error { _, _ = io.WriteString(w, "ne"); return boom }), boom)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")

	require.NoError(t, cli.WriteFile(name, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }))
	data, err = os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, "new", string(data))
	require.EqualError(t, cli.WriteFile("/nowhere/f", func(io.Writer) error { return nil }),
		"open /nowhere/f: no such file or directory")
	require.NoError(t, cli.WriteFile(os.DevNull, func(w io.Writer) error {
		_,
			err := io.WriteString(w, "new")
		return err
	}), "a device is no file to replace")
	info, err := os.Stat(os.DevNull)
	require.NoError(t, err)
	assert.False(t, info.Mode().IsRegular())
}

func TestWatch(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, some := c.Start(ctx, "watch"), c.Start(ctx, "watch /DBS/D -w json")
	all.Await("watching / from revision")
	some.Await("watching /DBS/D/ from revision")

	c.OK("db set-status D DO_NOT_USE")
	c.OK("db create D2")
	all.Await(`changed  /DBS/D = "DO_NOT_USE", was "READY"`)
	all.Await(`created  /DBS/D2 = "READY"`)
	c.OK("table", "create", "D.T", "--schema", "(a INT)")
	some.Await(`"key":"/DBS/D/TABLES/T/schema","old":null,"new":"(a INT)"}`)
	c.OK("db drop D")
	all.Await("deleted  /DBS/D/TABLES/T/schema")
	some.Await(`"key":"/DBS/D","old":"DO_NOT_USE","new":null}`)
	cancel()
	assert.Equal(t, cli.ExitOK, all.Wait(), "to be interrupted is how it ends")
	some.Ends()
	assert.NotContains(t, some.String(), "/DBS/D2", "a sibling is not below")
	for line := range strings.Lines(some.String()) {
		if strings.HasPrefix(line, "{") {
			assert.Positive(t, clitest.Decode[form.Change](t, line).Revision)
		}
	}
}

func TestInterruptedCommandSaysSo(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := c.RunContext(ctx, "db create D")
	assert.Equal(t, cli.ExitError, r.Code)
	assert.Equal(t, "css-sync: interrupted\n", r.Stderr)
	c.Fails(cli.ExitInvalid, "db list") // nothing was made
}

// TestReadingAPipeThatNobodyWritesEnds: with its context, whatever command reads it.
func TestReadingAPipeThatNobodyWritesEnds(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	t.Cleanup(func() { // whoever still waits comes to an end, and nobody begins
		w, err := os.OpenFile(pipe, os.O_RDWR, 0)
		require.NoError(t, err)
		require.NoError(t, os.Remove(pipe))
		require.NoError(t, w.Close())
	})
	c := onEtcd(t)
	for _, args := range [][]string{{"restore", pipe}, {"diff", pipe, "etcd"},
		{"diff", saved(t, `{"/css_meta/version":"1"}`), pipe}} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan clitest.Result, 1)
		go func() { ended <- c.RunContext(ctx, args...) }()
		cancel()
		select {
		case r := <-ended:
			assert.Equal(t, "css-sync: interrupted\n", r.Stderr, args)
		case <-time.After(clitest.Patience):
			t.Fatalf("%v goes on", args)
		}
	}
}

// The real thing: a restore that is killed in the middle, and run again.
func TestKilledRestoreIsMadeGood(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	var dump strings.Builder
	dump.WriteString(`{"/css_meta":"","/css_meta/version":"1","/DBS":"","/DBS/Big":"READY","/DBS/Big/TABLES":""`)
	for i := range 400 {
		fmt.Fprintf(&dump, `,"/DBS/Big/TABLES/T%d":"READY","/DBS/Big/TABLES/T%d/schema":"(a INT)","/DBS/Big/TABLES/T%d/CHUNKS":""`, i, i, i)
		for chunk := range 60 {
			fmt.Fprintf(&dump, `,"/DBS/Big/TABLES/T%d/CHUNKS/%d":""`, i, chunk)
		}
	}
	file := filepath.Join(t.TempDir(), "big.json")
	require.NoError(t, os.WriteFile(file, []byte(dump.String()+"}"), 0o600))

	keys := func() int {
		r := c.Run("status -w json")
		if v := clitest.Decode[status.Status](t, r.Stdout); v.Catalogue != nil {
			return v.Catalogue.Keys
		}
		return 0
	}
	restore := c.Process("restore", file)
	clitest.Await(t, func() bool { return keys() > 500 }, restore)
	require.NoError(t, restore.Cmd.Process.Kill())
	restore.Wait()
	there := keys()
	require.Less(t, there, 25000, "it was killed too late to show anything")
	assert.NotEqual(t, "READY\n", c.Run("get /DBS/Big").Stdout, "half a database must not be usable")

	c.Says("were there, revision ", "restore", file)
	assert.Equal(t, "READY\n", c.OK("get /DBS/Big"))
	assert.Equal(t, 25205, keys())
	c.Says("nothing has to be restored", "restore", file)
}

// TestDumpOnAFullDisk: one fault is told once, with the name of the file that was asked for, and leaves nothing.
func TestDumpOnAFullDisk(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	c.OK("put", "/DBS/D/note", strings.Repeat("x", 60_000))
	dir := t.TempDir()
	cmd := exec.Command("bash", "-c", `ulimit -f 4 && exec "$0" dump -o "$1"`, os.Args[0], filepath.Join(dir, "css.json"))
	cmd.Env = append(os.Environ(), clitest.AsProgram+"=1", "CSS_SYNC_ENDPOINTS="+c.Env["CSS_SYNC_ENDPOINTS"],
		"CSS_SYNC_DIAL_TIMEOUT=20s")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, cli.ExitError, cmd.ProcessState.ExitCode())
	if testing.CoverMode() != "" { // what the runtime writes of its own files, which are too large as well
		out, _, _ = bytes.Cut(out, []byte("error: coverage "))
	}
	assert.Equal(t, "css-sync: write "+filepath.Join(dir, "css.json")+": file too large\n", string(out))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestManyFaults(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for i := range 1234 {
		keys[fmt.Sprintf("/DBS/a.%04d", i)] = "READY"
	}
	file := saved(t, jsonOf(t, keys))
	message := elsewhere(t).Fails(cli.ExitInvalid, "restore", file, "--css", "file:///nowhere")
	assert.Contains(t, message, "1235 faults:")
	assert.Contains(t, message, "/DBS/a.0099")
	assert.NotContains(t, message, "/DBS/a.0100")
	assert.Contains(t, message, "\n  and 1135 more\n")
}

// TestDumpWarnsOfWhatCannotBeRestored: the dump is written whole, and what restoring it would say is said in time.
func TestDumpWarnsOfWhatCannotBeRestored(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Put("/qserv/css/DBS/odd.db", "READY")
	for _, args := range [][]string{{"dump"}, {"dump", "-o", filepath.Join(t.TempDir(), "css.json")}} {
		r := c.Run(args...)
		assert.Equal(t, cli.ExitOK, r.Code)
		assert.Contains(t, r.Stderr,
			"css-sync: warning: `css-sync restore` would refuse this dump: key /DBS/odd.db: invalid name: database "+
				"\"odd.db\": a dot separates database and table\n")
	}
	file := saved(t, c.Run("dump").Stdout)
	onEtcd(t).Refuses(cli.ExitInvalid, "key /DBS/odd.db: ", "restore", file)
	for _, args := range [][]string{{"dump", "--root", "/NODES"}, {"dump", "--unpacked"}} {
		c.OK(args...)
	}
}
