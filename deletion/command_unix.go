//go:build unix

package deletion

import (
	"os/exec"
	"syscall"
)

// killGroup has a command killed with all that it starts, unless that leaves its group: a shell's children would go on otherwise.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
