package cssetcd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/internal/kv"
)

// sentinel is an error with a parent: errors.Is(ErrNoSuchTable, ErrNotFound) holds.
type sentinel struct {
	text   string
	parent error
}

func (s *sentinel) Error() string { return s.text }
func (s *sentinel) Unwrap() error { return s.parent }

func under(parent error, text string) error { return &sentinel{text, parent} }

// What is missing. ErrNotFound is the parent of the others. An operation on a table of a missing database fails with an
// error that is both ErrNoSuchTable and ErrNoSuchDB.
var (
	ErrNotFound    = errors.New("not found")
	ErrNoSuchDB    = under(ErrNotFound, "no such database")
	ErrNoSuchTable = under(ErrNotFound, "no such table")
	ErrNoSuchNode  = under(ErrNotFound, "no such node")
	ErrNoSuchChunk = under(ErrNotFound, "no such chunk")
	ErrNoSuchKey   = under(ErrNotFound, "no such key")

	ErrEmptyChunksUnknown = under(ErrNotFound, "nobody has said which chunks of the database are empty")
)

// What is there already. ErrExists is the parent of the others.
var (
	ErrExists      = errors.New("exists")
	ErrDBExists    = under(ErrExists, "database exists")
	ErrTableExists = under(ErrExists, "table exists")
	ErrNodeExists  = under(ErrExists, "node exists")
	ErrKeyExists   = under(ErrExists, "key exists")
)

// What stands in the way. ErrPrecondition is the parent of the others.
var (
	ErrPrecondition     = errors.New("precondition failed")
	ErrStatusMismatch   = under(ErrPrecondition, "the status is another one")
	ErrRevisionMismatch = under(ErrPrecondition, "changed since the revision given")
	ErrNodeInUse        = under(ErrPrecondition, "chunks have replicas on the node")
	ErrCzarsRegistered  = under(ErrPrecondition, "czars are registered and may be running queries on it")
	ErrDropPending      = under(ErrPrecondition, "a drop of this name has not ended")
	ErrKeysBelow        = under(ErrPrecondition, "keys lie below it")
	ErrNotEmpty         = under(ErrPrecondition, "the target is not empty")
	ErrOvertaken        = under(ErrPrecondition, "somebody else has taken this work over")
)

// What is wrong with the input or with what etcd holds.
var (
	ErrInvalid         = errors.New("invalid")
	ErrInvalidName     = under(ErrInvalid, "invalid name")
	ErrBadValue        = under(ErrInvalid, "bad value")
	ErrVersionMissing  = errors.New("there is no CSS here: /css_meta/version is missing")
	ErrVersionMismatch = errors.New("the CSS has another version")
	ErrReadOnly        = errors.New("the client is read-only")
	ErrClosed          = kv.ErrClosed // a view, or the etcd client, was closed
	ErrStale           = errors.New("the view is stale")
	ErrRegressed       = errors.New("etcd went back to an older revision or is another cluster")
)

// What etcd answered, or did not. After a write that fails with any of these but ErrOutcomeUnknown, nothing was
// written.
var (
	ErrUnavailable    = kv.ErrUnavailable    // etcd could not be reached, or has no leader
	ErrNoSpace        = kv.ErrNoSpace        // etcd is full: it reads and deletes, and writes nothing
	ErrOldServer      = kv.ErrOldServer      // a server is of a version whose watches lose events
	ErrUnauthorized   = kv.ErrUnauthorized   // etcd refused the credentials or the permission
	ErrTooLarge       = kv.ErrTooLarge       // more than one etcd transaction can hold
	ErrNoRoom         = kv.ErrNoRoom         // etcd's quota has no room for what is to be written
	ErrContended      = kv.ErrContended      // others kept changing what the operation reads; try again
	ErrOutcomeUnknown = kv.ErrOutcomeUnknown // the answer was lost: it has happened or not; read before trying again
	ErrCompacted      = kv.ErrCompacted      // etcd no longer has the revision
	ErrFutureRevision = kv.ErrFutureRevision // etcd has not reached the revision
)

// Error says which operation failed on which object.
type Error struct {
	Op     string // "create table"
	Object string // "LSST.Object"; "" when the operation has none
	Err    error
}

func (e *Error) Error() string {
	if e.Object == "" {
		return fmt.Sprintf("css: %s: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("css: %s %s: %v", e.Op, e.Object, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// ValueError says which key holds a value that cannot be used. It is an ErrBadValue.
type ValueError struct{ Key, Reason string }

func (e *ValueError) Error() string { return fmt.Sprintf("bad value: %s: %s", e.Key, e.Reason) }

// Is makes every ValueError an ErrBadValue.
func (e *ValueError) Is(target error) bool { return target == ErrBadValue || target == ErrInvalid }

// KeysBelowError says how many keys lie below one that was to be deleted with fewer. It is an ErrKeysBelow.
type KeysBelowError struct{ Keys int }

func (e *KeysBelowError) Error() string { return fmt.Sprintf("%v: %d", ErrKeysBelow, e.Keys) }

func (e *KeysBelowError) Unwrap() error { return ErrKeysBelow }

// VersionError says that the CSS has a version that this package does not read. It is an ErrVersionMismatch.
type VersionError struct{ Want, Got string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the CSS has version %q and this program reads version %q", e.Got, e.Want)
}

// Is makes every VersionError an ErrVersionMismatch.
func (e *VersionError) Is(target error) bool { return target == ErrVersionMismatch }

// asInvalid returns faults as one ErrInvalid, nil for none.
func asInvalid(faults *multierror.Error) error {
	if faults.ErrorOrNil() == nil {
		return nil
	}
	faults.ErrorFormat = formatFaults
	return fmt.Errorf("%w: %w", ErrInvalid, faults)
}

// shownFaults is how many of many faults a text has: what is wrong with a hundred of them is wrong with the others. The
// error keeps all.
const shownFaults = 100

// formatFaults puts each fault on a line of its own.
func formatFaults(faults []error) string {
	if len(faults) == 1 {
		return faults[0].Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d faults:", len(faults))
	for _, f := range faults[:min(len(faults), shownFaults)] {
		fmt.Fprintf(&b, "\n  %v", f)
	}
	if more := len(faults) - shownFaults; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}
