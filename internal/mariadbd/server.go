package mariadbd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/freeport"
)

const (
	// maxSocketPath is the room for a path in Linux's sockaddr_un, less its final NUL.
	maxSocketPath = 107
	stopGrace     = 10 * time.Second
	tempPattern   = "mariadbd-"
)

// Server is a private MariaDB server. Close it.
type Server struct {
	programs programs
	opts     Options
	dir      string
	socket   string
	port     int
	temp     []string // directories that Close removes

	mu     sync.Mutex // guards what follows and orders starts and stops
	proc   *process   // nil before the first start and after Close
	closed bool
}

// Start creates the system tables in the directory where they are missing,
// starts a server and returns when it answers. Ctx bounds the start, not the
// life of the server. When Start fails it leaves no process and no temporary
// directory behind. A first start takes about a second.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	progs, err := find()
	if err != nil {
		return nil, fmt.Errorf("mariadbd: %w", err)
	}
	s := &Server{programs: progs, opts: opts}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.mu.Lock()
	err = s.launch(ctx)
	s.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the directories, picks socket and port and installs the tables.
func (s *Server) prepare(ctx context.Context) error {
	if err := s.chooseDir(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.dir, "tmp"), 0o700); err != nil {
		return fmt.Errorf("mariadbd: create the server's directory: %w", err)
	}
	if err := s.chooseSocket(); err != nil {
		return err
	}
	s.port = s.opts.Port
	if s.port == FreePort {
		var err error
		if s.port, err = freeport.Pick(); err != nil {
			return fmt.Errorf("mariadbd: choose a port: %w", err)
		}
	}
	return installData(ctx, s.programs.install, s.dir)
}

func (s *Server) chooseDir() error {
	if s.opts.Dir == "" {
		dir, err := s.tempDir(os.TempDir())
		s.dir = dir
		return err
	}
	dir, err := filepath.Abs(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("mariadbd: directory %s: %w", s.opts.Dir, err)
	}
	s.dir = dir
	return nil
}

func (s *Server) chooseSocket() error {
	const name = "mariadbd.sock"
	s.socket = filepath.Join(s.dir, name)
	// TMPDIR may be long as well; /tmp is the shortest that there is.
	for _, base := range []string{os.TempDir(), "/tmp"} {
		if len(s.socket) <= maxSocketPath {
			return nil
		}
		dir, err := s.tempDir(base)
		if err != nil {
			return err
		}
		s.socket = filepath.Join(dir, name)
	}
	return nil
}

// tempDir makes a directory in base that Close removes.
func (s *Server) tempDir(base string) (string, error) {
	dir, err := os.MkdirTemp(base, tempPattern)
	if err != nil {
		return "", fmt.Errorf("mariadbd: create a temporary directory: %w", err)
	}
	s.temp = append(s.temp, dir)
	return dir, nil
}

// launch starts the process and waits until it answers. The caller holds mu.
func (s *Server) launch(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mariadbd: open the server's log: %w", err)
	}
	start, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("mariadbd: find the end of the server's log: %w", err), log.Close())
	}
	cmd := exec.Command(s.programs.server, s.arguments()...)
	cmd.Dir = s.dir
	var out io.Writer = log // a file goes to the child as it is, anything else costs a copying goroutine
	if s.opts.ServerLog != nil {
		out = io.MultiWriter(log, s.opts.ServerLog)
	}
	cmd.Stdout, cmd.Stderr = out, out
	proc, err := startProcess(cmd, log)
	if err != nil {
		return err
	}
	if err := s.awaitReady(ctx, proc); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, s.logSince(start)), proc.kill())
	}
	s.proc = proc
	return nil
}

func (s *Server) arguments() []string {
	args := []string{
		"--no-defaults", // must come first
		"--datadir=" + filepath.Join(s.dir, "data"),
		"--tmpdir=" + filepath.Join(s.dir, "tmp"),
		"--pid-file=" + filepath.Join(s.dir, "mariadbd.pid"),
		"--socket=" + s.socket,
		"--skip-log-bin",
		"--skip-name-resolve",
		"--character-set-server=utf8mb4",
		"--innodb-buffer-pool-size=64M",
		redoLogSize,
		"--key-buffer-size=1M",
		"--aria-pagecache-buffer-size=8M",
		"--performance-schema=OFF",
	}
	args = append(args, asRoot()...)
	if s.port == NoPort {
		args = append(args, "--skip-networking")
	} else {
		args = append(args, "--bind-address=127.0.0.1", "--port="+strconv.Itoa(s.port))
	}
	if !s.opts.Fsync {
		args = append(args, "--innodb-flush-log-at-trx-commit=2")
	}
	return append(args, s.opts.Args...)
}

// logSince returns the last lines that the server wrote after an offset.
func (s *Server) logSince(offset int64) string {
	log, err := os.ReadFile(s.LogFile())
	if err != nil || offset > int64(len(log)) {
		return "(the server's log " + s.LogFile() + " cannot be read)"
	}
	return lastLines(string(log[offset:]))
}

// Close asks the server to shut down, kills it when it has not done so after
// ten seconds, waits for its end and removes the temporary directories. It
// does nothing on a server that is closed already.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var errs []error
	if s.proc != nil {
		errs = append(errs, s.proc.stop(stopGrace))
		s.proc = nil
	}
	s.closed = true
	for _, dir := range s.temp {
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, fmt.Errorf("mariadbd: remove the temporary directory: %w", err))
		}
	}
	return errors.Join(errs...)
}
