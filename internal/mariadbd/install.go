package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A small redo log saves about 90 MB of disk a server; install and server must
// agree on its size or the first start begins by resizing it.
const redoLogSize = "--innodb-log-file-size=8M"

// Install creates the system tables for a server whose directory will be dir,
// unless they are there. They are in dir/data, and a copy of that serves as well.
func Install(ctx context.Context, dir string) error {
	progs, err := find()
	if err != nil {
		return fmt.Errorf("mariadbd: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return fmt.Errorf("mariadbd: create the server's directory: %w", err)
	}
	return installData(ctx, progs.install, dir)
}

// installData creates the system tables in dir/data unless they are there. It
// works in another directory and renames at the end, so that an installation
// that was cut off is never taken for a finished one.
func installData(ctx context.Context, program, dir string) error {
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("mariadbd: look for the data directory: %w", err)
	}
	unfinished := data + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("mariadbd: remove an unfinished installation: %w", err)
	}
	args := append([]string{
		"--no-defaults",
		"--datadir=" + unfinished,
		// Installations that share a tmpdir remove each other's files.
		"--tmpdir=" + filepath.Join(dir, "tmp"),
		"--auth-root-authentication-method=normal",
		"--skip-test-db",
		"--skip-name-resolve",
		redoLogSize,
	}, asRoot()...)
	cmd := exec.CommandContext(ctx, program, args...)
	// The program is a script; killing it alone would leave its mariadbd behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	// All of its output goes into an error: the reason comes first, advice of
	// a screenful follows.
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("mariadbd: create the system tables with %s: %w\n%s", program, err, out)
	}
	if err := os.Rename(unfinished, data); err != nil {
		return fmt.Errorf("mariadbd: finish the installation: %w", err)
	}
	return nil
}

// asRoot returns the argument without which the server refuses to run as root.
func asRoot() []string {
	if os.Geteuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// lastLines returns the end of a log, enough to show why a start failed.
func lastLines(log string) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return strings.Join(lines, "\n")
}
