// Package filelock is a lock that processes of one machine take by a file, and that ends with the process. Only who may
// write the file can take it: with flock(2) who may read could, too.
package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
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
	err = set(file, unix.F_WRLCK)
	if err == nil {
		return &Lock{file}, nil
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = ErrHeld
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
}

// File returns the file that is locked, open for reading and writing. Release closes it.
func (l *Lock) File() *os.File { return l.file }

// Release lets others take the lock. The file stays: removing it could take it from under a process that waits for it.
//
// Closing the file is not enough: a process that this one is just starting has a copy of it until it runs its own
// program, and the lock would last as long.
func (l *Lock) Release() error {
	return errors.Join(set(l.file, unix.F_UNLCK), l.file.Close())
}

// set sets a lock on the open file, which like that of flock(2) belongs to what was opened and not to the process.
func set(file *os.File, kind int16) error {
	return unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind})
}
