// Package unixsocket listens at a socket of this machine.
package unixsocket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/qserv/css-etcd/internal/filelock"
)

// Listener listens at a socket that no other process of this package takes away.
type Listener struct {
	net.Listener
	path string
	lock *filelock.Lock
}

// Listen listens at a path, with a mode: who may use a socket is who may write it. A socket that a process left behind
// that has ended is replaced; one at which somebody listens, and what is no socket, is not. A lock beside it, in
// PATH.lock, keeps two that begin at once from each replacing the other's. Close removes the socket.
func Listen(path string, mode fs.FileMode) (*Listener, error) {
	lock, err := filelock.Take(path+".lock", 0o600)
	switch {
	case errors.Is(err, filelock.ErrHeld):
		return nil, fmt.Errorf("another process listens at %s", path)
	case err != nil:
		return nil, err
	}
	l, err := listen(path, mode)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &Listener{l, path, lock}, nil
}

func listen(path string, mode fs.FileMode) (net.Listener, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	// Made under a name that nobody uses, so that nobody uses it before it has its mode.
	making := path + ".new"
	if err := os.Remove(making); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: making, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(making, mode), os.Rename(making, path)); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(making))
	}
	return l, nil
}

// clear removes a socket at which nobody listens.
func clear(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is no socket, and is not replaced", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		_ = conn.Close()
		return fmt.Errorf("another process listens at %s", path)
	case !errors.Is(err, syscall.ECONNREFUSED): // it is busy, or not ours to ask
		return fmt.Errorf("whether another process listens at %s cannot be told: %w", path, err)
	}
	return os.Remove(path)
}

// Close removes the socket, and listens no more.
func (l *Listener) Close() error {
	err := os.Remove(l.path)
	if errors.Is(err, fs.ErrNotExist) { // somebody was quicker
		err = nil
	}
	return errors.Join(err, l.Listener.Close(), l.lock.Release())
}

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }
