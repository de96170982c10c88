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
	status                                 *Status
	revision                               *Revision
}

// IfNotExists makes creating what exists a success that changes nothing, with revision 0.
func IfNotExists() WriteOption {
	return WriteOption{"IfNotExists", func(o *writeOptions) { o.ifNotExists = true }}
}

// IfExists makes dropping what does not exist a success that changes nothing, with revision 0.
func IfExists() WriteOption {
	return WriteOption{"IfExists", func(o *writeOptions) { o.ifExists = true }}
}

// IfStatus makes a write fail with ErrStatusMismatch unless the status is s.
func IfStatus(s Status) WriteOption {
	return WriteOption{"IfStatus", func(o *writeOptions) { o.status = &s }}
}

// IfRevision makes a write fail with ErrRevisionMismatch unless the key that the write is about was last changed at r, as
// Modified of what was read tells. With 0 the key must be absent.
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

// permits checks the conditions against the key that a write is about.
func (o writeOptions) permits(e kv.Entry) error {
	if o.status != nil && Status(e.Value) != *o.status {
		return fmt.Errorf("%w: it is %q and not %q", ErrStatusMismatch, e.Value, *o.status)
	}
	if o.revision != nil && e.Mod != *o.revision {
		return fmt.Errorf("%w: it was changed at revision %d and not %d", ErrRevisionMismatch, e.Mod, *o.revision)
	}
	return nil
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
