package inventory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// What the inventory does not have. Both are cssetcd.ErrNotFound, too.
var (
	// ErrNoSuchWorker says that nobody publishes for a worker: it is down, or was never there.
	ErrNoSuchWorker = fmt.Errorf("no such worker is alive: %w", cssetcd.ErrNotFound)
	// ErrNotServed says that a worker is alive and does not speak of a database.
	ErrNotServed = fmt.Errorf("the worker serves nothing of it: %w", cssetcd.ErrNotFound)
)

// maxName is how long the name of a worker or a database may be, in bytes: more than MySQL allows.
const maxName = 255

// CheckWorker returns what is wrong with the name of a worker, a cssetcd.ErrInvalidName.
func CheckWorker(name string) error { return checkName("worker", name) }

// checkName refuses what cannot be part of a key.
func checkName(kind, name string) error {
	var why string
	switch {
	case name == "":
		why = "is empty"
	case len(name) > maxName:
		why = fmt.Sprintf("has %d bytes and may have %d", len(name), maxName)
	case strings.Contains(name, "/"):
		why = "contains a slash"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		why = "contains a control character"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s %.80q %s", cssetcd.ErrInvalidName, kind, name, why)
}

// errReplaced ends a term whose key is gone: another process may publish now.
var errReplaced = errors.New("another process may publish for this worker now")
