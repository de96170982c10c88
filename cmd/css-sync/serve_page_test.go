package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/report"
)

// TestServeShowsThePage, and over HTTP what the mirror has on record in MySQL.
func TestServeShowsThePage(t *testing.T) {
	t.Parallel()
	c, server := onBoth(t)
	clitest.Fill(c.OK)
	socket := filepath.Join(t.TempDir(), "s")
	c.Env[clitest.ListenHTTP] = "unix://" + socket
	serve := c.Process("serve --look-every 100ms --compare-every 200ms")
	client := clientOf(socket)
	ask := func(path string) string {
		got, err := client.Get("http://css" + path)
		if err != nil {
			return ""
		}
		defer got.Body.Close()
		text, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return string(text)
	}
	clitest.Await(t, func() bool { return ask("/readyz") == "ok\n" })
	assert.Contains(t, ask("/"), "<title>css-sync</title>")
	assert.Contains(t, ask("/page/main.js"), "The status page of css-sync")

	records := func() (r report.Records) {
		if err := json.Unmarshal([]byte(ask("/v1/mirrors/default")), &r); err != nil {
			return report.Records{}
		}
		return r
	}
	c.Put("/qserv/css/DBS/lsst", "READY")
	clitest.Await(t, func() bool { return len(records().Quarantine) == 1 })
	assert.Equal(t, "/DBS/lsst", records().Quarantine[0].Key)
	clitest.Execute(t, server, "UPDATE kvData SET kvVal = 'MINE' WHERE kvKey = '/DBS/LSST'")
	clitest.Await(t, func() bool { return len(records().Foreign) > 0 })
	assert.Equal(t, "MINE", records().Foreign[0].Have)
	assert.Equal(t, "READY", records().Foreign[0].Want)
	assert.Equal(t, 1, records().ForeignTotal)
	assert.NotNil(t, records().Conflicts)
	assert.Contains(t, ask("/v1/mirrors/other"), "no_such_mirror")
	serve.Stop()
}
