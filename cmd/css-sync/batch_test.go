package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/form"
)

// TestBatch happens as a whole, or not at all, and what show prints is what it takes.
func TestBatch(t *testing.T) {
	t.Parallel()
	c := filled(t)
	before := c.OK("dump")
	c.Stdin = `{"op":"db set-status","name":"Plain","status":"DO_NOT_USE"}
{"op":"table drop","database":"LSST","table":"Nothing"}`
	c.Refuses(cli.ExitError, "LSST.Nothing", "batch -")
	c.Stdin = "{}\n[]"
	c.Refuses(cli.ExitInvalid, "line 1: it has no op ... \nline 2: it is no JSON object", "batch -")
	assert.Equal(t, before, c.OK("dump"))

	shown := clitest.JSON[form.TableDetails](c, "table", "show", "LSST.Filter")
	text := strings.Replace(c.OK("table show LSST.Filter -w json"), `"Filter"`, `"Copy"`, 1)
	c.Stdin = `{"op":"table drop","database":"LSST","table":"Source"}` + "\n" + `{"op":"table create",` + oneLine(text)[1:]
	c.Says("2 operations done, revision ", "batch -")
	again := clitest.JSON[form.TableDetails](c, "table", "show", "LSST.Copy")
	assert.Equal(t, "Copy", again.Table.Table)
	again.Table.Table = "Filter"
	assert.Greater(t, again.Incarnation, shown.Incarnation)
	again.Incarnation, again.Modified = shown.Incarnation, shown.Modified
	assert.Equal(t, shown, again)
	c.Put(cssetcd.DefaultPrefix+"/czar/1", "{}")
	for _, thing := range []string{`"table drop","database":"LSST","table":"Copy"`, `"db drop","name":"LSST_2"`} {
		c.Stdin = `{"op":` + thing + `}`
		c.Refuses(cli.ExitError, "czars are registered", "batch -")
		c.Stdin = `{"force":true,"op":` + thing + `}`
		c.Says("1 operation done", "batch -")
	}
	c.Stdin = `{"op":"db create","name":"LSST","if_not_exists":true}`
	c.Says("nothing to do: all is as the batch says already", "batch -")
}

// oneLine returns JSON without line breaks; there are none in texts.
func oneLine(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "") }
