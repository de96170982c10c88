package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
)

// times are what differs between two runs of a test.
var times = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

// logged runs log, which says where history begins or that there is more, with all times being one.
func logged(c *clitest.CommandLine, args ...string) string {
	c.T.Helper()
	r := c.Run(append([]string{"log"}, args...)...)
	require.Equal(c.T, cli.ExitOK, r.Code, r.Stderr)
	return times.ReplaceAllString(r.Stdout+r.Stderr, "2026-07-14T09:05:03Z")
}

// logOf returns the lines as JSON.
func logOf(c *clitest.CommandLine, args ...string) []form.Logged {
	c.T.Helper()
	r := c.Run(append([]string{"log", "-w", "json"}, args...)...)
	require.Equal(c.T, cli.ExitOK, r.Code, r.Stderr)
	return clitest.Decode[[]form.Logged](c.T, r.Stdout)
}

// compactNow leaves nothing of etcd's history but what there is now, which is put at a revision of its own.
func compactNow(c *clitest.CommandLine) int64 {
	c.T.Helper()
	resp, err := c.Etcd().Put(c.T.Context(), "/elsewhere", "")
	require.NoError(c.T, err)
	_, err = c.Etcd().Compact(c.T.Context(), resp.Header.Revision)
	require.NoError(c.T, err)
	return resp.Header.Revision
}

func TestLogOutput(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Env["CSS_SYNC_AUTHOR"] = "alice@host"
	clitest.Fill(c.OK)
	c.OK("--author", "bob", "table", "set-status", "LSST.Object", "PENDING_CREATE:x\ny")
	c.OK("table set-status LSST.Object READY")
	c.OK("chunk add LSST.Object 57 worker-1")
	c.OK("chunk add LSST.Object 58 worker-1")
	c.OK("table set-scan LSST.Source --scan-rating 3")
	c.OK("table", "set-schema", "LSST.Source", "--schema", "(objectId BIGINT, b INT)")
	require.Equal(t, cli.ExitOK, c.Run("db create LSST_3 --like LSST --with-tables").Code) // with a warning
	c.OK("chunk delete LSST.Object 58")
	c.Put("/qserv/css/DBS/LSST/TABLES/Object", "FAILED:by \x1b[31m hand")
	c.Put("/qserv/stray\n", "x")
	c.OK("put /DBS/Plain/note hello")
	c.OK("node set-state worker-2 ACTIVE")
	c.OK("db drop LSST_3")
	clitest.Golden(t, "log.txt", logged(c))
	clitest.Golden(t, "log.json", logged(c, "-w", "json", "LSST.Object"))
	clitest.Golden(t, "log-table.txt", logged(c, "LSST.Object", "--reverse"))
	clitest.Golden(t, "log-all.txt", logged(c, "--all", "--limit", "2"))
	assert.NotContains(t, logged(c, "--all"), "\x1b")
}

// Rule: what is told reaches back to the last compaction, which is said, and is what was asked for.
func TestLogWithinHistory(t *testing.T) {
	t.Parallel()
	c := filled(t)
	all := logOf(c)
	require.Greater(t, len(all), 9)
	for i, line := range all[1:] {
		assert.Less(t, line.Revision, all[i].Revision, "the newest first")
	}
	assert.NotContains(t, logged(c), "css-sync", "nothing was compacted")
	assert.Equal(t, all[:3], logOf(c, "--limit", "3"))
	assert.Contains(t, logged(c, "--limit", "3"), "css-sync: these are the newest 3; --limit 0 shows all\n")
	assert.Equal(t, all[2:5], logOf(c, "--from", fmt.Sprint(all[4].Revision), "--to", fmt.Sprint(all[2].Revision)))
	c.Refuses(cli.ExitError, "has not been reached", "log", "--to", "1000000")

	at := compactNow(c)
	assert.Equal(t, "[]\n", strings.SplitAfter(logged(c, "-w", "json"), "\n")[0])
	begins := fmt.Sprintf("css-sync: history begins at revision %d: what was before is compacted\n", at+1)
	assert.Contains(t, logged(c), begins)
	assert.Contains(t, logged(c, "--to", "3"), begins, "all that was asked for is compacted")
	c.OK("db set-status LSST DO_NOT_USE")
	c.OK("table drop LSST.Filter")
	now := logOf(c)
	require.Len(t, now, 2)
	assert.Equal(t, []string{"table LSST.Filter removed"}, now[0].Changes)
	assert.Equal(t, []string{"status of database LSST: READY -> DO_NOT_USE"}, now[1].Changes, "the old value is known")
	assert.Contains(t, logged(c), begins)
	assert.NotContains(t, logged(c, "--from", fmt.Sprint(at+1)), begins, "nobody asked")
}

// Rule: whoever writes past the library is unknown, or told by what only they write.
func TestLogOfADrop(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	c.Env["CSS_SYNC_AUTHOR"] = "alice@host"
	startCzar(c, "czar")
	serve := c.Process("serve --no-mirror --author operations")
	serve.Await("drops are carried out")
	c.OK("table drop LSST.Filter")
	clitest.AwaitGone(t, c.Run, "LSST.Filter")
	var told []string
	for _, line := range logOf(c, "LSST.Filter", "--reverse") {
		who := "unknown"
		if line.Author != nil {
			who = *line.Author
		}
		told = append(told, who+": "+strings.Join(line.Changes, "; "))
	}
	require.Len(t, told, 4, told)
	assert.Contains(t, told[0], "table LSST.Filter created")
	assert.Contains(t, told[1], "alice@host: status of table LSST.Filter: READY -> PENDING_DROP:")
	assert.Contains(t, told[1], "drop of LSST.Filter begun")
	assert.Equal(t, "coordinator: table LSST.Filter removed; drop of LSST.Filter went on", told[2])
	assert.Equal(t, "coordinator: drop of LSST.Filter ended", told[3])
}

// Rule: what comes in from MySQL says so; what the operator does about it is the operator's.
func TestLogOfWhatComesFromMySQL(t *testing.T) {
	t.Parallel()
	c, server := sharing(t)
	c.Env["CSS_SYNC_AUTHOR"] = "alice@host"
	clitest.Execute(t, server, inserting("/DBS/Plain/note", "hello"))
	c.OK("mirror --once")
	line := logOf(c, "Plain", "--limit", "1")[0]
	require.NotNil(t, line.Author)
	assert.Equal(t, "mysql (mirror default)", *line.Author)
	assert.Equal(t, []string{`created  /DBS/Plain/note = "hello"`}, line.Changes)
	c.OK("mirror --capture remove")
	line = logOf(c, "--limit", "1")[0]
	assert.Equal(t, "alice@host", *line.Author)
	assert.Contains(t, line.Changes[0], "etcd alone is written")
}

// Rule: the default is etcd's user, or else the user of the process; a bad author is refused before anything is asked.
func TestAuthor(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	began := time.Now().Add(-time.Second)
	c.OK("node add worker-1 --host h --port 1")
	line := logOf(c, "--limit", "1")[0]
	require.NotNil(t, line.Author)
	assert.Regexp(t, `^.+@.+$`, *line.Author)
	assert.True(t, line.Signed)
	assert.WithinRange(t, *line.Time, began, time.Now())
	elsewhere(t).RefusesAll(cli.ExitInvalid, map[string]string{
		"--author a\x07b db drop D":                     `--author: it has '\a', which cannot be printed`,
		"--author " + strings.Repeat("x", 201) + " log": "--author: it has 201 bytes, and 200 is the most",
	})

	etcd := c.Etcd()
	ctx := context.WithoutCancel(t.Context())
	for _, do := range []func() error{
		func() error { _, err := etcd.UserAdd(ctx, "root", "secret"); return err },
		func() error { _, err := etcd.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := etcd.UserAdd(ctx, "reader", "secret"); return err },
		func() error { _, err := etcd.RoleAdd(ctx, "reader"); return err },
		func() error { _, err := etcd.RoleGrantPermission(ctx, "reader", "/qserv/", "/qserv0", 0); return err },
		func() error { _, err := etcd.UserGrantRole(ctx, "reader", "reader"); return err },
		func() error { _, err := etcd.AuthEnable(ctx); return err },
	} {
		require.NoError(t, do())
	}
	c.Env["CSS_SYNC_USER"], c.Env["CSS_SYNC_PASSWORD"] = "root", "secret"
	c.OK("node set-state worker-1 INACTIVE")
	assert.Equal(t, "root", *logOf(c, "--limit", "1")[0].Author)
	c.OK("node set-state worker-1 ACTIVE --author carol")
	c.Env["CSS_SYNC_USER"] = "reader" // may read and no more
	assert.Equal(t, "carol", *logOf(c, "--limit", "1")[0].Author)
}
