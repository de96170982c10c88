package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/form"
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

func jsonOf(t *testing.T, keys map[string]string) string {
	t.Helper()
	data, err := json.Marshal(keys)
	require.NoError(t, err)
	return string(data)
}

// differs runs a diff that must find differences, and returns all that it writes, with FILE for the file.
func differs(c *clitest.CommandLine, file string, args ...string) string {
	c.T.Helper()
	r := c.Run(append([]string{"diff"}, args...)...)
	require.Equal(c.T, cli.ExitDifferences, r.Code, "%v: %s%s", args, r.Stdout, r.Stderr)
	return strings.ReplaceAll(r.Stdout+r.Stderr, file, "FILE")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	c := filled(t)
	file := saved(t, c.OK("dump"))
	before := fmt.Sprint(clitest.JSON[form.Result](c, "put", "/DBS/Plain/note", "one\ntwo").Revision - 1)
	c.Says("no difference: "+file+" has 37 keys and etcd@"+before+" has 37 keys\n", "diff", file, "etcd@"+before)
	c.OK("diff", "file://"+file, "etcd@"+before)
	c.OK("diff etcd etcd")
	c.OK("table set-status LSST.Source DO_NOT_USE")
	c.OK("db drop LSST_2")
	clitest.Golden(t, "diff.txt", differs(c, file, file, "etcd"))
	clitest.Golden(t, "diff-back.txt", differs(c, file, "etcd", file))
	clitest.Golden(t, "diff-revisions.txt", differs(c, file, "etcd@"+before, "etcd"))
	clitest.Golden(t, "diff.json", differs(c, file, file, "etcd", "-w", "json"))
	c.Stdin = c.OK("dump")
	assert.Equal(t, diff.Result{
		A: diff.Side{Source: "etcd", Revision: 14, Keys: 36}, B: diff.Side{Source: "-", Keys: 36}, Equal: true,
		Differences: []diff.Difference{},
	}, clitest.JSON[diff.Result](c, "diff", "etcd", "-"))
}

func TestDiffByMeaning(t *testing.T) {
	t.Parallel()
	c := filled(t)
	plain := clitest.Decode[keys](t, c.OK("dump --unpacked"))
	plain["/PARTITIONING/_0000000001/overlap"] = "0.016670"
	delete(plain, "/DBS/LSST/TABLES/Object/partitioning")
	file := saved(t, jsonOf(t, plain))
	assert.Contains(t, differs(c, file, file, "etcd"), "/NODES/worker-1/.packed.json")
	c.OK("diff", "--meaning", file, "etcd")
	c.OK("node set-state worker-2 ACTIVE")
	c.OK("table set-scan LSST.Source --scan-rating 3")
	clitest.Golden(t, "diff-meaning.txt", differs(c, file, "--meaning", file, "etcd"))
	clitest.Golden(t, "diff-meaning.json", differs(c, file, "--meaning", file, "etcd", "-w", "json"))
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
	v.Write(&out)
	clitest.Golden(t, "diff-far.txt", out.String())
}

// A table that a mirror keeps equals its etcd, also where etcd lacks ancestors.
func TestDiffOfMySQL(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c, maria := onServer(t, server), testkit.MariaDB(t, mariadbd.Options{})
	c.Env["CSS_SYNC_MYSQL_DSN"] = maria.DSN("")
	c.Refuses(cli.ExitError, "read kvData: ", "diff mysql mysql")
	c.OK("node add n")
	plant(c, keys{"/DBS/LSST/TABLES/Object": "READY"})
	c.OK("mirror --once")
	c.Says("no difference: etcd has 6 keys and mysql has 9 keys", "diff etcd mysql")
	c.OK("diff mysql etcd --meaning")
	file := saved(t, c.OK("dump"))
	c.OK("diff", file, "mysql")
	c.OK("diff mysql mysql")
	clitest.Execute(t, maria,
		"UPDATE kvData SET kvVal = 'INACTIVE' WHERE kvKey = '/NODES/n'",
		"DELETE FROM kvData WHERE kvKey = '/DBS/LSST/TABLES/Object'",
		"INSERT INTO kvData (kvKey, kvVal) VALUES ('/DBS/Extra', 'a\nb')",
		`UPDATE kvData SET kvVal = '{"type":"worker", "port":"0.0", "host":""}' WHERE kvKey = '/NODES/n/.packed.json'`)
	clitest.Golden(t, "diff-mysql.txt", differs(c, file, "etcd", "mysql"))
	clitest.Golden(t, "diff-mysql-meaning.txt", differs(c, file, "--meaning", file, "mysql"))
}

func TestWrongUseOfDiff(t *testing.T) {
	t.Parallel()
	c := elsewhere(t)
	bad := saved(t, `{"/DBS/a.b": "READY", "/css_meta/version": "1"}`)
	c.RefusesAll(cli.ExitInvalid, map[string]string{
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
	})
	refused := clitest.Refusing(t)
	c.Refuses(cli.ExitNoConnection, "no connection to etcd: "+refused, "diff", "etcd", "etcd", "--endpoints", refused)
	c.Refuses(cli.ExitNoConnection, "MySQL is not available",
		"diff", "mysql", "mysql", "--mysql-dsn", "root@tcp("+refused+")/")
	e := onEtcd(t)
	e.OK("db create D")
	e.Refuses(cli.ExitError, "load etcd@1000: the revision has not been reached", "diff etcd etcd@1000")
}

// TestDiffOfLongKeys: a long key moves its own line and no other.
func TestDiffOfLongKeys(t *testing.T) {
	t.Parallel()
	c := filled(t)
	file := saved(t, c.OK("dump"))
	c.OK("put", "/long/"+strings.Repeat("k", 240), "value")
	c.OK("db set-status LSST DO_NOT_USE")
	clitest.Golden(t, "diff-long.txt", differs(c, file, file, "etcd"))
}
