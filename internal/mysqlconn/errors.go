package mysqlconn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// The server's error numbers that packages act upon one by one.
const (
	ErRowChanged       = 1020 // MariaDB: since the transaction began to read
	ErBadDB            = 1049 // no such schema
	ErTableExists      = 1050
	ErBadField         = 1054 // no such column
	ErDuplicate        = 1062
	ErNoSuchKey        = 1091
	ErUnknown          = 1105 // the text says which
	ErNoSuchTable      = 1146
	ErPacketTooLarge   = 1153
	ErBinlogTrigger    = 1419 // SUPER is needed for triggers while the binary log is on
	ErBinlogFormat     = 1665
	ErRowIsReferenced  = 1451
	ErNoReferencedRow  = 1452
	ErStatementTimeout = 1969 // MariaDB
)

// Number returns the server's error number, 0 for an error that is not the server's.
func Number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// Is reports whether an error is the server's, with one of these numbers.
func Is(err error, numbers ...uint16) bool {
	n := Number(err)
	return n != 0 && slices.Contains(numbers, n)
}

// NoSuchTable reports whether there is no table of that name, or no schema.
func NoSuchTable(err error) bool { return Is(err, ErNoSuchTable, ErBadDB) }

// LoginRefused reports whether the server does not let the user in.
func LoginRefused(err error) bool { return Is(err, 1045, 1698) }

// NotGranted reports whether the user lacks a privilege on a schema, table or column, or on the server.
func NotGranted(err error) bool { return Is(err, 1044, 1142, 1143, 1227) }

// Locked reports whether another transaction held what was needed for too long, or until a deadlock. What a statement
// of others holds may be the table's count of ids: the server then says that it failed to read it.
func Locked(err error) bool { return Is(err, 1205, 1213, 1467) }

// ReadOnly reports whether the server, or its InnoDB, may not be written to.
func ReadOnly(err error) bool { return Is(err, 1290, 1792, 1836, 1874) }

// noRoom is how the server words an error of its system that says that a disk or a quota is full. The number stands
// there also where the words are not English.
var noRoom = regexp.MustCompile(`No space left on device|Disk quota exceeded|(?i:err(no|code|or):? (28|122)\b)`)

// Full reports whether the server has no room, on its disk or in a table.
func Full(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case !ok:
		return false
	case Is(err, 20, 1021, 1114, 3675):
		return true
	case e.Number < 100, // of the server's files
		Is(err, 1004, 1005, 1006, 1016, 1026, 1030): // making, opening and writing them, and whatever an engine says
		return noRoom.MatchString(e.Message)
	}
	return false
}

// Referenced reports whether a foreign key refers to what was to be removed.
func Referenced(err error) bool {
	return Is(err, 1217, ErRowIsReferenced, 3730) // the last is MySQL 8's
}

// Unavailable reports whether an error is one of the connection, or the server said that it is going down, is full,
// ended the connection or may not be written to.
func Unavailable(err error) bool {
	switch Number(err) {
	case 1040, 1129, 1203, 1226, // too many connections or errors, of all or of this user
		1053, 1077, // shutting down
		1152, 1158, 1159, 1160, 1161, 4031, // the connection broke
		1317, 1927, 3024, 3169: // the statement or the connection was killed
		return true
	}
	return ReadOnly(err) || broken(err)
}

// broken reports whether an error is one of the connection.
func broken(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, known := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrBusyBuffer, mysql.ErrMalformPkt, mysql.ErrPktSync,
		mysql.ErrPktSyncMul,
		sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
