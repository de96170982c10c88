package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/internal/testkit"
)

// onBoth returns a command line whose environment names an etcd and a MySQL server of its own.
func onBoth(t *testing.T) (*commandLine, *mariadbd.Server) {
	t.Helper()
	server := testkit.MariaDB(t, mariadbd.Options{})
	c := onEtcd(t)
	c.environment["CSS_SYNC_MYSQL_DSN"] = server.DSN("")
	return c, server
}

func execute(t *testing.T, server *mariadbd.Server, statements ...string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(cli.DefaultDatabase))
	require.NoError(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
	}
}

func TestMirrorOnceAndCheck(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	assert.Contains(t, c.fails(cli.ExitError, "check"), "no mirror has written here yet")
	fill(c)
	golden(t, "mirror-once.txt", c.ok("mirror", "--once"))
	golden(t, "mirror-again.txt", c.ok("mirror", "--once"))
	golden(t, "mirror-again.json", c.ok("mirror", "--once", "-w", "json"))
	golden(t, "check.txt", c.ok("check"))
	golden(t, "check.json", c.ok("check", "-w", "json"))

	execute(t, server,
		"UPDATE kvData SET kvVal = 'DO_NOT_USE' WHERE kvKey = '/DBS/LSST'",
		"DELETE FROM kvData WHERE kvKey = '/DBS/Plain/.packed.json'",
		"INSERT INTO kvData (kvKey, kvVal, parentKvId) SELECT '/DBS/Extra', 'a\nb', kvId FROM kvData WHERE kvKey = '/DBS'",
		"UPDATE kvData SET parentKvId = 1 WHERE kvKey = '/NODES/worker-1'")
	r := c.run("check")
	assert.Equal(t, cli.ExitDifferences, r.code)
	golden(t, "check-differences.txt", r.stdout+r.stderr)
	r = c.run("check", "-w", "json")
	assert.Equal(t, cli.ExitDifferences, r.code)
	v := decode[reportView](t, r.stdout)
	assert.False(t, v.InAgreement)
	kinds := map[string]string{}
	for _, d := range v.Differences {
		kinds[d.Key] = d.Kind
	}
	assert.Equal(t, map[string]string{
		"/DBS/LSST": "value", "/DBS/Plain/.packed.json": "missing", "/DBS/Extra": "extra", "/NODES/worker-1": "parent",
	}, kinds)
	assert.Contains(t, c.ok("mirror", "--once"), "1 inserted, 2 updated, 1 deleted")
	c.ok("check")
}

func TestCheckListsWhatMySQLCannotHold(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.ok("db", "create", "D")
	c.ok("put", "/DBS/D/note", "a")
	c.ok("put", "/DBS/D/NOTE", "b")
	assert.Contains(t, c.ok("mirror", "--once"), "1 key cannot be shown there; `css-sync check` says which")
	text := c.ok("check")
	assert.Contains(t, text, "no difference")
	assert.Contains(t, text, "1 key that kvData cannot hold:")
	v := decode[reportView](t, c.ok("check", "-w", "json"))
	require.Len(t, v.Quarantined, 1)
	assert.Equal(t, "/DBS/D/NOTE", v.Quarantined[0].Key)
	assert.Equal(t, "key_collision", v.Quarantined[0].Reason)
}

func TestMirrorRefusesAnotherCatalogueAndMassDeletion(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	fill(c)
	c.ok("mirror", "--once")
	other := onEtcd(t)
	other.environment["CSS_SYNC_MYSQL_DSN"] = server.DSN(cli.DefaultDatabase)
	other.ok("node", "add", "n")
	assert.Contains(t, other.fails(cli.ExitError, "mirror", "--once"), "--adopt")
	assert.Contains(t, other.fails(cli.ExitError, "check"), "the table mirrors another catalogue")
	assert.Contains(t, other.fails(cli.ExitError, "mirror", "--once", "--adopt"), "--allow-mass-delete")
	other.ok("mirror", "--once", "--adopt", "--allow-mass-delete")
	other.ok("check")
}

func TestWaysToSayWhereMySQLIs(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	c.ok("db", "create", "D")
	delete(c.environment, "CSS_SYNC_MYSQL_DSN")
	dir := t.TempDir()
	dsn, czar := filepath.Join(dir, "dsn"), filepath.Join(dir, "qserv-czar.cnf")
	require.NoError(t, os.WriteFile(dsn, []byte(server.DSN("qservCssData")+"\n"), 0o600))
	require.NoError(t, os.WriteFile(czar, fmt.Appendf(nil, "[css]\ntechnology = mysql\nusername = root\nsocket = %s\n",
		server.Socket()), 0o600))
	c.ok("mirror", "--once", "--mysql-dsn", server.DSN(""))
	c.ok("check", "--mysql-dsn-file", dsn)
	c.ok("check", "--czar-config", czar)
	c.environment["CSS_SYNC_CZAR_CONFIG"] = czar
	c.ok("check")
	c.environment["CSS_SYNC_CZAR_CONFIG"] = "/nowhere"
	c.ok("check", "--mysql-dsn-file", dsn) // the command line before the environment
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
			message := elsewhere(t).fails(cli.ExitInvalid, args...)
			assert.Contains(t, message, "percent-encoded", args)
			assert.NotContains(t, message, "Sec")
			assert.NotContains(t, message, "ret.invalid")
			assert.NotContains(t, message, "look at")
		}
	}
	message := elsewhere(t).fails(cli.ExitInvalid, "db", "list", "--endpoints",
		"127.0.0.1:1,https://root:Secret@127.0.0.1:2379")
	assert.Contains(t, message, "CSS_SYNC_PASSWORD")
	assert.NotContains(t, message, "Secret")
}

func TestUnreachableMySQL(t *testing.T) {
	c := onEtcd(t)
	c.ok("db", "create", "D")
	mute, refused := silent(t), refusing(t)
	c.environment["CSS_SYNC_DIAL_TIMEOUT"] = "1s"
	for name, dsn := range map[string]string{
		"refused":      "root:secret@tcp(" + refused + ")/",
		"no socket":    "root:secret@unix(/nowhere/sock)/",
		"silent":       "root:secret@tcp(" + mute + ")/?readTimeout=500ms",
		"no such host": "mysql://root:secret@nothing.invalid",
		"not MySQL":    "root:secret@tcp(" + c.environment["CSS_SYNC_ENDPOINTS"][len("http://"):] + ")/?readTimeout=500ms",
	} {
		for _, command := range [][]string{{"check"}, {"mirror", "--once"}, {"status"}} {
			t.Run(name+"/"+command[0], func(t *testing.T) {
				began := time.Now()
				message := (&commandLine{t: t, environment: c.environment}).fails(cli.ExitNoConnection,
					append(command, "--mysql-dsn", dsn)...)
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
	c.ok("db", "create", "D")
	c.ok("mirror", "--once")
	execute(t, server, "CREATE USER u@localhost IDENTIFIED BY 'right'")
	for _, dsn := range []string{"u:wrong", "u:right"} {
		for _, command := range [][]string{{"check"}, {"mirror", "--once"}, {"status"}} {
			message := c.fails(cli.ExitError, append(command, "--mysql-dsn", dsn+"@unix("+server.Socket()+")/")...)
			assert.Contains(t, message, `MySQL refuses the user "u"`)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	v := c.status()
	assert.True(t, v.Etcd.OK)
	assert.Nil(t, v.Catalogue)
	assert.False(t, v.Mirror.OK)
	assert.Contains(t, v.Mirror.Error, "no mirror has written here yet")

	fill(c)
	c.ok("mirror", "--once")
	v = c.status()
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	require.Len(t, v.Etcd.Endpoints, 1)
	assert.True(t, v.Etcd.Endpoints[0].Leader)
	assert.Equal(t, cssetcd.DefaultPrefix, v.Etcd.Prefix)
	assert.NotEmpty(t, v.Etcd.History)
	require.NotNil(t, v.Mirror.LagRevisions)
	assert.Zero(t, *v.Mirror.LagRevisions)
	assert.True(t, *v.Mirror.SameCatalogue)
	assert.Equal(t, v.Etcd.Revision, v.Mirror.AppliedRevision)
	assert.WithinDuration(t, time.Now(), *v.Mirror.Updated, time.Minute)
	assert.Contains(t, c.ok("status"), "up to date, 38 rows")

	c.ok("db", "create", "Later")
	v = c.status()
	assert.EqualValues(t, 1, *v.Mirror.LagRevisions)
	assert.Contains(t, c.ok("status"), "1 revision behind")

	t.Run("without etcd", func(t *testing.T) {
		r := (&commandLine{t: t, environment: map[string]string{"CSS_SYNC_MYSQL_DSN": server.DSN("")}}).run("status", "-w",
			"json", "--endpoints", refusing(t))
		assert.Equal(t, cli.ExitNoConnection, r.code)
		v := decode[status.Status](t, r.stdout)
		assert.False(t, v.Etcd.OK)
		assert.Contains(t, v.Etcd.Error, "connection refused")
		assert.True(t, v.Mirror.OK)
		assert.Nil(t, v.Mirror.LagRevisions)
		assert.Nil(t, v.Mirror.SameCatalogue)
	})
	t.Run("without MySQL", func(t *testing.T) {
		c := &commandLine{t: t, environment: c.environment}
		require.NoError(t, server.Kill())
		r := c.run("status", "-w", "json")
		assert.Equal(t, cli.ExitNoConnection, r.code)
		v := decode[status.Status](t, r.stdout)
		assert.True(t, v.Etcd.OK)
		assert.Equal(t, 4, v.Catalogue.Databases)
		assert.False(t, v.Mirror.OK)
		assert.Contains(t, v.Mirror.Error, "MySQL is not available")
		assert.Contains(t, c.run("status").stdout, "MySQL is not available")
	})
	t.Run("without flags for MySQL", func(t *testing.T) {
		c := &commandLine{t: t, environment: map[string]string{"CSS_SYNC_ENDPOINTS": c.environment["CSS_SYNC_ENDPOINTS"]}}
		assert.Nil(t, c.status().Mirror)
		assert.Contains(t, c.ok("status"), "not looked at")
	})
}
