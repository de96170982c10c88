package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// querying is a czar that runs queries.
type querying struct {
	*clitest.Running
	t     *testing.T
	lines *io.PipeWriter
}

// askCzar starts a czar in process and waits until it is ready. It has ended when the test has.
func askCzar(ctx context.Context, c *clitest.CommandLine, args ...string) *querying {
	c.T.Helper()
	ctx, cancel := context.WithCancel(ctx)
	in, lines := io.Pipe()
	args = append([]string{"czar", "--queries", "-w", "json", "--log-level", "error"}, args...)
	q := &querying{c.StartOn(ctx, in, args...), c.T, lines}
	c.T.Cleanup(func() {
		_ = lines.Close()
		cancel()
		q.Wait()
	})
	q.Await(`"ready":true`)
	return q
}

func (q *querying) ask(lines ...string) {
	q.t.Helper()
	_, err := fmt.Fprintln(q.lines, strings.Join(lines, "\n"))
	require.NoError(q.t, err)
}

// told waits for what is told of a query.
func (q *querying) told(query int, event string) queryTold {
	q.t.Helper()
	var found queryLine
	clitest.Await(q.t, func() bool {
		for line := range strings.Lines(q.String()) {
			if json.Unmarshal([]byte(line), &found) == nil && found.Query == query && found.Event == event {
				return true
			}
			found = queryLine{}
		}
		return false
	}, "query %d is not %s in\n%s", query, event, q.Running)
	assert.WithinDuration(q.t, time.Now(), found.Time, clitest.Patience)
	return found.queryTold
}

// TestCzarQueriesAndADrop: a query after the mark is refused, the one that runs is waited for, others do not notice.
func TestCzarQueriesAndADrop(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := askCzar(t.Context(), c, "--name", "first")
	assert.Contains(t, ok(c, "drops czars"), "first")
	czar.ask("LSST.Filter 100ms", "LSST.Filter,LSST.Object 1ms")
	admitted := czar.told(1, queryAdmitted)
	assert.Positive(t, admitted.Planned)
	assert.Equal(t, []string{"LSST.Filter"}, admitted.Tables)
	assert.GreaterOrEqual(t, czar.told(1, queryFinished).Seconds, 0.1)
	assert.Equal(t, []string{"LSST.Filter", "LSST.Object"}, czar.told(2, queryFinished).Tables)

	czar.ask("LSST.Filter 2s")
	czar.told(3, queryAdmitted)
	ok(c, "table drop LSST.Filter")
	czar.Await(`"change":"changed","status":"PENDING_DROP`)
	czar.ask("LSST.Filter 1s", "LSST.Object,LSST.Filter 1s", "LSST.Object 1ms")
	for _, query := range []int{4, 5} {
		refused := czar.told(query, queryRefused)
		assert.Equal(t, "drop_pending", refused.Reason)
		assert.Contains(t, refused.Error, "admit a query on LSST.Filter: ")
	}
	czar.told(6, queryFinished)
	serve := syncProcess(c, "serve", "--no-mirror")
	css(c)("drops", "wait", "LSST.Filter")
	clitest.AwaitGone(t, css(c), "LSST.Filter")
	ended, removed := strings.Index(czar.String(), `"query":3,"tables":["LSST.Filter"],"event":"finished"`),
		strings.Index(czar.String(), `"change":"removed"`)
	require.Positive(t, ended)
	assert.Less(t, ended, removed, "the drop waits for the query")
	czar.ask("LSST.Filter 1s")
	assert.Equal(t, "no_such_table", czar.told(7, queryRefused).Reason)

	require.NoError(t, czar.lines.Close())
	czar.Ends()
	assert.NotContains(t, czar.String(), `"failed"`)
	assert.Equal(t, "[]\n", ok(c, "drops czars -w json"), "it leaves in order")
	serve.Signal(os.Interrupt)
	serve.Ends()
}

// TestCzarQueryIsToldToEnd by a drop that waits for nobody.
func TestCzarQueryIsToldToEnd(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := askCzar(t.Context(), c)
	czar.ask("LSST.Filter 1h", "LSST.Object 3s")
	czar.told(1, queryAdmitted)
	czar.told(2, queryAdmitted)
	ok(c, "table drop LSST.Filter --policy cancel")
	failed := czar.told(1, queryFailed)
	assert.Equal(t, "aborted", failed.Reason)
	assert.Equal(t, "dispatch a chunk query: the query is aborted", failed.Error)
	czar.told(2, queryFinished)
}

// TestCzarGoesOnAfterLinesThatAreNoQueries and says so with its exit code.
func TestCzarGoesOnAfterLinesThatAreNoQueries(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := askCzar(t.Context(), c)
	czar.ask("LSST.Object", "# nothing", "", "LSST 1s", "LSST.Object soon", "LSST.Object -1s", "LSST.Object, 1s",
		"LSST.Object 1ms more", "LSST.Object 1ms", "LSST.Nope 1s")
	for query, want := range map[int]string{
		1: `"LSST.Object" is not of the form DATABASE.TABLE[,DATABASE.TABLE] DURATION, such as Sky.Object 3s`,
		4: `"LSST" is not of the form database.table`,
		5: `"soon" is not a duration above 0, such as 3s or 500ms`,
		6: `"-1s" is not a duration above 0`,
		7: `"" is not of the form database.table`,
		8: `"LSST.Object 1ms more" is not of the form`,
	} {
		told := czar.told(query, queryInvalid)
		assert.Contains(t, told.Error, want)
		assert.Empty(t, told.Tables)
	}
	czar.told(9, queryFinished)
	assert.Equal(t, "no_such_table", czar.told(10, queryRefused).Reason)
	require.NoError(t, czar.lines.Close())
	assert.Equal(t, cli.ExitInvalid, czar.Wait())
	assert.Contains(t, czar.String(), "css-lab: 6 lines of the input are no queries; the output says which and why")
}

// TestCzarEndsItsQueriesBeforeItself when it is interrupted, and no drop waits for it then.
func TestCzarEndsItsQueriesBeforeItself(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	czar := askCzar(ctx, c)
	czar.ask("LSST.Object 1s")
	czar.told(1, queryAdmitted)
	cancel()
	czar.Ends()
	czar.told(1, queryFinished)
	assert.Equal(t, "[]\n", ok(c, "drops czars -w json"))
}

// TestCzarWithoutAGate: nobody waits for its queries.
func TestCzarWithoutAGate(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := askCzar(t.Context(), c, "--no-gate")
	assert.Equal(t, "[]\n", ok(c, "drops czars -w json"))
	czar.ask("LSST.Filter 1s", "LSST.ObjMatch 1s")
	czar.told(1, queryAdmitted)
	assert.Equal(t, "LSST.ObjMatch: "+deletion.ErrNotReady.Error()+": it has the status DO_NOT_USE",
		czar.told(2, queryRefused).Error)
	assert.Contains(t, ok(c, "table drop LSST.Filter -w json"), `"way": "direct"`)
	czar.told(1, queryFinished)
}

// TestCzarQueriesRunOnWorkers, on whichever has the chunk, and tell MySQL's errors.
func TestCzarQueriesRunOnWorkers(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	filled(c)
	ok(c, "mirror --once") // makes the database that execute connects to
	ok(c, "chunk add LSST.Object 7 worker-1")
	ok(c, "chunk add LSST.Object 8 worker-2")
	clitest.Execute(t, server, "CREATE DATABASE LSST", "CREATE TABLE LSST.Filter (a INT)",
		"CREATE TABLE LSST.Object_7 (a INT)",
		"CREATE TABLE LSST.Object_8 (a INT)")
	none := testkit.MariaDB(t, mariadbd.Options{})
	file := filepath.Join(t.TempDir(), "workers")
	require.NoError(t, os.WriteFile(file, []byte(server.DSN("")+"\n"), 0o600))
	czar := askCzar(t.Context(), c, "--worker-dsn", none.DSN(""), "--worker-dsn-file", file)
	czar.ask("LSST.Object,LSST.Filter 500ms", "LSST.Source 100ms")
	assert.Greater(t, czar.told(1, queryFinished).Chunks, 2)
	assert.Zero(t, czar.told(2, queryFinished).Chunks, "it has no chunks")
	czar.ask("LSST.Object 1h")
	czar.told(3, queryAdmitted)
	clitest.Execute(t, server, "RENAME TABLE LSST.Object_8 TO LSST.Gone")
	failed := czar.told(3, queryFailed)
	assert.Equal(t, "sql", failed.Reason)
	assert.Equal(t, "Error 1146 (42S02): Table 'LSST.Object_8' doesn't exist", failed.Error)
	require.NoError(t, none.Kill())
	czar.ask("LSST.Filter 1s")
	failed = czar.told(4, queryFailed)
	assert.Equal(t, "sql", failed.Reason)
	assert.Contains(t, failed.Error, "no answer from a worker: ")
}

func TestCzarTellsOfQueriesInWords(t *testing.T) {
	for want, told := range map[string]queryTold{
		"query 1 on D.T, D.U admitted, planned at revision 7": {Query: 1, Tables: []string{"D.T", "D.U"},
			Event: queryAdmitted, Planned: 7},
		"query 1 on D.T refused: why": {Query: 1, Tables: []string{"D.T"}, Event: queryRefused,
			Planned: 7, Reason: "gone", Error: "why"},
		"query 1 on D.T finished after 1.5 s": {Query: 1, Tables: []string{"D.T"}, Event: queryFinished,
			Seconds: 1.5},
		"query 1 on D.T failed after 0.0 s and 1 chunk query: why": {Query: 1, Tables: []string{"D.T"}, Event: queryFailed,
			Chunks: 1, Error: "why"},
		`line 2 is no query: "\x1b" is not of the form`: {Query: 2, Event: queryInvalid, Error: `"\x1b" is not of the form`},
		"query 1 on D.T finished after 2.0 s and 12 chunk queries": {Query: 1, Tables: []string{"D.T"}, Event: queryFinished,
			Seconds: 2, Chunks: 12},
	} {
		assert.Equal(t, want, told.text())
	}
}

// What is wrong with flags is found before anything is asked of etcd: there is none here. No password is shown.
func TestWrongUseOfCzar(t *testing.T) {
	for line, want := range map[string]string{
		"czar --name x":                          "--name is for queries; give --queries, too",
		"czar --no-gate":                         "--no-gate is for queries",
		"czar --worker-dsn u:secret@/":           "--worker-dsn is for queries",
		"czar --queries --name=":                 "--name is empty",
		"czar --queries --no-gate --name x":      "--name is that of a registered czar",
		"czar --queries --worker-dsn u:secret":   "--worker-dsn: it is neither of the form",
		"czar --queries --worker-dsn-file /none": "--worker-dsn-file: open /none: no such file",
		"czar --queries --css file:///x.json":    "it works on etcd only",
	} {
		message := elsewhere(t).Fails(cli.ExitInvalid, strings.Fields(line)...)
		assert.Contains(t, message, want)
		assert.NotContains(t, message, "secret")
	}
}

// TestCzarWithQueriesEndsWhileEtcdIsAway, and says that its registration stays.
func TestCzarWithQueriesEndsWhileEtcdIsAway(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	filled(c)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	czar := askCzar(ctx, c, "--log-level", "warn", "--command-timeout", "5s")
	czar.ask("LSST.Object 3s")
	czar.told(1, queryAdmitted)
	require.NoError(t, server.Stop())
	cancel()
	czar.Ends()
	czar.told(1, queryFinished)
	assert.Contains(t, czar.String(),
		"the registration of this czar is not deleted; drops wait until the coordinator has ended it")
}
