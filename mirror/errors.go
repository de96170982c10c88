package mirror

import (
	"errors"

	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
)

// What callers tell apart with [errors.Is]. All but the last are those of the package kvdata, which says more.
var (
	ErrUnavailable  = kvdata.ErrUnavailable  // MySQL does not answer, or not as a server that can be written to
	ErrReadOnly     = kvdata.ErrReadOnly     // it cannot be written to; it is ErrUnavailable, too
	ErrBusy         = kvdata.ErrBusy         // others keep locked what has to be written
	ErrBinlogFormat = kvdata.ErrBinlogFormat // the server's binlog_format is one with which no mirror can write
	ErrFull         = kvdata.ErrFull         // the server has no room
	ErrUnauthorized = kvdata.ErrUnauthorized // MySQL refused the user, or what the user wanted to do
	ErrFenced       = kvdata.ErrFenced       // another mirror has taken the table over
	ErrIdentity     = kvdata.ErrIdentity     // the table mirrors another catalogue, or another history of this one
	ErrReleased     = kvdata.ErrReleased     // kvData was left to those who write into MySQL
	ErrNotKvData    = kvdata.ErrNotKvData    // there is a table kvData that is not made as Qserv makes it
	ErrNewerFormat  = kvdata.ErrNewerFormat  // a newer version of this program wrote the mirror's own tables
	ErrNoMirror     = kvdata.ErrNoMirror     // no mirror has written to the database yet
	ErrPacket       = kvdata.ErrPacket       // the server's max_allowed_packet is too small for a row of kvData
	ErrBrake        = plan.ErrBrake          // a change looks like the work of a wrong or emptied etcd: [plan.BrakeError]
)

// What the package itself acts upon.
var (
	errMoved     = errors.New("the address of MySQL leads to another server now")
	errRegressed = errors.New("etcd went back to an older revision or is another cluster")
)
