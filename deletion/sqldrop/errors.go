package sqldrop

import (
	"context"
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// What callers tell apart with [errors.Is].
var (
	// ErrUnavailable says that a MySQL server does not answer, ended the connection or may not be written to. What became
	// of the statement under way is not known; the next attempt finds out.
	ErrUnavailable = errors.New("MySQL is not available")
	// ErrUnauthorized says that a MySQL server refused the user, or what the user wanted to do.
	ErrUnauthorized = errors.New("MySQL refuses the user")
	// ErrBusy says that something still uses a table that is to be removed.
	ErrBusy = errors.New("a table is in use")
	// ErrReferenced says that a table that stays refers to one that is to be removed by a foreign key.
	ErrReferenced = errors.New("a foreign key of a table that stays refers to it")
	// ErrPacket says that a server's max_allowed_packet is too small for a table with that many chunks.
	ErrPacket = errors.New("MySQL takes only small packets")
	// ErrServer says that a server is of a kind on which a table cannot be removed safely.
	ErrServer = errors.New("this MySQL server is not supported")
)

// explain gives an error of the driver its meaning and a sentence; grant is what the user needs. An error that has its
// meaning already, or none that is known here, is returned as it is.
func explain(user, grant string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || hasMeaning(err) {
		return err
	}
	switch {
	case mysqlconn.LoginRefused(err):
		return fmt.Errorf("%w %q; check user and password: %w", ErrUnauthorized, user, err)
	case mysqlconn.NotGranted(err):
		return fmt.Errorf("%w %q; it needs what %s gives: %w", ErrUnauthorized, user, grant, err)
	case mysqlconn.Locked(err):
		return fmt.Errorf("%w: a query or another session still uses it; SHOW PROCESSLIST on that server shows which: %w",
			ErrBusy, err)
	case mysqlconn.Referenced(err):
		return fmt.Errorf("%w: drop that key, or that table: %w", ErrReferenced, err)
	case mysqlconn.Is(err, mysqlconn.ErStatementTimeout) || mysqlconn.Unavailable(err):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// ofTheTable reports whether an error is about one table, so that others can be removed all the same.
func ofTheTable(err error) bool {
	for _, known := range []error{ErrUnavailable, ErrUnauthorized, ErrServer, coordinator.ErrDropEnded, context.Canceled,
		context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return false
		}
	}
	return true
}

func hasMeaning(err error) bool {
	for _, known := range []error{ErrUnavailable, ErrUnauthorized, ErrBusy, ErrReferenced, ErrPacket, ErrServer} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
