package main

import (
	"path"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
)

func TestUnpacked(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Goldens("get-unpacked", "get --unpacked /NODES/worker-1/host")
	c.Goldens("ls-unpacked", "ls --unpacked /DBS/LSST")
	c.Goldens("ls-unpacked-long", "ls --unpacked -l /NODES/worker-1")
	c.Goldens("ls-unpacked-recursive", "ls --unpacked -r /DBS/LSST/TABLES/Object")
	c.Golden("dump-unpacked", "dump --unpacked")
	assert.Equal(t, "READY\n", c.OK("get --unpacked /DBS/LSST"), "a plain key is what it is")
	assert.Empty(t, c.OK("ls --unpacked /NODES/worker-1/host"), "there is nothing below a member")
	assert.Equal(t, "{\n}\n", c.OK("dump --unpacked --root /NODES/worker-1/host"))
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
func plant(c *clitest.CommandLine, keys map[string]string) {
	c.T.Helper()
	for key, value := range keys {
		c.Put(cssetcd.DefaultPrefix+"/css"+key, value)
	}
}

// What cannot be read is shown as it is, and named.
func TestUnpackedNamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := filled(t)
	plant(c, odd)
	c.GoldenOf(cli.ExitError, "unreadable-packed.txt", "dump --unpacked --root /NODES")
	c.Refuses(cli.ExitError, "cannot read 3 packed keys:\n  /DBS/LSST/TABLES/.packed.json: ", "ls --unpacked")
	c.Refuses(cli.ExitError, "cannot read packed key /NODES/half/.packed.json: not JSON",
		"get --unpacked /NODES/half/host")
	assert.Equal(t, "1\n", c.OK("get --unpacked /NODES/plain/port"))
	assert.Equal(t, "plain\n", c.OK("get --unpacked /NODES/plain/host"))
}

// What --meaning takes packed keys for is what readers of the catalogue do.
func TestMeaningIsWhatIsRead(t *testing.T) {
	t.Parallel()
	c := filled(t)
	plant(c, odd)
	written := clitest.Decode[keys](t, c.Run("dump").Stdout)
	read := clitest.Decode[keys](t, c.Run("dump --unpacked").Stdout)
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
	c.OK("db create D")
	c.OK("put", "/DBS/D/note", "a/b\"\\\b\f\n\r\t\x01\x1f\x7f<&>\u2028ü")
	c.OK("del /DBS/D/.packed.json")
	assert.Equal(t, c.OK("dump"), c.OK("dump --unpacked"), "where nothing is packed")
}
