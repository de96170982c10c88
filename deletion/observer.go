package deletion

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/deletion/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// observer reads what a coordinator decides on.
type observer struct{ store kv.Store }

// mostKeys bounds the keys that are read in one request, as etcd does.
const mostKeys = 100

// read reads everything at one revision, anew when etcd forgot that revision in between.
func (o observer) read(ctx context.Context, marked []protocol.Name) (protocol.Facts, []error, error) {
	f, faults, err := o.readOnce(ctx, marked)
	if errors.Is(err, kv.ErrCompacted) {
		f, faults, err = o.readOnce(ctx, marked)
	}
	return f, faults, err
}

// readOnce reads everything at one revision. Marked names those that were seen with a mark; faults are records that cannot be read, of which
// drops are left out. It fails with ErrTiming when the settings do not fit together: nothing may be decided by them.
func (o observer) readOnce(ctx context.Context, marked []protocol.Name) (f protocol.Facts, faults []error, err error) {
	have, err := o.store.Fetch(ctx, 0, protocol.FactReads()...)
	if err != nil {
		return f, nil, err
	}
	if _, err := protocol.ReadGround(have); err != nil {
		return f, nil, err
	}
	entries := map[protocol.Name]kv.Entry{}
	for names := range slices.Chunk(protocol.NamesIn(have, marked), mostKeys) {
		spans := make([]kv.Span, len(names))
		for i, n := range names {
			spans[i] = kv.Key(protocol.PathOf(n))
		}
		got, err := o.store.Fetch(ctx, have.Revision, spans...)
		if err != nil {
			return f, nil, err
		}
		for _, n := range names {
			entries[n] = got.At(protocol.PathOf(n))
		}
	}
	f, faults = protocol.ReadFacts(have, entries)
	return f, faults, nil
}

// joined makes one error of faults; nil of none.
func joined(faults []error) error {
	all := multierror.Append(nil, faults...)
	all.ErrorFormat = func(faults []error) string {
		var texts []string
		for _, f := range faults {
			texts = append(texts, f.Error())
		}
		return strings.Join(texts, "; ")
	}
	return all.ErrorOrNil()
}
