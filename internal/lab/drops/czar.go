package drops

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// spent is what a czar's process has spent, as it tells it.
type spent struct {
	Processor time.Duration `json:"processor_ns"`
	Heap      uint64        `json:"heap"` // bytes that live, after the garbage is collected
}

// RunCzar is an idle czar in a process of its own. For each revision that it is asked about, a line, it says what it
// has spent when its view shows that one; it ends when there are no more questions.
func RunCzar(ctx context.Context, endpoint string, questions io.Reader, answers io.Writer) (err error) {
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Context: ctx})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, etcd.Close()) }()
	css, err := cssetcd.New(ctx, etcd)
	if err != nil {
		return err
	}
	view, err := cssetcd.OpenView(ctx, css)
	if err != nil {
		return err
	}
	defer view.Close()
	gate, err := deletion.OpenGate(ctx, css, view)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.Close(ctx)) }()
	lines, out := bufio.NewScanner(questions), json.NewEncoder(answers)
	for lines.Scan() {
		var at cssetcd.Revision
		if _, err := fmt.Sscan(lines.Text(), &at); err != nil {
			return err
		}
		if _, err := view.WaitRevision(ctx, at); err != nil {
			return err
		}
		if err := out.Encode(now()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// now returns what this process has spent until now. What telling it costs is not counted, nor what is left to be
// collected.
func now() spent {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for what it does not know only
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	return spent{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), memory.HeapAlloc}
}

// czarProcess is a running RunCzar.
type czarProcess struct {
	questions io.Writer
	answers   *json.Decoder
}

// startCzar starts a czar in a process of its own, which ends with the benchmark.
func startCzar(ctx context.Context, r *rig.Rig, endpoint string) (*czarProcess, error) {
	if len(r.Czar) == 0 {
		return nil, errors.New("no way is known to run a czar in a process of its own")
	}
	cmd := exec.CommandContext(ctx, r.Czar[0], append(r.Czar[1:len(r.Czar):len(r.Czar)], endpoint)...)
	var said strings.Builder
	cmd.Stderr = &said
	questions, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a czar: %w", err)
	}
	r.OnClose(func() error {
		_ = questions.Close()
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the czar's process: %w: %s", err, said.String())
		}
		return nil
	})
	return &czarProcess{questions, json.NewDecoder(answers)}, nil
}

// spent asks what the process has spent when it shows a revision.
func (c *czarProcess) spent(at cssetcd.Revision) (s spent, err error) {
	if _, err = fmt.Fprintln(c.questions, at); err == nil {
		err = c.answers.Decode(&s)
	}
	if err != nil {
		err = fmt.Errorf("ask the czar's process: %w", err)
	}
	return s, err
}
