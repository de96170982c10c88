package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// onFile returns a command line whose environment names a file that is not there yet.
func onFile(t *testing.T) (c *clitest.CommandLine, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "css.json")
	return tested.In(t, map[string]string{"CSS_SYNC_CSS": "file://" + path}), path
}

// Whatever is done gives the same catalogue on a file as in etcd.
func TestCatalogueOnAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	clitest.Fill(c.OK)
	e := onEtcd(t)
	clitest.Fill(e.OK)
	for _, c := range []*clitest.CommandLine{c, e} {
		c.OK("chunk add LSST.Object 57 worker-1")
		c.OK("node set-state worker-2 ACTIVE")
		c.OK("table set-status LSST.ObjMatch READY")
		c.OK("db create LSST_3 --like LSST --with-tables")
		c.OK("table drop LSST.Filter")
		c.OK("put /DBS/Plain/note hello")
		c.OK("put /DBS/Plain/other hello")
		c.OK("del /DBS/Plain/other")
	}
	text := e.OK("dump")
	for _, args := range [][]string{
		{"dump"}, {"dump", "--unpacked"}, {"db", "list"}, {"db", "families"}, {"table", "list"}, {"node", "list"},
		{"chunk", "list", "LSST.Object"}, {"chunk", "show", "LSST.Object", "57"}, {"get", "/DBS/Plain/note"}, {"ls", "-r"},
	} {
		assert.Equal(t, e.OK(args...), c.OK(args...), "%v", args)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))

	other, _ := onFile(t)
	other.Says("would restore", "restore", path, "--dry-run")
	other.Says("restored", "restore", path)
	assert.Equal(t, text, other.OK("dump"))
	other.Says("no difference", "diff", path, "etcd")
	back := onEtcd(t)
	back.OK("restore", path)
	assert.Equal(t, text, back.OK("dump"))
}

// A writer keeps other writers out for as long as it has the file, and no reader.
func TestOneWriterOnAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.OK("db create D")
	writer, err := cssetcd.OpenFile(path)
	require.NoError(t, err)
	assert.Equal(t, "css-sync: open "+path+": another process has it open for writing\n",
		c.Fails(cli.ExitError, "db create E"))
	c.Says("D ", "db list")
	require.NoError(t, writer.Close())
	c.OK("db create E")
	c.OK("db create F")
}

func TestReadersOfAFileLeaveNothing(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.OK("db create D")
	require.NoError(t, os.Remove(path+".lock"))
	c.OK("db list")
	c.OK("dump")
	c.OK("ls -r")
	found, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestWrongUseOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.Env["CSS_SYNC_MYSQL_DSN"] = "a@/b"
	for name, args := range map[string][]string{
		"serve": {}, "mirror": {"--once"}, "check": {}, "watch": {}, "log": {},
	} {
		c.Refuses(cli.ExitInvalid, name+": it works on etcd only, and CSS_SYNC_CSS says that the catalogue is on a file",
			append([]string{name}, args...)...)
	}
	assert.Equal(t, "css-sync: open "+path+": no such file or directory\nhint: the first `css-sync db create` or "+
		"`css-sync restore` makes it\n",
		c.Fails(cli.ExitInvalid, "db list"))
	c.Refuses(cli.ExitInvalid, "there is no CSS here", "table", "create", "D.T", "--schema", "(a INT)")
	c.Refuses(cli.ExitInvalid, "is a directory", "db", "list", "--css", "file://"+filepath.Dir(path))
	nowhere := filepath.Join(path, "css.json")
	assert.Equal(t, "css-sync: open "+nowhere+": no such file or directory\n",
		c.Fails(cli.ExitInvalid, "db", "create", "D", "--css", "file://"+nowhere))
	c.Refuses(cli.ExitInvalid, `--css "`+path+`" is not of the form file:///path.json`, "db", "list", "--css", path)
	c.Refuses(cli.ExitInvalid, "is not of the form", "db list --css file://css.json")
	c.Refuses(cli.ExitInvalid, "--prefix is for etcd", "db list --prefix /x")
	c.Refuses(cli.ExitInvalid, "--css names a file and --endpoints an etcd",
		"db", "list", "--endpoints", "e:1", "--css", "file://"+path)
	c.Refuses(cli.ExitInvalid, "is not of the form", "status", "--css", path)

	require.NoError(t, os.WriteFile(path, []byte(`{"/DBS/a.b": "READY"}`), 0o600))
	c.Refuses(cli.ExitInvalid, "a dot separates ... version is missing", "db list")
}

// The command line goes before the environment, and two variables that contradict each other are refused.
func TestFileAndEtcdInTheEnvironment(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	f, path := onFile(t)
	f.OK("db create OnFile")
	c.Says("OnFile", "db", "list", "--css", "file://"+path)
	assert.NotContains(t, c.OK("node add n"), "OnFile")
	c.Env["CSS_SYNC_CSS"] = "file://" + path
	c.Refuses(cli.ExitInvalid, "CSS_SYNC_CSS names a file and CSS_SYNC_ENDPOINTS an etcd; give one of them", "db list")
	assert.NotContains(t, c.OK("db", "list", "--endpoints", c.Env["CSS_SYNC_ENDPOINTS"]), "OnFile")
}

// TestLinksStay: --css and dump -o write the file that a link leads to.
func TestLinksStay(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.OK("db create D")
	link := filepath.Join(filepath.Dir(path), "link")
	require.NoError(t, os.Symlink(filepath.Base(path), link))
	c.OK("db", "create", "E", "--css", "file://"+link)
	c.Says("E ", "db list")
	text := c.OK("dump")
	require.Equal(t, cli.ExitOK, c.Run("dump", "-o", link).Code)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.Equal(t, os.ModeSymlink, info.Mode().Type())
}
