package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/roles"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/internal/testkit"
)

// users are the parts at work in the test, each as a user of etcd of its own.
var users = map[string][]roles.Part{
	"czar": {roles.Czar}, "agent": {roles.Agent}, "http": {roles.HTTPWriter},
	"mirror": {roles.Mirror}, "both": {roles.Mirror, roles.MirrorCapture},
	"coordinator": {roles.Coordinator}, "worker": {roles.Worker}, "operator": {roles.Operator}, "reader": {roles.Reader},
}

// world is a catalogue on an etcd with users, and a kvData.
type world struct {
	*guardedEtcd
	maria *mariadbd.Server
}

// as returns a command line of a user of etcd, who is root of MySQL.
func (w *world) as(user string) *clitest.CommandLine {
	c := w.guardedEtcd.as(user)
	c.Env["CSS_SYNC_MYSQL_DSN"] = w.maria.DSN("")
	return c
}

// serve runs a daemon as a user.
func (w *world) serve(user string, args ...string) (serve *clitest.Running, end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	serve = w.as(user).Start(ctx, append([]string{"serve"}, args...)...)
	return serve, func() { cancel(); serve.Ends() }
}

// TestEachPartDoesWithItsRole: each part, as a user of etcd with its role alone, does its work and is refused nothing.
// It uses each permission, so that none can go, and is refused what it has no permission for.
func TestEachPartDoesWithItsRole(t *testing.T) {
	t.Parallel()
	w := &world{startGuarded(t), testkit.MariaDB(t, mariadbd.Options{})}
	w.as("").OK("roles --apply")
	named := map[string][]string{}
	for user, parts := range users {
		for _, part := range parts {
			named[user] = append(named[user], "css-"+string(part))
		}
	}
	w.guard(named)

	w.as("").Refuses(cli.ExitError, "only a user with etcd's own role root", "roles --apply")

	w.operate()
	w.read()
	w.mirrorAlone()
	w.mirrorBoth()
	w.drop()
	w.writeOverHTTP()
	w.serveChunks()

	w.as("root").Says("nothing to do", "roles --apply")
	for user, parts := range users {
		used, refused := w.heard(user)
		assert.Empty(t, refused, "%s was refused", user)
		for _, part := range parts {
			for _, p := range roles.RoleOf(part, "/qserv", "").Permissions {
				assert.True(t, usesAll(used, p), "%s does not need to %s %s", user, p.Access, p)
			}
		}
		w.refusesTheRest(user, parts)
	}
}

// usesAll reports whether requests needed a permission: read, written, or both.
func usesAll(used []keyRange, p roles.Permission) bool {
	uses := func(write bool) bool {
		late := p.Key == "/qserv/fence" && write || p.Key == "/qserv/commit" && !write // when an answer was lost
		return late || slices.ContainsFunc(used, func(r keyRange) bool {
			return r.write == write && (r.key == p.Key || p.End != "" && r.key >= p.Key && r.key < p.End)
		})
	}
	return (p.Access == roles.Write || uses(false)) && (p.Access == roles.Read || uses(true))
}

// does runs a command line that must succeed, whatever it says.
func does(c *clitest.CommandLine, args ...string) {
	c.T.Helper()
	r := c.Run(args...)
	require.Equal(c.T, cli.ExitOK, r.Code, "%v: %s", args, r.Stderr)
}

// operate runs what the operator has.
func (w *world) operate() {
	c := w.as("operator")
	clitest.Fill(c.OK)
	c.OK("db create Empty")
	for _, line := range []string{
		"drops settings set --confirm 200ms --fence 1s --wait 1250ms --alive 30s --delay 0s", "history-reset",
		"node set-state worker-2 ACTIVE", "node delete worker-2", "chunk add LSST.Object 7 worker-1",
		"chunk add LSST.Object 8 worker-1", "chunk delete LSST.Object 8", "db set-status Plain DO_NOT_USE",
		"table set-status LSST.Filter READY", "table set-scan LSST.Source --scan-rating 3", "put /note x", "del /note",
		"table drop LSST.Filter --delay 1h", "drops cancel LSST.Filter", "table drop LSST.Filter --after 1h",
		"drops cancel LSST.Filter", "db drop Plain --force", "mirror --once", "mirror --capture install",
	} {
		does(c, line)
	}
	c.OK("table", "set-schema", "LSST.Filter", "--schema", "(id INT, name INT)")
	clitest.Execute(w.t, w.maria, inserting("/DBS/Theirs", "READY"))
	c.OK("mirror --once")
	c.Says("Theirs", "db list")
	c.OK("mirror --capture remove")
	c.OK("export mysql")
	c.OK("import mysql --overwrite")
	c.OK("mirror --capture remove")
	file := filepath.Join(w.t.TempDir(), "dump.json")
	does(c, "dump", "-o", file)
	does(c, "restore", file, "--overwrite")
}

// read runs what only looks.
func (w *world) read() {
	c := w.as("reader")
	for _, line := range []string{
		"db list", "db show LSST", "db families", "table list", "table show LSST.Object", "chunk list LSST.Object",
		"chunk show LSST.Object 7", "node list", "node show worker-1", "drops list", "drops czars", "drops settings show",
		"get /DBS/LSST", "ls /DBS", "log --limit 5", "log --all", "diff etcd mysql", "check", "conflicts list",
		"mirror --dry-run", "mirror --capture status",
	} {
		does(c, line)
	}
	does(c, "dump", "-o", filepath.Join(w.t.TempDir(), "dump.json"))
	s := clitest.Decode[status.Status](w.t, c.Run("status -w json").Stdout)
	assert.True(w.t, s.Etcd.OK, s.Etcd.Error)
	require.NotNil(w.t, s.Drops)
	assert.True(w.t, s.Drops.OK, s.Drops.Error)
	completes(c, []string{"LSST_2"}, "db", "show", "LSST_")

	ctx, cancel := context.WithCancel(w.t.Context())
	watch := c.Start(ctx, "watch /NODES")
	clitest.Await(w.t, func() bool { // a watch begins with what comes after it
		for _, state := range []string{"INACTIVE", "ACTIVE"} {
			_, err := w.root.Put(ctx, "/qserv/css/NODES/worker-1", state)
			require.NoError(w.t, err)
		}
		return strings.Contains(watch.String(), "/NODES/worker-1")
	})
	cancel()
	watch.Wait()
}

// mirrorAlone lets a daemon mirror to a kvData that nobody else writes.
func (w *world) mirrorAlone() {
	_, err := w.root.Put(w.t.Context(), "/qserv/css/DBS/PastUs", "READY")
	require.NoError(w.t, err)
	serve, end := w.serve("mirror", "--no-drops", "--compact=off")
	serve.Await(`msg="mirror follows etcd"`)
	serve.Await("that were made or removed past css-sync are on record now")
	w.as("operator").OK("db create Mirrored")
	w.awaitRow("/DBS/Mirrored")
	end()
}

// awaitRow waits until kvData has a key.
func (w *world) awaitRow(key string) {
	w.t.Helper()
	db, err := sql.Open("mysql", w.maria.DSN(cli.DefaultDatabase))
	require.NoError(w.t, err)
	defer db.Close()
	clitest.Await(w.t, func() bool {
		var n int
		err := db.QueryRowContext(w.t.Context(), "SELECT COUNT(*) FROM kvData WHERE kvKey = ?", key).Scan(&n)
		return err == nil && n == 1
	}, key)
}

// awaitKey waits until etcd has a key, or has it no more. It looks past css-sync, whose commands take more of the
// machine.
func (w *world) awaitKey(key string, there bool) {
	w.t.Helper()
	clitest.Await(w.t, func() bool {
		got, err := w.root.Get(w.t.Context(), key, clientv3.WithCountOnly())
		return err == nil && (got.Count > 0) == there
	}, key)
}

// mirrorBoth lets a daemon take what others write into kvData.
func (w *world) mirrorBoth() {
	w.as("operator").OK("mirror --capture install")
	serve, end := w.serve("both", "--no-drops", "--compact=off")
	serve.Await(`msg="mirror follows etcd"`)
	chunk := "/DBS/LSST/TABLES/Object/CHUNKS/9"
	clitest.Execute(w.t, w.maria, inserting("/DBS/Ours", "READY"), inserting(chunk, ""), inserting(chunk+"/REPLICAS", ""),
		inserting(chunk+"/REPLICAS/0000000001", ""),
		inserting(chunk+"/REPLICAS/0000000001/.packed.json", `{"nodeName":"worker-1"}`))
	w.awaitKey("/qserv/css"+chunk+"/REPLICAS/0000000001/.packed.json", true)
	end()
}

// czar opens the gate of one.
func (w *world) czar() *gatedCzar {
	ctx := w.t.Context()
	css, err := cssetcd.New(ctx, w.client("czar"))
	require.NoError(w.t, err)
	view, err := cssetcd.OpenView(ctx, css)
	require.NoError(w.t, err)
	gate, err := deletion.OpenGate(ctx, css, view, deletion.CzarName("czar"))
	require.NoError(w.t, err)
	return &gatedCzar{gate, w.t, view}
}

// drop lets a czar and a coordinator drop a table under a query, ends the registration of a czar, and frees a name.
func (w *world) drop() {
	t, c := w.t, w.as("operator")
	czar := w.czar()
	defer czar.view.Close()
	_, err := w.root.Put(t.Context(), "/qserv/css/DBS/PastUsAgain", "READY")
	require.NoError(t, err)
	program, _, broken := dropScript(t)
	serve, end := w.serve("coordinator", "--no-mirror", "--drop-command", program)
	serve.Await(`msg="drops are carried out"`)
	serve.Await("this user of etcd may not compact, which takes etcd's role root")
	serve.Await("that were made or removed past css-sync are on record now")

	var query *deletion.Ref
	clitest.Await(t, func() bool { // a machine that stalls has it register anew
		query, err = czar.begin("LSST.Source")
		return err == nil
	})
	endAgent := w.agent()
	c.OK("table drop LSST.Source --delay 0s")
	query.Release()
	w.awaitKey("/qserv/drop/table/LSST/Source", false)
	endAgent()
	c.OK("db create Vanishing")
	does(c, "chunk empty set Vanishing 1-3")
	c.OK("db drop Vanishing --delay 0s")
	w.awaitKey("/qserv/drop/db/Vanishing", false)
	w.awaitKey("/qserv/css_empty/Vanishing", false)

	before := clitest.JSON[[]form.Czar](c, "drops czars")
	require.NotEmpty(t, before)
	c.OK("drops", "evict", before[0].ID)
	w.awaitKey("/qserv/czar/"+before[0].ID, false)
	require.NoError(t, os.WriteFile(broken, nil, 0o600))
	c.OK("db drop Empty")
	w.awaitFailed("Empty")
	c.OK("drops retry Empty")
	w.awaitFailed("Empty")
	c.OK("drops abandon Empty")
	require.NoError(t, czar.Close(t.Context()))
	assert.Empty(t, clitest.JSON[[]form.Czar](c, "drops czars"))
	end()
}

// awaitFailed waits until the coordinator has tried to remove a database's data, and could not.
func (w *world) awaitFailed(db string) {
	w.t.Helper()
	clitest.Await(w.t, func() bool {
		got, err := w.root.Get(w.t.Context(), "/qserv/drop/db/"+db)
		return err == nil && len(got.Kvs) == 1 && strings.Contains(string(got.Kvs[0].Value), "exit status 7")
	})
}

// loads reads a key as views do.
func loads(t *testing.T, etcd *clientv3.Client, key string) error {
	parts, err := etcd.GetStream(t.Context(), key)
	if err != nil {
		return err
	}
	for part := range parts {
		err = errors.Join(err, part.Err())
	}
	return err
}

// forbidden are commands that a part may not run, and what is said then.
var forbidden = map[string]string{
	"reader": "put /note x", "czar": "put /note x", "agent": "put /note x",
	"http": "history-reset", "mirror": "db create Forbidden",
	"coordinator": "node add n --host h --port 1", "both": "drops settings set --delay 1s", "operator": "",
}

// refusesTheRest tries everything that the roles of a user do not say.
func (w *world) refusesTheRest(user string, parts []roles.Part) {
	t, etcd := w.t, w.client(user)
	var all []roles.Permission
	for _, part := range parts {
		all = append(all, roles.RoleOf(part, "/qserv", "").Permissions...)
	}
	may := func(key string, access roles.Access) bool {
		return slices.ContainsFunc(all, func(p roles.Permission) bool {
			return (p.Access == access || p.Access == roles.ReadWrite) &&
				(key == p.Key || p.End != "" && key >= p.Key && key < p.End)
		})
	}
	keys := []string{"/qserv", "/qserv0", "/qserv2/css/DBS", "/other"}
	for _, top := range csskey.Tops {
		keys = append(keys, "/qserv/"+top, "/qserv/"+top+"/probe")
	}
	for _, key := range keys {
		if !may(key, roles.Read) {
			_, err := etcd.Get(t.Context(), key)
			assert.ErrorIs(t, err, rpctypes.ErrPermissionDenied, "%s reads %s", user, key)
			assert.ErrorContains(t, loads(t, etcd, key), "permission denied", "%s loads %s", user, key)
		}
		if !may(key, roles.Write) {
			_, err := etcd.Put(t.Context(), key, "")
			assert.ErrorIs(t, err, rpctypes.ErrPermissionDenied, "%s puts %s", user, key)
		}
	}
	if command := forbidden[user]; command != "" {
		w.as(user).Refuses(cli.ExitError, "hint: the user is known, but may not do this: `css-sync roles` prints", command)
	}
	w.as(user).Refuses(cli.ExitError, "only a user with etcd's own role root may look at roles and change them\n"+
		"hint: give --user root", "roles --apply")
	_, err := etcd.Compact(t.Context(), 2)
	assert.ErrorIs(t, err, rpctypes.ErrPermissionDenied, "%s compacts", user)
	_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{MemberID: 1, Alarm: etcdserverpb.AlarmType_NOSPACE})
	assert.ErrorIs(t, err, rpctypes.ErrPermissionDenied, "%s disarms alarms", user)
	_, err = etcd.RoleList(t.Context())
	assert.ErrorIs(t, err, rpctypes.ErrPermissionDenied, "%s looks at roles", user)
}

// TestRolesHaveTheFence: whoever puts the token of an operation may look for it and move the fence, without which a
// lost answer stays unknown.
func TestRolesHaveTheFence(t *testing.T) {
	t.Parallel()
	for _, part := range roles.Parts {
		holds := func(path kv.Path, write bool) bool {
			return slices.ContainsFunc(roles.Of(part), func(g roles.Grant) bool {
				return g.Span.Covers(kv.Key(path)) && (g.Access == roles.ReadWrite || (g.Access == roles.Write) == write)
			})
		}
		if holds(kv.CommitPath, true) {
			for _, path := range []kv.Path{kv.CommitPath, kv.FencePath} {
				assert.True(t, holds(path, true) && holds(path, false), fmt.Sprint(part, " ", path))
			}
		}
	}
}

// serveChunks publishes what a worker serves, and keeps it in shared memory; czars and agents look at it.
func (w *world) serveChunks() {
	dir := w.t.TempDir()
	program := filepath.Join(dir, "serves")
	require.NoError(w.t, os.WriteFile(program, []byte("#!/bin/sh\necho LSST 1-3\n"), 0o700))
	ctx, cancel := context.WithCancel(w.t.Context())
	c := w.as("worker")
	publish := c.Start(ctx, "inventory", "publish", "--worker", "worker-1", "--from-command", program, "--ttl", "2s",
		"--every", "1s")
	shared := c.Start(ctx, "inventory", "serve-shm", "--worker", "worker-1", "--file", filepath.Join(dir, "block"))
	shared.Await("keeps the inventory of a worker in shared memory")
	for _, user := range []string{"czar", "agent"} {
		clitest.Await(w.t, func() bool { return w.as(user).Run("inventory show worker-1 LSST").Stdout == "1-3\n" })
	}
	read := func() bool { // that nobody has meddled with it is looked at after --ttl
		used, _ := w.heard("worker")
		return usesAll(used, roles.Permission{Access: roles.ReadWrite, Key: "/qserv/inventory/", End: "/qserv/inventory0"})
	}
	clitest.Await(w.t, read)
	cancel()
	publish.Ends()
	shared.Ends()
}
