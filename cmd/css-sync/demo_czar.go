package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
)

// demoCzars is how many czars the demo runs.
const demoCzars = 3

// demoCzar is `css-sync czar` in a process of its own.
type demoCzar struct {
	name     string
	cmd      *exec.Cmd
	messages bytes.Buffer  // to be read after done
	done     chan struct{} // closed when the process has ended and nothing runs for it
	err      error         // how it ended; to be read after done

	mu    sync.Mutex
	lines []czarLine
}

// czarLine is what a czar prints with -w json: that it is ready, or a sight.
type czarLine struct {
	Ready bool `json:"ready"`
	sight
}

// newDemoCzar starts a czar. Variables that would lead it to another etcd are kept from it.
func newDemoCzar(name string, args ...string) (*demoCzar, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start a czar: %w", err)
	}
	c := &demoCzar{name: name, cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, ownPrefix) || strings.HasPrefix(v, etcdctlPrefix)
	})
	c.cmd.Stderr = &c.messages
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

// run reads what the czar prints until it has ended. The kernel takes the end of the thread that started a process for the end
// of its parent, so this thread stays.
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
	err = await(ctx, c.name, func(context.Context) (bool, error) {
		c.mu.Lock()
		at := slices.IndexFunc(c.lines, wanted)
		if at >= 0 {
			found = c.lines[at]
		}
		c.mu.Unlock()
		return at >= 0, c.ended()
	})
	return found, err
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
	began := time.Now()
	for i := range demoCzars {
		c, err := newDemoCzar(fmt.Sprintf("czar %d", i+1),
			"czar", "-w", "json", "--endpoints", d.etcdServer.Endpoints()[0], "--prefix", d.css.Prefix(), "--dial-timeout", demoPatience.String())
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
		line, err := c.await(ctx, func(l czarLine) bool {
			return l.What == "table" && l.Name == table.String() && l.Change == "created"
		})
		if err != nil {
			return err
		}
		d.factIn(line.Time.Sub(began), "%s sees it, %s at revision %d", c.name, line.Status, line.Revision)
	}
	return nil
}
