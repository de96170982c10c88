package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is a Dropper that runs a program for each Job. The program gets the Job as one JSON document on its standard
// input:
//
//	{"database":"LSST","whole":false,"incarnation":57,"mark":61,"history":"K3VZ...",
//	 "tables":[{"table":"Object","incarnation":57,"chunk_level":2}],"keep":["Object_5"]}
//
// keep is there only where the catalogue holds tables whose names look like those of chunk tables of what is dropped:
// these must not be touched.
//
// Exit code 0 says that all of it is removed, and the name becomes free. Any other is a failure, which is tried again;
// the end of what the program wrote to its standard error is then shown to operators and kept in etcd, so it must hold
// no secret. Standard output is thrown away.
//
// The program has to be written for this:
//
//   - It may be run twice for one Job, also when the first run succeeded and the coordinator was lost before it could
//     say so. What is gone already is success.
//   - It may run late: while one run is paused, another may finish, and a new table may get the name. Before it removes
//     anything it has to check that what it finds is of the incarnation in the Job, and it has to remove by a name that
//     is of that incarnation only: rename first, then drop. An incarnation is the revision of etcd at which the name
//     was created; a later table has a higher one, within one history.
//   - It is killed, with all processes of its group, when the coordinator ends or loses the lead, or after Timeout. A
//     run that was killed is repeated.
type Command struct {
	Path    string   // of the program; without a slash it is looked for as a shell does
	Args    []string // besides the Job
	Timeout time.Duration
}

var _ Dropper = Command{}

// A program that has ended, or was killed, may leave others behind that keep its standard error open.
const afterTheEnd = 5 * time.Second

// Drop runs the program.
func (c Command) Drop(ctx context.Context, job Job) error {
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	if c.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("it did not end within %s", c.Timeout))
		defer cancel()
		ctx = limited
	}
	var said lastWords
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	cmd.Stderr = &said
	cmd.WaitDelay = afterTheEnd
	// All that it starts is killed with it, unless that leaves the group: a shell's children would go on otherwise.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind in its group
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = fmt.Errorf("it was killed: %w", context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it ended, but a process that it started goes on with its standard error open")
	}
	return fmt.Errorf("the command %s: %w%s", c.Path, err, said.String())
}

// lastWords keeps the end of what is written to it.
type lastWords struct {
	text []byte
	cut  bool
}

const maxWords = 1000

func (l *lastWords) Write(b []byte) (int, error) {
	l.text = append(l.text, b[max(0, len(b)-maxWords):]...)
	if over := len(l.text) - maxWords; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	l.cut = l.cut || len(b) > maxWords || len(l.text) == maxWords
	return len(b), nil
}

// String returns it as one line that goes on after an error.
func (l *lastWords) String() string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(string(l.text), "?")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	switch {
	case len(lines) == 0:
		return ""
	case l.cut:
		lines[0] = "..." + lines[0]
	}
	return ": " + strings.Join(lines, "; ")
}
