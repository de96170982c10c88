package kvdata

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// What callers tell apart with [errors.Is].
var (
	// ErrUnavailable says that MySQL does not answer, or not as a server that can be written to.
	ErrUnavailable = errors.New("MySQL is not available")
	// ErrReadOnly says that MySQL answers and cannot be written to; it is ErrUnavailable, too.
	ErrReadOnly = fmt.Errorf("%w for writing", ErrUnavailable)
	// ErrBusy says that others hold what the mirror has to write, for longer than it waits for them.
	ErrBusy = errors.New("others keep rows of kvData locked")
	// ErrBinlogFormat says that the server's binlog_format is one with which no mirror can write.
	ErrBinlogFormat = errors.New("MySQL's binlog_format does not allow a mirror")
	// ErrFull says that the server has no room.
	ErrFull = errors.New("MySQL has no room left")
	// ErrUnauthorized says that MySQL refused the user, or what the user wanted to do.
	ErrUnauthorized = errors.New("MySQL refuses the user")
	// ErrFenced says that another mirror has taken the table over.
	ErrFenced = errors.New("another mirror has taken the table over")
	// ErrIdentity says that the table mirrors another catalogue, or another history of this one.
	ErrIdentity = errors.New("the table mirrors another catalogue")
	// ErrReleased says that kvData was left to those who write into MySQL.
	ErrReleased = errors.New("kvData was left to those who write into MySQL")
	// ErrNotKvData says that there is a table kvData that is not made as Qserv makes it.
	ErrNotKvData = errors.New("the table kvData is not as Qserv makes it")
	// ErrNewerFormat says that a newer version of this program wrote the mirror's own tables.
	ErrNewerFormat = errors.New("the table css_mirror_state has a newer format")
	// ErrNoMirror says that no mirror has written to the database yet.
	ErrNoMirror = errors.New("no mirror has written here yet")
	// ErrPacket says that the server's max_allowed_packet is too small for a row of kvData.
	ErrPacket = errors.New("MySQL takes only small packets")
	// ErrDrift says that kvData, or what is written beside it, is not as the mirror left it.
	ErrDrift = errors.New("kvData is not as this mirror left it")
	// ErrOvertaken says that others wrote a row, and committed that, after a step was planned and before it wrote the row.
	ErrOvertaken = errors.New("others wrote what this step writes")
	// ErrNotTaken says that what others wrote is captured and in no mirror's hands.
	ErrNotTaken = errors.New("no mirror has taken all that others wrote")
	// ErrIDsTaken says that a step's new rows need other ids.
	ErrIDsTaken = errors.New("somebody else has taken the ids of new rows")
)

// explain gives an error of the driver its meaning and a sentence. An error that has its meaning already, or none that
// is known here, is returned as it is.
func explain(target *mysql.Config, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || hasMeaning(err) {
		return err
	}
	switch {
	case mysqlconn.LoginRefused(err):
		return fmt.Errorf("%w %q at %s; check user and password: %w", ErrUnauthorized, target.User, target.Addr, err)
	case mysqlconn.NotGranted(err):
		return fmt.Errorf("%w %q at %s; `css-sync grants` prints what it needs: %w",
			ErrUnauthorized, target.User, target.Addr, err)
	case mysqlconn.Is(err, mysqlconn.ErDuplicate, mysqlconn.ErRowIsReferenced, mysqlconn.ErNoReferencedRow,
		mysqlconn.ErRowChanged):
		return fmt.Errorf("%w: %w", ErrDrift, err)
	case mysqlconn.Locked(err):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case mysqlconn.ReadOnly(err):
		return fmt.Errorf("%w at %s: %w", ErrReadOnly, target.Addr, err)
	case mysqlconn.Full(err):
		return fmt.Errorf("%w at %s: %w", ErrFull, target.Addr, err)
	case mysqlconn.Is(err, mysqlconn.ErBinlogFormat):
		return fmt.Errorf("%w at %s: it is STATEMENT; set it to MIXED or ROW: %w", ErrBinlogFormat, target.Addr, err)
	case packetTooLarge(err):
		return smallPacket(target, err)
	case mysqlconn.Unavailable(err):
		return fmt.Errorf("%w at %s: %w", ErrUnavailable, target.Addr, err)
	}
	return err
}

func hasMeaning(err error) bool {
	for _, known := range []error{
		ErrUnavailable, ErrReadOnly, ErrBusy, ErrBinlogFormat, ErrFull, ErrUnauthorized, ErrFenced, ErrIdentity,
		ErrReleased, ErrNotKvData, ErrNewerFormat, ErrNoMirror, ErrPacket, ErrDrift, ErrIDsTaken, ErrOvertaken, ErrNotTaken,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
