package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/status"
)

func TestDropsSettings(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.OK("db create D")
	assert.Equal(t, "confirm:  2s\nfence:    1m0s\nwait:     1m15s\nalive:    10s\ndelay:    30s\n",
		c.OK("drops settings show"))
	c.Says("settings changed, revision ", "drops settings set --fence 5m --wait 6m10s")
	assert.JSONEq(t, `{"confirm":"2s","fence":"5m0s","wait":"6m10s","alive":"10s","delay":"30s"}`,
		c.OK("drops settings show -w json"))
	c.OK("drops settings set --delay 0s")

	message := c.Fails(cli.ExitInvalid, "drops settings set --confirm 10s --fence 20s --alive 1500ms --delay 1s")
	for _, fault := range []string{
		"do not fit together", "fence is 20s and must be at least 4 times confirm",
		"alive is 1.5s and must be whole seconds", "delay: 1s: must be 0, or whole seconds",
	} {
		assert.Contains(t, message, fault)
	}
	c.Says("delay:    0s\n", "drops settings show")
	c.Refuses(cli.ExitInvalid, "say what to change", "drops settings set")
	c.Refuses(cli.ExitInvalid, "invalid", "drops settings set --fence long")
}

// TestSettingsThatDoNotFit, written past css-sync, stop drops and nothing else, and can be mended.
func TestSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	c := filled(t)
	c.Put("/qserv/config", `{"fence":"1s"}`)

	r := c.Run("serve --no-mirror")
	assert.Contains(t, r.Stderr,
		"css-sync: serve: coordinate drops: the settings of the deletion protocol do not fit together: fence is 1s")
	assert.Contains(t, r.Stderr, "hint: `css-sync drops settings show` shows them")
	r = c.Run("drops settings show")
	assert.Equal(t, cli.ExitInvalid, r.Code)
	assert.Contains(t, r.Stdout, "fence:    1s\n")
	c.Fails(cli.ExitInvalid, "table drop LSST.Filter")
	s := clitest.JSONOf[status.Status](c, cli.ExitInvalid, "status")
	assert.True(t, s.Etcd.OK)
	assert.False(t, s.Drops.OK)
	assert.NotNil(t, s.Catalogue)
	c.OK("table drop LSST.Filter --force")

	c.OK("drops settings set --fence 10s")
	c.OK("table drop LSST.Source")
	c.Put("/qserv/config", `?`)
	c.Fails(cli.ExitInvalid, "drops settings show")
	c.OK("drops settings set --delay 5s")
	want := deletion.DefaultTiming
	want.Delay = 5e9
	assert.Equal(t, want, clitest.JSON[deletion.Timing](c, "drops", "settings", "show"))
}

func TestHistoryReset(t *testing.T) {
	t.Parallel()
	c := onEtcd(t)
	c.Refuses(cli.ExitInvalid, "CSS", "history-reset")
	clitest.Fill(c.OK)
	before := statusOf(c).Etcd.History
	c.Says("the history has a new name; czars register anew by themselves, revision ", "history-reset")
	after := statusOf(c).Etcd.History
	assert.NotEmpty(t, after)
	assert.NotEqual(t, before, after)
}
