package clitest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/testkit"
)

// Running is a command line that runs in the background.
type Running struct {
	testkit.Text // both streams

	t    *testing.T
	done chan int
}

// Start runs a command line in process until ctx ends.
func (c *CommandLine) Start(ctx context.Context, args ...string) *Running {
	return c.StartOn(ctx, strings.NewReader(c.Stdin), args...)
}

// StartOn is start with a standard input.
func (c *CommandLine) StartOn(ctx context.Context, in io.Reader, args ...string) *Running {
	r := &Running{t: c.T, done: make(chan int, 1)}
	p := c.Program(in, r, r)
	go func() {
		defer close(r.done) // it may be waited for twice
		r.done <- p.Run(ctx, c.words(args))
	}()
	return r
}

// Await waits until the command has written a text.
func (r *Running) Await(text string) {
	r.t.Helper()
	r.AwaitN(text, 1)
}

// AwaitN waits until the command has written a text several times.
func (r *Running) AwaitN(text string, n int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return strings.Count(r.String(), text) >= n }, Patience, 10*time.Millisecond,
		"%q does not appear in\n%s", text, r)
}

// Wait waits until the command has ended, and returns its exit code.
func (r *Running) Wait() int {
	r.t.Helper()
	select {
	case code := <-r.done:
		return code
	case <-time.After(Patience):
		r.t.Fatalf("it does not end:\n%s", r.String())
		return -1
	}
}

// Ends waits until the command has ended, which has to be without a fault.
func (r *Running) Ends() {
	r.t.Helper()
	assert.Equal(r.t, cli.ExitOK, r.Wait(), r.String())
}

// Process is a command line as a process of its own.
type Process struct {
	Running
	Cmd   *exec.Cmd
	Stdin *os.File // of which nothing comes unless the test writes something
}

// Process starts a process of the program that is tested.
func (c *CommandLine) Process(args ...string) *Process {
	c.T.Helper()
	return c.ProcessOf(os.Args[0], args...)
}

// ProcessOf starts a process of another program.
func (c *CommandLine) ProcessOf(program string, args ...string) *Process {
	c.T.Helper()
	p := &Process{Cmd: exec.Command(program, c.words(args)...)}
	p.t, p.done = c.T, make(chan int, 1)
	p.Cmd.Env = append(os.Environ(), AsProgram+"=1")
	for name, value := range c.Env {
		p.Cmd.Env = append(p.Cmd.Env, name+"="+value)
	}
	stdin, w, err := os.Pipe()
	require.NoError(c.T, err)
	p.Cmd.Stdin, p.Stdin = stdin, w
	c.T.Cleanup(func() { _, _ = stdin.Close(), w.Close() })
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Running, &p.Running
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(c.T, p.Cmd.Start())
	go func() {
		_ = p.Cmd.Wait()
		p.done <- p.Cmd.ProcessState.ExitCode()
	}()
	c.T.Cleanup(func() { _ = p.Cmd.Process.Kill() })
	return p
}

// Signal sends a signal.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.Cmd.Process.Signal(s))
}

// Stop ends a process, which has to be without a fault.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	p.Ends()
}
