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
	"github.com/qserv/css-etcd/internal/cli/clitest"
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
		c.Refuses(cli.ExitInvalid, "a revision is a number from 0 on", args...)
	}
	for _, side := range []string{"etcd@-5", "etcd@0", "etcd@x"} {
		c.Refuses(cli.ExitInvalid, "the revision has to be a number above 0", "diff", "etcd", side)
	}
	f, _ := onFile(t)
	f.Ok("db create D")
	f.Refuses(cli.ExitInvalid, "is on a file, which has no revisions", "dump --rev 2")
}

func TestWhatIsNoFile(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	c.Refuses(cli.ExitInvalid, "/dev/full is not a regular file", "db list --css file:///dev/full")
	c.Refuses(cli.ExitInvalid, "/dev/full is not a regular file", "db create D --css file:///dev/full")
}

// TestLinksStay: --css and dump -o write the file that a link leads to.
func TestLinksStay(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.Ok("db create D")
	link := filepath.Join(filepath.Dir(path), "link")
	require.NoError(t, os.Symlink(filepath.Base(path), link))
	c.Ok("db", "create", "E", "--css", "file://"+link)
	c.Says("E ", "db list")
	text := c.Ok("dump")
	require.Equal(t, cli.ExitOK, c.Run("dump", "-o", link).Code)
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
	c := filled(t)
	file := saved(t, c.Ok("dump"))
	c.Ok("put", "/long/"+strings.Repeat("k", 240), "value")
	c.Ok("db set-status LSST DO_NOT_USE")
	clitest.Golden(t, "diff-long.txt", differs(c, file, file, "etcd"))
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
	putRaw(c, "/qserv/css/DBS/odd.db", "READY")
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
		c.Ok(args...)
	}
}

// TestWithTablesLeavesOutWhatIsNotReady, and says so.
func TestWithTablesLeavesOutWhatIsNotReady(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Ok("table set-status LSST.Filter PENDING_DROP:now")
	c.Ok("table set-status LSST.Source DO_NOT_USE")
	r := c.Run("db create LSST_3 --like LSST --with-tables")
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Equal(t, "css-sync: warning: left out, because they are not READY in LSST: Filter (PENDING_DROP:now), "+
		"ObjMatch (DO_NOT_USE), Source (DO_NOT_USE)\n", r.Stderr)
	tables := c.Ok("table list LSST_3")
	assert.Contains(t, tables, "Object")
	assert.NotContains(t, tables, "Filter")
	assert.NotContains(t, tables, "Source")
}

// TestMirrorDryRun says what would be done, and that nothing was.
func TestMirrorDryRun(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.Ok)
	c.Golden("mirror-dry-run", "mirror --dry-run")
	c.Refuses(cli.ExitError, "no mirror has written here yet", "check")
	c.Ok("mirror --once")
	c.Golden("mirror-dry-run-again", "mirror --once --dry-run")
	clitest.Golden(t, "mirror-dry-run.json", c.Ok("mirror --dry-run -w json"))
	for _, db := range []string{"LSST", "LSST_2", "Plain"} {
		c.Ok("db", "drop", db)
	}
	c.Refuses(cli.ExitError, "--allow-mass-delete", "mirror --dry-run")
	c.Says("would show", "mirror --dry-run --allow-mass-delete")
	c.Refuses(cli.ExitInvalid, "say --once, or --dry-run", "mirror")
}

// TestConditionalDrops: what is dropped may be asked to be as it was seen.
func TestConditionalDrops(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Ok("node add spare")
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "Plain"},
		{"node", "delete", "spare"}} {
		c.Refuses(cli.ExitError, "the status is another one", append(args, "--if-status", "FAILED:")...)
		c.Refuses(cli.ExitError, "changed since the revision given", append(args, "--if-revision", "1")...)
	}
	c.Ok("table drop LSST.Source --if-status READY")
	c.Ok("db drop Plain --if-status READY")
	c.Ok("node delete spare --if-status ACTIVE")
}
