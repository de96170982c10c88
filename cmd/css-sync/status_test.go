package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/status"
)

func statusOf(c *clitest.CommandLine) status.Status {
	c.T.Helper()
	return clitest.Decode[status.Status](c.T, c.OK("status -w json"))
}

// awaitRefusal waits until status says that a daemon refuses to write.
func awaitRefusal(c *clitest.CommandLine) daemon.Refusal {
	c.T.Helper()
	clitest.Await(c.T, func() bool { return len(statusOf(c).Refusals) == 1 })
	return statusOf(c).Refusals[0]
}

func awaitNoRefusal(c *clitest.CommandLine) {
	c.T.Helper()
	clitest.Await(c.T, func() bool { return len(statusOf(c).Refusals) == 0 })
	assert.NotContains(c.T, c.OK("status"), "REFUSED")
}

// TestStatusShowsTheBrake: why and since when, without knowing where MySQL is; and no longer once the deletion is let
// through.
func TestStatusShowsTheBrake(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.OK("db create Only")
	c.OK("mirror --once")
	assert.Equal(t, []daemon.Refusal{}, statusOf(c).Refusals)
	c.OK("db drop Only")
	began := time.Now().Add(-time.Second)
	serve := c.Process("serve")
	refused := awaitRefusal(c)
	assert.Equal(t, "default", refused.Mirror)
	assert.Contains(t, refused.Reason, "--allow-mass-delete")
	assert.NotEmpty(t, refused.Owner)
	assert.WithinRange(t, refused.Since, began, time.Now())
	dsn := c.Env["CSS_SYNC_MYSQL_DSN"]
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	text := c.OK("status")
	assert.Contains(t, text, "REFUSED:")
	assert.Contains(t, text, "since "+refused.Since.Format(time.RFC3339)+" the mirror default writes nothing: ")
	c.Env["CSS_SYNC_MYSQL_DSN"] = dsn

	c.OK("mirror --once --allow-mass-delete")
	serve.Await(`msg="mirror follows etcd"`)
	awaitNoRefusal(c)
	serve.Stop()
}

// TestRefusalEndsWithItsCause, when that is mended in etcd, and with the daemon, however that ends.
func TestRefusalEndsWithItsCause(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.OK("db create Only")
	c.OK("mirror --once")
	c.OK("db drop Only")
	args := []string{"serve", "--session-ttl", "2s"}
	killed := c.Process(args...)
	awaitRefusal(c)
	killed.Signal(syscall.SIGKILL)
	killed.Wait()
	awaitNoRefusal(c)

	stopped := c.Process(args...)
	awaitRefusal(c)
	stopped.Stop()
	awaitNoRefusal(c)

	mended := c.Process(args...)
	awaitRefusal(c)
	c.OK("db create Only")
	mended.Await(`msg="mirror follows etcd"`)
	awaitNoRefusal(c)
	awaitAgreement(c)
}

// TestRefusalsOfSeveralMirrors: candidates are none, and what another version wrote is shown as it is.
func TestRefusalsOfSeveralMirrors(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create Only")
	c.Put("/qserv/mirror/a/0000000000000001", "a candidate")
	c.Put("/qserv/mirror/a", "out of order")
	c.Put("/qserv/mirror/b",
		`{"mirror":"b","owner":"host, process 7","since":"2026-11-21T10:00:00Z","reason":"the table is not its own"}`)
	got := statusOf(c).Refusals
	require.Len(t, got, 2)
	assert.Equal(t, daemon.Refusal{Mirror: "a", Reason: "out of order"}, got[0])
	c.Says("since 2026-11-21T10:00:00Z the mirror b writes nothing: the table is not its own (host, process 7)", "status")
}

// TestServeProtectsNamesMadeByHand: at its start, and it names two that differ in case only.
func TestServeProtectsNamesMadeByHand(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Put("/qserv/css/DBS/ByHand", "READY")
	c.Put("/qserv/css/NODES/WORKER-1", "ACTIVE")
	first, second := c.Process("serve --no-mirror"), c.Process("serve --no-mirror")
	for _, serve := range []*clitest.Process{first, second} {
		serve.Await("older=/NODES/worker-1 newer=/NODES/WORKER-1")
	}
	etcd := c.Etcd()
	clitest.Await(t, func() bool {
		got, err := etcd.Get(t.Context(), "/qserv/fold/dbs/byhand")
		return err == nil && len(got.Kvs) == 1 && string(got.Kvs[0].Value) == "/DBS/ByHand"
	})
	c.Refuses(cli.ExitError, "database exists: as /DBS/ByHand", "db create BYHAND")
	for _, serve := range []*clitest.Process{first, second} {
		serve.Stop()
	}
}

// TestServeWithoutACatalogue has no names to protect and says nothing about that.
func TestServeWithoutACatalogue(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	serve := c.Process("serve --no-mirror")
	serve.Await("daemon started")
	c.OK("db create First")
	serve.Stop()
	assert.NotContains(t, serve.String(), "WARN")
}

// TestStatusShowsAlarms that etcd raised, until somebody disarms them.
func TestStatusShowsAlarms(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	etcd := c.Etcd()
	assert.Empty(t, statusOf(c).Etcd.Alarms)
	members, err := etcd.MemberList(t.Context())
	require.NoError(t, err)
	_, err = pb.NewMaintenanceClient(etcd.ActiveConnection()).Alarm(t.Context(), &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: members.Members[0].ID, Alarm: pb.AlarmType_NOSPACE,
	})
	require.NoError(t, err)

	r := c.Run("status")
	assert.Equal(t, cli.ExitError, r.Code)
	assert.Regexp(t, `(?m)^ALARM: +etcd is full \(alarm NOSPACE\)`, r.Stdout)
	assert.Contains(t, r.Stderr, "css-sync: etcd is full (alarm NOSPACE)")
	s := clitest.JSONOf[status.Status](c, cli.ExitError, "status")
	assert.Equal(t, []string{"NOSPACE"}, s.Etcd.Alarms)
	assert.Equal(t, 1, s.Catalogue.Databases, "the rest is shown")

	_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	require.NoError(t, err)
	assert.NotContains(t, c.OK("status"), "ALARM")
}

func TestStatus(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	v := statusOf(c)
	assert.True(t, v.Etcd.OK)
	assert.Nil(t, v.Catalogue)
	assert.False(t, v.Mirror.OK)
	assert.Contains(t, v.Mirror.Error, "no mirror has written here yet")

	clitest.Fill(c.OK)
	c.OK("mirror --once")
	v = statusOf(c)
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
	c.Says("up to date, 38 rows", "status")

	c.OK("db create Later")
	v = statusOf(c)
	assert.EqualValues(t, 1, *v.Mirror.LagRevisions)
	c.Says("1 revision behind", "status")

	t.Run("without etcd", func(t *testing.T) {
		r := tested.In(t, map[string]string{"CSS_SYNC_MYSQL_DSN": server.DSN("")}).Run("status", "-w",
			"json", "--endpoints", clitest.Refusing(t))
		assert.Equal(t, cli.ExitNoConnection, r.Code)
		v := clitest.Decode[status.Status](t, r.Stdout)
		assert.False(t, v.Etcd.OK)
		assert.Contains(t, v.Etcd.Error, "connection refused")
		assert.True(t, v.Mirror.OK)
		assert.Nil(t, v.Mirror.LagRevisions)
		assert.Nil(t, v.Mirror.SameCatalogue)
	})
	t.Run("without MySQL", func(t *testing.T) {
		c := tested.In(t, c.Env)
		require.NoError(t, server.Kill())
		v := clitest.JSONOf[status.Status](c, cli.ExitNoConnection, "status")
		assert.True(t, v.Etcd.OK)
		assert.Equal(t, 4, v.Catalogue.Databases)
		assert.False(t, v.Mirror.OK)
		assert.Contains(t, v.Mirror.Error, "MySQL is not available")
		assert.Contains(t, c.Run("status").Stdout, "MySQL is not available")
	})
	t.Run("without flags for MySQL", func(t *testing.T) {
		c := tested.In(t, map[string]string{"CSS_SYNC_ENDPOINTS": c.Env["CSS_SYNC_ENDPOINTS"]})
		assert.Nil(t, statusOf(c).Mirror)
		c.Says("not looked at", "status")
	})
}

func TestStatusOfAFile(t *testing.T) {
	t.Parallel()
	c, path := onFile(t)
	r := c.Run("status -w json")
	assert.Equal(t, cli.ExitInvalid, r.Code)
	assert.Equal(t, &status.File{Error: "open " + path + ": no such file or directory", Path: path},
		clitest.Decode[status.Status](t, r.Stdout).File)
	assert.Contains(t, c.Run("status").Stdout, "no such file")
	clitest.Fill(c.OK)
	v := statusOf(c)
	assert.Equal(t, &status.File{OK: true, Path: path}, v.File)
	assert.Equal(t, &status.Catalogue{CSSVersion: "1", Databases: 3, Tables: 4, Nodes: 2, Keys: 37}, v.Catalogue)
	assert.False(t, v.Etcd.OK)
	c.Says("catalogue:  version 1: 3 databases, 4 tables, 0 chunks, 2 nodes, 37 keys\n", "status")
}
