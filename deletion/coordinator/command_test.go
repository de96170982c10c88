package coordinator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/deletion/coordinator"
)

var commandJob = coordinator.Job{Database: "LSST", Incarnation: 57, Mark: 61, History: "H",
	Tables: []coordinator.JobTable{{Table: "Object", Incarnation: 57, ChunkLevel: 2}}}

// script writes a program of sh.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drop")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o600))
	return path
}

func command(t *testing.T, text string, args ...string) coordinator.Command {
	return coordinator.Command{Path: "sh", Args: append([]string{script(t, text)}, args...)}
}

func TestCommandGetsTheJob(t *testing.T) {
	t.Parallel()
	to := filepath.Join(t.TempDir(), "job")
	require.NoError(t, command(t, `cat > "$1"; echo what nobody reads`, to).Drop(t.Context(), commandJob))
	text, err := os.ReadFile(to)
	require.NoError(t, err)
	var got coordinator.Job
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, commandJob, got)
	assert.JSONEq(t, `{"database":"LSST","whole":false,"incarnation":57,"mark":61,"history":"H","tables":[{"table":"Object","incarnation":57,"chunk_level":2}]}`, string(text))
}

// A program that knows what to do without the Job is none the worse for it.
func TestCommandNeedNotReadTheJob(t *testing.T) {
	t.Parallel()
	large := commandJob
	for range 10_000 {
		large.Tables = append(large.Tables, commandJob.Tables...)
	}
	require.NoError(t, command(t, `exit 0`).Drop(t.Context(), large))
}

func TestCommandThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	err := command(t, "echo >&2 worker-1 is down\necho >&2\nprintf >&2 'try later \\377'\nexit 3").Drop(t.Context(),
		commandJob)
	require.Error(t, err)
	assert.Equal(t, "the command sh: exit status 3: worker-1 is down; try later ?", err.Error())

	err = command(t, "exit 1").Drop(t.Context(), commandJob)
	assert.EqualError(t, err, "the command sh: exit status 1")

	err = coordinator.Command{Path: "/nowhere/drop"}.Drop(t.Context(), commandJob)
	assert.ErrorContains(t, err, "the command /nowhere/drop: fork/exec /nowhere/drop: no such file or directory")
}

// TestCommandOutputIsBounded: the end of it is what tells why.
func TestCommandOutputIsBounded(t *testing.T) {
	t.Parallel()
	err := command(t, `i=0; while [ $i -lt 20000 ]; do echo "line $i of what goes wrong"; i=$((i+1)); done >&2; exit 1`).Drop(t.Context(), commandJob)
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 1200)
	assert.Contains(t, err.Error(), "exit status 1: ...")
	assert.True(t, strings.HasSuffix(err.Error(), "line 19999 of what goes wrong"), err.Error())
}

// TestCommandIsKilledWithItsChildren when its context ends, and when its time is over.
func TestCommandIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		timeout time.Duration
		want    string
	}{
		"context": {0, "it was killed: context canceled: begun"},
		"timeout": {2 * time.Second, "it was killed: it did not end within 2s: begun"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pid := filepath.Join(t.TempDir(), "pid")
			c := command(t, `sleep 600 & echo $! > "$1.new"; mv "$1.new" "$1"; echo begun >&2; wait`, pid)
			c.Timeout = test.timeout
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- c.Drop(ctx, commandJob) }()
			var child int
			require.Eventually(t, func() bool {
				text, _ := os.ReadFile(pid)
				child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
				return child > 0
			}, 20*time.Second, 10*time.Millisecond)
			if test.timeout == 0 {
				time.Sleep(100 * time.Millisecond) // for its last words
				cancel()
			}
			select {
			case err := <-done:
				assert.ErrorContains(t, err, test.want)
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on")
			}
			require.Eventually(t, func() bool { return gone(child) }, 20*time.Second, 10*time.Millisecond,
				"what it started goes on")
		})
	}
}

// gone reports whether a process has ended, be it that nobody has asked for how.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// A command leaves no process behind in its group, however it ends.
func TestCommandLeavesNothingBehind(t *testing.T) {
	noted := filepath.Join(t.TempDir(), "pid")
	require.Error(t, command(t, `sleep 300 >/dev/null 2>&1 & echo $! > "$1"; exit 7`, noted).Drop(t.Context(), commandJob))
	text, err := os.ReadFile(noted)
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return gone(child) }, within, 10*time.Millisecond)
}
