package cssetcd

import (
	"fmt"
	"slices"

	"errors"

	"github.com/hashicorp/go-multierror"
	"github.com/qserv/css-etcd/internal/kv"
)

// apply applies options, which check themselves, and returns all that is wrong with them. It is the one way in which
// options are taken, whatever they are of.
func apply[T any, O ~func(*T) error](to *T, opts []O) *multierror.Error {
	var faults *multierror.Error
	for _, opt := range opts {
		if opt == nil {
			faults = multierror.Append(faults, errors.New("an option is nil"))
			continue
		}
		faults = multierror.Append(faults, opt(to))
	}
	return faults
}

// WriteOption changes what a write does. Each method says which options it takes; any other is refused as ErrInvalid.
type WriteOption func(*writeOptions) error

type writeOptions struct {
	ifNotExists, ifExists, unsafe bool
	unqueryable, emptyChunks      bool
	status                        *Status
	revision                      *Revision
	below                         *int

	allowed []string // the names of the options that the method takes
}

func (o *writeOptions) check(name string) error {
	if !slices.Contains(o.allowed, name) {
		return fmt.Errorf("option %s means nothing here", name)
	}
	return nil
}

// IfNotExists makes creating what exists a success that changes nothing, with revision 0; [View.WaitRevision] then
// waits for what is there.
func IfNotExists() WriteOption {
	return func(o *writeOptions) error {
		o.ifNotExists = true
		return o.check("IfNotExists")
	}
}

// IfExists makes dropping what does not exist a success that changes nothing, with revision 0. With IfStatus or
// IfRevision, too, what is missing is a mismatch.
func IfExists() WriteOption {
	return func(o *writeOptions) error {
		o.ifExists = true
		return o.check("IfExists")
	}
}

// IfStatus makes a write fail with ErrStatusMismatch unless the status of what it is about is s.
func IfStatus(s Status) WriteOption {
	return func(o *writeOptions) error {
		o.status = &s
		return o.check("IfStatus")
	}
}

// IfRevision makes a write fail with ErrRevisionMismatch unless what it is about was last changed at r, as Modified of
// the [Table], [Database] or [Node] that was read tells: of two writers who read the same, one succeeds, whatever they
// write. Modified and this condition look at all keys of a table but its chunks, and at those of a database but its
// tables; a key that was deleted by hand leaves no trace. Single keys, with [Raw], are compared with Mod of the
// [Entry]; with 0 the key must be absent. In a [Batch], the first operation on a thing takes the condition: later ones
// see a thing that has changed.
func IfRevision(r Revision) WriteOption {
	return func(o *writeOptions) error {
		o.revision = &r
		return o.check("IfRevision")
	}
}

// IfAtMostBelow makes deleting a key fail with a [KeysBelowError] when more than n keys lie below it: 0 deletes a key
// alone.
func IfAtMostBelow(n int) WriteOption {
	return func(o *writeOptions) error {
		o.below = &n
		return o.check("IfAtMostBelow")
	}
}

// WithEmptyChunks makes creating a database like another say that the same chunks are empty, too, where that is known
// of the other.
func WithEmptyChunks() WriteOption {
	return func(o *writeOptions) error {
		o.emptyChunks = true
		return o.check("WithEmptyChunks")
	}
}

// Unsafe lets a removal go ahead although czars are registered. Their running queries on what is removed may fail or,
// when the name is used again, read the wrong data.
func Unsafe() WriteOption {
	return func(o *writeOptions) error {
		o.unsafe = true
		return o.check("Unsafe")
	}
}

func writeOptionsOf(opts []WriteOption, allowed ...string) (writeOptions, error) {
	o := writeOptions{allowed: allowed}
	return o, asInvalid(apply(&o, opts))
}

// removal adds to a plan that removes something at once what keeps it from running queries: no czar is registered.
func (o writeOptions) removal(have *kv.Snapshot, e *edit) error {
	if o.unsafe {
		return nil
	}
	if !have.Empty(kv.Below(czarRoot)) {
		return ErrCzarsRegistered
	}
	e.change.Guards = append(e.change.Guards, kv.Guard{Kind: kv.NothingBelow, Path: czarRoot})
	return nil
}
