package mariadbd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one running mariadbd. Its goroutine starts it, reaps it and then
// closes done.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // the exit of the process; read it after done only
}

// startProcess starts cmd such that the kernel kills it when this process
// dies. The kernel sends that signal when the thread that forked exits, not
// when the process does, so the goroutine that forks keeps its thread for as
// long as the child lives. It closes log when the child is reaped.
func startProcess(cmd *exec.Cmd, log io.Closer) (*process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// A Ctrl-C at the terminal is for us; we stop the child in order.
		Setpgid: true,
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- errors.Join(err, log.Close())
			return
		}
		started <- nil
		p.err = errors.Join(cmd.Wait(), log.Close())
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, fmt.Errorf("mariadbd: start %s: %w", cmd.Path, err)
	}
	return p, nil
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// exit says how the process ended. It waits for the end.
func (p *process) exit() error {
	<-p.done
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

func (p *process) signal(sig os.Signal) error {
	if !p.running() {
		return ErrNotRunning
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("mariadbd: send %v to process %d: %w", sig, p.cmd.Process.Pid, err)
	}
	return nil
}

// kill sends SIGKILL and waits until the process is reaped.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL)
	if err == nil || !p.running() {
		<-p.done
		return nil
	}
	return err
}

// stop asks the process to shut down and kills it when it has not done so
// after the grace period. It returns once the process is reaped.
func (p *process) stop(grace time.Duration) error {
	if !p.running() {
		return nil
	}
	// A paused process would sleep through the request. Errors are those of
	// a process that died meanwhile, which kill sorts out.
	_ = p.signal(syscall.SIGTERM)
	_ = p.signal(syscall.SIGCONT)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return p.kill()
	}
}
