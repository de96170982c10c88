package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// rewrite replaces a configuration file, as an editor does.
func rewrite(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

// TestConfigFileIsReadAnewAtSIGHUP: what is wrong is told, with its line, and changes nothing; the log level changes
// while all goes on; what else is said makes css-sync begin again, and flags stay.
func TestConfigFileIsReadAnewAtSIGHUP(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	clitest.Fill(c.OK)
	file := configFile(t, "log-level: warn\nmysql-dsn: ["+server.DSN("")+"]\nmirror-name: [one]\n")
	serve := c.Process("serve", "--config", file, "--session-ttl", "5s")
	follows := func() bool { return strings.Contains(c.Run("status").Stdout, "following") }
	clitest.Await(t, follows)
	assert.NotContains(t, serve.String(), "mirror follows etcd", "which is not warned of")

	rewrite(t, file, "log-level: info\nmysql-dsn: ["+server.DSN("")+"]\nmirror-nam: [two]\nsession-ttl: soon\n")
	serve.Signal(syscall.SIGHUP)
	serve.Await("css-sync goes on as it was")
	assert.Contains(t, serve.String(), file+`:3: there is no setting \"mirror-nam\"; did you mean \"mirror-name\"?`)
	assert.Contains(t, serve.String(), file+`:4: session-ttl: \"soon\" is no duration`)

	rewrite(t, file, "log-level: info\nmysql-dsn: ["+server.DSN("")+"]\nmirror-name: [one]\n")
	serve.Signal(syscall.SIGHUP)
	serve.Await(`msg="SIGHUP: the log level has changed, and nothing else" log-level=info`)
	assert.NotContains(t, serve.String(), "begins again")
	require.NoError(t, server.Kill())
	c.OK("db create Meanwhile")
	require.NoError(t, server.Restart(t.Context()))
	serve.Await(`msg="mirror follows etcd"`) // what runs logs from another level on

	rewrite(t, file, "log-level: debug\nmysql-dsn: ["+server.DSN("")+"]\nmirror-name: [two]\nsession-ttl: 1ms\n")
	serve.Signal(syscall.SIGHUP)
	serve.Await("begins again with what its files say now")
	serve.Await("/qserv/mirror/two/")
	serve.Await("code=table_of_another_catalogue") // which takes --adopt
	assert.Contains(t, serve.String(), "level=DEBUG")
	serve.Stop()
}

// TestOwnEtcdKeepsItsSettingsAtSIGHUP: they take a restart, which is told, and all else is taken.
func TestOwnEtcdKeepsItsSettingsAtSIGHUP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "s")
	c := elsewhere(t)
	data := "data-dir: " + filepath.Join(dir, "etcd")
	file := configFile(t, data+"\nlisten-client: "+socket+"\nno-mirror: true\n")
	serve := c.Process("serve", "--config", file)
	serve.Await(`msg="drops are carried out"`)

	rewrite(t, file, data+"-2\nlisten-client: "+socket+"2\nno-mirror: true\nsession-ttl: 5s\n")
	serve.Signal(syscall.SIGHUP)
	serve.AwaitN(`msg="drops are carried out"`, 2)
	assert.Contains(t, serve.String(), `takes a restart of css-sync; it stays as it was" setting=data-dir source=`+file+":1")
	assert.Contains(t, serve.String(), `takes a restart of css-sync; it stays as it was" setting=listen-client source=`+file+":2")
	c.OK("db", "create", "D", "--endpoints", socket)

	rewrite(t, file, "no-mirror: true\n")
	serve.Signal(syscall.SIGHUP)
	serve.Await("data-dir says whether an etcd runs in this process")
	c.OK("db", "create", "E", "--endpoints", socket)
	serve.Stop()
	assert.NoDirExists(t, filepath.Join(dir, "etcd-2"))
}

// TestSecretThatChangesWithTheLogLevel is taken: that the level changes alone is told from what files hold, too.
func TestSecretThatChangesWithTheLogLevel(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	workers := configFile(t, "u:old@tcp(127.0.0.1:1)/\n")
	file := configFile(t, "no-mirror: true\nworker-dsn-file: ["+workers+"]\n")
	serve := c.Process("serve", "--config", file)
	serve.Await(`msg="drops are carried out" data_removed_by="1 MySQL server"`)
	rewrite(t, workers, "u:old@tcp(127.0.0.1:1)/\nu:new@tcp(127.0.0.1:2)/\n")
	rewrite(t, file, "no-mirror: true\nlog-level: debug\nworker-dsn-file: ["+workers+"]\n")
	serve.Signal(syscall.SIGHUP)
	serve.Await(`msg="drops are carried out" data_removed_by="2 MySQL servers"`)
	serve.Stop()
}
