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
	"github.com/qserv/css-etcd/internal/status"
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
	clitest.Fill(c.Ok)
	e := onEtcd(t)
	clitest.Fill(e.Ok)
	for _, c := range []*clitest.CommandLine{c, e} {
		c.Ok("chunk add LSST.Object 57 worker-1")
		c.Ok("node set-state worker-2 ACTIVE")
		c.Ok("table set-status LSST.ObjMatch READY")
		c.Ok("db create LSST_3 --like LSST --with-tables")
		c.Ok("table drop LSST.Filter")
		c.Ok("put /DBS/Plain/note hello")
		c.Ok("put /DBS/Plain/other hello")
		c.Ok("del /DBS/Plain/other")
	}
	text := e.Ok("dump")
	for _, args := range [][]string{
		{"dump"}, {"dump", "--unpacked"}, {"db", "list"}, {"db", "families"}, {"table", "list"}, {"node", "list"},
		{"chunk", "list", "LSST.Object"}, {"chunk", "show", "LSST.Object", "57"}, {"get", "/DBS/Plain/note"}, {"ls", "-r"},
	} {
		assert.Equal(t, e.Ok(args...), c.Ok(args...), "%v", args)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))

	other, _ := onFile(t)
	other.Says("would restore", "restore", path, "--dry-run")
	other.Says("restored", "restore", path)
	assert.Equal(t, text, other.Ok("dump"))
	other.Says("no difference", "diff", path, "etcd")
	back := onEtcd(t)
	back.Ok("restore", path)
	assert.Equal(t, text, back.Ok("dump"))
}

func TestStatusOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	r := c.Run("status -w json")
	assert.Equal(t, cli.ExitInvalid, r.Code)
	assert.Equal(t, &status.File{Error: "open " + path + ": no such file or directory", Path: path},
		clitest.Decode[status.Status](t, r.Stdout).File)
	assert.Contains(t, c.Run("status").Stdout, "no such file")
	clitest.Fill(c.Ok)
	v := statusOf(c)
	assert.Equal(t, &status.File{OK: true, Path: path}, v.File)
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	assert.False(t, v.Etcd.OK)
	c.Says("catalogue:  version 1: 3 databases, 4 tables, 0 chunks, 2 nodes, 37 keys\n", "status")
}

// A writer keeps other writers out for as long as it has the file, and no reader.
func TestOneWriterOnAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.Ok("db create D")
	writer, err := cssetcd.OpenFile(path)
	require.NoError(t, err)
	assert.Equal(t, "css-sync: open "+path+": another process has it open for writing\n",
		c.Fails(cli.ExitError, "db create E"))
	c.Says("D ", "db list")
	require.NoError(t, writer.Close())
	c.Ok("db create E")
	c.Ok("db create F")
}

func TestReadersOfAFileLeaveNothing(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.Ok("db create D")
	require.NoError(t, os.Remove(path+".lock"))
	c.Ok("db list")
	c.Ok("dump")
	c.Ok("ls -r")
	found, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestWrongUseOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.Env["CSS_SYNC_MYSQL_DSN"] = "a@/b"
	for name, args := range map[string][]string{
		"serve": {}, "mirror": {"--once"}, "check": {}, "watch": {},
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
	message := c.Fails(cli.ExitInvalid, "db list")
	assert.Contains(t, message, "a dot separates")
	assert.Contains(t, message, "version is missing")
}

// The command line goes before the environment, and two variables that contradict each other are refused.
func TestFileAndEtcdInTheEnvironment(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	f, path := onFile(t)
	f.Ok("db create OnFile")
	c.Says("OnFile", "db", "list", "--css", "file://"+path)
	assert.NotContains(t, c.Ok("node add n"), "OnFile")
	c.Env["CSS_SYNC_CSS"] = "file://" + path
	c.Refuses(cli.ExitInvalid, "CSS_SYNC_CSS names a file and CSS_SYNC_ENDPOINTS an etcd; give one of them", "db list")
	assert.NotContains(t, c.Ok("db", "list", "--endpoints", c.Env["CSS_SYNC_ENDPOINTS"]), "OnFile")
}
