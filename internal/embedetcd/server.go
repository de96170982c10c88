package embedetcd

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/qserv/css-etcd/internal/filelock"
	"go.etcd.io/etcd/server/v3/embed"
)

// Server is an etcd server inside this process. Close it.
type Server struct {
	opts   Options
	dir    string
	temp   bool // Close removes dir
	client url.URL
	member membership

	mu     sync.Mutex // guards what follows and orders starts and stops
	run    *run       // nil while the server is stopped
	closed bool
}

// run is the time between one start of a server and its stop.
type run struct {
	etcd   *embed.Etcd
	cancel context.CancelFunc // cuts the clients off
	lock   *filelock.Lock
}

// Start runs a single-member etcd and returns when it serves, after about a
// second and much sooner with a short [Options.Tick]. Ctx bounds the wait, not
// the life of the server. When Start fails it leaves nothing running and no
// temporary directory behind.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Name == "" {
		opts.Name = defaultName
	}
	return start(ctx, opts, single(opts.Name))
}

func start(ctx context.Context, opts Options, member membership) (*Server, error) {
	s, err := prepare(opts, member)
	if err != nil {
		return nil, err
	}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare returns a server that is stopped.
func prepare(opts Options, member membership) (*Server, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	client, err := clientURL(opts.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, client: client, member: member}
	if opts.Dir == "" {
		s.temp = true
		s.dir, err = os.MkdirTemp("", "etcd-")
	} else if s.dir, err = filepath.Abs(opts.Dir); err == nil {
		err = os.MkdirAll(s.dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("embedetcd: create the data directory: %w", err)
	}
	return s, nil
}

// Restart starts a stopped server again on its directory and its addresses and
// returns when it serves. It does nothing on a server that runs and returns
// [ErrClosed] after Close. A member of a cluster serves only once a majority
// does: restart several of them concurrently when a majority is down.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("embedetcd: start: %w", ErrClosed)
	}
	if s.run != nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("embedetcd: start: %w", err)
	}
	r, err := s.launch()
	if err != nil {
		return err
	}
	if err := r.awaitReady(ctx); err != nil {
		return errors.Join(err, r.stop())
	}
	s.run = r
	return nil
}

func (s *Server) launch() (*run, error) {
	lock, err := lockDir(s.dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	etcd, err := embed.StartEtcd(s.config(ctx))
	if err != nil {
		cancel()
		return nil, errors.Join(
			fmt.Errorf("embedetcd: start etcd in %s for clients on %s: %w", s.dir, &s.client, err),
			lock.Release())
	}
	return &run{etcd: etcd, cancel: cancel, lock: lock}, nil
}

func (r *run) awaitReady(ctx context.Context) error {
	began := time.Now()
	select {
	case <-r.etcd.Server.ReadyNotify():
		return nil
	case err := <-r.etcd.Err():
		return fmt.Errorf("embedetcd: etcd ended during its start: %w", err)
	case <-r.etcd.Server.StopNotify():
		return errors.New("embedetcd: etcd stopped during its start")
	case <-ctx.Done():
		return fmt.Errorf("embedetcd: etcd does not serve after %v, which for a member of a cluster may mean that no "+
			"majority is up: %w",
			time.Since(began).Round(time.Millisecond), ctx.Err())
	}
}

func (r *run) stop() error {
	r.cancel()
	select {
	case <-r.etcd.Server.ReadyNotify():
	default:
		// Close waits for listeners that wait for a server that is ready or
		// stopping, and stops the server only afterwards.
		r.etcd.Server.HardStop()
	}
	r.etcd.Close()
	if err := r.lock.Release(); err != nil {
		return fmt.Errorf("embedetcd: unlock the data directory: %w", err)
	}
	return nil
}

// Stop ends the server, waits for it, and keeps directory and addresses for
// [Server.Restart]. It does nothing on a server that is stopped.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

func (s *Server) stop() error {
	if s.run == nil {
		return nil
	}
	r := s.run
	s.run = nil
	return r.stop()
}

// Close stops the server for good and removes its directory if that was a
// temporary one. It does nothing on a server that is closed already.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.stop()
	if s.temp {
		if rmErr := os.RemoveAll(s.dir); rmErr != nil {
			err = errors.Join(err, fmt.Errorf("embedetcd: remove the temporary directory: %w", rmErr))
		}
	}
	return err
}
