package unixsocket_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/filelock"
	"github.com/qserv/css-etcd/internal/unixsocket"
)

// leave leaves a socket behind as a process does that is killed.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
}

// answers reports whether somebody listens.
func answers(path string) bool {
	conn, err := net.Dial("unix", path)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// TestOnlyWhatNobodyListensAtIsReplaced.
func TestOnlyWhatNobodyListensAtIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	leave(t, path)
	leave(t, path+".new")
	l, err := unixsocket.Listen(path, 0o620)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.ModeSocket|0o620, info.Mode())
	assert.True(t, answers(path))
	assert.Equal(t, path, l.Addr().String())

	_, err = unixsocket.Listen(path, 0o600)
	require.ErrorContains(t, err, "another process listens at "+path)
	assert.True(t, answers(path))
	require.NoError(t, l.Close())
	assert.NoFileExists(t, path)

	stranger, err := net.Listen("unix", path) // one that knows nothing of our lock
	require.NoError(t, err)
	defer stranger.Close()
	_, err = unixsocket.Listen(path, 0o600)
	require.ErrorContains(t, err, "another process listens at "+path)
	assert.True(t, answers(path))

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
	_, err = unixsocket.Listen(file, 0o600)
	require.ErrorContains(t, err, "is no socket, and is not replaced")
	assert.FileExists(t, file)

	_, err = unixsocket.Listen(filepath.Join(t.TempDir(), "none", "s"), 0o600)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestWhoIsAboutToListen has the lock, and no socket yet.
func TestWhoIsAboutToListen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	leave(t, path)
	lock, err := filelock.Take(path+".lock", 0o600)
	require.NoError(t, err)
	_, err = unixsocket.Listen(path, 0o600)
	require.ErrorContains(t, err, "another process listens at "+path)
	require.NoError(t, lock.Release())
	l, err := unixsocket.Listen(path, 0o600)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}

// TestOneOfManyListens where they begin at once, and the socket is that one's.
func TestOneOfManyListens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	leave(t, path)
	var all sync.WaitGroup
	var mu sync.Mutex
	var won []*unixsocket.Listener
	for range 8 {
		all.Go(func() {
			if l, err := unixsocket.Listen(path, 0o600); err == nil {
				mu.Lock()
				defer mu.Unlock()
				won = append(won, l)
			}
		})
	}
	all.Wait()
	require.Len(t, won, 1)
	assert.True(t, answers(path))
	require.NoError(t, won[0].Close())
}
