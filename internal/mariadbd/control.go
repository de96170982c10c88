package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// ErrClosed says that the server was closed and cannot be started again.
var ErrClosed = errors.New("the MariaDB server is closed")

// PID returns the process id of mariadbd, or 0 when it is not running.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || !s.proc.running() {
		return 0
	}
	return s.proc.cmd.Process.Pid
}

// Kill ends the server with SIGKILL, as a crash would, and returns when it is
// gone. [Server.Restart] brings it back. It returns [ErrNotRunning] when there
// is nothing to kill.
func (s *Server) Kill() error {
	return s.withProcess((*process).kill)
}

// Pause stops the server with SIGSTOP: connections stay open and nothing
// answers, as on a machine that hangs. [Server.Resume] ends it. It returns
// [ErrNotRunning] when the server is down.
func (s *Server) Pause() error {
	return s.withProcess(func(p *process) error { return p.signal(syscall.SIGSTOP) })
}

// Resume lets a paused server go on. It returns [ErrNotRunning] when the
// server is down.
func (s *Server) Resume() error {
	return s.withProcess(func(p *process) error { return p.signal(syscall.SIGCONT) })
}

// Restart starts the server again with the same directory, socket and port
// after [Server.Kill] or after it died, and returns when it answers, that is
// after its crash recovery. It returns an error when the server is running,
// and [ErrClosed] after Close.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fmt.Errorf("mariadbd: restart: %w", ErrClosed)
	case s.proc != nil && s.proc.running():
		return fmt.Errorf("mariadbd: restart: process %d still runs; kill it first", s.proc.cmd.Process.Pid)
	}
	return s.launch(ctx)
}

// withProcess runs an action on the running process.
func (s *Server) withProcess(action func(*process) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || !s.proc.running() {
		return ErrNotRunning
	}
	return action(s.proc)
}
