// Package command runs a program, with a document on its standard input or for what it prints, and leaves nothing of it
// behind.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// A program that has ended, or was killed, may leave others behind that keep its standard error open.
const afterTheEnd = 5 * time.Second

// Run runs a program to its end. It fails unless the program exits with 0, with the end of what that wrote to its
// standard error. After a time, if one is given, or with ctx, the program is killed with all that it started, unless
// that leaves its group: a shell's children would go on otherwise. A path without a slash is looked for as a shell
// does.
func Run(ctx context.Context, path string, args []string, within time.Duration, document []byte) error {
	return run(ctx, path, args, within, document, nil)
}

// maxOutput is how much a program may print.
const maxOutput = 64 << 20

// Output is [Run] of a program without arguments and input, for which ctx is the limit. It returns what that wrote to
// its standard output, up to 64 MiB.
func Output(ctx context.Context, path string) ([]byte, error) {
	out := capped{left: maxOutput}
	if err := run(ctx, path, nil, 0, nil, &out); err != nil {
		return nil, err
	}
	if out.over {
		return nil, fmt.Errorf("the command %s: it printed more than %d MiB", path, maxOutput>>20)
	}
	return out.text.Bytes(), nil
}

// capped keeps the beginning of what is written to it.
type capped struct {
	text bytes.Buffer
	left int
	over bool
}

func (c *capped) Write(b []byte) (int, error) {
	take := min(len(b), c.left)
	c.text.Write(b[:take])
	c.left -= take
	c.over = c.over || take < len(b)
	return len(b), nil
}

func run(ctx context.Context, path string, args []string, within time.Duration, document []byte, out io.Writer) error {
	if within > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it did not end within %s", within))
		defer cancel()
		ctx = limited
	}
	var said lastWords
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(document)
	cmd.Stdout, cmd.Stderr = out, &said
	cmd.WaitDelay = afterTheEnd
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind in its group
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = fmt.Errorf("it was killed: %w", context.Cause(ctx))
	case errors.Is(err, exec.ErrWaitDelay):
		err = errors.New("it ended, but a process that it started goes on with its standard error or output open")
	}
	return fmt.Errorf("the command %s: %w%s", path, err, said.String())
}
