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
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

func TestCatalogueOutput(t *testing.T) {
	t.Parallel()
	c := filled(t)
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
		clitest.Golden(t, name+".txt", c.Ok(args...))
		if name != "dump" && name != "dump-root" {
			clitest.Golden(t, name+".json", c.Ok(append(args, "-w", "json")...))
		}
	}
}

func TestWritesTellTheirRevision(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	assert.Regexp(t, `^database LSST created, revision \d+\n$`, c.Ok("db create LSST"))
	assert.Equal(t, "nothing to do: the database LSST exists\n", c.Ok("db create LSST --if-not-exists"))
	w := clitest.JSON[writeResult](c, "table", "create", "LSST.T", "--schema", "(a INT)")
	assert.True(t, w.Changed)
	next := clitest.JSON[writeResult](c, "table", "create", "LSST.T", "--schema", "(a INT)", "--if-not-exists")
	assert.Equal(t, writeResult{0, false}, next)
	later := clitest.JSON[writeResult](c, "table", "set-status", "LSST.T", "DO_NOT_USE")
	assert.Greater(t, later.Revision, w.Revision)
}

func TestChangesAndTheirConditions(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Ok("db set-status LSST DO_NOT_USE --if-status READY")
	c.Refuses(1, `css-sync: set status of database LSST: the status is another one: it is "DO_NOT_USE" and not "READY"`,
		"db set-status LSST READY --if-status READY")
	assert.Equal(t, "DO_NOT_USE\n", c.Ok("get /DBS/LSST"))

	before := clitest.JSON[tableView](c, "table", "show", "LSST.Source")
	c.Ok("table set-scan LSST.Source --scan-rating 3 --lock-in-mem")
	c.Ok("table", "set-schema", "LSST.Source", "--schema", " (b INT) ; ")
	c.Refuses(1, "changed since the revision given: it was changed at revision",
		"table", "set-status", "LSST.Source", "FAILED:why", "--if-revision", fmt.Sprint(before.Modified))
	now := clitest.JSON[tableView](c, "table", "show", "LSST.Source")
	c.Ok("table", "set-status", "LSST.Source", "FAILED:why", "--if-revision", fmt.Sprint(now.Modified))
	after := clitest.JSON[tableView](c, "table", "show", "LSST.Source")
	assert.Equal(t, before.Partitioning, after.Partitioning)
	assert.Equal(t, &sharedScanView{LockInMem: true, Rating: 3}, after.SharedScan)
	assert.Equal(t, "(b INT)", after.Schema)
	assert.EqualValues(t, "FAILED:why", after.Status)

	c.Ok("node set-state worker-2 ACTIVE --if-status INACTIVE")
	c.Ok("node delete worker-1")
	c.Fails(1, "node show worker-1")
	c.Ok("put /DBS/LSST/note hello")
	assert.Equal(t, "hello\n", c.Ok("get /DBS/LSST/note"))
	assert.Regexp(t, `^key /DBS/LSST/note deleted, revision \d+\n$`, c.Ok("del /DBS/LSST/note --if-status hello"))
	c.Fails(1, "get /DBS/LSST/note")
	c.Ok("table drop LSST.Source")
	c.Fails(1, "table drop LSST.Source")
	c.Says("nothing to do: there is no table LSST.Source", "table drop LSST.Source --if-exists")
	c.Ok("db drop LSST")
	c.Fails(1, "table list LSST")
}

func TestSchemaFromAFileAndFromStandardInput(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create D")
	path := filepath.Join(t.TempDir(), "schema")
	require.NoError(t, os.WriteFile(path, []byte("\n(a INT,\n b INT);\n"), 0o600))
	c.Ok("table", "create", "D.A", "--schema-file", path)
	c.Stdin = "(c INT)"
	c.Ok("table create D.B --schema-file -")
	assert.Equal(t, "(a INT,\n b INT)", clitest.JSON[tableView](c, "table", "show", "D.A").Schema)
	assert.Equal(t, "(c INT)", clitest.JSON[tableView](c, "table", "show", "D.B").Schema)
}

// What is registered below czar/, be it unreadable, keeps removals from happening at once without --force.
func TestRemovalsAskForForceWhileCzarsAreRegistered(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	clitest.Fill(c.Ok)
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	_, err = etcd.Put(t.Context(), cssetcd.DefaultPrefix+"/czar/1", "{}")
	require.NoError(t, err)
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "LSST_2"}} {
		c.Says("is marked to be dropped", args...)
		c.Ok(append(args[:1:1], "show", args[2])...)
		c.Says("1 czar is registered", append(args, "--force")...)
		c.Fails(cli.ExitError, append(args[:1:1], "show", args[2])...)
	}
	message := c.Fails(cli.ExitError, "del /DBS/Plain --recursive")
	assert.Contains(t, message, "czars are registered")
	assert.Contains(t, message, "hint: --force")
	c.Ok("del /DBS/Plain --force -r")
	message = c.Fails(cli.ExitError, "drops czars")
	assert.Contains(t, message, "list czars: the registration 1: ", "in one line")
}

// A value that cannot be read must not hide the others, nor pass unnoticed.
func TestListingsGoOnPastWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	clitest.Fill(c.Ok)
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
		r := c.Run(args...)
		assert.Equal(t, cli.ExitError, r.Code)
		clitest.Golden(t, "unreadable-"+args[0]+".txt", r.Stdout+r.Stderr)
		r = c.Run(append(args, "-w", "json")...)
		assert.Equal(t, cli.ExitError, r.Code)
		assert.Contains(t, r.Stdout, `"error": "bad value: /`)
	}
}

func TestEmptyListsAreJSONLists(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create D")
	c.Ok("db drop D")
	for _, args := range [][]string{{"db", "list"}, {"table", "list"}, {"node", "list"}, {"ls", "/css_meta/version"}} {
		assert.Equal(t, "[]\n", c.Ok(append(args, "-w", "json")...), "%v", args)
	}
}

// TestDelOfASubtree: a key with others below it is not deleted without a word on them.
func TestDelOfASubtree(t *testing.T) {
	t.Parallel()
	c := filled(t)
	before := c.Ok("dump")
	message := c.Fails(cli.ExitError, "del /DBS")
	assert.Contains(t, message, "delete /DBS: keys lie below it: 26\n")
	assert.Contains(t, message, "hint: --recursive deletes them, too")
	assert.Equal(t, before, c.Ok("dump"))
	assert.Regexp(t, `^key /DBS deleted with all below it, 27 keys, revision \d+\n$`, c.Ok("del /DBS -r"))
	v := clitest.JSON[struct{ Keys, Revision int }](c, "del", "/NODES", "-r")
	assert.Equal(t, 5, v.Keys)
	assert.Positive(t, v.Revision)
}
