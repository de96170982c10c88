package kv

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Scan is a range of any size that an operation looks through, and of which its plan sees what Keep lets pass: see
// [Snapshot.Sifted]. It is read in parts, at the revision of the operation's other reads, and guards nothing: the
// operation reads a key on its own that whoever writes there also writes.
type Scan struct {
	Span  Span
	Keep  func(Path, string) bool // by path and value
	First bool                    // the first that is kept will do
}

// Scanner is a Store that can pass on a range of any size, key after key, without holding all of it. A store that is
// none is asked to Fetch.
type Scanner interface {
	Scan(ctx context.Context, at Revision, span Span, each func(Path, Entry) error) error
}

// errEnough ends a scan that has found what it looks for.
var errEnough = errors.New("enough is read")

// Scan implements [Scanner] with a stream, or pages on servers that have none.
func (s *Etcd) Scan(ctx context.Context, at Revision, span Span, each func(Path, Entry) error) error {
	l := loader{s: s, span: span, at: at, heard: func() {}, each: func(e *mvccpb.KeyValue) error {
		return each(s.path(e.Key), interner(nil).entry(e))
	}}
	return l.run(ctx)
}

// sift adds to a snapshot what the scans keep.
func sift(ctx context.Context, st Store, have *Snapshot, scans []Scan) (*Snapshot, error) {
	if len(scans) == 0 {
		return have, nil
	}
	into := have.Edit()
	for _, scan := range scans {
		into.sifted = append(into.sifted, scan.Span)
		err := scanStore(ctx, st, have.Revision, scan.Span, func(p Path, e Entry) error {
			if !scan.Keep(p, e.Value) {
				return nil
			}
			into.Put(p, e)
			if scan.First {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return nil, err
		}
	}
	return into.Snapshot(have.Revision), nil
}

func scanStore(ctx context.Context, st Store, at Revision, span Span, each func(Path, Entry) error) error {
	if s, ok := st.(Scanner); ok {
		return s.Scan(ctx, at, span, each)
	}
	all, err := st.Fetch(ctx, at, span)
	if err != nil {
		return err
	}
	for p, e := range all.Range(span) {
		if err := each(p, e); err != nil {
			return err
		}
	}
	return nil
}

// together joins the scans of several operations of one transaction. What an operation changes, a later one has to see,
// so that the first of anything does not do.
func together(scans, more []Scan) []Scan {
	for _, scan := range more {
		scan.First = false
		joined := false
		for i, have := range scans {
			if have.Span == scan.Span {
				scans[i].Keep = func(p Path, value string) bool { return have.Keep(p, value) || scan.Keep(p, value) }
				joined = true
			}
		}
		if !joined {
			scans = append(scans, scan)
		}
	}
	return scans
}
