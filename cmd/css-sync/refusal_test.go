package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/status"
)

// raw returns a client of etcd past css-sync, as etcdctl is.
func raw(c *clitest.CommandLine) *clientv3.Client {
	c.T.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Env["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(c.T, err)
	c.T.Cleanup(func() { _ = etcd.Close() })
	return etcd
}

func putRaw(c *clitest.CommandLine, key, value string) {
	c.T.Helper()
	_, err := raw(c).Put(c.T.Context(), key, value)
	require.NoError(c.T, err)
}

func statusOf(c *clitest.CommandLine) status.Status {
	c.T.Helper()
	return clitest.Decode[status.Status](c.T, c.Ok("status -w json"))
}

// awaitRefusal waits until status says that a daemon refuses to write.
func awaitRefusal(c *clitest.CommandLine) daemon.Refusal {
	c.T.Helper()
	require.Eventually(c.T, func() bool { return len(statusOf(c).Refusals) == 1 }, clitest.Patience, 50*time.Millisecond)
	return statusOf(c).Refusals[0]
}

func awaitNoRefusal(c *clitest.CommandLine) {
	c.T.Helper()
	require.Eventually(c.T, func() bool { return len(statusOf(c).Refusals) == 0 }, clitest.Patience, 50*time.Millisecond)
	assert.NotContains(c.T, c.Ok("status"), "REFUSED")
}

// TestStatusShowsTheBrake: why and since when, without knowing where MySQL is; and no longer once the deletion is let
// through.
func TestStatusShowsTheBrake(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.Ok("db create Only")
	c.Ok("mirror --once")
	assert.Equal(t, []daemon.Refusal{}, statusOf(c).Refusals)
	c.Ok("db drop Only")
	began := time.Now().Add(-time.Second)
	serve := c.Process("serve")
	refused := awaitRefusal(c)
	assert.Equal(t, "default", refused.Mirror)
	assert.Contains(t, refused.Reason, "--allow-mass-delete")
	assert.NotEmpty(t, refused.Owner)
	assert.WithinRange(t, refused.Since, began, time.Now())
	dsn := c.Env["CSS_SYNC_MYSQL_DSN"]
	delete(c.Env, "CSS_SYNC_MYSQL_DSN")
	text := c.Ok("status")
	assert.Contains(t, text, "REFUSED:")
	assert.Contains(t, text, "since "+refused.Since.Format(time.RFC3339)+" the mirror default writes nothing: ")
	c.Env["CSS_SYNC_MYSQL_DSN"] = dsn

	c.Ok("mirror --once --allow-mass-delete")
	serve.Await(`msg="mirror follows etcd"`)
	awaitNoRefusal(c)
	serve.Stop()
}

// TestRefusalEndsWithItsCause, when that is mended in etcd, and with the daemon, however that ends.
func TestRefusalEndsWithItsCause(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.Ok("db create Only")
	c.Ok("mirror --once")
	c.Ok("db drop Only")
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
	c.Ok("db create Only")
	mended.Await(`msg="mirror follows etcd"`)
	awaitNoRefusal(c)
	awaitAgreement(c)
}

// TestRefusalsOfSeveralMirrors: candidates are none, and what another version wrote is shown as it is.
func TestRefusalsOfSeveralMirrors(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Ok("db create Only")
	putRaw(c, "/qserv/mirror/a/0000000000000001", "a candidate")
	putRaw(c, "/qserv/mirror/a", "out of order")
	putRaw(c, "/qserv/mirror/b",
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
	putRaw(c, "/qserv/css/DBS/ByHand", "READY")
	putRaw(c, "/qserv/css/NODES/WORKER-1", "ACTIVE")
	first, second := c.Process("serve --no-mirror"), c.Process("serve --no-mirror")
	for _, serve := range []*clitest.Process{first, second} {
		serve.Await("older=/NODES/worker-1 newer=/NODES/WORKER-1")
	}
	etcd := raw(c)
	require.Eventually(t, func() bool {
		got, err := etcd.Get(t.Context(), "/qserv/fold/dbs/byhand")
		return err == nil && len(got.Kvs) == 1 && string(got.Kvs[0].Value) == "/DBS/ByHand"
	}, clitest.Patience, 20*time.Millisecond)
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
	c.Ok("db create First")
	serve.Stop()
	assert.NotContains(t, serve.String(), "WARN")
}
