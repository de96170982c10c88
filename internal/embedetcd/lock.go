package embedetcd

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/qserv/css-etcd/internal/filelock"
)

// lockDir takes the lock of a data directory. Etcd has a lock too, but waits for it forever and says nothing. The error
// wraps [ErrInUse] when another holds it.
func lockDir(dir string) (*filelock.Lock, error) {
	lock, err := filelock.Take(filepath.Join(dir, "css-etcd.lock"), 0o600)
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("embedetcd: %w: another server holds %s; stop it or choose another directory", ErrInUse, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("embedetcd: lock the data directory: %w", err)
	}
	return lock, nil
}
