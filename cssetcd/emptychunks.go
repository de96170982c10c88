package cssetcd

import (
	"context"
	"fmt"
	"iter"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// ChunkSet is an immutable set of chunk ids; see package chunkset.
type ChunkSet = chunkset.Set

// maxEmptyText is how long the text of a set may be in etcd, whose requests hold 1.5 MiB: any set of ids below 300,000
// fits, which is more than Qserv's finest partitioning has, and 95,000 ids wherever they lie.
const maxEmptyText = 1 << 20

// EmptyChunks returns the chunks of a database that hold no rows, so that a czar sends no queries there. It returns
// ErrNoSuchDB, ErrEmptyChunksUnknown when nobody has said which ones these are, which is not the same as that none is,
// and a [ValueError] when what etcd holds is no set. A set is decoded once after it changed.
func (s *Snapshot) EmptyChunks(db string) (ChunkSet, error) {
	e, err := emptyEntryOf(s.kv, db)
	if err != nil {
		return ChunkSet{}, objectError("read empty chunks of database", db, err)
	}
	kept, _ := s.index.empty.Get(db)
	if known := kept.kept.Load(); known != nil {
		return known.value, known.err
	}
	set, err := decodeEmpty(db, e)
	return kept.keep(set, objectError("read empty chunks of database", db, err))
}

// EmptyChunksModified returns the revision at which it was last said which chunks of a database are empty; 0 when that
// is not known. [IfRevision] takes it.
func (s *Snapshot) EmptyChunksModified(db string) Revision {
	e, _ := emptyEntryOf(s.kv, db)
	return e.Mod
}

// IsEmpty reports whether a chunk of a database holds no rows. It returns the errors of [Snapshot.EmptyChunks].
func (s *Snapshot) IsEmpty(db string, chunk int) (bool, error) {
	set, err := s.EmptyChunks(db)
	return err == nil && set.Contains(chunk), err
}

// emptyEntryOf returns the entry that holds the empty chunks of a database. One that was last written before the
// database came into being is of an earlier database of that name, which went past this library: it says nothing. have
// must show emptySpans.
func emptyEntryOf(have *kv.Snapshot, db string) (kv.Entry, error) {
	of := have.At(cssPath(dbKey(db)))
	if !of.Exists() || checkPart("database", db) != nil {
		return kv.Entry{}, ErrNoSuchDB
	}
	e := have.At(csskey.EmptyOf(db))
	if !e.Exists() || e.Mod < of.Create {
		return kv.Entry{}, ErrEmptyChunksUnknown
	}
	return e, nil
}

func emptySpans(db string) []kv.Span {
	return []kv.Span{kv.Key(cssPath(dbKey(db))), kv.Key(csskey.EmptyOf(db))}
}

func decodeEmpty(db string, e kv.Entry) (ChunkSet, error) {
	set, err := chunkset.Parse(e.Value)
	if err != nil {
		return ChunkSet{}, &ValueError{string(csskey.EmptyOf(db)), err.Error()}
	}
	return set, nil
}

func emptyChunks(have *kv.Snapshot, db string) (ChunkSet, error) {
	e, err := emptyEntryOf(have, db)
	if err != nil {
		return ChunkSet{}, err
	}
	return decodeEmpty(db, e)
}

// EmptyChunks reads the empty chunks of one database from etcd, as [Snapshot.EmptyChunks] does from a snapshot.
func (c *Client) EmptyChunks(ctx context.Context, db string) (ChunkSet, error) {
	return read(ctx, c, "read empty chunks of database", db, emptySpans(db),
		func(have *kv.Snapshot) (ChunkSet, error) { return emptyChunks(have, db) })
}

// SetEmptyChunks says which chunks of a database hold no rows, all of them, whatever was said before. The empty set
// says that each chunk holds some. It returns ErrNoSuchDB, ErrTooLarge when the text form of the set has more than a
// MiB or it has more than chunkset.MaxLen ids, and revision 0 when that is what etcd holds. Takes IfRevision, of
// [Snapshot.EmptyChunksModified].
func (c *Client) SetEmptyChunks(ctx context.Context, db string, all ChunkSet, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, setEmptyChunks(db, all, opts))
}

func setEmptyChunks(db string, all ChunkSet, opts []WriteOption) operation {
	return changingEmpty("set empty chunks of database", db, opts,
		func(ChunkSet, error) (ChunkSet, error) { return all, nil })
}

// AddEmptyChunks adds to the chunks of a database that hold no rows. It returns ErrNoSuchDB, ErrEmptyChunksUnknown
// before the first SetEmptyChunks, since it would say of all other chunks that they hold rows, ErrTooLarge as
// SetEmptyChunks does, and revision 0 when all of them were empty before. Takes IfRevision as SetEmptyChunks does.
func (c *Client) AddEmptyChunks(ctx context.Context, db string, more ChunkSet, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, addEmptyChunks(db, more, opts))
}

func addEmptyChunks(db string, more ChunkSet, opts []WriteOption) operation {
	return changeEmptyChunks("add empty chunks to database", db, more, ChunkSet{}, opts)
}

// RemoveEmptyChunks takes chunks out of those of a database that hold no rows: there are rows in them now. It returns
// what AddEmptyChunks returns, and revision 0 when none of them was empty. Takes IfRevision as SetEmptyChunks does.
func (c *Client) RemoveEmptyChunks(ctx context.Context, db string, fewer ChunkSet,
	opts ...WriteOption) (Revision, error) {
	return c.do(ctx, removeEmptyChunks(db, fewer, opts))
}

func removeEmptyChunks(db string, fewer ChunkSet, opts []WriteOption) operation {
	return changeEmptyChunks("remove empty chunks from database", db, ChunkSet{}, fewer, opts)
}

// ChangeEmptyChunks is AddEmptyChunks and RemoveEmptyChunks in one. What is in both sets is removed.
func (c *Client) ChangeEmptyChunks(ctx context.Context, db string, more, fewer ChunkSet,
	opts ...WriteOption) (Revision, error) {
	return c.do(ctx, changeEmptyChunks("change empty chunks of database", db, more, fewer, opts))
}

func changeEmptyChunks(name, db string, more, fewer ChunkSet, opts []WriteOption) operation {
	return changingEmpty(name, db, opts, func(have ChunkSet, err error) (ChunkSet, error) {
		return have.Union(more).Difference(fewer), err
	})
}

// changingEmpty writes what change makes of what is known, or of the error that says why nothing is.
func changingEmpty(name, db string, opts []WriteOption, change func(ChunkSet, error) (ChunkSet, error)) operation {
	o, err := writeOptionsOf(opts, "IfRevision")
	return operation{name: name, object: db}.withError(checkPart("database", db)).withError(err).as(kv.Op{
		Reads: emptySpans(db),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			before, unknown := emptyEntryOf(have, db)
			if unknown != nil && unknown != ErrEmptyChunksUnknown {
				return kv.Change{}, unknown
			}
			if err := o.emptyPermits(before); err != nil {
				return kv.Change{}, err
			}
			var known ChunkSet
			if unknown == nil {
				known, unknown = decodeEmpty(db, before)
			}
			now, err := change(known, unknown)
			if err != nil {
				return kv.Change{}, err
			}
			text, err := emptyText(now)
			if err != nil {
				return kv.Change{}, err
			}
			if unknown == nil && text == before.Value {
				return kv.Change{}, errUnchanged
			}
			return kv.Change{Puts: []kv.Put{{Path: csskey.EmptyOf(db), Value: text}}}, nil
		},
	})
}

// emptyPermits checks the revision of the set that was known before, the zero entry for none.
func (o writeOptions) emptyPermits(before kv.Entry) error {
	if o.revision != nil && *o.revision != before.Mod {
		return ErrRevisionMismatch
	}
	return nil
}

// emptyText is what etcd holds of a set.
func emptyText(s ChunkSet) (string, error) {
	if n := s.Len(); n > chunkset.MaxLen {
		return "", fmt.Errorf("%w: %d chunks, and a set has at most %d", ErrTooLarge, n, chunkset.MaxLen)
	}
	text := s.String()
	if len(text) > maxEmptyText {
		return "", fmt.Errorf("%w: the set has %d bytes as text, and at most %d fit", ErrTooLarge, len(text), maxEmptyText)
	}
	return text, nil
}

// ForgetEmptyChunks makes it unknown again which chunks of a database hold no rows. It returns ErrNoSuchDB, and
// revision 0 when it was unknown. Takes IfRevision, of [Snapshot.EmptyChunksModified].
func (c *Client) ForgetEmptyChunks(ctx context.Context, db string, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, forgetEmptyChunks(db, opts))
}

func forgetEmptyChunks(db string, opts []WriteOption) operation {
	forget := operation{name: "forget empty chunks of database", object: db}
	o, err := writeOptionsOf(opts, "IfRevision")
	return forget.withError(checkPart("database", db)).withError(err).as(kv.Op{
		Reads: emptySpans(db),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			before, err := emptyEntryOf(have, db)
			if err != nil && err != ErrEmptyChunksUnknown {
				return kv.Change{}, err
			}
			if mismatch := o.emptyPermits(before); mismatch != nil {
				return kv.Change{}, mismatch
			}
			if err != nil {
				return kv.Change{}, errUnchanged
			}
			return kv.Change{Deletes: []kv.Span{kv.Key(csskey.EmptyOf(db))}}, nil
		},
	})
}

// EmptyChunksKnown yields the databases of which somebody has said which chunks are empty, in byte order of their
// names, whether or not that can be read.
func (s *Snapshot) EmptyChunksKnown() iter.Seq[string] {
	return func(yield func(string) bool) {
		for p := range s.kv.Range(kv.Below(emptyRoot)) {
			db, _ := csskey.EmptyAt(p)
			if _, err := emptyEntryOf(s.kv, db); err == nil && !yield(db) {
				return
			}
		}
	}
}
