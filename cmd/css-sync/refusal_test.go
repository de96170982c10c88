package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/status"
)

// raw returns a client of etcd past css-sync, as etcdctl is.
func (c *commandLine) raw() *clientv3.Client {
	c.t.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = etcd.Close() })
	return etcd
}

func (c *commandLine) putRaw(key, value string) {
	c.t.Helper()
	_, err := c.raw().Put(c.t.Context(), key, value)
	require.NoError(c.t, err)
}

func (c *commandLine) status() status.Status {
	c.t.Helper()
	return decode[status.Status](c.t, c.ok("status", "-w", "json"))
}

// awaitRefusal waits until status says that a daemon refuses to write.
func (c *commandLine) awaitRefusal() daemon.Refusal {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return len(c.status().Refusals) == 1 }, patience, 50*time.Millisecond)
	return c.status().Refusals[0]
}

func (c *commandLine) awaitNoRefusal() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return len(c.status().Refusals) == 0 }, patience, 50*time.Millisecond)
	assert.NotContains(c.t, c.ok("status"), "REFUSED")
}

// TestStatusShowsTheBrake: why and since when, without knowing where MySQL is; and no longer once the deletion is let
// through.
func TestStatusShowsTheBrake(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.ok("db", "create", "Only")
	c.ok("mirror", "--once")
	assert.Equal(t, []daemon.Refusal{}, c.status().Refusals)
	c.ok("db", "drop", "Only")
	began := time.Now().Add(-time.Second)
	serve := c.process("serve")
	refused := c.awaitRefusal()
	assert.Equal(t, "default", refused.Mirror)
	assert.Contains(t, refused.Reason, "--allow-mass-delete")
	assert.NotEmpty(t, refused.Owner)
	assert.WithinRange(t, refused.Since, began, time.Now())
	dsn := c.environment["CSS_SYNC_MYSQL_DSN"]
	delete(c.environment, "CSS_SYNC_MYSQL_DSN")
	text := c.ok("status")
	assert.Contains(t, text, "REFUSED:")
	assert.Contains(t, text, "since "+refused.Since.Format(time.RFC3339)+" the mirror default writes nothing: ")
	c.environment["CSS_SYNC_MYSQL_DSN"] = dsn

	c.ok("mirror", "--once", "--allow-mass-delete")
	serve.await(t, `msg="mirror follows etcd"`)
	c.awaitNoRefusal()
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
}

// TestRefusalEndsWithItsCause, when that is mended in etcd, and with the daemon, however that ends.
func TestRefusalEndsWithItsCause(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	c.ok("db", "create", "Only")
	c.ok("mirror", "--once")
	c.ok("db", "drop", "Only")
	args := []string{"serve", "--session-ttl", "2s"}
	killed := c.process(args...)
	c.awaitRefusal()
	killed.signal(t, syscall.SIGKILL)
	killed.wait(t)
	c.awaitNoRefusal()

	stopped := c.process(args...)
	c.awaitRefusal()
	stopped.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, stopped.wait(t), stopped.text())
	c.awaitNoRefusal()

	mended := c.process(args...)
	c.awaitRefusal()
	c.ok("db", "create", "Only")
	mended.await(t, `msg="mirror follows etcd"`)
	c.awaitNoRefusal()
	c.awaitAgreement()
}

// TestRefusalsOfSeveralMirrors: candidates are none, and what another version wrote is shown as it is.
func TestRefusalsOfSeveralMirrors(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "Only")
	c.putRaw("/qserv/mirror/a/0000000000000001", "a candidate")
	c.putRaw("/qserv/mirror/a", "out of order")
	c.putRaw("/qserv/mirror/b",
		`{"mirror":"b","owner":"host, process 7","since":"2026-11-21T10:00:00Z","reason":"the table is not its own"}`)
	got := c.status().Refusals
	require.Len(t, got, 2)
	assert.Equal(t, daemon.Refusal{Mirror: "a", Reason: "out of order"}, got[0])
	assert.Contains(t, c.ok("status"),
		"since 2026-11-21T10:00:00Z the mirror b writes nothing: the table is not its own (host, process 7)")
}

// TestServeProtectsNamesMadeByHand: at its start, and it names two that differ in case only.
func TestServeProtectsNamesMadeByHand(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	c.putRaw("/qserv/css/DBS/ByHand", "READY")
	c.putRaw("/qserv/css/NODES/WORKER-1", "ACTIVE")
	first, second := c.process("serve", "--no-mirror"), c.process("serve", "--no-mirror")
	for _, serve := range []*process{first, second} {
		serve.await(t, "older=/NODES/worker-1 newer=/NODES/WORKER-1")
	}
	etcd := c.raw()
	require.Eventually(t, func() bool {
		got, err := etcd.Get(t.Context(), "/qserv/fold/dbs/byhand")
		return err == nil && len(got.Kvs) == 1 && string(got.Kvs[0].Value) == "/DBS/ByHand"
	}, patience, 20*time.Millisecond)
	assert.Contains(t, c.fails(cli.ExitError, "db", "create", "BYHAND"), "database exists: as /DBS/ByHand")
	for _, serve := range []*process{first, second} {
		serve.signal(t, syscall.SIGTERM)
		assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
	}
}

// TestServeWithoutACatalogue has no names to protect and says nothing about that.
func TestServeWithoutACatalogue(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	serve := c.process("serve", "--no-mirror")
	serve.await(t, "daemon started")
	c.ok("db", "create", "First")
	serve.signal(t, syscall.SIGTERM)
	assert.Equal(t, cli.ExitOK, serve.wait(t), serve.text())
	assert.NotContains(t, serve.text(), "WARN")
}
