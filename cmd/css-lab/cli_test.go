package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/cli/clitest"
)

var tested clitest.Program = func(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *cli.Program {
	return newProgram(stdin, stdout, stderr, getenv).Program
}

var onEtcd, onServer, onBoth, elsewhere = tested.OnEtcd, tested.OnServer, tested.OnBoth, tested.Elsewhere

func TestMain(m *testing.M) {
	clitest.Main(m, main, goleak.Cleanup(func(code int) {
		if syncDir != "" {
			_ = os.RemoveAll(syncDir)
		}
		os.Exit(code)
	}))
}

// syncDir is where css-sync is, whose commands change what a czar sees.
var syncDir string

var buildSync = sync.OnceValues(func() (program string, err error) {
	if syncDir, err = os.MkdirTemp("", "css-lab-test-"); err != nil {
		return "", err
	}
	program = filepath.Join(syncDir, "css-sync")
	out, err := exec.Command("go", "build", "-o", program, "../css-sync").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build css-sync: %w: %s", err, out)
	}
	return program, nil
})

// css returns what runs css-sync in processes of their own.
func css(c *clitest.CommandLine) func(args ...string) clitest.Result {
	return func(args ...string) clitest.Result {
		c.T.Helper()
		program, err := buildSync()
		require.NoError(c.T, err)
		var out, messages bytes.Buffer
		cmd := exec.CommandContext(c.T.Context(), program, clitest.Words(args)...)
		cmd.Stdout, cmd.Stderr = &out, &messages
		for name, value := range c.Env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		if err := cmd.Run(); !errors.As(err, new(*exec.ExitError)) {
			require.NoError(c.T, err)
		}
		return clitest.Result{Code: cmd.ProcessState.ExitCode(), Stdout: out.String(), Stderr: messages.String()}
	}
}

// ok runs a command of css-sync that must succeed without a message, and returns its output.
func ok(c *clitest.CommandLine, args ...string) string {
	c.T.Helper()
	return css(c)(args...).OK(c.T, args)
}

// filled makes a catalogue.
func filled(c *clitest.CommandLine) *clitest.CommandLine {
	c.T.Helper()
	clitest.Fill(func(args ...string) string { return ok(c, args...) })
	return c
}

// onQuickDrops returns a command line on a catalogue with durations that tests can wait for.
func onQuickDrops(t *testing.T) *clitest.CommandLine {
	t.Helper()
	c := filled(onEtcd(t))
	ok(c, clitest.QuickDrops)
	return c
}

// syncProcess starts css-sync.
func syncProcess(c *clitest.CommandLine, args ...string) *clitest.Process {
	c.T.Helper()
	program, err := buildSync()
	require.NoError(c.T, err)
	return c.ProcessOf(program, args...)
}
