package drops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/testkit"
)

// roleVariable makes the program of the tests a czar or a coordinator instead, with the value as its settings.
const roleVariable = "CSS_E2E_ROLE"

// role is what a process is to be.
type role struct {
	Kind    string            // "czar" or "coordinator"
	Name    string            // for people, and of its files
	Etcd    []string          // endpoints
	View    []string          // endpoints for the view of a czar
	Workers map[string]string // unix sockets of the MySQL servers, by the name of the node
	Seed    uint64
	Queries int           // that a czar runs at a time
	Gated   bool          // a czar asks a gate
	Window  time.Duration // the longest time from a passed check to sending the statement, without any pause
	Trace   string        // the file of its steps
	Results string        // the file of a czar's queries
}

func init() {
	text := os.Getenv(roleVariable)
	if text == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var r role
	err := json.Unmarshal([]byte(text), &r)
	if err == nil {
		err = map[string]func(context.Context, role) error{"czar": runCzar, "coordinator": runCoordinator}[r.Kind](ctx, r)
	}
	if err != nil && !errors.Is(err, errEnded) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// lines writes values to a file, each as one line and at once, so that a kill loses none that was written.
type lines struct {
	mu   sync.Mutex
	file *os.File
}

func createLines(path string) (*lines, error) {
	file, err := os.Create(path)
	return &lines{file: file}, err
}

func (l *lines) write(v any) {
	text, err := json.Marshal(v)
	if err == nil {
		l.mu.Lock()
		_, err = l.file.Write(append(text, '\n'))
		l.mu.Unlock()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is a czar or a coordinator: one process after another, each with files of its own.
type child struct {
	t    *testing.T
	role role
	dir  string
	mu   sync.Mutex // of runs
	runs []run
	// process is nil while none runs.
	process *testkit.Process
}

// run are the files of one process.
type run struct{ trace, results, log string }

func newChild(t *testing.T, dir string, r role) *child {
	t.Helper()
	c := &child{t: t, role: r, dir: dir}
	t.Cleanup(c.kill)
	return c
}

// files are those of all processes so far.
func (c *child) files() []run {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.runs)
}

// start starts the next process.
func (c *child) start() error {
	base := filepath.Join(c.dir, fmt.Sprintf("%s.%d", c.role.Name, len(c.runs)+1))
	now := run{base + ".trace", base + ".results", base + ".log"}
	r := c.role
	r.Trace, r.Results, r.Seed = now.trace, now.results, c.role.Seed+uint64(len(c.runs))
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	log, err := os.Create(now.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = log, log
	c.mu.Lock()
	c.runs = append(c.runs, now)
	c.mu.Unlock()
	p, err := testkit.Start(cmd)
	if err == nil {
		c.process = p
	}
	return err
}

func (c *child) signal(s syscall.Signal) { c.process.Signal(s) }

// kill ends the process as a loss of power does.
func (c *child) kill() {
	if c.process != nil {
		c.process.Kill()
		c.process = nil
	}
}

// end asks the process to end in order.
func (c *child) end() {
	if c.process == nil {
		return
	}
	c.awaitBegun()
	c.signal(syscall.SIGTERM)
	select {
	case <-c.process.Done():
		assert.Equal(c.t, 0, c.process.State().ExitCode(), "%s\n%s", c.role.Name, c.tail())
		c.process = nil
	case <-time.After(time.Minute):
		c.t.Errorf("%s does not end\n%s", c.role.Name, c.tail())
		c.kill()
	}
}

// awaitBegun waits until the process has made one of its files: before it heeds signals, one would just end it.
func (c *child) awaitBegun() {
	last := c.runs[len(c.runs)-1]
	for range 600 {
		for _, file := range []string{last.trace, last.results} {
			if _, err := os.Stat(file); err == nil {
				return
			}
		}
		select {
		case <-c.process.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tail is the end of what the last process logged.
func (c *child) tail() string {
	text, err := os.ReadFile(c.runs[len(c.runs)-1].log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1<<12):])
}

// checkLogs looks for what no process may log.
func (c *child) checkLogs() {
	c.t.Helper()
	for _, r := range c.files() {
		text, err := os.ReadFile(r.log)
		require.NoError(c.t, err)
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			assert.NotContains(c.t, string(text), bad, r.log)
		}
	}
}
