package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// fill writes a small catalogue of one thing of each kind.
func fill(c *commandLine) {
	c.t.Helper()
	c.ok("node", "add", "worker-1", "--host", "w1.example.org", "--port", "5012")
	c.ok("node", "add", "worker-2", "--host", "w2.example.org", "--port", "5012", "--state", "INACTIVE")
	c.ok("db", "create", "LSST", "--stripes", "340", "--sub-stripes", "3", "--overlap", "0.01667")
	c.ok("db", "create", "LSST_2", "--like", "LSST")
	c.ok("db", "create", "Plain", "--storage-class", "L1", "--release-status", "PRIVATE")
	c.ok("table", "create", "LSST.Filter", "--schema", "(id INT)")
	c.ok("table", "create", "LSST.Object", "--schema", "(objectId BIGINT, ra DOUBLE, decl DOUBLE)", "--director",
		"--dir-col", "objectId",
		"--lat-col", "decl", "--lon-col", "ra", "--overlap", "0.02", "--sub-chunks", "--scan-rating", "1", "--lock-in-mem")
	c.ok("table", "create", "LSST.Source", "--schema", "(objectId BIGINT)", "--dir-table", "Object", "--dir-col",
		"objectId", "--scan-rating", "2")
	c.ok("table", "create", "LSST.ObjMatch", "--schema", "(a BIGINT, b BIGINT, f INT)", "--status", "DO_NOT_USE",
		"--match-table1", "Object", "--match-col1", "a", "--match-table2", "LSST.Object", "--match-col2", "b",
		"--match-flag", "f", "--ang-sep", "0.001")
}

func TestCatalogueOutput(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	for name, args := range map[string][]string{
		"db-list":          {"db", "list"},
		"db-show":          {"db", "show", "LSST"},
		"db-show-plain":    {"db", "show", "Plain"},
		"table-list":       {"table", "list"},
		"table-list-one":   {"table", "list", "LSST_2"},
		"table-show":       {"table", "show", "LSST.Object"},
		"table-show-plain": {"table", "show", "LSST.Filter"},
		"table-show-match": {"table", "show", "LSST.ObjMatch"},
		"node-list":        {"node", "list"},
		"node-show":        {"node", "show", "worker-1"},
		"get":              {"get", "/DBS/LSST"},
		"ls":               {"ls"},
		"ls-tables":        {"ls", "/DBS/LSST/TABLES/"},
		"ls-recursive":     {"ls", "-r", "/DBS/LSST"},
		"ls-long":          {"ls", "-l", "-r", "/NODES"},
		"dump":             {"dump"},
		"dump-root":        {"dump", "--root", "/NODES/worker-1"},
	} {
		golden(t, name+".txt", c.ok(args...))
		if name != "dump" && name != "dump-root" {
			golden(t, name+".json", c.ok(append(args, "-w", "json")...))
		}
	}
}

func TestWritesTellTheirRevision(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	assert.Regexp(t, `^database LSST created, revision \d+\n$`, c.ok("db", "create", "LSST"))
	assert.Equal(t, "nothing to do: the database LSST exists\n", c.ok("db", "create", "LSST", "--if-not-exists"))
	w := decode[writeResult](t, c.ok("table", "create", "LSST.T", "--schema", "(a INT)", "-w", "json"))
	assert.True(t, w.Changed)
	next := decode[writeResult](t, c.ok("table", "create", "LSST.T", "--schema", "(a INT)", "--if-not-exists", "-w",
		"json"))
	assert.Equal(t, writeResult{0, false}, next)
	later := decode[writeResult](t, c.ok("table", "set-status", "LSST.T", "DO_NOT_USE", "-w", "json"))
	assert.Greater(t, later.Revision, w.Revision)
}

func TestChangesAndTheirConditions(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.ok("db", "set-status", "LSST", "DO_NOT_USE", "--if-status", "READY")
	assert.Contains(t, c.fails(1, "db", "set-status", "LSST", "READY", "--if-status", "READY"),
		`css-sync: set status of database LSST: the status is another one: it is "DO_NOT_USE" and not "READY"`)
	assert.Equal(t, "DO_NOT_USE\n", c.ok("get", "/DBS/LSST"))

	before := decode[tableView](t, c.ok("table", "show", "LSST.Source", "-w", "json"))
	c.ok("table", "set-scan", "LSST.Source", "--scan-rating", "3", "--lock-in-mem")
	c.ok("table", "set-schema", "LSST.Source", "--schema", " (b INT) ; ")
	assert.Contains(t, c.fails(1, "table", "set-status", "LSST.Source", "FAILED:why", "--if-revision",
		fmt.Sprint(before.Modified)),
		"changed since the revision given: it was changed at revision")
	now := decode[tableView](t, c.ok("table", "show", "LSST.Source", "-w", "json"))
	c.ok("table", "set-status", "LSST.Source", "FAILED:why", "--if-revision", fmt.Sprint(now.Modified))
	after := decode[tableView](t, c.ok("table", "show", "LSST.Source", "-w", "json"))
	assert.Equal(t, before.Partitioning, after.Partitioning)
	assert.Equal(t, &sharedScanView{LockInMem: true, Rating: 3}, after.SharedScan)
	assert.Equal(t, "(b INT)", after.Schema)
	assert.EqualValues(t, "FAILED:why", after.Status)

	c.ok("node", "set-state", "worker-2", "ACTIVE", "--if-status", "INACTIVE")
	c.ok("node", "delete", "worker-1")
	c.fails(1, "node", "show", "worker-1")
	c.ok("put", "/DBS/LSST/note", "hello")
	assert.Equal(t, "hello\n", c.ok("get", "/DBS/LSST/note"))
	assert.Regexp(t, `^key /DBS/LSST/note deleted, revision \d+\n$`, c.ok("del", "/DBS/LSST/note", "--if-status", "hello"))
	c.fails(1, "get", "/DBS/LSST/note")
	c.ok("table", "drop", "LSST.Source")
	c.fails(1, "table", "drop", "LSST.Source")
	assert.Contains(t, c.ok("table", "drop", "LSST.Source", "--if-exists"), "nothing to do: there is no table LSST.Source")
	c.ok("db", "drop", "LSST")
	c.fails(1, "table", "list", "LSST")
}

func TestSchemaFromAFileAndFromStandardInput(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	path := filepath.Join(t.TempDir(), "schema")
	require.NoError(t, os.WriteFile(path, []byte("\n(a INT,\n b INT);\n"), 0o600))
	c.ok("table", "create", "D.A", "--schema-file", path)
	c.stdin = "(c INT)"
	c.ok("table", "create", "D.B", "--schema-file", "-")
	assert.Equal(t, "(a INT,\n b INT)", decode[tableView](t, c.ok("table", "show", "D.A", "-w", "json")).Schema)
	assert.Equal(t, "(c INT)", decode[tableView](t, c.ok("table", "show", "D.B", "-w", "json")).Schema)
}

// What is registered below czar/, be it unreadable, keeps removals from happening at once without --force.
func TestRemovalsAskForForceWhileCzarsAreRegistered(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c := onServer(t, server)
	fill(c)
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	_, err = etcd.Put(t.Context(), cssetcd.DefaultPrefix+"/czar/1", "{}")
	require.NoError(t, err)
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "LSST_2"}} {
		assert.Contains(t, c.ok(args...), "is marked to be dropped")
		c.ok(append(args[:1:1], "show", args[2])...)
		assert.Contains(t, c.ok(append(args, "--force")...), "1 czar is registered")
		c.fails(cli.ExitError, append(args[:1:1], "show", args[2])...)
	}
	message := c.fails(cli.ExitError, "del", "/DBS/Plain", "--recursive")
	assert.Contains(t, message, "czars are registered")
	assert.Contains(t, message, "hint: --force")
	c.ok("del", "/DBS/Plain", "--force", "-r")
	message = c.fails(cli.ExitError, "drops", "czars")
	assert.Contains(t, message, "list czars: the registration 1: ", "in one line")
}

// A value that cannot be read must not hide the others, nor pass unnoticed.
func TestListingsGoOnPastWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := startEtcd(t)
	c := onServer(t, server)
	fill(c)
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	for key, value := range map[string]string{
		"/DBS/LSST_2/.packed.json":                          "{half",
		"/DBS/LSST/TABLES/Source/partitioning/.packed.json": `{"overlap":"x"}`,
		"/NODES/worker-1/.packed.json":                      `{"port":"x"}`,
	} {
		_, err := etcd.Put(t.Context(), cssetcd.DefaultPrefix+"/css"+key, value)
		require.NoError(t, err)
	}
	for _, args := range [][]string{{"db", "list"}, {"table", "list"}, {"node", "list"}} {
		r := c.run(args...)
		assert.Equal(t, cli.ExitError, r.code)
		golden(t, "unreadable-"+args[0]+".txt", r.stdout+r.stderr)
		r = c.run(append(args, "-w", "json")...)
		assert.Equal(t, cli.ExitError, r.code)
		assert.Contains(t, r.stdout, `"error": "bad value: /`)
	}
}

func TestEmptyListsAreJSONLists(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	c.ok("db", "drop", "D")
	for _, args := range [][]string{{"db", "list"}, {"table", "list"}, {"node", "list"}, {"ls", "/css_meta/version"}} {
		assert.Equal(t, "[]\n", c.ok(append(args, "-w", "json")...), "%v", args)
	}
}

// TestDelOfASubtree: a key with others below it is not deleted without a word on them.
func TestDelOfASubtree(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	before := c.ok("dump")
	message := c.fails(cli.ExitError, "del", "/DBS")
	assert.Contains(t, message, "delete /DBS: keys lie below it: 26\n")
	assert.Contains(t, message, "hint: --recursive deletes them, too")
	assert.Equal(t, before, c.ok("dump"))
	assert.Regexp(t, `^key /DBS deleted with all below it, 27 keys, revision \d+\n$`, c.ok("del", "/DBS", "-r"))
	v := decode[struct{ Keys, Revision int }](t, c.ok("del", "/NODES", "-r", "-w", "json"))
	assert.Equal(t, 5, v.Keys)
	assert.Positive(t, v.Revision)
}
