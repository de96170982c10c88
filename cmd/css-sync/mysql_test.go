package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

func TestMirrorOnceAndCheck(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	c.Refuses(cli.ExitError, "no mirror has written here yet", "check")
	clitest.Fill(c.OK)
	c.Golden("mirror-once", "mirror --once")
	c.Goldens("mirror-again", "mirror --once")
	c.Goldens("check", "check")

	clitest.Execute(t, server,
		"UPDATE kvData SET kvVal = 'DO_NOT_USE' WHERE kvKey = '/DBS/LSST'",
		"DELETE FROM kvData WHERE kvKey = '/DBS/Plain/.packed.json'",
		"INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '/DBS/Extra', 'a\nb', kvId FROM kvData WHERE kvKey = '/DBS'",
		"UPDATE kvData SET parentKvId = 1 WHERE kvKey = '/NODES/worker-1'")
	c.GoldenOf(cli.ExitDifferences, "check-differences.txt", "check")
	v := clitest.JSONOf[report.Comparison](c, cli.ExitDifferences, "check")
	assert.False(t, v.InAgreement)
	kinds := map[string]string{}
	for _, d := range v.Differences {
		kinds[d.Key] = d.Kind
	}
	assert.Equal(t, map[string]string{
		"/DBS/LSST": "value", "/DBS/Plain/.packed.json": "missing", "/DBS/Extra": "extra", "/NODES/worker-1": "parent",
	}, kinds)
	assert.Len(t, printedSQL(c), 4)
	repaired := c.Run("check --repair")
	assert.Equal(t, cli.ExitOK, repaired.Code, repaired.Stderr)
	assert.Contains(t, repaired.Stdout, "extra        /DBS/Extra")
	assert.Contains(t, repaired.Stdout, "1 inserted, 2 updated, 1 deleted")
	assert.Contains(t, repaired.Stderr, `key=/DBS/LSST difference=value found=DO_NOT_USE mirrored=READY`)
	c.Says("no difference", "check --repair")
	assert.Contains(t, c.Run("status").Stdout, "4 changes by others on record in css_mirror_foreign")

	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'it''s\\\\ \n' WHERE kvKey = '/DBS/LSST'")
	sql := printedSQL(c)
	require.Len(t, sql, 1)
	clitest.Execute(t, server, sql...)
	c.OK("check")
	assert.Empty(t, c.OK("check --print-sql"))
	c.Refuses(cli.ExitInvalid, "give one of", "check --repair --print-sql")
}

// printedSQL returns the statements that undo differences, which there must be.
func printedSQL(c *clitest.CommandLine) []string {
	c.T.Helper()
	printed := c.Run("check --print-sql")
	require.Equal(c.T, cli.ExitDifferences, printed.Code, printed.Stderr)
	return strings.Split(strings.TrimSpace(printed.Stdout), "\n")
}

// TestGrants: what is printed is enough, and a user without it is told what it lacks.
func TestGrants(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	run := func(database, statements string) {
		config := server.Config(database)
		config.MultiStatements = true
		connector, err := mysql.NewConnector(config)
		require.NoError(t, err)
		db := sql.OpenDB(connector)
		defer db.Close()
		_, err = db.ExecContext(t.Context(), statements)
		require.NoError(t, err, statements)
	}
	run("", "CREATE DATABASE qservCssData; CREATE USER narrow@localhost")
	as := strings.Replace(server.DSN("qservCssData"), "root@", "narrow@", 1)
	run("qservCssData", c.OK("grants --user narrow@localhost --read-only"))
	c.Refuses(cli.ExitError, "css-sync grants", "mirror", "--once", "--mysql-dsn", as)
	run("qservCssData", c.OK("grants --user narrow@localhost --no-create"))
	c.OK("mirror", "--once", "--mysql-dsn", as)
	c.OK("check", "--mysql-dsn", as)
	clitest.Execute(t, server, "REVOKE ALL ON qservCssData.css_mirror_empty FROM narrow@localhost")
	c.OK("mirror", "--once", "--mysql-dsn", as) // no empty chunks are known
	c.OK("check", "--mysql-dsn", as)
	c.OK("chunk empty set LSST 1-3")
	c.Refuses(cli.ExitError, "and the tables of empty chunks do not: ", "mirror", "--once", "--mysql-dsn", as)
	c.Refuses(cli.ExitDifferences, "the empty chunks of 1 database", "check", "--mysql-dsn", as)
	c.OK("chunk empty forget LSST")
	clitest.Execute(t, server, "REVOKE UPDATE ON qservCssData.kvData FROM narrow@localhost")
	c.Refuses(cli.ExitError, "it lacks UPDATE on kvData;", "mirror", "--once", "--mysql-dsn", as)
	run("qservCssData", c.OK("grants --user narrow@localhost"))
	c.OK("mirror", "--once", "--mysql-dsn", as)
	c.Says("ON `qservCssData`.* TO 'css-sync'@'%';", "grants")

	c.OK("chunk empty set LSST 1-3")
	c.OK("mirror", "--once", "--mysql-dsn", as)
	clitest.Execute(t, server, "INSERT INTO LSST_EmptyChunks VALUES (9)")
	c.OK("chunk empty forget LSST")
	r := c.Run("mirror", "--once", "--mysql-dsn", as)
	assert.Equal(t, cli.ExitError, r.Code)
	assert.Contains(t, r.Stderr, "`css-sync grants --remove-empty-chunks` prints what that needs")
	assert.Contains(t, r.Stdout, "kvData shows revision", "what was done is told, too")
}

// TestSeveralServers are mirrored to by one daemon, each under its own name; one that is down holds up no other.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	c, first := onBoth(t)
	second := testkit.MariaDB(t, mariadbd.Options{})
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	clitest.Fill(c.OK)
	both := []string{"--mysql-dsn", first.DSN(""), "--mysql-dsn", second.DSN("")}
	with := func(args ...string) []string { return append(args, both...) }
	c.Refuses(cli.ExitInvalid, "2 MySQL servers and 1 mirror name", with("serve")...)
	c.Refuses(cli.ExitInvalid, "given twice", with("serve", "--mirror-name", "a", "--mirror-name", "a")...)
	c.Refuses(cli.ExitInvalid, "2 MySQL servers are given, and this command takes one", with("check")...)
	serve := c.Process(with("serve", "--mirror-name", "a", "--mirror-name", "b", "--session-ttl", "2s")...)
	serve.AwaitN(`msg="mirror follows etcd"`, 2)
	mirrors := func() []status.Mirror {
		r := c.Run(append([]string{"status", "-w", "json"}, both...)...)
		return clitest.Decode[status.Status](t, r.Stdout).Mirrors
	}
	clitest.Await(t, func() bool { return *mirrors()[0].LagRevisions+*mirrors()[1].LagRevisions == 0 })
	assert.Equal(t, []string{"a", "b"}, []string{mirrors()[0].Name, mirrors()[1].Name})
	require.NoError(t, second.Kill())
	c.OK("db create Later")
	c.OK("check", "--mysql-dsn", first.DSN(""), "--mirror-name", "a")
	clitest.Await(t, func() bool { return c.Run("check", "--mysql-dsn", first.DSN("")).Code == cli.ExitOK })
	clitest.Await(t, func() bool { return slices.Contains(troubles(statusOf(c)), mirror.MySQLUnavailable) })
	require.NoError(t, second.Restart(t.Context()))
	clitest.Await(t, func() bool {
		m := mirrors()
		return m[1].OK && len(m[0].Troubles)+len(m[1].Troubles) == 0 && *m[1].LagRevisions == 0
	})
	serve.Stop()
}

func TestCheckListsWhatMySQLCannotHold(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.OK("db create D")
	c.OK("put /DBS/D/note a")
	c.OK("put /DBS/D/NOTE b")
	c.Says("1 key cannot be shown there; `css-sync check` says which", "mirror --once")
	c.Says("no difference ... 1 key that kvData cannot hold:", "check")
	v := clitest.JSON[report.Comparison](c, "check")
	require.Len(t, v.Quarantined, 1)
	assert.Equal(t, "/DBS/D/NOTE", v.Quarantined[0].Key)
	assert.Equal(t, "key_collision", v.Quarantined[0].Reason)
}

func TestMirrorRefusesAnotherCatalogueAndMassDeletion(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("mirror --once")
	other := onEtcd(t)
	other.Env["CSS_SYNC_MYSQL_DSN"] = server.DSN(cli.DefaultDatabase)
	other.OK("node add n")
	other.Refuses(cli.ExitError, "--adopt", "mirror --once")
	other.Refuses(cli.ExitError, "the table mirrors another catalogue", "check")
	other.Refuses(cli.ExitError, "--allow-mass-delete", "mirror --once --adopt")
	other.OK("mirror --once --adopt --allow-mass-delete")
	other.OK("check")
}

func TestWaysToSayWhereMySQLIs(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	c.OK("db create D")
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	dir := t.TempDir()
	dsn, czar := filepath.Join(dir, "dsn"), filepath.Join(dir, "qserv-czar.cnf")
	require.NoError(t, os.WriteFile(dsn, []byte(server.DSN("qservCssData")+"\n"), 0o600))
	require.NoError(t, os.WriteFile(czar, fmt.Appendf(nil, "[css]\ntechnology = mysql\nusername = root\nsocket = %s\n",
		server.Socket()), 0o600))
	c.OK("mirror", "--once", "--mysql-dsn", server.DSN(""))
	c.OK("check", "--mysql-dsn-file", dsn)
	c.OK("check", "--czar-config", czar)
	c.Env["CSS_SYNC_CZAR_CONFIG"] = czar
	c.OK("check")
	c.Env["CSS_SYNC_CZAR_CONFIG"] = "/nowhere"
	c.OK("check", "--mysql-dsn-file", dsn) // the command line before the environment
}

func TestParseURL(t *testing.T) {
	c, err := cli.ParseDSN("mysql://qsmaster:p%40ss@czar-db/qservCssData")
	require.NoError(t, err)
	assert.Equal(t, []string{"qsmaster", "p@ss", "tcp", "czar-db:3306", "qservCssData"},
		[]string{c.User, c.Passwd, c.Net, c.Addr, c.DBName})
	c, err = cli.ParseDSN("mysql://root@[::1]:3307")
	require.NoError(t, err)
	assert.Equal(t, []string{"root", "", "[::1]:3307", ""}, []string{c.User, c.Passwd, c.Addr, c.DBName})
	for _, bad := range []string{"mysql://u:p%ss@h/d", "mysql://", "u:secret@h/d/e", ""} {
		if _, err := cli.ParseDSN(bad); err != nil {
			assert.NotContains(t, err.Error(), "secret")
			assert.NotContains(t, err.Error(), "p%ss")
			continue
		}
		assert.Empty(t, bad, "only the empty DSN is a valid one: the local server")
	}
}

// TestPasswordsThatAreNotEncoded: no piece of a password is taken for a host, looked up or shown, wherever an address
// can be given.
func TestPasswordsThatAreNotEncoded(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"mysql://root:Sec@ret.invalid@127.0.0.1/d", "mysql://root:Sec@ret.invalid/x@127.0.0.1:3306/d",
		"mysql://root:Sec?ret@127.0.0.1/d",
		"mysql://root:Sec#ret@127.0.0.1/d", "mysql://root:5/Secret@127.0.0.1/d", "mysql://127.0.0.1/Sec@ret",
		"mysql://root:a@127.0.0.1/d?Secret#ret",
	} {
		file := filepath.Join(t.TempDir(), "dsn")
		require.NoError(t, os.WriteFile(file, []byte(dsn), 0o600))
		for _, args := range [][]string{
			{"check", "--mysql-dsn", dsn},
			{"status", "--mysql-dsn-file", file},
			{"serve", "--no-mirror", "--worker-dsn", dsn},
			{"serve", "--no-mirror", "--worker-dsn-file", file},
			{"serve", "--mysql-dsn=root@unix(/nowhere)/", "--qmeta-dsn", dsn},
		} {
			message := elsewhere(t).Fails(cli.ExitInvalid, args...)
			assert.Contains(t, message, "percent-encoded", args)
			assert.NotContains(t, message, "Sec")
			assert.NotContains(t, message, "ret.invalid")
			assert.NotContains(t, message, "look at")
		}
	}
	message := elsewhere(t).Fails(cli.ExitInvalid, "db list --endpoints 127.0.0.1:1,https://root:Secret@127.0.0.1:2379")
	assert.Contains(t, message, "CSS_SYNC_PASSWORD")
	assert.NotContains(t, message, "Secret")
}

func TestUnreachableMySQL(t *testing.T) {
	c := onEtcd(t)
	c.OK("db create D")
	mute, refused := silent(t), clitest.Refusing(t)
	c.Env["CSS_SYNC_DIAL_TIMEOUT"] = "1s"
	for name, dsn := range map[string]string{
		"refused":      "root:secret@tcp(" + refused + ")/",
		"no socket":    "root:secret@unix(/nowhere/sock)/",
		"silent":       "root:secret@tcp(" + mute + ")/?readTimeout=500ms",
		"no such host": "mysql://root:secret@nothing.invalid",
		"not MySQL":    "root:secret@tcp(" + c.Env["CSS_SYNC_ENDPOINTS"][len("http://"):] + ")/?readTimeout=500ms",
	} {
		for _, command := range [][]string{{"check"}, {"mirror", "--once"}, {"status"}} {
			t.Run(name+"/"+command[0], func(t *testing.T) {
				began := time.Now()
				message := tested.In(t, c.Env).Fails(cli.ExitNoConnection, append(command, "--mysql-dsn", dsn)...)
				assert.Contains(t, message, "MySQL is not available")
				assert.NotContains(t, message, "secret")
				assert.Less(t, time.Since(began), 5*time.Second)
			})
		}
	}
}

func TestWrongMySQLCredentials(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	c.OK("db create D")
	c.OK("mirror --once")
	clitest.Execute(t, server, "CREATE USER u@localhost IDENTIFIED BY 'right'")
	for _, dsn := range []string{"u:wrong", "u:right"} {
		for _, command := range [][]string{{"check"}, {"mirror", "--once"}, {"status"}} {
			message := c.Fails(cli.ExitError, append(command, "--mysql-dsn", dsn+"@unix("+server.Socket()+")/")...)
			assert.Contains(t, message, `MySQL refuses the user "u"`)
		}
	}
}

// TestMirrorDryRun says what would be done, and that nothing was.
func TestMirrorDryRun(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.Golden("mirror-dry-run", "mirror --dry-run")
	c.Refuses(cli.ExitError, "no mirror has written here yet", "check")
	c.OK("mirror --once")
	c.Golden("mirror-dry-run-again", "mirror --once --dry-run")
	clitest.Golden(t, "mirror-dry-run.json", c.OK("mirror --dry-run -w json"))
	for _, db := range []string{"LSST", "LSST_2", "Plain"} {
		c.OK("db", "drop", db)
	}
	c.Says("26 deleted", "mirror --dry-run") // history explains it
	clitest.Execute(t, server, "DELETE FROM css_mirror_state")
	c.Refuses(cli.ExitError, "--allow-mass-delete", "mirror --dry-run")
	c.Says("would show", "mirror --dry-run --allow-mass-delete")
	c.Refuses(cli.ExitInvalid, "say --once, or --dry-run", "mirror")
}

// TestStandbyLooksAhead: a daemon that stands by and could not take over says so before it has to.
func TestStandbyLooksAhead(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	first := c.Process("serve", "--session-ttl", "6s")
	first.Await(`msg="mirror follows etcd"`)
	good := c.Process("serve", "--session-ttl", "6s")
	good.Await("standing by")
	clitest.Execute(t, server, "CREATE USER narrow@localhost", "GRANT SELECT ON qservCssData.* TO narrow@localhost")
	narrow := c.Process("serve", "--session-ttl", "6s", "--mysql-dsn",
		strings.Replace(server.DSN("qservCssData"), "root@", "narrow@", 1))
	narrow.Await("standing by for the mirror, and could not take it over")
	narrow.Await("it lacks INSERT on kvData")
	away := c.Process("serve", "--session-ttl", "6s", "--mysql-dsn", "css@tcp(127.0.0.1:1)/")
	away.Await("standing by for the mirror, and could not take it over")
	assert.NotContains(t, good.String(), "could not take it over")
}
