package testkit

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// module is the path of this module.
const module = "github.com/qserv/css-etcd"

var programs struct {
	mu    sync.Mutex
	dir   string
	built map[string]string
}

// Program returns the path of a command of this module, such as "css-sync", which is built at its first use and removed
// by [Main].
func Program(t testing.TB, name string) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	if programs.built == nil {
		dir, err := os.MkdirTemp("", "css-programs-")
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(func() error { return os.RemoveAll(dir) })
		programs.dir, programs.built = dir, map[string]string{}
	}
	path, there := programs.built[name]
	if !there {
		path = filepath.Join(programs.dir, name)
		if out, err := exec.Command("go", "build", "-o", path, module+"/cmd/"+name).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
		programs.built[name] = path
	}
	return path
}

// Process is a process that runs until it is ended, and is killed by the kernel when this one ends.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  tail
}

// Start starts a process whose output [Process.Log] returns, unless the command says where it goes.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if cmd.Env == nil { // daemons of many tests run on one machine, and would want one port for HTTP
		cmd.Env = append(os.Environ(), "CSS_SYNC_LISTEN_HTTP=off")
	}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The kernel sends the signal when the thread that forked ends, which therefore lives as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return p, <-started
}

// StartForTest starts a process that is killed at the end of the test at the latest.
func StartForTest(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p, err := Start(cmd)
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(p.Kill)
	return p
}

// Signal sends a signal; one that has ended gets none.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Kill ends the process as a loss of power does, but for the disk, and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// State is how the process ended.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Log is the end of what the process wrote.
func (p *Process) Log() string { return p.log.String() }

// Run runs a program to its end and returns its exit code and all of its output.
func Run(ctx context.Context, t testing.TB, program string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, program, args...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// tail keeps the end of what a process wrote.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if over := len(l.text) - 1<<14; over > 0 {
		l.text = bytes.Clone(l.text[over:])
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
