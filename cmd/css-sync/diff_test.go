package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// saved writes a file and returns its name.
func saved(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "css.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func asJSON(t *testing.T, keys map[string]string) string {
	t.Helper()
	data, err := json.Marshal(keys)
	require.NoError(t, err)
	return string(data)
}

// differs runs a diff that must find differences, and returns all that it writes, with FILE for the file.
func (c *commandLine) differs(file string, args ...string) string {
	c.t.Helper()
	r := c.run(append([]string{"diff"}, args...)...)
	require.Equal(c.t, cli.ExitDifferences, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	return strings.ReplaceAll(r.stdout+r.stderr, file, "FILE")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	file := saved(t, c.ok("dump"))
	before := itoa(decode[writeResult](t, c.ok("put", "/DBS/Plain/note", "one\ntwo", "-w", "json")).Revision - 1)
	assert.Contains(t, c.ok("diff", file, "etcd@"+before),
		"no difference: "+file+" has 37 keys and etcd@"+before+" has 37 keys\n")
	c.ok("diff", "file://"+file, "etcd@"+before)
	c.ok("diff", "etcd", "etcd")
	c.ok("table", "set-status", "LSST.Source", "DO_NOT_USE")
	c.ok("db", "drop", "LSST_2")
	golden(t, "diff.txt", c.differs(file, file, "etcd"))
	golden(t, "diff-back.txt", c.differs(file, "etcd", file))
	golden(t, "diff-revisions.txt", c.differs(file, "etcd@"+before, "etcd"))
	golden(t, "diff.json", c.differs(file, file, "etcd", "-w", "json"))
	c.stdin = c.ok("dump")
	assert.Equal(t, diff.Result{
		A: diff.Side{Source: "etcd", Revision: 14, Keys: 36}, B: diff.Side{Source: "-", Keys: 36}, Equal: true,
		Differences: []diff.Difference{},
	}, decode[diff.Result](t, c.ok("diff", "etcd", "-", "-w", "json")))
}

func TestDiffByMeaning(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	plain := decode[keys](t, c.ok("dump", "--unpacked"))
	plain["/PARTITIONING/_0000000001/overlap"] = "0.016670"
	delete(plain, "/DBS/LSST/TABLES/Object/partitioning")
	file := saved(t, asJSON(t, plain))
	assert.Contains(t, c.differs(file, file, "etcd"), "/NODES/worker-1/.packed.json")
	c.ok("diff", "--meaning", file, "etcd")
	c.ok("node", "set-state", "worker-2", "ACTIVE")
	c.ok("table", "set-scan", "LSST.Source", "--scan-rating", "3")
	golden(t, "diff-meaning.txt", c.differs(file, "--meaning", file, "etcd"))
	golden(t, "diff-meaning.json", c.differs(file, "--meaning", file, "etcd", "-w", "json"))
}

// A difference that the beginning of a value does not show is shown nevertheless.
func TestFromDifference(t *testing.T) {
	long := strings.Repeat("x", 100)
	v := diff.Result{A: diff.Side{Source: "etcd"}, B: diff.Side{Source: "mysql"}, Differences: []diff.Difference{
		{Kind: "different", Key: "/a", A: new("{} "), B: new("{}")},
		{Kind: "different", Key: "/b", A: new(long + "ä" + long), B: new(long + "ö" + long)},
		{Kind: "different", Key: "/c", A: new(long), B: new(long + " ")},
		{Kind: "different", Key: "/d", A: new("''"), B: new("")},
	}}
	var out strings.Builder
	writeDiff(&out, v)
	golden(t, "diff-far.txt", out.String())
}

// A table that a mirror keeps equals its etcd, also where etcd lacks ancestors.
func TestDiffOfMySQL(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c, maria := onServer(t, server), testkit.MariaDB(t, mariadbd.Options{})
	c.environment["CSS_SYNC_MYSQL_DSN"] = maria.DSN("")
	assert.Contains(t, c.fails(cli.ExitError, "diff", "mysql", "mysql"), "read kvData: ")
	c.ok("node", "add", "n")
	plant(t, server, keys{"/DBS/LSST/TABLES/Object": "READY"})
	c.ok("mirror", "--once")
	assert.Contains(t, c.ok("diff", "etcd", "mysql"), "no difference: etcd has 6 keys and mysql has 9 keys")
	c.ok("diff", "mysql", "etcd", "--meaning")
	file := saved(t, c.ok("dump"))
	c.ok("diff", file, "mysql")
	c.ok("diff", "mysql", "mysql")
	execute(t, maria,
		"UPDATE kvData SET kvVal = 'INACTIVE' WHERE kvKey = '/NODES/n'",
		"DELETE FROM kvData WHERE kvKey = '/DBS/LSST/TABLES/Object'",
		"INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/Extra', 'a\nb')",
		`UPDATE kvData SET kvVal = '{"type":"worker", "port":"0.0", "host":""}' WHERE kvKey = '/NODES/n/.packed.json'`)
	golden(t, "diff-mysql.txt", c.differs(file, "etcd", "mysql"))
	golden(t, "diff-mysql-meaning.txt", c.differs(file, "--meaning", file, "mysql"))
}

func TestWrongUseOfDiff(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	bad := saved(t, `{"/DBS/a.b": "READY", "/css_meta/version": "1"}`)
	for line, want := range map[string]string{
		"diff":                               "diff: A is missing",
		"diff etcd":                          "diff: B is missing",
		"diff a b c":                         `diff: unexpected argument "c"`,
		"diff etcd@ etcd":                    "diff: etcd@: the revision has to be a number above 0",
		"diff etcd@0 etcd":                   "etcd@0: the revision has to be a number above 0",
		"diff etcd etcd@x":                   "etcd@x: the revision has to be a number above 0",
		"diff - -":                           "standard input cannot be both A and B",
		"diff mysql etcd":                    "no MySQL server configured",
		"diff file://a b":                    `"file://a" is not of the form file:///path.json`,
		"diff /nowhere etcd":                 "open /nowhere: no such file or directory",
		"diff " + bad + " etcd":              "css-sync: read dump " + bad + ": key /DBS/a.b",
		"diff etcd etcd@3 --css file:///x":   "etcd@3: --css says that the catalogue is on a file, which has no revisions",
		"diff etcd mysql --mysql-dsn secret": "--mysql-dsn: it is not of the form",
	} {
		assert.Contains(t, c.fails(cli.ExitInvalid, strings.Fields(line)...), want)
	}
	refused := refusing(t)
	assert.Contains(t, c.fails(cli.ExitNoConnection, "diff", "etcd", "etcd", "--endpoints", refused),
		"no connection to etcd: "+refused)
	assert.Contains(t, c.fails(cli.ExitNoConnection, "diff", "mysql", "mysql", "--mysql-dsn", "root@tcp("+refused+")/"),
		"MySQL is not available")
	e := onEtcd(t)
	e.ok("db", "create", "D")
	assert.Contains(t, e.fails(cli.ExitError, "diff", "etcd", "etcd@1000"),
		"load etcd@1000: the revision has not been reached")
}
