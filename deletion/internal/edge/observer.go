package edge

import (
	"context"
	"errors"
	"slices"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/errlist"
	"github.com/qserv/css-etcd/internal/kv"
)

// Observer reads what a coordinator decides on.
type Observer struct{ Store kv.Store }

// maxKeys bounds the keys that are read in one request, as etcd does.
const maxKeys = 100

// Read reads everything at one revision.
func (o Observer) Read(ctx context.Context, marked []protocol.Name) (protocol.Facts, []error, error) {
	return again(func() (protocol.Facts, []error, error) { return o.readOnce(ctx, marked) })
}

// ReadOne reads what concerns the drop of one name, or the request for it, at one revision: what other drops there are
// does not matter.
func (o Observer) ReadOne(ctx context.Context, n protocol.Name) (protocol.Facts, []error, error) {
	return again(func() (protocol.Facts, []error, error) {
		first, err := o.Store.Fetch(ctx, 0, protocol.OneReads(n)...)
		if err != nil {
			return protocol.Facts{}, nil, err
		}
		rest, err := o.Store.Fetch(ctx, first.Revision, protocol.AcksReads(n, first)...)
		if err != nil {
			return protocol.Facts{}, nil, err
		}
		entries := map[protocol.Name]kv.Entry{}
		for _, name := range []protocol.Name{n, n.Database()} {
			entries[name] = rest.At(name.Path())
		}
		f, faults := protocol.ReadFacts(taken(first, rest), entries)
		return f, faults, nil
	})
}

// ReadCzars reads the registrations.
func (o Observer) ReadCzars(ctx context.Context) (protocol.Facts, []error, error) {
	have, err := o.Store.Fetch(ctx, 0, protocol.CzarReads()...)
	if err != nil {
		return protocol.Facts{}, nil, err
	}
	f, faults := protocol.ReadFacts(taken(have), nil)
	return f, faults, nil
}

// taken takes parts of what facts are made of for all that there is.
func taken(parts ...*kv.Snapshot) *kv.Snapshot {
	at := parts[0].Revision
	all := kv.NewSnapshot(at, protocol.FactReads()...).Edit()
	for _, part := range parts {
		for _, span := range part.Spans() {
			for p, e := range part.Range(span) {
				all.Put(p, e)
			}
		}
	}
	return all.Snapshot(at)
}

// again reads anew when etcd forgot the revision in between.
func again(read func() (protocol.Facts, []error, error)) (protocol.Facts, []error, error) {
	f, faults, err := read()
	if errors.Is(err, kv.ErrCompacted) {
		f, faults, err = read()
	}
	return f, faults, err
}

// readOnce reads everything at one revision. Marked names those that were seen with a mark; faults are records that
// cannot be read, of which drops are left out. It fails with ErrTiming when the settings do not fit together: nothing
// may be decided by them.
func (o Observer) readOnce(ctx context.Context, marked []protocol.Name) (f protocol.Facts, faults []error, err error) {
	have, err := o.Store.Fetch(ctx, 0, protocol.FactReads()...)
	if err != nil {
		return f, nil, err
	}
	if _, err := protocol.ReadRegistrationContext(have); err != nil {
		return f, nil, err
	}
	entries := map[protocol.Name]kv.Entry{}
	for names := range slices.Chunk(protocol.NamesIn(have, marked), maxKeys) {
		spans := make([]kv.Span, len(names))
		for i, n := range names {
			spans[i] = kv.Key(n.Path())
		}
		got, err := o.Store.Fetch(ctx, have.Revision, spans...)
		if err != nil {
			return f, nil, err
		}
		for _, n := range names {
			entries[n] = got.At(n.Path())
		}
	}
	f, faults = protocol.ReadFacts(have, entries)
	return f, faults, nil
}

// Joined makes one error of faults; nil of none.
func Joined(faults []error) error { return errlist.Join(multierror.Append(nil, faults...)) }
