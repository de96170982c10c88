// Package filelock is a lock that processes of one machine take by a file, and that ends with the process.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrHeld says that somebody else has the lock.
var ErrHeld = errors.New("another process has the lock")

// Lock is a lock that was taken.
type Lock struct{ file *os.File }

// Take takes the lock of a file, which it makes where it is missing, or fails with [ErrHeld] at once.
func Take(path string, mode os.FileMode) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, mode)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &Lock{file}, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrHeld
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
}

// Release lets others take the lock. The file stays: removing it could take it from under a process that waits for it.
//
// Closing the file is not enough: a process that this one is just starting has a copy of it until it runs its own
// program, and the lock would last as long.
func (l *Lock) Release() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}
