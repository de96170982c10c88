package kv

import (
	"context"
	"errors"
)

// Store keeps a key space. Its reads and commits are linearizable.
type Store interface {
	// Fetch returns the spans at one revision: at the newest when at is 0. It fails with ErrCompacted when the store no
	// longer has that revision and with ErrFutureRevision when it has not reached it.
	Fetch(ctx context.Context, at Revision, spans ...Span) (*Snapshot, error)

	// Commit applies a change as one transaction, or nothing of it. It returns the revision and the change's Gets. When
	// a guard does not hold it returns them together with ErrGuard. Any other error that does not wrap
	// ErrOutcomeUnknown means that nothing was written.
	Commit(ctx context.Context, c Change) (*Snapshot, error)

	// Author returns who writes through this store, "" where nobody was named: Run says so in each [Commit].
	Author() string
}

const (
	// CommitPath is the key that every transaction of Run puts, with a [Commit] as value; its history tells which
	// transactions happened.
	CommitPath Path = "commit"
	// FencePath is the key that every transaction of Run guards and that is put when the answer to one was lost: what
	// was sent before and has not happened by then fails. It is never deleted.
	FencePath Path = "fence"
)

// The errors of this package. Those of etcd itself stay in the chain beside them.
var (
	// ErrGuard says that a guard did not hold and nothing was written. Run handles it; callers of Commit see it.
	ErrGuard = errors.New("a guard of the transaction did not hold")
	// ErrContended says that an operation was overtaken by others so often that Run gave up. Nothing was written.
	ErrContended = errors.New("other writers kept changing what the operation reads; nothing was written, try again")
	// ErrOutcomeUnknown says that the answer to a commit was lost and could not be found out: the write may or may not
	// have happened.
	ErrOutcomeUnknown = errors.New("the answer was lost and the write may or may not have happened; read before trying " +
		"again")
	// ErrTooLarge says that a change exceeds what one etcd transaction can hold. Nothing was written.
	ErrTooLarge = errors.New("too large for one etcd transaction")
	// ErrNoRoom says that etcd's quota has no room for what is to be written. Nothing was written.
	ErrNoRoom = errors.New("etcd has not enough room")
	// ErrUnorderable says that one transaction would have to delete a key and then write it, which etcd cannot do.
	ErrUnorderable = errors.New("cannot be done in one etcd transaction")
	// ErrCompacted says that the store no longer has the revision asked for.
	ErrCompacted = errors.New("the revision has been compacted")
	// ErrFutureRevision says that the store has not reached the revision asked for.
	ErrFutureRevision = errors.New("the revision has not been reached")
	// ErrInconsistent says that a snapshot that was followed differs from what etcd holds at the same revision.
	ErrInconsistent = errors.New("the snapshot is not what etcd holds at its revision")
	// ErrClosed says that what is needed was closed.
	ErrClosed = errors.New("closed")
	// ErrUnavailable says that the store could not be reached, or has no leader.
	ErrUnavailable = errors.New("etcd is not available")
	// ErrNoSpace says that etcd's database is full. Nothing was written; reads, deletions and watches go on.
	ErrNoSpace = errors.New("etcd is full (alarm NOSPACE) and refuses what writes: compact and defragment it, or raise " +
		"--quota-backend-bytes, and then `etcdctl alarm disarm`")
	// ErrUnauthorized says that the store refused the credentials or the permission.
	ErrUnauthorized = errors.New("etcd refused access")
)
