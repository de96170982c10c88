package main

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: the daemon that keeps a mirror is seen while MySQL is down.
func TestDaemonIsSeenWhileMySQLIsDown(t *testing.T) {
	t.Parallel()
	c, server, _ := mirroring(t)
	require.NoError(t, server.Kill())
	defer func() { require.NoError(t, server.Restart(t.Context())) }()
	r := c.Run("status -w json")
	require.Equal(t, cli.ExitNoConnection, r.Code, r.Stderr)
	s := clitest.Decode[status.Status](t, r.Stdout)
	assert.NotContains(t, troubles(s), mirror.NoDaemon)
	assert.Len(t, s.Mirrors, 1)
}

// Rule: a name with an underscore is no pattern.
func TestGrantsAreForOneDatabase(t *testing.T) {
	t.Parallel()
	_, server := onBoth(t)
	require.NoError(t, on(t, server, "root", "CREATE DATABASE css_data", "CREATE DATABASE cssXdata",
		"CREATE TABLE cssXdata.secret (a INT)", "CREATE USER narrow@localhost"))
	grant := strings.TrimSpace(elsewhere(t).OK("grants --user narrow@localhost --database css_data"))
	require.NoError(t, on(t, server, "root", grant))
	assert.Error(t, on(t, server, "narrow", "DELETE FROM cssXdata.secret"), grant)
}

// Rule: keys that are no text are told apart in JSON, and the printed SQL undoes them.
func TestKeysOfBytesInJSON(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	require.NoError(t, on(t, server, "root", "CREATE DATABASE IF NOT EXISTS qservCssData",
		"CREATE TABLE qservCssData.kvData (kvId INT NOT NULL AUTO_INCREMENT PRIMARY KEY, "+
			"kvKey VARBINARY(600) NOT NULL UNIQUE, kvVal MEDIUMTEXT "+
			"CHARSET utf8mb4 NOT NULL, parentKvId INT NULL, FOREIGN KEY (parentKvId) REFERENCES kvData (kvId)) ENGINE=InnoDB"))
	c.OK("mirror --once")
	clitest.Execute(t, server, "INSERT INTO qservCssData.kvData (kvKey, kvVal) VALUES (X'2F41FF', 'a'), (X'2F41FE', 'b')")
	v := clitest.JSONOf[report.Comparison](c, cli.ExitDifferences, "check")
	require.Len(t, v.Differences, 2)
	assert.NotEqual(t, v.Differences[0].Key, v.Differences[1].Key)
	for _, line := range clitest.JSONOf[[]string](c, cli.ExitDifferences, "check --print-sql") {
		clitest.Execute(t, server, line)
	}
	c.Says("no difference", "check")
}

// Rule: grants --no-create makes the database that it uses.
func TestGrantsMakeTheDatabase(t *testing.T) {
	t.Parallel()
	_, server := onBoth(t)
	printed := elsewhere(t).OK("grants --user narrow@localhost --no-create")
	statements := strings.Split(strings.TrimSuffix(strings.TrimSpace(printed), ";"), ";\n")
	assert.NoError(t, on(t, server, "root", append([]string{"CREATE USER narrow@localhost"}, statements...)...))
}

// on executes statements on one connection to a server, and returns their first error.
func on(t *testing.T, server *mariadbd.Server, user string, statements ...string) (err error) {
	t.Helper()
	db, err := sql.Open("mysql", strings.Replace(server.DSN(""), "root@", user+"@", 1))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
