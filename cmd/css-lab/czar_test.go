package main

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

// visibleAt is what differs from run to run in the lines of a czar.
var visibleAt = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})`)

func TestCzarTellsWhatItSees(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	ok(c, "db create D")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	text, lines := c.Start(ctx, "czar --log-level error"), c.Start(ctx, "czar -w json --log-level error")
	text.Await("ready at revision")
	lines.Await(`{"ready":true,"revision":`)
	steps := [][]string{ // each is awaited, so that no two are told of as one
		{"node", "add", "w1", "--host", "h"},
		{"node", "set-state", "w1", "INACTIVE"},
		{"db", "create", "D-2", "--like", "D"},
		{"table", "create", "D.T", "--schema", "(a INT)"},
		{"table", "set-schema", "D.T", "--schema", "(b INT)"},
		{"table", "set-status", "D.T", "PENDING_DROP:now"},
		{"db", "set-status", "D", "DO_NOT_USE"},
		{"node", "delete", "w1"},
		{"put", "/DBS/D/TABLES/U", "odd\tone"},
		{"db", "drop", "D"},
	}
	told := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12} // lines after each step: the last is of a database with two tables
	for i, step := range steps {
		ok(c, step...)
		text.AwaitN("\n", told[i]+1)
		lines.AwaitN("\n", told[i]+1)
	}
	cancel()
	assert.Equal(t, cli.ExitOK, text.Wait(), "to be interrupted is how it ends")
	lines.Ends()
	clitest.Golden(t, "czar.txt", visibleAt.ReplaceAllString(text.String(), "TIME"))
	clitest.Golden(t, "czar.json", visibleAt.ReplaceAllString(lines.String(), "TIME"))
}

// TestCzarTellsWhenItSees: the time lies between the beginning of the write and that of reading the line.
func TestCzarTellsWhenItSees(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	ok(c, "db create D")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	czar := c.Start(ctx, "czar -w json")
	czar.Await(`"ready":true`)
	before := time.Now().Round(0)
	ok(c, "table", "create", "D.T", "--schema", "(a INT)")
	czar.Await(`"D.T"`)
	after := time.Now().Round(0)
	s := clitest.Decode[sight](t, czar.String()[strings.Index(czar.String(), "\n")+1:])
	assert.Equal(t, sight{Time: s.Time, Revision: s.Revision, What: "table", Name: "D.T", Change: "created",
		Status: "READY"}, s)
	assert.False(t, s.Time.Before(before) || s.Time.After(after), "%s is not between %s and %s", s.Time, before, after)
	cancel()
	czar.Wait()
}

func TestCzarGoesOnWhenEtcdIsBack(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	ok(c, "db create D")
	czar := c.Process("czar -w json")
	czar.Await(`"ready":true`)
	require.NoError(t, server.Stop())
	czar.Await(`msg="the view does not follow etcd; queries go on with what it has" phase=stale revision=`)
	require.NoError(t, server.Restart(t.Context()))
	czar.Await(`msg="the view follows etcd again"`)
	ok(c, "table", "create", "D.T", "--schema", "(a INT)")
	czar.Await(`"what":"table","name":"D.T","change":"created","status":"READY"}`)
	czar.Stop()
}

func TestCzarEndsWhileEtcdIsAway(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	ok(c, "db create D")
	czar := c.Process("czar")
	czar.Await("ready at revision")
	require.NoError(t, server.Stop())
	czar.Await("phase=stale")
	czar.Signal(syscall.SIGINT)
	czar.Ends()
}

// TestSightsOfWhatCameAgain: dropped and created between two looks is another table, and what came and went is none.
func TestSightsOfWhatCameAgain(t *testing.T) {
	t.Parallel()
	server := clitest.StartEtcd(t)
	c := onServer(t, server)
	filled(c)
	etcd, err := server.Client()
	require.NoError(t, err)
	defer etcd.Close()
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	defer view.Close()
	changes := view.Subscribe()
	ok(c, "table drop LSST.Filter")
	ok(c, "table", "create", "LSST.Filter", "--schema", "(id INT)", "--status", "DO_NOT_USE")
	ok(c, "table", "create", "LSST.Brief", "--schema", "(id INT)")
	ok(c, "chunk add LSST.Object 7 worker-1")
	last := clitest.Decode[struct{ Revision cssetcd.Revision }](t, ok(c, "table drop LSST.Brief -w json"))
	_, err = view.WaitRevision(t.Context(), last.Revision)
	require.NoError(t, err)
	u, err := changes.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []sight{
		{What: "table", Name: "LSST.Filter", Change: "removed"},
		{What: "table", Name: "LSST.Filter", Change: "created", Status: "DO_NOT_USE"},
	}, sights(u))
}

func TestThingOf(t *testing.T) {
	for key, want := range map[string][3]string{
		"/DBS/D":                            {"database", "D", "/DBS/D"},
		"/DBS/D/.packed.json":               {"database", "D", "/DBS/D"},
		"/DBS/D/TABLES/T":                   {"table", "D.T", "/DBS/D/TABLES/T"},
		"/DBS/D/TABLES/T/schema":            {"table", "D.T", "/DBS/D/TABLES/T"},
		"/DBS/D/TABLES/T/sharedScan/x":      {"table", "D.T", "/DBS/D/TABLES/T"},
		"/NODES/n":                          {"node", "n", "/NODES/n"},
		"/NODES/n/.packed.json":             {"node", "n", "/NODES/n"},
		"/DBS":                              {},
		"/NODES":                            {},
		"/DBS/D/TABLES":                     {},
		"/DBS/D/TABLES/T/CHUNKS":            {},
		"/DBS/D/TABLES/T/CHUNKS/1/REPLICAS": {},
		"/PARTITIONING/_0000000001":         {},
		"/css_meta/version":                 {},
		"/x/D/TABLES/T":                     {},
	} {
		what, name, root := thingOf(key)
		assert.Equal(t, want, [3]string{what, name, root}, key)
	}
}
