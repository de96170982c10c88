package main

import (
	"path"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/embedetcd"
)

func TestUnpacked(t *testing.T) {
	t.Parallel()
	c := filled(t)
	for name, args := range map[string][]string{
		"get-unpacked":          {"get", "--unpacked", "/NODES/worker-1/host"},
		"ls-unpacked":           {"ls", "--unpacked", "/DBS/LSST"},
		"ls-unpacked-long":      {"ls", "--unpacked", "-l", "/NODES/worker-1"},
		"ls-unpacked-recursive": {"ls", "--unpacked", "-r", "/DBS/LSST/TABLES/Object"},
	} {
		c.Goldens(name, args...)
	}
	c.Golden("dump-unpacked", "dump --unpacked")
	assert.Equal(t, "READY\n", c.Ok("get --unpacked /DBS/LSST"), "a plain key is what it is")
	assert.Empty(t, c.Ok("ls --unpacked /NODES/worker-1/host"), "there is nothing below a member")
	assert.Equal(t, "{\n}\n", c.Ok("dump --unpacked --root /NODES/worker-1/host"))
	for _, args := range [][]string{
		{"get", "/NODES/worker-1/host"}, {"ls", "/NODES/worker-1/host"}, {"dump", "--root", "/NODES/worker-1/host"},
		{"get", "--unpacked", "/NODES/worker-1/hosts"}, {"ls", "--unpacked", "/NODES/worker-1/hosts"},
	} {
		c.Refuses(cli.ExitError, "no such key", args...)
	}
	c.Refuses(cli.ExitInvalid, "must begin with a slash", "get --unpacked NODES")
}

// odd are values of packed keys that Qserv never writes.
var odd = map[string]string{
	"/NODES/half/.packed.json":       `{"host":`,
	"/NODES/surrogate/.packed.json":  `{"host":"\ud800"}`,
	"/NODES/twice/.packed.json":      `{"host":"1","host":"2","nested":{"a":1},"nested":"2"}`,
	"/NODES/scalars/.packed.json":    `{"a":null,"b":true,"c":1e3,"d":[1],"e":"\u0001\n\"\\\/"}`,
	"/NODES/list/.packed.json":       `["host"]`,
	"/NODES/text/.packed.json":       `"host"`,
	"/NODES/blank/.packed.json":      " ",
	"/NODES/names/.packed.json":      `{"":"1","a/b":"2",".packed.json":"3","ü b":"4"}`,
	"/NODES/plain/.packed.json":      `{"host":"packed","port":"1"}`,
	"/NODES/plain/host":              "plain",
	"/DBS/LSST/TABLES/.packed.json":  "x",
	"/NODES/worker-1/a b\u2028\x7f":  "\u2028\x1f\x7f",
	"/NODES/worker-1/c/.packed.json": `{"d":"deep"}`,
}

// plant puts keys into etcd past all rules.
func plant(t *testing.T, server *embedetcd.Server, keys map[string]string) {
	t.Helper()
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	for key, value := range keys {
		_, err := etcd.Put(t.Context(), cssetcd.DefaultPrefix+"/css"+key, value)
		require.NoError(t, err)
	}
}

// What cannot be read is shown as it is, and named.
func TestUnpackedNamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	clitest.Fill(c.Ok)
	plant(t, server, odd)
	r := c.Run("dump --unpacked --root /NODES")
	assert.Equal(t, cli.ExitError, r.Code)
	clitest.Golden(t, "unreadable-packed.txt", r.Stdout+r.Stderr)
	c.Refuses(cli.ExitError, "cannot read 3 packed keys:\n  /DBS/LSST/TABLES/.packed.json: ", "ls --unpacked")
	c.Refuses(cli.ExitError, "cannot read packed key /NODES/half/.packed.json: not JSON",
		"get --unpacked /NODES/half/host")
	assert.Equal(t, "1\n", c.Ok("get --unpacked /NODES/plain/port"))
	assert.Equal(t, "plain\n", c.Ok("get --unpacked /NODES/plain/host"))
}

// What --meaning takes packed keys for is what readers of the catalogue do.
func TestMeaningIsWhatIsRead(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	clitest.Fill(c.Ok)
	plant(t, server, odd)
	written, read := clitest.Decode[keys](t, c.Run("dump").Stdout), clitest.Decode[keys](t, c.Run("dump --unpacked").Stdout)
	for key := range written {
		if _, ok := read[path.Dir(key)]; !ok && path.Dir(key) != "/" {
			read[path.Dir(key)] = ""
		}
	}
	assert.Equal(t, diff.Meaning(read), diff.Meaning(written))
}

func TestUnpackedDumpHasTheFormOfADump(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create D")
	c.Ok("put", "/DBS/D/note", "a/b\"\\\b\f\n\r\t\x01\x1f\x7f<&>\u2028ü")
	c.Ok("del /DBS/D/.packed.json")
	assert.Equal(t, c.Ok("dump"), c.Ok("dump --unpacked"), "where nothing is packed")
}
