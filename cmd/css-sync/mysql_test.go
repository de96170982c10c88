package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
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
	v := clitest.JSONOf[reportView](c, cli.ExitDifferences, "check")
	assert.False(t, v.InAgreement)
	kinds := map[string]string{}
	for _, d := range v.Differences {
		kinds[d.Key] = d.Kind
	}
	assert.Equal(t, map[string]string{
		"/DBS/LSST": "value", "/DBS/Plain/.packed.json": "missing", "/DBS/Extra": "extra", "/NODES/worker-1": "parent",
	}, kinds)
	c.Says("1 inserted, 2 updated, 1 deleted", "mirror --once")
	c.OK("check")
}

func TestCheckListsWhatMySQLCannotHold(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.OK("db create D")
	c.OK("put /DBS/D/note a")
	c.OK("put /DBS/D/NOTE b")
	c.Says("1 key cannot be shown there; `css-sync check` says which", "mirror --once")
	c.Says("no difference ... 1 key that kvData cannot hold:", "check")
	v := clitest.JSON[reportView](c, "check")
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
	c, _ := onBoth(t)
	clitest.Fill(c.OK)
	c.Golden("mirror-dry-run", "mirror --dry-run")
	c.Refuses(cli.ExitError, "no mirror has written here yet", "check")
	c.OK("mirror --once")
	c.Golden("mirror-dry-run-again", "mirror --once --dry-run")
	clitest.Golden(t, "mirror-dry-run.json", c.OK("mirror --dry-run -w json"))
	for _, db := range []string{"LSST", "LSST_2", "Plain"} {
		c.OK("db", "drop", db)
	}
	c.Refuses(cli.ExitError, "--allow-mass-delete", "mirror --dry-run")
	c.Says("would show", "mirror --dry-run --allow-mass-delete")
	c.Refuses(cli.ExitInvalid, "say --once, or --dry-run", "mirror")
}
