package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
)

// TestNoRevision: a number that is no revision is told at once, and not taken for the newest.
func TestNoRevision(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	for _, args := range [][]string{
		{"dump", "--rev", "-5"}, {"dump", "--rev=x"}, {"table", "set-status", "a.b", "READY", "--if-revision", "-5"},
		{"db", "drop", "a", "--if-revision", "-5"},
		{"put", "/a", "b", "--if-revision", "-1"}, {"node", "delete", "n", "--if-revision", "-1"},
	} {
		assert.Contains(t, c.fails(cli.ExitInvalid, args...), "a revision is a number from 0 on", "%v", args)
	}
	for _, side := range []string{"etcd@-5", "etcd@0", "etcd@x"} {
		assert.Contains(t, c.fails(cli.ExitInvalid, "diff", "etcd", side), "the revision has to be a number above 0", side)
	}
	f, _ := onFile(t)
	f.ok("db", "create", "D")
	assert.Contains(t, f.fails(cli.ExitInvalid, "dump", "--rev", "2"), "is on a file, which has no revisions")
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--css", "file:///dev/full"),
		"/dev/full is not a regular file")
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "create", "D", "--css", "file:///dev/full"),
		"/dev/full is not a regular file")
}

// TestLinksStay: --css and dump -o write the file that a link leads to.
func TestLinksStay(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.ok("db", "create", "D")
	link := filepath.Join(filepath.Dir(path), "link")
	require.NoError(t, os.Symlink(filepath.Base(path), link))
	c.ok("db", "create", "E", "--css", "file://"+link)
	assert.Contains(t, c.ok("db", "list"), "E ")
	text := c.ok("dump")
	require.Equal(t, cli.ExitOK, c.run("dump", "-o", link).code)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type())
}

// TestDiffOfLongKeys: a long key moves its own line and no other.
func TestDiffOfLongKeys(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	file := saved(t, c.ok("dump"))
	c.ok("put", "/long/"+strings.Repeat("k", 240), "value")
	c.ok("db", "set-status", "LSST", "DO_NOT_USE")
	golden(t, "diff-long.txt", c.differs(file, file, "etcd"))
}

func TestManyFaults(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for i := range 1234 {
		keys[fmt.Sprintf("/DBS/a.%04d", i)] = "READY"
	}
	file := saved(t, asJSON(t, keys))
	message := elsewhere(t).fails(cli.ExitInvalid, "restore", file, "--css", "file:///nowhere")
	assert.Contains(t, message, "1235 faults:")
	assert.Contains(t, message, "/DBS/a.0099")
	assert.NotContains(t, message, "/DBS/a.0100")
	assert.Contains(t, message, "\n  and 1135 more\n")
}

// TestDumpWarnsOfWhatCannotBeRestored: the dump is written whole, and what restoring it would say is said in time.
func TestDumpWarnsOfWhatCannotBeRestored(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.putRaw("/qserv/css/DBS/odd.db", "READY")
	for _, args := range [][]string{{"dump"}, {"dump", "-o", filepath.Join(t.TempDir(), "css.json")}} {
		r := c.run(args...)
		assert.Equal(t, cli.ExitOK, r.code)
		assert.Contains(t, r.stderr,
			"css-sync: warning: `css-sync restore` would refuse this dump: key /DBS/odd.db: invalid name: database "+
				"\"odd.db\": a dot separates database and table\n")
	}
	file := saved(t, c.run("dump").stdout)
	assert.Contains(t, onEtcd(t).fails(cli.ExitInvalid, "restore", file), "key /DBS/odd.db: ")
	for _, args := range [][]string{{"dump", "--root", "/NODES"}, {"dump", "--unpacked"}} {
		c.ok(args...)
	}
}

// TestWithTablesLeavesOutWhatIsNotReady, and says so.
func TestWithTablesLeavesOutWhatIsNotReady(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.ok("table", "set-status", "LSST.Filter", "PENDING_DROP:now")
	c.ok("table", "set-status", "LSST.Source", "DO_NOT_USE")
	r := c.run("db", "create", "LSST_3", "--like", "LSST", "--with-tables")
	assert.Equal(t, cli.ExitOK, r.code)
	assert.Equal(t, "css-sync: warning: left out, because they are not READY in LSST: Filter (PENDING_DROP:now), "+
		"ObjMatch (DO_NOT_USE), Source (DO_NOT_USE)\n", r.stderr)
	tables := c.ok("table", "list", "LSST_3")
	assert.Contains(t, tables, "Object")
	assert.NotContains(t, tables, "Filter")
	assert.NotContains(t, tables, "Source")
}

// TestMirrorDryRun says what would be done, and that nothing was.
func TestMirrorDryRun(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	fill(c)
	golden(t, "mirror-dry-run.txt", c.ok("mirror", "--dry-run"))
	assert.Contains(t, c.fails(cli.ExitError, "check"), "no mirror has written here yet")
	c.ok("mirror", "--once")
	golden(t, "mirror-dry-run-again.txt", c.ok("mirror", "--once", "--dry-run"))
	golden(t, "mirror-dry-run.json", c.ok("mirror", "--dry-run", "-w", "json"))
	for _, db := range []string{"LSST", "LSST_2", "Plain"} {
		c.ok("db", "drop", db)
	}
	assert.Contains(t, c.fails(cli.ExitError, "mirror", "--dry-run"), "--allow-mass-delete")
	assert.Contains(t, c.ok("mirror", "--dry-run", "--allow-mass-delete"), "would show")
	assert.Contains(t, c.fails(cli.ExitInvalid, "mirror"), "say --once, or --dry-run")
}

// TestConditionalDrops: what is dropped may be asked to be as it was seen.
func TestConditionalDrops(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.ok("node", "add", "spare")
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "Plain"},
		{"node", "delete", "spare"}} {
		assert.Contains(t, c.fails(cli.ExitError, append(args, "--if-status", "FAILED:")...), "the status is another one",
			"%v", args)
		assert.Contains(t, c.fails(cli.ExitError, append(args, "--if-revision", "1")...), "changed since the revision given",
			"%v", args)
	}
	c.ok("table", "drop", "LSST.Source", "--if-status", "READY")
	c.ok("db", "drop", "Plain", "--if-status", "READY")
	c.ok("node", "delete", "spare", "--if-status", "ACTIVE")
}
