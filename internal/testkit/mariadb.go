package testkit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/qserv/css-etcd/internal/mariadbd"
)

// MariaDB returns a running server that is closed when the test ends. On a machine without MariaDB it skips the test,
// except where the environment has CI=true: there a missing server fails the test, because a run that skipped what it
// is for must not look like a success.
//
// The system tables are created once for all servers of the process that are not given a directory: that takes several
// times as long as starting a server.
func MariaDB(t testing.TB, opts mariadbd.Options) *mariadbd.Server {
	t.Helper()
	RequireMariaDB(t)
	if opts.Dir == "" {
		opts.Dir = installed(t)
	}
	server, err := mariadbd.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("start a MariaDB server for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the test's MariaDB server: %v", err)
		}
	})
	return server
}

// systemTables are the files of a data directory that no server has used.
var systemTables = sync.OnceValues(func() (fs.FS, error) {
	dir, err := os.MkdirTemp("", "mariadbd-")
	if err != nil {
		return nil, err
	}
	err = mariadbd.Install(context.Background(), dir)
	if err == nil {
		var files fs.FS
		if files, err = read(os.DirFS(filepath.Join(dir, "data"))); err == nil {
			return files, os.RemoveAll(dir)
		}
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
})

// read keeps files in memory: there is nobody to remove them at the end of the process.
func read(from fs.FS) (fs.FS, error) {
	files := fstest.MapFS{}
	return files, fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			files[path] = &fstest.MapFile{Mode: fs.ModeDir | 0o700}
			return nil
		}
		data, err := fs.ReadFile(from, path)
		files[path] = &fstest.MapFile{Data: data, Mode: 0o600}
		return err
	})
}

// installed returns a directory with system tables that goes with the test.
func installed(t testing.TB) string {
	t.Helper()
	files, err := systemTables()
	if err != nil {
		t.Fatalf("create system tables for the tests' MariaDB servers: %v", err)
	}
	dir, err := os.MkdirTemp("", "mariadbd-")
	if err != nil {
		t.Fatalf("create a directory for the test's MariaDB server: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of the test's MariaDB server: %v", err)
		}
	})
	if err := os.CopyFS(filepath.Join(dir, "data"), files); err != nil {
		t.Fatalf("copy the system tables: %v", err)
	}
	return dir
}

// RequireMariaDB skips or fails the test, as [MariaDB] does, when the server is not installed, and otherwise does
// nothing.
func RequireMariaDB(t testing.TB) {
	t.Helper()
	err := mariadbd.Installed()
	switch {
	case err == nil:
	case !errors.Is(err, mariadbd.ErrNotInstalled):
		t.Fatalf("look for the MariaDB server: %v", err)
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs the MariaDB server and CI=true forbids skipping it; run `make deps` first: %v", err)
	default:
		t.Skipf("this test needs the MariaDB server; `make deps` installs it: %v", err)
	}
}

// SharedMariaDB returns the server of all tests in this process, which is started when it is needed first and closed by
// [Main]. It does not wait for the disk: tests make thousands of tables, each of which would wait several times. Each
// test has a schema of its own.
func SharedMariaDB(t testing.TB) *mariadbd.Server {
	t.Helper()
	RequireMariaDB(t)
	server, err := sharedMariaDB()
	if err != nil {
		t.Fatalf("start the tests' MariaDB server: %v", err)
	}
	return server
}

var sharedMariaDB = sync.OnceValues(func() (*mariadbd.Server, error) {
	server, err := mariadbd.Start(context.Background(), mariadbd.Options{
		Args: []string{"--innodb-flush-method=nosync", "--sync-frm=0"},
	})
	if err == nil {
		closeAtEnd(server.Close)
	}
	return server, err
})
