package filelock

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(path, 0o600)
	require.NoError(t, err)
	_, err = Take(path, 0o600)
	assert.ErrorIs(t, err, ErrHeld)
	assert.ErrorContains(t, err, path)
	require.NoError(t, held.Release())
	again, err := Take(path, 0o600)
	require.NoError(t, err)
	require.NoError(t, again.Release())
	_, err = Take(filepath.Join(path, "below a file"), 0o600)
	assert.ErrorIs(t, err, syscall.ENOTDIR)
}

// Rule: a lock that was released is free, though a process that is just being started has a copy of the file.
func TestReleasedDespiteACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := Take(path, 0o600)
	require.NoError(t, err)
	copied, err := syscall.Dup(int(held.file.Fd()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Close(copied)) }()
	require.NoError(t, held.Release())
	again, err := Take(path, 0o600)
	require.NoError(t, err)
	require.NoError(t, again.Release())
}
