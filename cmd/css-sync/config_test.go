package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.ok("db", "create", "D")
	assert.Equal(t, "confirm:  2s\nfence:    1m0s\nwait:     1m15s\nalive:    10s\ndelay:    30s\n",
		c.ok("config", "show"))
	assert.Contains(t, c.ok("config", "set", "--fence", "5m", "--wait", "6m10s"), "settings changed, revision ")
	assert.JSONEq(t, `{"confirm":"2s","fence":"5m0s","wait":"6m10s","alive":"10s","delay":"30s"}`,
		c.ok("config", "show", "-w", "json"))
	c.ok("config", "set", "--delay", "0s")

	message := c.fails(cli.ExitInvalid, "config", "set", "--confirm", "10s", "--fence", "20s", "--alive", "1500ms",
		"--delay", "1s")
	for _, fault := range []string{
		"do not fit together", "fence is 20s and must be at least 4 times confirm",
		"alive is 1.5s and must be whole seconds", "delay: 1s: must be 0, or whole seconds",
	} {
		assert.Contains(t, message, fault)
	}
	assert.Contains(t, c.ok("config", "show"), "delay:    0s\n")
	assert.Contains(t, c.fails(cli.ExitInvalid, "config", "set"), "say what to change")
	assert.Contains(t, c.fails(cli.ExitInvalid, "config", "set", "--fence", "long"), "invalid")
}

// TestSettingsThatDoNotFit, written past css-sync, stop drops and nothing else, and can be mended.
func TestSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	fill(c)
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{c.environment["CSS_SYNC_ENDPOINTS"]}})
	require.NoError(t, err)
	defer etcd.Close()
	_, err = etcd.Put(t.Context(), "/qserv/config", `{"fence":"1s"}`)
	require.NoError(t, err)

	r := c.run("serve", "--no-mirror")
	assert.Contains(t, r.stderr,
		"css-sync: serve: coordinate drops: the settings of the deletion protocol do not fit together: fence is 1s")
	assert.Contains(t, r.stderr, "hint: `css-sync config show` shows them")
	r = c.run("config", "show")
	assert.Equal(t, cli.ExitInvalid, r.code)
	assert.Contains(t, r.stdout, "fence:    1s\n")
	c.fails(cli.ExitInvalid, "table", "drop", "LSST.Filter")
	r = c.run("status", "-w", "json")
	assert.Equal(t, cli.ExitInvalid, r.code)
	s := decode[status.Status](t, r.stdout)
	assert.True(t, s.Etcd.OK)
	assert.False(t, s.Drops.OK)
	assert.NotNil(t, s.Catalogue)
	c.ok("table", "drop", "LSST.Filter", "--force")

	c.ok("config", "set", "--fence", "10s")
	c.ok("table", "drop", "LSST.Source")
	_, err = etcd.Put(t.Context(), "/qserv/config", `?`)
	require.NoError(t, err)
	c.fails(cli.ExitInvalid, "config", "show")
	c.ok("config", "set", "--delay", "5s")
	want := deletion.DefaultTiming
	want.Delay = 5e9
	assert.Equal(t, want, decode[deletion.Timing](t, c.ok("config", "show", "-w", "json")))
}

func TestHistoryReset(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	assert.Contains(t, c.fails(cli.ExitInvalid, "history-reset"), "CSS")
	fill(c)
	before := c.status().Etcd.History
	assert.Contains(t, c.ok("history-reset"), "the history has a new name; czars register anew by themselves, revision ")
	after := c.status().Etcd.History
	assert.NotEmpty(t, after)
	assert.NotEqual(t, before, after)
}
