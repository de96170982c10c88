// Package mariadbdtest gives tests a private MariaDB server. It is apart from
// mariadbd so that programs which run such a server do not import testing.
package mariadbdtest

import (
	"errors"
	"os"
	"testing"

	"github.com/qserv/css-etcd/internal/mariadbd"
)

// ForTest returns a running server that is closed when the test ends. On a
// machine without MariaDB it skips the test, except where the environment has
// CI=true: there a missing server fails the test, because a run that skipped
// what it is for must not look like a success.
func ForTest(t testing.TB, opts mariadbd.Options) *mariadbd.Server {
	t.Helper()
	Require(t)
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

// Require skips or fails the test, as [ForTest] does, when the MariaDB server
// is not installed, and otherwise does nothing.
func Require(t testing.TB) {
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
