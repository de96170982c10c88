package deletion

import (
	"errors"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// Why a query is not admitted, or may not go on.
var (
	// ErrGone: the table is not in the catalogue any more, or another one of its name is. Plan the query anew; it may then
	// find that there is no such table.
	ErrGone = errors.New("the table was dropped")
	// ErrDropPending: the table or its database is marked to be dropped. Refuse the query; it cannot succeed unless the
	// drop is cancelled. It is also that of creating or dropping a name whose drop has not ended.
	ErrDropPending = cssetcd.ErrDropPending
	// ErrNotReady: the table or its database is neither READY nor marked: it is being made, or could not be. Refuse the
	// query.
	ErrNotReady = protocol.ErrNotReady
	// ErrStale: this czar cannot be sure that the table is still there, because etcd has not confirmed it lately, or it
	// does not see yet what the query was planned with. Try again in a moment.
	ErrStale = cssetcd.ErrStale
	// ErrAborted: the query has to end: its table is dropped and nobody waits for it.
	ErrAborted = errors.New("the query is aborted")
	// ErrReleased: the query was released, or never admitted, and asks whether it may go on. That is a mistake of the
	// czar: nothing keeps its tables.
	ErrReleased = errors.New("the query was released before, or never admitted")
	// ErrClosed: the gate is closed, or is closing. Refuse the query.
	ErrClosed = cssetcd.ErrClosed
)

// What stands in the way of what is wanted of a drop.
var (
	ErrNoDrop      = protocol.ErrNoDrop      // none of this name is under way; it may have ended
	ErrTooLate     = protocol.ErrTooLate     // past the point of no return: see Retry and Abandon
	ErrTooEarly    = protocol.ErrTooEarly    // before the point of no return: see Undo
	ErrRequested   = protocol.ErrRequestMade // After, of what is to be dropped later already
	ErrNoSuchCzar  = protocol.ErrNoSuchCzar
	ErrTiming      = protocol.ErrTiming // the settings do not fit together
	ErrHasChildren = errors.New("other tables are partitioned by this one")
	// ErrCancelled is what waiting for a drop ends with when it was undone.
	ErrCancelled = errors.New("the drop was cancelled")
)

// Error says what failed, on what.
type Error struct {
	Op   string // "drop", "admit a query on"
	Name string // of the table or database: "LSST.Object"
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %v", strings.TrimSpace(e.Op+" "+e.Name), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

func failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{op, name, err}
}
