package embedetcd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir takes the lock of a data directory; closing the file releases it,
// and so does the end of the process. Etcd has a lock too, but waits for it
// forever and says nothing. The error wraps [ErrInUse] when another holds it.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "css-etcd.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedetcd: open the lock of the data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("%w: another server holds %s; stop it or choose another directory", ErrInUse, dir)
	}
	return nil, errors.Join(fmt.Errorf("embedetcd: lock the data directory: %w", err), f.Close())
}
