package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
	"github.com/qserv/css-etcd/internal/event"
)

// TestProgramsAreToldOfEvents: a mirror refuses a table of another catalogue until that is confirmed, and a table is
// dropped.
func TestProgramsAreToldOfEvents(t *testing.T) {
	t.Parallel()
	c, _ := onBoth(t)
	clitest.Fill(c.OK)
	c.OK("db create Theirs --prefix /other")
	c.OK("mirror --once --prefix /other")
	dir := t.TempDir()
	got, program := filepath.Join(dir, "got"), filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ncat >> "+got+"\n"), 0o700))
	serve := c.Process("serve", "--on-event", program)
	told := 0
	await := func() (e event.Event) {
		t.Helper()
		clitest.Await(t, func() bool {
			text, _ := os.ReadFile(got)
			lines := strings.SplitAfter(string(text), "\n")
			if len(lines) < told+2 {
				return false
			}
			require.NoError(t, json.Unmarshal([]byte(lines[told]), &e))
			told++
			return true
		})
		assert.Equal(t, "/qserv", e.Prefix)
		return e
	}
	e := await()
	assert.Equal(t, []any{event.MirrorRefused, "default", "table_of_another_catalogue"}, []any{e.Event, e.Mirror, e.Code})
	assert.Contains(t, e.Do, "--adopt")
	c.OK("mirror --once --adopt")
	e = await()
	assert.Equal(t, []any{event.MirrorWell, "default"}, []any{e.Event, e.Mirror})
	require.Equal(t, cli.ExitOK, c.Run("table drop LSST.Source --delay 2s --wait").Code)
	e = await()
	assert.Equal(t, []any{event.DropDone, "LSST.Source"}, []any{e.Event, e.Name})
	assert.Positive(t, e.Mark)
	serve.Stop()
	c.Refuses(cli.ExitInvalid, "--on-event: ... /nowhere", "serve --on-event /nowhere")
}
