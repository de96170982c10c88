package cssetcd

import (
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/internal/kv"
)

// WriteOption changes what a write does. Each method says which options it takes; any other is refused as ErrInvalid.
type WriteOption struct {
	name  string
	apply func(*writeOptions)
}

type writeOptions struct {
	ifNotExists, ifExists, ifAlone, unsafe bool
	unqueryable                            bool
	status                                 *Status
	revision                               *Revision
}

// IfNotExists makes creating what exists a success that changes nothing, with revision 0; [View.WaitRevision] then waits for what is there.
func IfNotExists() WriteOption {
	return WriteOption{"IfNotExists", func(o *writeOptions) { o.ifNotExists = true }}
}

// IfExists makes dropping what does not exist a success that changes nothing, with revision 0. With IfStatus or IfRevision, too, what is missing
// is a mismatch.
func IfExists() WriteOption {
	return WriteOption{"IfExists", func(o *writeOptions) { o.ifExists = true }}
}

// IfStatus makes a write fail with ErrStatusMismatch unless the status of what it is about is s.
func IfStatus(s Status) WriteOption {
	return WriteOption{"IfStatus", func(o *writeOptions) { o.status = &s }}
}

// IfRevision makes a write fail with ErrRevisionMismatch unless what it is about was last changed at r, as Modified of the [Table],
// [Database] or [Node] that was read tells: of two writers who read the same, one succeeds, whatever they write. Modified and
// this condition look at all keys of a table but its chunks, and at those of a database but its tables; a key that was deleted by
// hand leaves no trace. Single keys, with [Raw], are compared with Mod of the [Entry]; with 0 the key must be absent. In a [Batch],
// the first operation on a thing takes the condition: later ones see a thing that has changed.
func IfRevision(r Revision) WriteOption {
	return WriteOption{"IfRevision", func(o *writeOptions) { o.revision = &r }}
}

// IfAlone makes deleting a key fail with ErrKeysBelow when keys lie below it.
func IfAlone() WriteOption {
	return WriteOption{"IfAlone", func(o *writeOptions) { o.ifAlone = true }}
}

// Unsafe lets a removal go ahead although czars are registered. Their running queries on what is removed may fail or, when the
// name is used again, read the wrong data.
func Unsafe() WriteOption {
	return WriteOption{"Unsafe", func(o *writeOptions) { o.unsafe = true }}
}

func writeOptionsOf(opts []WriteOption, allowed ...string) (writeOptions, error) {
	var o writeOptions
	for _, opt := range opts {
		if opt.apply == nil || !slices.Contains(allowed, opt.name) {
			return o, fmt.Errorf("%w: option %s means nothing here", ErrInvalid, opt.name)
		}
		opt.apply(&o)
	}
	return o, nil
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
