package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

// onFile returns a command line whose environment names a file that is not there yet.
func onFile(t *testing.T) (c *commandLine, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "css.json")
	return &commandLine{t: t, environment: map[string]string{"CSS_SYNC_CSS": "file://" + path}}, path
}

// Whatever is done gives the same catalogue on a file as in etcd.
func TestCatalogueOnAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	fill(c)
	e := onEtcd(t)
	fill(e)
	for _, c := range []*commandLine{c, e} {
		c.ok("chunk", "add", "LSST.Object", "57", "worker-1")
		c.ok("node", "set-state", "worker-2", "ACTIVE")
		c.ok("table", "set-status", "LSST.ObjMatch", "READY")
		c.ok("db", "create", "LSST_3", "--like", "LSST", "--with-tables")
		c.ok("table", "drop", "LSST.Filter")
		c.ok("put", "/DBS/Plain/note", "hello")
		c.ok("put", "/DBS/Plain/other", "hello")
		c.ok("del", "/DBS/Plain/other")
	}
	text := e.ok("dump")
	for _, args := range [][]string{
		{"dump"}, {"dump", "--unpacked"}, {"db", "list"}, {"db", "families"}, {"table", "list"}, {"node", "list"},
		{"chunk", "list", "LSST.Object"}, {"chunk", "show", "LSST.Object", "57"}, {"get", "/DBS/Plain/note"}, {"ls", "-r"},
	} {
		assert.Equal(t, e.ok(args...), c.ok(args...), "%v", args)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, text, string(data))

	other, _ := onFile(t)
	assert.Contains(t, other.ok("restore", path, "--dry-run"), "would restore")
	assert.Contains(t, other.ok("restore", path), "restored")
	assert.Equal(t, text, other.ok("dump"))
	assert.Contains(t, other.ok("diff", path, "etcd"), "no difference")
	back := onEtcd(t)
	back.ok("restore", path)
	assert.Equal(t, text, back.ok("dump"))
}

func TestStatusOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	r := c.run("status", "-w", "json")
	assert.Equal(t, cli.ExitInvalid, r.code)
	assert.Equal(t, &status.File{Error: "open " + path + ": no such file or directory", Path: path},
		decode[status.Status](t, r.stdout).File)
	assert.Contains(t, c.run("status").stdout, "no such file")
	fill(c)
	v := c.status()
	assert.Equal(t, &status.File{OK: true, Path: path}, v.File)
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	assert.False(t, v.Etcd.OK)
	assert.Contains(t, c.ok("status"), "catalogue:  version 1: 3 databases, 4 tables, 0 chunks, 2 nodes, 37 keys\n")
}

// A writer keeps other writers out for as long as it has the file, and no reader.
func TestOneWriterOnAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.ok("db", "create", "D")
	writer, err := cssetcd.OpenFile(path)
	require.NoError(t, err)
	assert.Equal(t, "css-sync: open "+path+": another process has it open for writing\n",
		c.fails(cli.ExitError, "db", "create", "E"))
	assert.Contains(t, c.ok("db", "list"), "D ")
	require.NoError(t, writer.Close())
	c.ok("db", "create", "E")
	c.ok("db", "create", "F")
}

func TestReadersOfAFileLeaveNothing(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.ok("db", "create", "D")
	require.NoError(t, os.Remove(path+".lock"))
	c.ok("db", "list")
	c.ok("dump")
	c.ok("ls", "-r")
	found, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, found, 1)
}

func TestWrongUseOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	c.environment["CSS_SYNC_MYSQL_DSN"] = "a@/b"
	for name, args := range map[string][]string{
		"serve": {}, "mirror": {"--once"}, "check": {}, "watch": {},
	} {
		assert.Contains(t, c.fails(cli.ExitInvalid, append([]string{name}, args...)...),
			name+": it works on etcd only, and CSS_SYNC_CSS says that the catalogue is on a file")
	}
	assert.Equal(t, "css-sync: open "+path+": no such file or directory\nhint: the first `css-sync db create` or "+
		"`css-sync restore` makes it\n",
		c.fails(cli.ExitInvalid, "db", "list"))
	assert.Contains(t, c.fails(cli.ExitInvalid, "table", "create", "D.T", "--schema", "(a INT)"), "there is no CSS here")
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--css", "file://"+filepath.Dir(path)), "is a directory")
	nowhere := filepath.Join(path, "css.json")
	assert.Equal(t, "css-sync: open "+nowhere+": no such file or directory\n",
		c.fails(cli.ExitInvalid, "db", "create", "D", "--css", "file://"+nowhere))
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--css", path),
		`--css "`+path+`" is not of the form file:///path.json`)
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--css", "file://css.json"), "is not of the form")
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--prefix", "/x"), "--prefix is for etcd")
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list", "--endpoints", "e:1", "--css", "file://"+path),
		"--css names a file and --endpoints an etcd")
	assert.Contains(t, c.fails(cli.ExitInvalid, "status", "--css", path), "is not of the form")

	require.NoError(t, os.WriteFile(path, []byte(`{"/DBS/a.b": "READY"}`), 0o600))
	message := c.fails(cli.ExitInvalid, "db", "list")
	assert.Contains(t, message, "a dot separates")
	assert.Contains(t, message, "version is missing")
}

// The command line goes before the environment, and two variables that contradict each other are refused.
func TestFileAndEtcdInTheEnvironment(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	f, path := onFile(t)
	f.ok("db", "create", "OnFile")
	assert.Contains(t, c.ok("db", "list", "--css", "file://"+path), "OnFile")
	assert.NotContains(t, c.ok("node", "add", "n"), "OnFile")
	c.environment["CSS_SYNC_CSS"] = "file://" + path
	assert.Contains(t, c.fails(cli.ExitInvalid, "db", "list"),
		"CSS_SYNC_CSS names a file and CSS_SYNC_ENDPOINTS an etcd; give one of them")
	assert.NotContains(t, c.ok("db", "list", "--endpoints", c.environment["CSS_SYNC_ENDPOINTS"]), "OnFile")
}
