package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
)

// onQuickDrops returns a command line on a catalogue with durations that tests can wait for.
func onQuickDrops(t *testing.T) *clitest.CommandLine {
	t.Helper()
	c := filled(t)
	c.OK(clitest.QuickDrops)
	return c
}

// gatedCzar is a czar with a gate, in process.
type gatedCzar struct {
	*deletion.Gate
	t    *testing.T
	view *cssetcd.View
}

func startCzar(c *clitest.CommandLine, name string) *gatedCzar {
	c.T.Helper()
	css, err := cssetcd.New(c.T.Context(), c.Etcd())
	require.NoError(c.T, err)
	view, err := cssetcd.OpenView(c.T.Context(), css)
	require.NoError(c.T, err)
	c.T.Cleanup(view.Close)
	gate, err := deletion.OpenGate(c.T.Context(), css, view, deletion.CzarName(name))
	require.NoError(c.T, err)
	c.T.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = gate.Close(ctx) // a query of the test may be running
	})
	return &gatedCzar{gate, c.T, view}
}

// query begins a query on a table.
func (z *gatedCzar) query(name string) *deletion.Ref {
	z.t.Helper()
	ref, err := z.begin(name)
	require.NoError(z.t, err)
	return ref
}

func (z *gatedCzar) begin(name string) (*deletion.Ref, error) {
	n, err := cssetcd.ParseTableName(name)
	require.NoError(z.t, err)
	table, err := z.view.Snapshot().Table(n)
	if err != nil {
		return nil, err
	}
	ref, err := z.Admit(table)
	return &ref, err
}

// awaitShow waits until the drop is as wanted, and returns its text form.
func awaitShow(c *clitest.CommandLine, name string, wanted func(form.Drop) bool) string {
	c.T.Helper()
	var last string
	clitest.Await(c.T, func() bool {
		r := c.Run("drops", "show", name, "-w", "json")
		last = r.Stdout + r.Stderr
		return r.Code == cli.ExitOK && wanted(clitest.Decode[form.Drop](c.T, r.Stdout))
	}, "the drop of %s is not as wanted: %s", name, &last)
	return c.OK("drops", "show", name)
}

// TestDropWaitsForRegisteredCzars: it is marked, names who holds it up and why, and can be taken back.
func TestDropWaitsForRegisteredCzars(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := startCzar(c, "first czar")
	czar.query("LSST.Filter")
	c.Says("NAME", "drops list")
	assert.Equal(t, "[]\n", c.OK("drops list -w json"))

	out := c.OK("table drop LSST.Filter --delay 1h")
	assert.Contains(t, out, "table LSST.Filter is marked to be dropped, revision ")
	assert.Contains(t, out,
		"; no query begins on it from now on\nto undo within 1h0m0s: css-sync drops cancel LSST.Filter\nnow it waits for ")
	text := awaitShow(c, "LSST.Filter", func(v form.Drop) bool {
		return len(v.WaitingFor) == 1 && strings.Contains(v.WaitingFor[0].Why, "running on it")
	})
	assert.Contains(t, text, "first czar")
	assert.Contains(t, text, "WAITS FOR CZAR")
	_, err := czar.begin("LSST.Filter")
	require.ErrorIs(t, err, deletion.ErrDropPending)
	czar.query("LSST.Object").Release()

	v := clitest.JSON[[]form.Drop](c, "drops", "list")[0]
	assert.Equal(t, "LSST.Filter", v.Name)
	assert.Equal(t, "table", v.Kind)
	assert.Equal(t, "marked", v.Phase)
	assert.Equal(t, deletion.Wait, v.Policy)
	assert.Greater(t, v.LeftSeconds, int64(3000))
	assert.NotNil(t, v.AgeSeconds)
	assert.Positive(t, v.Mark)
	assert.Positive(t, v.Incarnation)
	c.Says("for czar first czar", "drops list")

	message := c.Fails(cli.ExitError, "table drop LSST.Filter")
	assert.Contains(t, message, "a drop of this name has not ended")
	assert.Contains(t, message,
		"hint: `css-sync drops show LSST.Filter` says how far it is, and `css-sync drops wait LSST.Filter` waits for it\n")
	c.Refuses(cli.ExitError, "it can be cancelled", "drops abandon LSST.Filter")
	c.Refuses(cli.ExitError, "has not reached the point of no return", "drops retry LSST.Filter")
	c.Refuses(cli.ExitError, "it has not ended within 100ms, and goes on: it waits for ",
		"drops wait LSST.Filter --timeout 100ms")

	c.Says("drops:      1 marked\n ... LSST.Filter, marked,  ... czars:      1 registered\n", "status")
	s := statusOf(c)
	assert.Equal(t, map[string]int{"requested": 0, "marked": 1, "dropping": 0, "failed": 0}, s.Drops.Phases)
	require.Len(t, s.Drops.Longest, 1)
	require.Len(t, s.Czars, 1)
	assert.Equal(t, "alive", s.Czars[0].State)

	assert.Equal(t, "the drop of LSST.Filter is cancelled; it has the status again that it had\n",
		c.OK("drops cancel LSST.Filter"))
	c.Says("READY", "table show LSST.Filter")
	clitest.Await(t, func() bool {
		ref, err := czar.begin("LSST.Filter")
		if err == nil {
			ref.Release()
		}
		return err == nil
	})
	c.Refuses(cli.ExitError, "no drop of this name is under way", "drops cancel LSST.Filter")
}

// dropScript writes a program that notes its job in a file, unless a file says that it is to fail.
func dropScript(t *testing.T) (path, noted, broken string) {
	t.Helper()
	dir := t.TempDir()
	path, noted, broken = filepath.Join(dir, "drop"), filepath.Join(dir, "job"), filepath.Join(dir, "broken")
	text := "#!/bin/sh\nif [ -e " + broken + " ]; then echo worker-1 is down >&2; exit 7; fi\ncat > " + noted +
		".new && mv " + noted + ".new " + noted + "\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
	return path, noted, broken
}

// serves runs a daemon without a mirror until the test ends.
func serves(c *clitest.CommandLine, args ...string) *clitest.Running {
	c.T.Helper()
	ctx, cancel := context.WithCancel(c.T.Context())
	serve := c.Start(ctx, append([]string{"serve", "--no-mirror"}, args...)...)
	c.T.Cleanup(func() {
		cancel()
		serve.Ends()
	})
	serve.Await(`msg="drops are carried out"`)
	return serve
}

// TestServeCarriesDropsOut, from the mark to the removal of the data by a command.
func TestServeCarriesDropsOut(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	program, noted, broken := dropScript(t)
	c.Env["CSS_SYNC_DROP_COMMAND"] = program
	serve := serves(c)
	serve.Await("data_removed_by=\"the command " + program)
	czar := startCzar(c, "first czar")
	query := czar.query("LSST.Source")

	drop := c.Start(t.Context(), "table drop LSST.Source --wait")
	drop.Await("table LSST.Source is marked to be dropped")
	drop.Await("css-sync: LSST.Source: it waits for czar first czar (1 query is running on it)")
	assert.NoFileExists(t, noted)
	require.NoError(t, query.MayDispatch())
	query.Release()
	drop.Ends()
	assert.True(t, strings.HasSuffix(drop.String(), "table LSST.Source dropped\n"), drop.String())
	text, err := os.ReadFile(noted)
	require.NoError(t, err)
	job := clitest.Decode[coordinator.Job](t, string(text))
	require.Len(t, job.Tables, 1)
	assert.Equal(t, "LSST", job.Database)
	assert.Equal(t, "Source", job.Tables[0].Table)
	assert.Equal(t, 1, job.Tables[0].ChunkLevel)
	clitest.AwaitGone(t, c.Run, "LSST.Source")

	// A database, and a command that fails at first.
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	r := clitest.JSON[dropResult](c, "db", "drop", "LSST")
	assert.Equal(t, "protocol", r.Way)
	assert.Equal(t, "marked", r.Phase)
	assert.Positive(t, r.Revision)
	text2 := awaitShow(c, "LSST", func(v form.Drop) bool { return v.Phase == "failed" && v.Kind == "database" })
	assert.Contains(t, text2, "exit status 7: worker-1 is down")
	c.Refuses(cli.ExitError, "past the point of no return", "drops cancel LSST")
	c.Refuses(cli.ExitError, "a drop of this name has not ended", "db create LSST")
	c.OK("drops retry LSST") // before it can succeed: the drop may end by itself then
	require.NoError(t, os.Remove(broken))
	clitest.Await(t, func() bool { return c.Run("db create LSST").Code == cli.ExitOK })
	text, err = os.ReadFile(noted)
	require.NoError(t, err)
	job = clitest.Decode[coordinator.Job](t, string(text))
	assert.True(t, job.Whole)
	assert.Len(t, job.Tables, 3)

	// What cannot be removed is given up.
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	c.OK("db drop Plain")
	awaitShow(c, "Plain", func(v form.Drop) bool { return v.Phase == "failed" })
	c.Says("data that were not removed stay", "drops abandon Plain")
	c.OK("db create Plain")
}

// TestDropLaterAndWithoutCzars: the protocol can be asked for, and a request leaves all as it is.
func TestDropLaterAndWithoutCzars(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	out := c.OK("table drop LSST.Filter --after 1h --delay 10s --policy cancel")
	assert.Contains(t, out,
		"table LSST.Filter stays in use for 1h0m0s and is marked to be dropped then\nuntil then and for 10s more it can "+
			"be kept: css-sync drops cancel LSST.Filter\n")
	c.Says("READY", "table show LSST.Filter")
	c.Says("are cancelled", "drops show LSST.Filter")
	assert.Equal(t, "requested", clitest.JSON[[]form.Drop](c, "drops", "list")[0].Phase)
	// A drop now takes the place of the request, and does not go past it.
	c.Says("to undo until the czars have agreed: css-sync drops cancel LSST.Filter\nnow it waits for a coordinator; "+
		"css-sync "+
		"serve is one\n",
		"table drop LSST.Filter")
	c.OK("drops cancel LSST.Filter")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := c.Start(ctx, "table drop LSST.Filter --wait")
	waiting.Await("css-sync: LSST.Filter: it waits for a coordinator")
	again := c.Start(ctx, "table drop LSST.Filter --wait") // waits for the one that has begun
	again.Await("a drop of LSST.Filter has begun already, with the mark at revision ")
	again.Await("css-sync: LSST.Filter: it waits for a coordinator")
	c.OK("drops cancel LSST.Filter")
	for _, w := range []*clitest.Running{waiting, again} {
		assert.Equal(t, cli.ExitError, w.Wait())
		assert.Contains(t, w.String(), "the drop was cancelled")
	}

	serves(c)
	assert.Equal(t, cli.ExitOK, c.Run("table drop LSST.Filter --wait").Code)
	clitest.AwaitGone(t, c.Run, "LSST.Filter")
	r := c.Run("table drop LSST.Source --delay 2s --wait -w json")
	require.Equal(t, cli.ExitOK, r.Code, r.Stderr)
	v := clitest.Decode[dropResult](t, r.Stdout)
	assert.True(t, v.Ended)
	assert.Equal(t, 2, v.DelaySeconds)
	c.Says("nothing to do: there is no table LSST.Source", "table drop LSST.Source --wait --if-exists")
	c.Fails(cli.ExitError, "table drop LSST.Source --wait")
	c.Refuses(cli.ExitError, "no drop of this name is under way", "drops wait LSST.Source")
}

// TestWaitForADropOfSomebodyElse ends when that has.
func TestWaitForADropOfSomebodyElse(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	c.OK("table drop LSST.Filter --delay 2s")
	waiting := c.Start(t.Context(), "drops wait LSST.Filter")
	waiting.Await("of the agreed delay")
	serves(c)
	waiting.Ends()
	assert.Contains(t, waiting.String(), "the drop of LSST.Filter has ended\n")
}

// TestDirectDropSaysSo, where no czar is registered.
func TestDirectDropSaysSo(t *testing.T) {
	t.Parallel()
	c := filled(t)
	assert.Regexp(t, `^table LSST.Filter dropped, revision \d+\nremoved at once, since no czar is registered; data that workers hold of it are left alone\n$`,
		c.OK("table drop LSST.Filter"))
	v := clitest.JSON[dropResult](c, "db", "drop", "Plain")
	assert.Equal(t, "direct", v.Way)
	assert.True(t, v.Changed)
	c.Says("removed at once, by force: no czar was registered", "db drop LSST_2 --force")
	assert.Equal(t, "[]\n", c.OK("drops list -w json"))
	assert.Equal(t, "[]\n", c.OK("drops czars -w json"))
	c.Says("drops:      none\nczars:      none registered\n", "status")
}

// TestRemovalUnderARunningQuery needs --force, and says what it risks.
func TestRemovalUnderARunningQuery(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	czar := startCzar(c, "first czar")
	query := czar.query("LSST.Source")
	message := c.Fails(cli.ExitError, "del /DBS/LSST/TABLES/Source --recursive")
	assert.Contains(t, message, "czars are registered")
	assert.Contains(t, message, "hint: --force removes it nevertheless, and queries that are using it may fail")
	c.Refuses(cli.ExitInvalid, "the protocol knows no conditions", "table drop LSST.Source --if-status READY")
	c.Fails(cli.ExitError, "table drop LSST.Source --if-status FAILED: --force")

	out := c.OK("table drop LSST.Source --if-status READY --force")
	assert.Contains(t, out,
		"removed at once, by force: 1 czar is registered, whose queries on it may fail, or read another table if the name "+
			"is created anew")
	c.Fails(cli.ExitError, "table show LSST.Source")
	require.NoError(t, query.MayDispatch(), "it goes on, on a table that may be gone")
	clitest.Await(t, func() bool { _, err := czar.begin("LSST.Source"); return err != nil })
	c.OK("table", "create", "LSST.Source", "--schema", "(a INT)")
	assert.Equal(t, "forced", clitest.JSON[dropResult](c, "table", "drop", "LSST.Source", "--force").Way)
}

// TestDirectorsWithChildrenStay, unless that is wanted.
func TestDirectorsWithChildrenStay(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.OK("table", "create", "LSST_2.Forced", "--schema", "(objectId BIGINT)", "--dir-db", "LSST", "--dir-table", "Object",
		"--dir-col", "objectId", "--allow-unqueryable")
	f := tested.In(t, map[string]string{"CSS_SYNC_CSS": "file://" + saved(t, c.OK("dump"))})
	c.Refuses(cli.ExitError, "would stay", "table drop LSST.Object --delay 10s")
	c.Says("is marked", "table drop LSST.Object --delay 10s --leave-children")
	c.OK("drops cancel LSST.Object")
	const children = "LSST.ObjMatch, LSST.Source, LSST_2.Forced\n"
	for _, c := range []*clitest.CommandLine{c, f} {
		c.Refuses(cli.ExitError, "drop table LSST.Object: other tables are partitioned by this one and would stay: "+
			children+"hint: drop those first; --leave-children drops it nevertheless", "table drop LSST.Object")
		c.Refuses(cli.ExitError, "would stay: LSST_2.Forced\n", "db drop LSST")
		c.Says("left without what they are partitioned by, and cannot be queried: "+children,
			"table drop LSST.Object --force")
		c.OK("table", "create", "LSST.Object", "--schema", "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
			"--dir-db", "LSST", "--dir-table", "Object", "--dir-col", "objectId", "--lon-col", "ra", "--lat-col", "decl",
			"--sub-chunks")
		r := clitest.JSON[dropResult](c, "db", "drop", "LSST", "--leave-children")
		assert.Equal(t, []string{"LSST_2.Forced"}, r.LeftChildren)
	}
}

// TestEvict ends the registration of a czar that holds a drop up.
func TestEvict(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	c.OK("drops settings set --fence 5s --wait 7s --alive 9s")
	serves(c)
	czar := startCzar(c, "slow czar")
	query := czar.query("LSST.Filter")
	c.OK("table drop LSST.Filter")
	var id string
	awaitShow(c, "LSST.Filter", func(v form.Drop) bool {
		if len(v.WaitingFor) == 1 {
			id = v.WaitingFor[0].Czar
		}
		return id != ""
	})
	c.Says("slow czar", "drops czars")
	assert.Equal(t, []string{id}, []string{clitest.JSON[[]form.Czar](c, "drops", "czars")[0].ID})
	c.Refuses(cli.ExitError, "no such czar is registered", "drops evict nobody")
	c.Says("is being ended, which takes 7s or somewhat more", "drops", "evict", id)
	select {
	case <-query.Done():
	case <-time.After(clitest.Patience):
		t.Fatal("the query is not told to end")
	}
	clitest.AwaitGone(t, c.Run, "LSST.Filter")
	czars := clitest.JSON[[]form.Czar](c, "drops", "czars")
	require.Len(t, czars, 1)
	assert.NotEqual(t, id, czars[0].ID, "it registers anew")
	query.Release()
}

// TestCzarThatRegistersMeanwhile: a removal at once that etcd refuses for it goes through the protocol.
func TestCzarThatRegistersMeanwhile(t *testing.T) {
	t.Parallel()
	c := onQuickDrops(t)
	etcd := c.Etcd()
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	name := cssetcd.TableName{DB: "LSST", Table: "Filter"}
	var d dropFlags
	d.register(&cobra.Command{}, "table")
	r, drop, err := d.begin(t.Context(), &cli.Catalogue{Client: css, Conn: etcd}, dropped{
		name: name.String(), what: "table " + name.String(),
		direct: func(ctx context.Context, css *cli.Catalogue, opts ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			startCzar(c, "it registers between the look and the removal")
			return css.DropTable(ctx, name, opts...)
		},
		mark: func(ctx context.Context, client *deletion.Client, opts ...deletion.Option) (*deletion.Drop, error) {
			return client.DropTable(ctx, name, opts...)
		},
	})
	require.NoError(t, err)
	assert.Equal(t, wayProtocol, r.Way)
	assert.Equal(t, drop.Mark(), r.Revision)
	assert.True(t, r.Changed)
	c.Says("PENDING_DROP", "table show LSST.Filter")
}
