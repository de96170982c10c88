package sqldrop

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// What callers tell apart with [errors.Is].
var (
	// ErrUnavailable says that a MySQL server does not answer, ended the connection or may not be written to. What became of the
	// statement under way is not known; the next attempt finds out.
	ErrUnavailable = errors.New("MySQL is not available")
	// ErrUnauthorized says that a MySQL server refused the user, or what the user wanted to do.
	ErrUnauthorized = errors.New("MySQL refuses the user")
	// ErrBusy says that something still uses a table that is to be removed.
	ErrBusy = errors.New("a table is in use")
	// ErrPacket says that a server's max_allowed_packet is too small for a table with that many chunks.
	ErrPacket = errors.New("MySQL takes only small packets")
	// ErrServer says that a server is of a kind on which a table cannot be removed safely.
	ErrServer = errors.New("this MySQL server is not supported")
)

// The server's error numbers that mean something here.
const (
	erDBAccessDenied     = 1044
	erAccessDenied       = 1045
	erBadDB              = 1049
	erTableExists        = 1050
	erTableAccessDenied  = 1142
	erColumnAccessDenied = 1143
	erNoSuchTable        = 1146
	erLockWaitTimeout    = 1205
	erDeadlock           = 1213
	erSpecificAccess     = 1227
	erAccessDeniedNoPass = 1698
)

// number returns the server's error number, 0 for an error that is not the server's.
func number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// explain gives an error of the driver its meaning and a sentence; grant is what the user needs. An error that has its meaning
// already, or none that is known here, is returned as it is.
func explain(user, grant string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || hasMeaning(err) {
		return err
	}
	switch number(err) {
	case erAccessDenied, erAccessDeniedNoPass:
		return fmt.Errorf("%w %q; check user and password: %w", ErrUnauthorized, user, err)
	case erDBAccessDenied, erTableAccessDenied, erColumnAccessDenied, erSpecificAccess:
		return fmt.Errorf("%w %q; it needs what %s gives: %w", ErrUnauthorized, user, grant, err)
	case erLockWaitTimeout, erDeadlock:
		return fmt.Errorf("%w: a query or another session still uses it; SHOW PROCESSLIST on that server shows which: %w", ErrBusy, err)
	}
	if unavailable(err) || broken(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func hasMeaning(err error) bool {
	for _, known := range []error{ErrUnavailable, ErrUnauthorized, ErrBusy, ErrPacket, ErrServer} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// unavailable reports whether the server said that it is going down, is full, ended the connection or may not be written to.
func unavailable(err error) bool {
	switch number(err) {
	case 1040, 1129, 1203, 1226, // too many connections or errors, of all or of this user
		1053, 1077, // shutting down
		1152, 1158, 1159, 1160, 1161, 4031, // the connection broke
		1317, 1927, 1969, 3024, 3169, // the statement or the connection was killed
		1290, 1792, 1836: // read-only
		return true
	}
	return false
}

// broken reports whether an error is one of the connection.
func broken(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, known := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrBusyBuffer, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul,
		sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
