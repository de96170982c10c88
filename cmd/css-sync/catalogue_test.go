package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/diff"
	"github.com/qserv/css-etcd/internal/form"
)

func TestCatalogueOutput(t *testing.T) {
	t.Parallel()
	c := filled(t)
	for name, line := range map[string]string{
		"db-list":          "db list",
		"db-show":          "db show LSST",
		"db-show-plain":    "db show Plain",
		"table-list":       "table list",
		"table-list-one":   "table list LSST_2",
		"table-show":       "table show LSST.Object",
		"table-show-plain": "table show LSST.Filter",
		"table-show-match": "table show LSST.ObjMatch",
		"node-list":        "node list",
		"node-show":        "node show worker-1",
		"get":              "get /DBS/LSST",
		"ls":               "ls",
		"ls-tables":        "ls /DBS/LSST/TABLES/",
		"ls-recursive":     "ls -r /DBS/LSST",
		"ls-long":          "ls -l -r /NODES",
	} {
		c.Goldens(name, line)
	}
	c.Golden("dump", "dump")
	c.Golden("dump-root", "dump --root /NODES/worker-1")
}

func TestWritesTellTheirRevision(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	assert.Regexp(t, `^database LSST created, revision \d+\n$`, c.OK("db create LSST"))
	assert.Equal(t, "nothing to do: the database LSST exists\n", c.OK("db create LSST --if-not-exists"))
	w := clitest.JSON[form.Result](c, "table", "create", "LSST.T", "--schema", "(a INT)")
	assert.True(t, w.Changed)
	next := clitest.JSON[form.Result](c, "table", "create", "LSST.T", "--schema", "(a INT)", "--if-not-exists")
	assert.Equal(t, form.Result{}, next)
	later := clitest.JSON[form.Result](c, "table", "set-status", "LSST.T", "DO_NOT_USE")
	assert.Greater(t, later.Revision, w.Revision)
}

func TestChangesAndTheirConditions(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("db set-status LSST DO_NOT_USE --if-status READY")
	c.Refuses(1, `css-sync: set status of database LSST: the status is another one: it is "DO_NOT_USE" and not "READY"`,
		"db set-status LSST READY --if-status READY")
	assert.Equal(t, "DO_NOT_USE\n", c.OK("get /DBS/LSST"))

	before := clitest.JSON[form.Table](c, "table", "show", "LSST.Source")
	c.OK("table set-scan LSST.Source --scan-rating 3 --lock-in-mem")
	c.OK("table", "set-schema", "LSST.Source", "--schema", " (b INT) ; ")
	c.Refuses(1, "changed since the revision given: it was changed at revision",
		"table", "set-status", "LSST.Source", "FAILED:why", "--if-revision", fmt.Sprint(before.Modified))
	now := clitest.JSON[form.Table](c, "table", "show", "LSST.Source")
	c.OK("table", "set-status", "LSST.Source", "FAILED:why", "--if-revision", fmt.Sprint(now.Modified))
	after := clitest.JSON[form.Table](c, "table", "show", "LSST.Source")
	assert.Equal(t, before.Partitioning, after.Partitioning)
	assert.Equal(t, &form.SharedScan{LockInMem: true, Rating: 3}, after.SharedScan)
	assert.Equal(t, "(b INT)", after.Schema)
	assert.EqualValues(t, "FAILED:why", after.Status)

	c.OK("node set-state worker-2 ACTIVE --if-status INACTIVE")
	c.OK("node delete worker-1")
	c.Fails(1, "node show worker-1")
	c.OK("put /DBS/LSST/note hello")
	assert.Equal(t, "hello\n", c.OK("get /DBS/LSST/note"))
	assert.Regexp(t, `^key /DBS/LSST/note deleted, revision \d+\n$`, c.OK("del /DBS/LSST/note --if-status hello"))
	c.Fails(1, "get /DBS/LSST/note")
	c.OK("table drop LSST.Source")
	c.Fails(1, "table drop LSST.Source")
	c.Says("nothing to do: there is no table LSST.Source", "table drop LSST.Source --if-exists")
	c.OK("db drop LSST")
	c.Fails(1, "table list LSST")
}

func TestSchemaFromAFileAndFromStandardInput(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	path := filepath.Join(t.TempDir(), "schema")
	require.NoError(t, os.WriteFile(path, []byte("\n(a INT,\n b INT);\n"), 0o600))
	c.OK("table", "create", "D.A", "--schema-file", path)
	c.Stdin = "(c INT)"
	c.OK("table create D.B --schema-file -")
	assert.Equal(t, "(a INT,\n b INT)", clitest.JSON[form.Table](c, "table", "show", "D.A").Schema)
	assert.Equal(t, "(c INT)", clitest.JSON[form.Table](c, "table", "show", "D.B").Schema)
}

// What is registered below czar/, be it unreadable, keeps removals from happening at once without --force.
func TestRemovalsAskForForceWhileCzarsAreRegistered(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Put(cssetcd.DefaultPrefix+"/czar/1", "{}")
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "LSST_2"}} {
		c.Says("is marked to be dropped", args...)
		c.OK(append(args[:1:1], "show", args[2])...)
		c.Says("1 czar is registered", append(args, "--force")...)
		c.Fails(cli.ExitError, append(args[:1:1], "show", args[2])...)
	}
	c.Refuses(cli.ExitError, "czars are registered ... hint: --force", "del /DBS/Plain --recursive")
	c.OK("del /DBS/Plain --force -r")
	c.Refuses(cli.ExitError, "list czars: the registration 1: ", "drops czars")
}

// A value that cannot be read must not hide the others, nor pass unnoticed.
func TestListingsGoOnPastWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := filled(t)
	plant(c, keys{
		"/DBS/LSST_2/.packed.json":                          "{half",
		"/DBS/LSST/TABLES/Source/partitioning/.packed.json": `{"overlap":"x"}`,
		"/NODES/worker-1/.packed.json":                      `{"port":"x"}`,
	})
	for _, noun := range []string{"db", "table", "node"} {
		c.GoldenOf(cli.ExitError, "unreadable-"+noun+".txt", noun, "list")
		r := c.Run(noun, "list", "-w", "json")
		assert.Equal(t, cli.ExitError, r.Code)
		assert.Contains(t, r.Stdout, `"error": "bad value: /`)
	}
}

func TestEmptyListsAreJSONLists(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	c.OK("db drop D")
	for _, args := range [][]string{{"db", "list"}, {"table", "list"}, {"node", "list"}, {"ls", "/css_meta/version"}} {
		assert.Equal(t, "[]\n", c.OK(append(args, "-w", "json")...), "%v", args)
	}
}

// TestDelOfASubtree: a key with others below it is not deleted without a word on them.
func TestDelOfASubtree(t *testing.T) {
	t.Parallel()
	c := filled(t)
	before := c.OK("dump")
	c.Refuses(cli.ExitError, "delete /DBS: keys lie below it: 26\n ... hint: --recursive deletes them, too", "del /DBS")
	assert.Equal(t, before, c.OK("dump"))
	c.Refuses(cli.ExitError, "keys lie below it: 26, and standard input is no terminal ... hint: --yes deletes",
		"del /DBS -r")
	assert.Equal(t, before, c.OK("dump"))
	c.OK("put /few/1/2/3/4/5/6/7/8/9 x")
	c.Says("key /few deleted with all below it, 10 keys", "del /few -r")
	assert.Regexp(t, `^key /DBS deleted with all below it, 27 keys, revision \d+\n$`, c.OK("del /DBS -r --yes"))
	v := clitest.JSON[struct{ Keys, Revision int }](c, "del", "/NODES", "-r")
	assert.Equal(t, 5, v.Keys)
	assert.Positive(t, v.Revision)
}

func TestDatabaseWithTablesAndFamilies(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("table set-status LSST.ObjMatch READY")
	c.Golden("db-create-with-tables", "db create LSST_3 --like LSST --with-tables")
	c.Goldens("db-create-again", "db create LSST_3 --like LSST --with-tables")
	c.Goldens("db-families", "db families")

	made := clitest.JSON[form.TableDetails](c, "table", "show", "LSST_3.Source")
	assert.Equal(t, "LSST_3", made.Partitioning.DirDB)
	assert.Equal(t, "READY\n", c.OK("get /DBS/LSST_3"))

	// A creation that was interrupted is continued.
	c.OK("db set-status LSST_3 DO_NOT_USE")
	c.OK("table drop LSST_3.Source")
	c.Says("database LSST_3 created with 4 tables like those of LSST", "db create LSST_3 --like LSST --with-tables")
	c.OK("table drop LSST_3.Source")
	c.Refuses(cli.ExitError, "database exists", "db create LSST_3 --like LSST --with-tables")
	c.Refuses(cli.ExitError, "like Nothing: no such database", "db create X --like Nothing --with-tables")
	c.OK("table", "set-schema", "LSST_3.Filter", "--schema", "(other INT)")
	c.Refuses(cli.ExitError, "table exists: with another /DBS/LSST_3/TABLES/Filter/schema",
		"db create LSST_3 --like LSST --with-tables")
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	c.OK("table", "create", "D.T", "--schema",
		"(`id` BIGINT NOT NULL, `a b` CHAR(3) DEFAULT ',', PRIMARY KEY (`id`)) ENGINE=MyISAM")
	c.OK("table", "create", "D.Like", "--schema", "(LIKE D.T)")
	c.Goldens("table-show-columns", "table show D.T")
	c.Goldens("table-show-like", "table show D.Like")
}

// A table that no czar can query is refused, and named by whoever finds it: when it is shown, restored or compared.
func TestUnqueryable(t *testing.T) {
	t.Parallel()
	c := filled(t)
	child := []string{"table", "create", "LSST.Forced", "--schema", "(objectId BIGINT)", "--dir-table", "None",
		"--dir-col", "objectId"}
	const why = "its director LSST.None is not there"
	message := c.Fails(cli.ExitInvalid, child...)
	assert.Contains(t, message, "create table LSST.Forced: no czar can query it: "+why+"\n")
	assert.Contains(t, message, "--allow-unqueryable creates it nevertheless")
	before := saved(t, c.OK("dump"))
	c.OK(append(child, "--allow-unqueryable")...)
	assert.Regexp(t, `(?m)^no czar can query it: +`+why+`$`, c.OK("table show LSST.Forced"))
	assert.Equal(t, why, clitest.JSON[form.TableDetails](c, "table", "show", "LSST.Forced").Unqueryable)
	assert.NotContains(t, c.OK("table show LSST.Source"), "no czar")

	r := c.Run("db create LSST_3 --like LSST --with-tables")
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Contains(t, r.Stderr, "warning: LSST.Forced, and so is its copy: no czar can query it: "+why+"\n")
	c.Refuses(cli.ExitInvalid, "LSST.object_5 and LSST.Object: workers keep the chunks of the second",
		"table", "create", "LSST.object_5", "--schema", "(a INT)", "--allow-unqueryable")
	c.OK("put /DBS/LSST/TABLES/object_5 READY") // past the rule
	after := saved(t, c.OK("dump"))
	const forced = ": LSST.Forced: no czar can query it: " + why + "\n"
	assert.Contains(t, differs(c, before, before, "etcd"), "in etcd"+forced)
	c.Says("in both"+forced, "diff", after, "etcd")
	c.Says("in both: LSST.object_5: ", "diff", after, "etcd")
	assert.Len(t, clitest.JSON[diff.Result](c, "diff", after, "etcd").A.Unqueryable, 3)

	empty := onEtcd(t)
	r = empty.Run("restore", after)
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Contains(t, r.Stderr, "warning"+forced)
	assert.Equal(t, 3, strings.Count(r.Stderr, "warning: LSST"), r.Stderr)
	assert.Equal(t, c.OK("dump"), empty.OK("dump"))
}

// TestWithTablesLeavesOutWhatIsNotReady, and says so.
func TestWithTablesLeavesOutWhatIsNotReady(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("table set-status LSST.Filter PENDING_DROP:now")
	c.OK("table set-status LSST.Source DO_NOT_USE")
	r := c.Run("db create LSST_3 --like LSST --with-tables")
	assert.Equal(t, cli.ExitOK, r.Code)
	assert.Equal(t, "css-sync: warning: left out, because they are not READY in LSST: Filter (PENDING_DROP:now), "+
		"ObjMatch (DO_NOT_USE), Source (DO_NOT_USE)\n", r.Stderr)
	tables := c.OK("table list LSST_3")
	assert.Contains(t, tables, "Object")
	assert.NotContains(t, tables, "Filter")
	assert.NotContains(t, tables, "Source")
}

// TestConditionalDrops: what is dropped may be asked to be as it was seen.
func TestConditionalDrops(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("node add spare")
	for _, args := range [][]string{{"table", "drop", "LSST.Source"}, {"db", "drop", "Plain"},
		{"node", "delete", "spare"}} {
		c.Refuses(cli.ExitError, "the status is another one", append(args, "--if-status", "FAILED:")...)
		c.Refuses(cli.ExitError, "changed since the revision given", append(args, "--if-revision", "1")...)
	}
	c.OK("table drop LSST.Source --if-status READY")
	c.OK("db drop Plain --if-status READY")
	c.OK("node delete spare --if-status ACTIVE")
}
