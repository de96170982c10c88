package event_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/event"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// program writes a program of sh, which knows its directory as $D.
func program(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nD="+dir+"\n"+text+"\n"), 0o700))
	return path
}

// TestProgramsAreTold, each of all, in order; one that fails or hangs holds up the others only for its time.
func TestProgramsAreTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log testkit.Text
	r := event.NewRunner(event.Config{Daemon: "d", Prefix: "/p", Queue: 2, Within: 5 * time.Second,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Commands: []string{program(t, dir, "fails", "echo no room >&2; exit 3"),
			program(t, dir, "writes", `cat >> $D/got`)}})
	r.Tell(event.Event{Event: event.MirrorRefused, Mirror: "a", Code: "brake"})
	r.Tell(event.Event{Event: event.DropDone, Name: "D.T", Mark: 7})
	r.Tell(event.Event{Event: event.DropDone, Name: "D.U", Mark: 8}) // nothing runs yet, and two wait
	assert.Contains(t, log.String(), "nobody is told of an event")
	assert.Contains(t, log.String(), "name=D.U")

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	defer running.Wait()
	defer cancel()
	var lines []string
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "got"))
		lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		return len(lines) == 2 && strings.HasSuffix(string(text), "}\n")
	}, time.Minute, time.Millisecond)
	var first, second map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &second))
	assert.NotEmpty(t, first["time"])
	delete(first, "time")
	delete(second, "time")
	assert.Equal(t, map[string]any{"event": "mirror_refused", "daemon": "d", "prefix": "/p", "mirror": "a",
		"code": "brake"}, first)
	assert.Equal(t, map[string]any{"event": "drop_done", "daemon": "d", "prefix": "/p", "name": "D.T",
		"mark": 7.0}, second)
	assert.Contains(t, log.String(), "no room")

	want := `# HELP css_sync_events_total Number of times that a program was to be told of an event, by what became of it.
# TYPE css_sync_events_total counter
css_sync_events_total{outcome="failed"} 2
css_sync_events_total{outcome="lost"} 2
css_sync_events_total{outcome="told"} 2
`
	require.Eventually(t, func() bool {
		return testutil.CollectAndCompare(r.Collector(), strings.NewReader(want)) == nil
	}, time.Minute, time.Millisecond)
}

// TestProgramThatHangsIsKilled, in its time;and the runner goes on.
func TestProgramThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log testkit.Text
	r := event.NewRunner(event.Config{Within: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Commands: []string{program(t, dir, "hangs", "sleep 1000")}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.Tell(event.Event{Event: event.Conflict})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "it did not end within 50ms") }, time.Minute,
		time.Millisecond)
	cancel()
	assert.ErrorIs(t, <-ended, context.Canceled)
}
