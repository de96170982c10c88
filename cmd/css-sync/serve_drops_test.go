package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
)

// What is wrong with flags of drops is found before anything is asked of etcd: there is none here. No password is
// shown.
func TestWrongUseOfDrops(t *testing.T) {
	dir := t.TempDir()
	workers, none := filepath.Join(dir, "workers"), filepath.Join(dir, "none")
	require.NoError(t, os.WriteFile(workers, []byte("u:good@tcp(h:1)/\n\nu:secret\n"), 0o600))
	require.NoError(t, os.WriteFile(none, []byte("\n"), 0o600))
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		"table drop D.T --css file:///x.json --wait": "--wait is for a catalogue in etcd",
		"table drop D.T --force --after 1h":          "leave out --after, or --force",
		"table drop D.T --delay 1h --if-status READY": "--if-status is for a removal at once, and " +
			"--delay asks for the protocol",
		"table drop D.T --policy kill": `--policy "kill" is neither wait nor cancel`,
		"table drop D.T --after 1s":    "--after 1s: must be 0, or whole seconds from 2s",
		"db drop D --delay 2500ms":     "--delay 2.5s: must be 0, or whole seconds from 2s",
		"drops": "drops: missing subcommand: list, show, wait, " +
			"cancel, retry, abandon, czars, evict, clean, settings",
		"drops clean": "where are the workers? give --worker-dsn or " +
			"--worker-dsn-file",
		"drops clean --worker-dsn u:secret@/ --older-than=-1s": "--older-than is -1s and must be 0 or above",
		"drops show":                               "NAME is missing",
		"drops evict":                              "CZAR-ID is missing",
		"drops list --css file:///x.json":          "it works on etcd only",
		"drops settings show --css file:///x.json": "it works on etcd only",
		"drops wait D.T --timeout -1s":             "--timeout is -1s and must be 0 or above",
		"drops settings":                           "drops settings: missing subcommand: show, set",
		"config":                                   "config: missing subcommand: print",
		"config show":                              "config show is css-sync drops settings show now, with the same flags",
		"config set --delay 1m":                    "config set is css-sync drops settings set now, with the same flags",
		"serve --no-mirror --no-drops --drop-command x": "--drop-command is for carrying drops out, which " +
			"--no-drops leaves to others",
		"serve --no-mirror --drop-command x --worker-dsn u:secret@/": "--drop-command and --worker-dsn say both what " +
			"removes data",
		"serve --no-mirror --drop-command=":                             "--drop-command is empty",
		"serve --no-mirror --drop-command-timeout 1s":                   "--drop-command-timeout is for --drop-command",
		"serve --no-mirror --drop-command x --drop-command-timeout=-1s": "must be 0 or above",
		"serve --no-mirror --worker-dsn u:secret":                       "--worker-dsn: it is neither of the form",
		"serve --no-mirror --worker-dsn mysql://u:se%cret@h":            "--worker-dsn: it is neither of the form",
		"serve --no-mirror --worker-dsn-file " + workers:                workers + ", line 3: it is neither of the form",
		"serve --no-mirror --worker-dsn-file " + none:                   "--worker-dsn-file names no MySQL server",
		"serve --no-mirror --worker-dsn-file /nowhere":                  "--worker-dsn-file: open /nowhere: no such file",
		"serve --no-mirror --qmeta-grace 1m":                            "--qmeta-grace is for --qmeta-dsn",
		"serve --no-mirror --qmeta-dsn u@/ --qmeta-grace 0s":            "--qmeta-grace is 0s and must be above 0",
		"serve --no-mirror --qmeta-dsn u@/ --qmeta-dsn-file x": "--qmeta-dsn and --qmeta-dsn-file are mutually " +
			"exclusive",
		"serve --no-mirror --qmeta-dsn u:secret":      "--qmeta-dsn: it is neither of the form",
		"serve --no-mirror --qmeta-dsn u:secret@/":    "--qmeta-dsn needs to know where kvData is",
		"serve --no-mirror --qmeta-dsn-file /nowhere": "--qmeta-dsn-file: open /nowhere: no such file",
		"serve --no-mirror --compact 1s":              "it must be at least 1m0s, or off",
		"serve --no-mirror --compact never":           "it is neither a duration, such as 1h, nor off",
	})
}

// TestServeRemovesDataFromWorkers when no query of a C++ czar uses them any more.
func TestServeRemovesDataFromWorkers(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("drops settings set --delay 0s")
	c.OK("mirror --once")
	clitest.Execute(t, server,
		"CREATE DATABASE LSST", "CREATE TABLE LSST.Source (a INT)", "CREATE TABLE LSST.Source_1 (a INT)",
		"CREATE TABLE LSST.Source_backup (a INT)",
		"CREATE DATABASE qservMeta",
		"CREATE TABLE qservMeta.QInfo (queryId BIGINT PRIMARY KEY, czarId INT NOT NULL, submitted TIMESTAMP NOT NULL "+
			"DEFAULT CURRENT_TIMESTAMP, completed TIMESTAMP NULL)",
		"CREATE TABLE qservMeta.QTable (queryId BIGINT NOT NULL, dbName CHAR(63) NOT NULL, tblName CHAR(63) NOT NULL)",
		"INSERT INTO qservMeta.QInfo (queryId, czarId) VALUES (17, 3)",
		"INSERT INTO qservMeta.QTable VALUES (17, 'LSST', 'Source')")
	file := filepath.Join(t.TempDir(), "workers")
	require.NoError(t, os.WriteFile(file, []byte(server.DSN("")+"\n"), 0o600))
	c.Env["CSS_SYNC_WORKER_DSN_FILE"] = file
	c.Env["CSS_SYNC_QMETA_DSN"] = server.DSN("")
	serve := c.Process("serve --qmeta-grace 100ms")
	serve.Await(`msg="drops are carried out" data_removed_by="1 MySQL server" c++_czars_tracked=true`)
	serve.Await(`msg="mirror follows etcd"`)

	drop := c.Start(t.Context(), "table drop LSST.Source --wait")
	serve.Await(`msg="a drop waits for queries of C++ czars" name=LSST.Source`)
	clitest.Await(t, func() bool { return strings.Contains(serve.String(), "17") })
	c.Says("which is about to go on; if it asks for queries of C++ czars, its log says which it waits for",
		"drops show LSST.Source")
	assert.Equal(t, []string{"Source", "Source_1", "Source_backup"}, tablesOf(t, server.DSN("LSST")))
	clitest.Execute(t, server, "UPDATE qservMeta.QInfo SET completed = NOW()")
	drop.Ends()
	assert.Equal(t, []string{"Source_backup"}, tablesOf(t, server.DSN("LSST")))
	clean := []string{"drops", "clean", "--worker-dsn-file", file}
	c.Says("stays: it is younger than 168h0m0s", clean...)
	c.Says("would be removed", append(clean, "--older-than", "0s", "--dry-run")...)
	clitest.Await(t, func() bool {
		v := clitest.Decode[[]markerView](t, c.OK(append(clean, "--older-than", "0s", "-w", "json")...))
		return len(v) == 1 && v[0].Removed
	}, "no attempt is connected any more, soon after the last")
	assert.Empty(t, tablesOf(t, server.DSN("css_drops")))
	serve.Signal(os.Interrupt)
	serve.Ends()
}

func tablesOf(t *testing.T, dsn string) (names []string) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SHOW TABLES")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}

// TestDropsStandBy: when the daemon that leads is killed, another one goes on with its drops.
func TestDropsStandBy(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	first := c.Process("serve --no-mirror --session-ttl 2s --compact=off")
	first.Await(`msg="this process coordinates drops"`)
	second := c.Process("serve --no-mirror --session-ttl 2s")
	idle := c.Process("serve --no-mirror --no-drops")
	second.Await("standing by")
	idle.Await(`msg="daemon started"`)
	require.NoError(t, first.Cmd.Process.Kill())
	first.Wait()
	c.Run("table drop LSST.Filter --wait")
	clitest.AwaitGone(t, c.Run, "LSST.Filter")
	assert.Contains(t, second.String(), `msg="this process coordinates drops"`)
	assert.NotContains(t, idle.String(), "drops are carried out")
	for _, p := range []*clitest.Process{second, idle} {
		p.Signal(os.Interrupt)
		p.Ends()
	}
}

// TestServeEndsWhileACommandHangs: it is killed, and another daemon begins anew.
func TestServeEndsWhileACommandHangs(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	program := filepath.Join(t.TempDir(), "hang")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nsleep 600\n"), 0o700))
	serve := c.Process("serve", "--no-mirror", "--drop-command", program)
	serve.Await(`msg="this process coordinates drops"`)
	c.OK("table drop LSST.Filter --delay 0s")
	awaitShow(c, "LSST.Filter", func(v form.Drop) bool { return v.Phase == "dropping" })
	began := time.Now()
	serve.Signal(os.Interrupt)
	serve.Ends()
	assert.Less(t, time.Since(began), 10*time.Second)
	c.Says("the data are being removed", "drops show LSST.Filter")
	serves(c)
	clitest.AwaitGone(t, c.Run, "LSST.Filter")
}
