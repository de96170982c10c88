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
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

// quickDrops sets durations that tests can wait for, and returns a filled catalogue.
func quickDrops(t *testing.T) *commandLine {
	t.Helper()
	c := onEtcd(t)
	fill(c)
	c.ok("config", "set", "--confirm", "200ms", "--fence", "1s", "--wait", "1500ms", "--alive", "2s", "--delay", "0s")
	return c
}

// gatedCzar is a czar with a gate, in process.
type gatedCzar struct {
	*deletion.Gate
	t    *testing.T
	view *cssetcd.View
}

func (c *commandLine) czar(name string) *gatedCzar {
	c.t.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]},
		DialTimeout: patience})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = etcd.Close() })
	css, err := cssetcd.New(c.t.Context(), etcd)
	require.NoError(c.t, err)
	view, err := cssetcd.OpenView(c.t.Context(), css)
	require.NoError(c.t, err)
	c.t.Cleanup(view.Close)
	gate, err := deletion.OpenGate(c.t.Context(), css, view, deletion.CzarName(name))
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = gate.Close(ctx) // a query of the test may be running
	})
	return &gatedCzar{gate, c.t, view}
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
func (c *commandLine) awaitShow(name string, wanted func(status.Drop) bool) string {
	c.t.Helper()
	var last string
	require.Eventually(c.t, func() bool {
		r := c.run("drops", "show", name, "-w", "json")
		last = r.stdout + r.stderr
		return r.code == cli.ExitOK && wanted(decode[status.Drop](c.t, r.stdout))
	}, patience, 50*time.Millisecond, "the drop of %s is not as wanted: %s", name, &last)
	return c.ok("drops", "show", name)
}

// gone waits until a name is free.
func (c *commandLine) gone(name string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		return strings.Contains(c.run("drops", "show", name).stderr, "no drop of this name is under way") &&
			c.run("table", "show", name).code == cli.ExitError
	}, patience, 50*time.Millisecond)
}

// TestDropWaitsForRegisteredCzars: it is marked, names who holds it up and why, and can be taken back.
func TestDropWaitsForRegisteredCzars(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	czar := c.czar("first czar")
	czar.query("LSST.Filter")
	assert.Contains(t, c.ok("drops", "list"), "NAME")
	assert.Equal(t, "[]\n", c.ok("drops", "list", "-w", "json"))

	out := c.ok("table", "drop", "LSST.Filter", "--delay", "1h")
	assert.Contains(t, out, "table LSST.Filter is marked to be dropped, revision ")
	assert.Contains(t, out,
		"; no query begins on it from now on\nto undo within 1h0m0s: css-sync drops cancel LSST.Filter\nnow it waits for ")
	text := c.awaitShow("LSST.Filter", func(v status.Drop) bool {
		return len(v.WaitingFor) == 1 && strings.Contains(v.WaitingFor[0].Why, "running on it")
	})
	assert.Contains(t, text, "first czar")
	assert.Contains(t, text, "WAITS FOR CZAR")
	_, err := czar.begin("LSST.Filter")
	require.ErrorIs(t, err, deletion.ErrDropPending)
	czar.query("LSST.Object").Release()

	v := decode[[]status.Drop](t, c.ok("drops", "list", "-w", "json"))[0]
	assert.Equal(t, "LSST.Filter", v.Name)
	assert.Equal(t, "table", v.Kind)
	assert.Equal(t, "marked", v.Phase)
	assert.Equal(t, deletion.Wait, v.Policy)
	assert.Greater(t, v.LeftSeconds, int64(3000))
	assert.NotNil(t, v.AgeSeconds)
	assert.Positive(t, v.Mark)
	assert.Positive(t, v.Incarnation)
	assert.Contains(t, c.ok("drops", "list"), "for czar first czar")

	message := c.fails(cli.ExitError, "table", "drop", "LSST.Filter")
	assert.Contains(t, message, "a drop of this name has not ended")
	assert.Contains(t, message,
		"hint: `css-sync drops show LSST.Filter` says how far it is, and `css-sync drops wait LSST.Filter` waits for it\n")
	assert.Contains(t, c.fails(cli.ExitError, "drops", "abandon", "LSST.Filter"), "it can be cancelled")
	assert.Contains(t, c.fails(cli.ExitError, "drops", "retry", "LSST.Filter"), "has not reached the point of no return")
	assert.Contains(t, c.fails(cli.ExitError, "drops", "wait", "LSST.Filter", "--timeout", "100ms"),
		"it has not ended within 100ms, and goes on: it waits for ")

	shown := c.ok("status")
	assert.Contains(t, shown, "drops:      1 marked\n")
	assert.Contains(t, shown, "LSST.Filter, marked, ")
	assert.Contains(t, shown, "czars:      1 registered\n")
	s := c.status()
	assert.Equal(t, map[string]int{"requested": 0, "marked": 1, "dropping": 0, "failed": 0}, s.Drops.Phases)
	require.Len(t, s.Drops.Longest, 1)
	require.Len(t, s.Czars, 1)
	assert.Equal(t, "alive", s.Czars[0].State)

	assert.Equal(t, "the drop of LSST.Filter is cancelled; it has the status again that it had\n",
		c.ok("drops", "cancel", "LSST.Filter"))
	assert.Contains(t, c.ok("table", "show", "LSST.Filter"), "READY")
	require.Eventually(t, func() bool {
		ref, err := czar.begin("LSST.Filter")
		if err == nil {
			ref.Release()
		}
		return err == nil
	}, patience, 10*time.Millisecond)
	assert.Contains(t, c.fails(cli.ExitError, "drops", "cancel", "LSST.Filter"), "no drop of this name is under way")
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
func (c *commandLine) serves(args ...string) *running {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	serve := c.start(ctx, append([]string{"serve", "--no-mirror"}, args...)...)
	c.t.Cleanup(func() {
		cancel()
		assert.Equal(c.t, cli.ExitOK, serve.wait(c.t), serve.text())
	})
	serve.await(c.t, `msg="drops are carried out"`)
	return serve
}

// TestServeCarriesDropsOut, from the mark to the removal of the data by a command.
func TestServeCarriesDropsOut(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	program, noted, broken := dropScript(t)
	c.environment["CSS_SYNC_DROP_COMMAND"] = program
	serve := c.serves()
	serve.await(t, "data_removed_by=\"the command "+program)
	czar := c.czar("first czar")
	query := czar.query("LSST.Source")

	drop := c.start(t.Context(), "table", "drop", "LSST.Source", "--wait")
	drop.await(t, "table LSST.Source is marked to be dropped")
	drop.await(t, "css-sync: LSST.Source: it waits for czar first czar (1 query is running on it)")
	assert.NoFileExists(t, noted)
	require.NoError(t, query.MayDispatch())
	query.Release()
	assert.Equal(t, cli.ExitOK, drop.wait(t), drop.text())
	assert.True(t, strings.HasSuffix(drop.text(), "table LSST.Source dropped\n"), drop.text())
	text, err := os.ReadFile(noted)
	require.NoError(t, err)
	job := decode[coordinator.Job](t, string(text))
	require.Len(t, job.Tables, 1)
	assert.Equal(t, "LSST", job.Database)
	assert.Equal(t, "Source", job.Tables[0].Table)
	assert.Equal(t, 1, job.Tables[0].ChunkLevel)
	c.gone("LSST.Source")

	// A database, and a command that fails at first.
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	r := decode[dropResult](t, c.ok("db", "drop", "LSST", "-w", "json"))
	assert.Equal(t, "protocol", r.Way)
	assert.Equal(t, "marked", r.Phase)
	assert.Positive(t, r.Revision)
	text2 := c.awaitShow("LSST", func(v status.Drop) bool { return v.Phase == "failed" && v.Kind == "database" })
	assert.Contains(t, text2, "exit status 7: worker-1 is down")
	assert.Contains(t, c.fails(cli.ExitError, "drops", "cancel", "LSST"), "past the point of no return")
	assert.Contains(t, c.fails(cli.ExitError, "db", "create", "LSST"), "a drop of this name has not ended")
	c.ok("drops", "retry", "LSST") // before it can succeed: the drop may end by itself then
	require.NoError(t, os.Remove(broken))
	require.Eventually(t, func() bool { return c.run("db", "create", "LSST").code == cli.ExitOK }, patience,
		50*time.Millisecond)
	text, err = os.ReadFile(noted)
	require.NoError(t, err)
	job = decode[coordinator.Job](t, string(text))
	assert.True(t, job.Whole)
	assert.Len(t, job.Tables, 3)

	// What cannot be removed is given up.
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	c.ok("db", "drop", "Plain")
	c.awaitShow("Plain", func(v status.Drop) bool { return v.Phase == "failed" })
	assert.Contains(t, c.ok("drops", "abandon", "Plain"), "data that were not removed stay")
	c.ok("db", "create", "Plain")
}

// TestDropLaterAndWithoutCzars: the protocol can be asked for, and a request leaves all as it is.
func TestDropLaterAndWithoutCzars(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	out := c.ok("table", "drop", "LSST.Filter", "--after", "1h", "--delay", "10s", "--policy", "cancel")
	assert.Contains(t, out,
		"table LSST.Filter stays in use for 1h0m0s and is marked to be dropped then\nuntil then and for 10s more it can "+
			"be kept: css-sync drops cancel LSST.Filter\n")
	assert.Contains(t, c.ok("table", "show", "LSST.Filter"), "READY")
	assert.Contains(t, c.ok("drops", "show", "LSST.Filter"), "are cancelled")
	assert.Equal(t, "requested", decode[[]status.Drop](t, c.ok("drops", "list", "-w", "json"))[0].Phase)
	// A drop now takes the place of the request, and does not go past it.
	assert.Contains(t, c.ok("table", "drop", "LSST.Filter"),
		"to undo until the czars have agreed: css-sync drops cancel LSST.Filter\nnow it waits for a coordinator; css-sync "+
			"serve is one\n")
	c.ok("drops", "cancel", "LSST.Filter")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waiting := c.start(ctx, "table", "drop", "LSST.Filter", "--wait")
	waiting.await(t, "css-sync: LSST.Filter: it waits for a coordinator")
	again := c.start(ctx, "table", "drop", "LSST.Filter", "--wait") // waits for the one that has begun
	again.await(t, "a drop of LSST.Filter has begun already, with the mark at revision ")
	again.await(t, "css-sync: LSST.Filter: it waits for a coordinator")
	c.ok("drops", "cancel", "LSST.Filter")
	for _, w := range []*running{waiting, again} {
		assert.Equal(t, cli.ExitError, w.wait(t))
		assert.Contains(t, w.text(), "the drop was cancelled")
	}

	c.serves()
	assert.Equal(t, cli.ExitOK, c.run("table", "drop", "LSST.Filter", "--wait").code)
	c.gone("LSST.Filter")
	r := c.run("table", "drop", "LSST.Source", "--delay", "2s", "--wait", "-w", "json")
	require.Equal(t, cli.ExitOK, r.code, r.stderr)
	v := decode[dropResult](t, r.stdout)
	assert.True(t, v.Ended)
	assert.Equal(t, 2, v.DelaySeconds)
	assert.Contains(t, c.ok("table", "drop", "LSST.Source", "--wait", "--if-exists"),
		"nothing to do: there is no table LSST.Source")
	c.fails(cli.ExitError, "table", "drop", "LSST.Source", "--wait")
	assert.Contains(t, c.fails(cli.ExitError, "drops", "wait", "LSST.Source"), "no drop of this name is under way")
}

// TestWaitForADropOfSomebodyElse ends when that has.
func TestWaitForADropOfSomebodyElse(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	c.ok("table", "drop", "LSST.Filter", "--delay", "2s")
	waiting := c.start(t.Context(), "drops", "wait", "LSST.Filter")
	waiting.await(t, "of the agreed delay")
	c.serves()
	assert.Equal(t, cli.ExitOK, waiting.wait(t), waiting.text())
	assert.Contains(t, waiting.text(), "the drop of LSST.Filter has ended\n")
}

// TestDirectDropSaysSo, where no czar is registered.
func TestDirectDropSaysSo(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	assert.Regexp(t, `^table LSST.Filter dropped, revision \d+\nremoved at once, since no czar is registered; data that workers hold of it are left alone\n$`,
		c.ok("table", "drop", "LSST.Filter"))
	v := decode[dropResult](t, c.ok("db", "drop", "Plain", "-w", "json"))
	assert.Equal(t, "direct", v.Way)
	assert.True(t, v.Changed)
	assert.Contains(t, c.ok("db", "drop", "LSST_2", "--force"), "removed at once, by force: no czar was registered")
	assert.Equal(t, "[]\n", c.ok("drops", "list", "-w", "json"))
	assert.Equal(t, "[]\n", c.ok("drops", "czars", "-w", "json"))
	assert.Contains(t, c.ok("status"), "drops:      none\nczars:      none registered\n")
}

// TestRemovalUnderARunningQuery needs --force, and says what it risks.
func TestRemovalUnderARunningQuery(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	czar := c.czar("first czar")
	query := czar.query("LSST.Source")
	message := c.fails(cli.ExitError, "del", "/DBS/LSST/TABLES/Source", "--recursive")
	assert.Contains(t, message, "czars are registered")
	assert.Contains(t, message, "hint: --force removes it nevertheless, and queries that are using it may fail")
	assert.Contains(t, c.fails(cli.ExitInvalid, "table", "drop", "LSST.Source", "--if-status", "READY"),
		"the protocol knows no conditions")
	c.fails(cli.ExitError, "table", "drop", "LSST.Source", "--if-status", "FAILED:", "--force")

	out := c.ok("table", "drop", "LSST.Source", "--if-status", "READY", "--force")
	assert.Contains(t, out,
		"removed at once, by force: 1 czar is registered, whose queries on it may fail, or read another table if the name "+
			"is created anew")
	c.fails(cli.ExitError, "table", "show", "LSST.Source")
	require.NoError(t, query.MayDispatch(), "it goes on, on a table that may be gone")
	require.Eventually(t, func() bool { _, err := czar.begin("LSST.Source"); return err != nil }, patience,
		10*time.Millisecond)
	c.ok("table", "create", "LSST.Source", "--schema", "(a INT)")
	assert.Equal(t, "forced", decode[dropResult](t, c.ok("table", "drop", "LSST.Source", "--force", "-w", "json")).Way)
}

// TestDirectorsWithChildrenStay, unless that is wanted.
func TestDirectorsWithChildrenStay(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.ok("table", "create", "LSST_2.Forced", "--schema", "(objectId BIGINT)", "--dir-db", "LSST", "--dir-table", "Object",
		"--dir-col", "objectId",
		"--allow-unqueryable")
	file := "file://" + saved(t, c.ok("dump"))
	for _, where := range [][]string{nil, {"--css", file}} {
		if where != nil {
			delete(c.environment, "CSS_SYNC_ENDPOINTS")
		}
		message := c.fails(cli.ExitError, append([]string{"table", "drop", "LSST.Object"}, where...)...)
		assert.Contains(t, message,
			"drop table LSST.Object: other tables are partitioned by this one and would stay: LSST.ObjMatch, LSST.Source, "+
				"LSST_2.Forced\n")
		assert.Contains(t, message, "hint: drop those first; --leave-children drops it nevertheless")
		assert.Contains(t, c.fails(cli.ExitError, append([]string{"db", "drop", "LSST"}, where...)...),
			"would stay: LSST_2.Forced\n")
		if where == nil {
			assert.Contains(t, c.fails(cli.ExitError, "table", "drop", "LSST.Object", "--delay", "10s"), "would stay")
			assert.Contains(t, c.ok("table", "drop", "LSST.Object", "--delay", "10s", "--leave-children"), "is marked")
			c.ok("drops", "cancel", "LSST.Object")
		}
		assert.Contains(t, c.ok(append([]string{"table", "drop", "LSST.Object", "--force"}, where...)...),
			"left without what they are partitioned by, and cannot be queried: LSST.ObjMatch, LSST.Source, LSST_2.Forced\n")
		c.ok(append([]string{"table", "create", "LSST.Object", "--schema", "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
			"--dir-db", "LSST", "--dir-table", "Object", "--dir-col", "objectId", "--lon-col", "ra", "--lat-col", "decl",
			"--sub-chunks"}, where...)...)
		r := decode[dropResult](t, c.ok(append([]string{"db", "drop", "LSST", "--leave-children", "-w", "json"},
			where...)...))
		assert.Equal(t, []string{"LSST_2.Forced"}, r.LeftChildren)
	}
}

// TestEvict ends the registration of a czar that holds a drop up.
func TestEvict(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	c.serves()
	czar := c.czar("slow czar")
	query := czar.query("LSST.Filter")
	c.ok("table", "drop", "LSST.Filter")
	var id string
	c.awaitShow("LSST.Filter", func(v status.Drop) bool {
		if len(v.WaitingFor) == 1 {
			id = v.WaitingFor[0].Czar
		}
		return id != ""
	})
	assert.Contains(t, c.ok("drops", "czars"), "slow czar")
	assert.Equal(t, []string{id}, []string{decode[[]status.Czar](t, c.ok("drops", "czars", "-w", "json"))[0].ID})
	assert.Contains(t, c.fails(cli.ExitError, "drops", "evict", "nobody"), "no such czar is registered")
	assert.Contains(t, c.ok("drops", "evict", id), "is being ended, which takes 1.5s or somewhat more")
	select {
	case <-query.Done():
	case <-time.After(patience):
		t.Fatal("the query is not told to end")
	}
	c.gone("LSST.Filter")
	czars := decode[[]status.Czar](t, c.ok("drops", "czars", "-w", "json"))
	require.Len(t, czars, 1)
	assert.NotEqual(t, id, czars[0].ID, "it registers anew")
	query.Release()
}

// TestCzarThatRegistersMeanwhile: a removal at once that etcd refuses for it goes through the protocol.
func TestCzarThatRegistersMeanwhile(t *testing.T) {
	t.Parallel()
	c := quickDrops(t)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(t, err)
	defer etcd.Close()
	css, err := cssetcd.New(t.Context(), etcd)
	require.NoError(t, err)
	name := cssetcd.TableName{DB: "LSST", Table: "Filter"}
	var d dropFlags
	d.register(&cobra.Command{}, "table")
	r, drop, err := d.begin(t.Context(), &cli.Catalogue{Client: css, Conn: etcd}, dropped{
		name: name.String(), what: "table " + name.String(),
		direct: func(ctx context.Context, css *cli.Catalogue, opts ...cssetcd.WriteOption) (cssetcd.Revision, error) {
			c.czar("it registers between the look and the removal")
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
	assert.Contains(t, c.ok("table", "show", "LSST.Filter"), "PENDING_DROP")
}
