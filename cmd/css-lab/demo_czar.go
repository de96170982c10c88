package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// demoCzars is how many czars the demo runs.
const demoCzars = 3

// demoCzar is `css-lab czar` in a process of its own.
type demoCzar struct {
	name     string
	cmd      *exec.Cmd
	queries  io.WriteCloser // its standard input
	asked    int            // that many queries
	messages bytes.Buffer   // to be read after done
	done     chan struct{}  // closed when the process has ended and nothing runs for it
	err      error          // how it ended; to be read after done

	asking sync.Mutex
	mu     sync.Mutex
	lines  []czarLine
}

// czarLine is what a czar prints with -w json: that it is ready, a sight, or what becomes of a query.
type czarLine struct {
	Ready bool `json:"ready"`
	sight
	queryTold
}

// newDemoCzar starts a czar. Variables that would lead it to another etcd are kept from it.
func newDemoCzar(name string, args ...string) (*demoCzar, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start a czar: %w", err)
	}
	c := &demoCzar{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, cli.OwnPrefix) || strings.HasPrefix(v, cli.EtcdctlPrefix)
	})
	c.cmd.Stderr = &c.messages
	if c.queries, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	// Ctrl-C at the terminal is for the demo, which stops its czars in order. When it dies without that, they die, too.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go c.run(started)
	if err := <-started; err != nil {
		<-c.done
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return c, nil
}

// run reads what the czar prints until it has ended. The kernel takes the end of the thread that started a process for
// the end of its parent, so this thread stays.
func (c *demoCzar) run(started chan<- error) {
	defer close(c.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	lines := json.NewDecoder(out)
	for {
		var line czarLine
		if lines.Decode(&line) != nil {
			break
		}
		c.mu.Lock()
		c.lines = append(c.lines, line)
		c.mu.Unlock()
	}
	c.err = c.cmd.Wait()
}

// await returns the first line that is the wanted one, when the czar has printed it.
func (c *demoCzar) await(ctx context.Context, wanted func(czarLine) bool) (found czarLine, err error) {
	seen := 0
	err = await(ctx, c.name, func(context.Context) (bool, error) {
		ended := c.ended() // before the lines are looked at: what it printed in the end counts
		c.mu.Lock()
		defer c.mu.Unlock()
		at := slices.IndexFunc(c.lines[seen:], wanted)
		if at >= 0 {
			found = c.lines[seen+at]
			return true, nil
		}
		seen = len(c.lines)
		return false, ended
	})
	return found, err
}

// sees returns the line that tells of a change of a table, the first of its kind.
func (c *demoCzar) sees(ctx context.Context, n cssetcd.TableName, change string) (czarLine, error) {
	return c.await(ctx, func(l czarLine) bool { return l.What == "table" && l.Name == n.String() && l.Change == change })
}

// begin has the czar begin a query and returns its number.
func (c *demoCzar) begin(n cssetcd.TableName, d time.Duration) (int, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	c.asked++
	if _, err := fmt.Fprintln(c.queries, n, d); err != nil {
		return 0, errors.Join(fmt.Errorf("ask %s for a query: %w", c.name, err), c.ended())
	}
	return c.asked, nil
}

// told returns the first line about a query with one of the events.
func (c *demoCzar) told(ctx context.Context, query int, events ...string) (czarLine, error) {
	return c.await(ctx, func(l czarLine) bool { return l.Query == query && slices.Contains(events, l.Event) })
}

// query has the czar begin a query and waits until it is told to be admitted.
func (c *demoCzar) query(ctx context.Context, n cssetcd.TableName, d time.Duration) (number int, line czarLine,
	err error) {
	if number, err = c.begin(n, d); err != nil {
		return 0, line, err
	}
	if line, err = c.told(ctx, number, queryAdmitted, queryRefused); err == nil && line.Event == queryRefused {
		err = fmt.Errorf("%s refuses a query on %s: %s", c.name, n, line.Error)
	}
	return number, line, err
}

// ended returns an error when the czar has ended by itself, with what it said.
func (c *demoCzar) ended() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s ended: %w: %s", c.name, errors.Join(c.err), strings.TrimSpace(c.messages.String()))
	default:
		return nil
	}
}

// close stops the czar and waits for it.
func (c *demoCzar) close() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it fails when the czar has ended
	select {
	case <-c.done:
		return nil
	case <-time.After(demoPatience):
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	return fmt.Errorf("%s did not end within %v and was killed", c.name, demoPatience)
}

// startCzars starts the czars and waits until they have the catalogue.
func (d *demo) startCzars(ctx context.Context) error {
	d.step("Start three czars")
	d.text("A czar plans Qserv's queries. Each of these is a process of its own with the catalogue in memory.")
	d.text("It registers in etcd, so that a drop of a table waits for the queries that it runs.")
	began := time.Now()
	for i := range demoCzars {
		args := []string{"czar", "--queries", "--name", strconv.Itoa(i + 1), "-w", "json", "--endpoints",
			d.etcdServer.Endpoints()[0],
			"--prefix", d.css.Prefix(), "--dial-timeout", demoPatience.String(), "--command-timeout", demoPatience.String()}
		if d.maria != nil {
			args = append(args, "--worker-dsn", d.maria.DSN(""))
		}
		c, err := newDemoCzar(fmt.Sprintf("czar %d", i+1), args...)
		if err != nil {
			return err
		}
		d.onClose(c.close)
		d.czars = append(d.czars, c)
	}
	for _, c := range d.czars {
		line, err := c.await(ctx, func(l czarLine) bool { return l.Ready })
		if err != nil {
			return err
		}
		d.fact(began, "%s, process %d, has all of it as of revision %d", c.name, c.cmd.Process.Pid, line.Revision)
	}
	return nil
}

// awaitCzars shows when each czar saw a new table.
func (d *demo) awaitCzars(ctx context.Context, began time.Time, table cssetcd.TableName) error {
	for _, c := range d.czars {
		line, err := c.sees(ctx, table, "created")
		if err != nil {
			return err
		}
		d.factIn(line.Time.Sub(began), "%s sees it, %s at revision %d", c.name, line.Status, line.Revision)
	}
	return nil
}
