package cssetcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// lastID is the greatest number that ten digits hold, which is what upstream's ids have.
const lastID = 9_999_999_999

// Database reads one database. It returns ErrNoSuchDB.
func (c *Client) Database(ctx context.Context, name string) (*Database, error) {
	return read(ctx, c, "read database", name, databaseSpans(name), func(have *kv.Snapshot) (*Database, error) {
		return decodeDatabase(have, name)
	})
}

// CreateDatabase creates a database, with a partitioning of its own when Striping is set. The zero Status stands for
// READY, "" for DefaultStorageClass and DefaultReleaseStatus. It returns ErrDBExists, also for a name that differs from
// another in case only. Takes IfNotExists.
func (c *Client) CreateDatabase(ctx context.Context, db Database, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, createDatabase(db, opts))
}

func createDatabase(db Database, opts []WriteOption) operation {
	create := operation{name: "create database", object: db.Name, first: true}
	o, err := writeOptionsOf(opts, "IfNotExists")
	if err != nil {
		return create.withError(err)
	}
	db = db.filledIn()
	if err := checkDatabase(&db); err != nil {
		return create.withError(err)
	}
	reads := newDatabaseSpans(db.Name)
	if db.Striping != nil {
		reads = append(reads, kv.Key(cssPath(partitioningKey)), kv.Key(lastPartitioning))
	}
	return create.as(kv.Op{
		Reads: reads,
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := checkNewDatabase(have, db.Name, o); err != nil {
				return kv.Change{}, err
			}
			e := newEdit(have)
			id, err := e.newPartitioning(db.Striping)
			if err != nil {
				return kv.Change{}, err
			}
			err = e.newDatabase(&db, id)
			return e.change, err
		},
	})
}

// filledIn is the database with what stands for "".
func (db Database) filledIn() Database {
	db.Status = cmp.Or(db.Status, StatusReady)
	db.StorageClass = cmp.Or(db.StorageClass, DefaultStorageClass)
	db.ReleaseStatus = cmp.Or(db.ReleaseStatus, DefaultReleaseStatus)
	return db
}

func checkDatabase(db *Database) error {
	if err := checkDBName(db.Name); err != nil {
		return err
	}
	if s := db.Striping; s != nil {
		if s.ID != "" {
			return fmt.Errorf("%w: the striping's id %q: it is chosen when the database is created; to share one, create the "+
				"database like another", ErrInvalid, s.ID)
		}
		if err := checkInt32("stripes", s.Stripes, 1); err != nil {
			return err
		}
		if err := checkInt32("sub-stripes", s.SubStripes, 1); err != nil {
			return err
		}
		if err := checkFinite("overlap", s.Overlap); err != nil {
			return err
		}
	}
	return checkRows(encodeDatabase(db, ""))
}

func newDatabaseSpans(name string) []kv.Span {
	return spans(keys(dbsKey, dbKey(name)), []kv.Span{
		kv.Below(cssPath(dbKey(name))), kv.Key(foldPath(dbKey(name))), kv.Key(dropDBPath(name)),
	})
}

// checkNewDatabase fails unless the name is free.
func checkNewDatabase(have *kv.Snapshot, name string, o writeOptions) error {
	switch exists := have.At(cssPath(dbKey(name))).Exists(); {
	case have.At(dropDBPath(name)).Exists():
		return ErrDropPending
	case exists && o.ifNotExists:
		return errUnchanged
	case exists:
		return ErrDBExists
	}
	return checkSpelling(have, dbKey(name), ErrDBExists)
}

// newDatabase puts the rows of a database.
func (e *edit) newDatabase(db *Database, partitioningID string) error {
	e.setRows(encodeDatabase(db, partitioningID))
	e.name(dbKey(db.Name))
	return e.nothingBelow(dbKey(db.Name))
}

// newPartitioning puts a new partitioning entry and returns its id, which no other ever had.
func (e *edit) newPartitioning(s *Striping) (string, error) {
	if s == nil {
		return "", nil
	}
	number, err := nextPartitioning(e.have)
	if err != nil {
		return "", err
	}
	id := formatID(number)
	key := partitioningKey + "/_" + id
	e.set(key, "")
	e.set(packedKey(key), encodeStriping(s))
	e.change.Puts = append(e.change.Puts, kv.Put{Path: lastPartitioning, Value: id})
	return id, nil
}

// nextPartitioning returns the id after the last one that was given out. Where nobody noted that one, or the next is
// taken by an entry that came by another way, such as a restored one, it is one more than the highest there is, for
// which all entries are read.
func nextPartitioning(have *kv.Snapshot) (int, error) {
	last, err := strconv.ParseUint(have.At(lastPartitioning).Value, 10, 63)
	if err != nil || last >= lastID {
		last = 0
	}
	if last > 0 {
		tree := kv.Tree(cssPath(partitioningKey + "/_" + formatID(int(last)+1)))
		if !have.Shows(tree[1]) {
			return 0, kv.Need(tree)
		}
		if !have.At(tree[0].From).Exists() && have.Empty(tree[1]) {
			return int(last) + 1, nil
		}
	}
	if all := kv.Below(cssPath(partitioningKey)); !have.Shows(all) {
		return 0, kv.Need{all}
	}
	next, err := nextID(have, partitioningKey, "_", 1)
	return max(next, int(last)+1), err
}

// nextID returns the first of n free ids: one more than the highest among the keys parent/<mark><ten digits>, or 1.
func nextID(have *kv.Snapshot, parent, mark string, n int) (int, error) {
	highest := 0
	for name := range children(have, parent) {
		if len(name) != len(mark)+10 || name[:len(mark)] != mark {
			continue
		}
		if id, err := strconv.ParseUint(name[len(mark):], 10, 63); err == nil {
			highest = max(highest, int(id))
		}
	}
	if highest+n > lastID {
		return 0, fmt.Errorf("%w: the ids below %s end at %d", ErrInvalid, parent, lastID)
	}
	return highest + 1, nil
}

func formatID(id int) string { return fmt.Sprintf("%010d", id) }

// CreateDatabaseLike creates a database like another: with its partitioning, storage class and release status. It
// returns ErrDBExists, and ErrNoSuchDB when the other does not exist. Takes IfNotExists and WithEmptyChunks.
func (c *Client) CreateDatabaseLike(ctx context.Context, name, like string, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, createDatabaseLike(name, like, opts))
}

func createDatabaseLike(name, like string, opts []WriteOption) operation {
	create := operation{name: "create database", object: name}
	o, err := writeOptionsOf(opts, "IfNotExists", "WithEmptyChunks")
	if err == nil {
		err = checkDBName(name)
	}
	if err != nil {
		return create.withError(err)
	}
	return create.as(kv.Op{
		Reads: spans(newDatabaseSpans(name), databaseSpans(like), emptySpans(like), emptySpans(name)),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if err := checkNewDatabase(have, name, o); err != nil {
				return kv.Change{}, err
			}
			model, err := decodeDatabase(have, like)
			if err != nil {
				return kv.Change{}, fmt.Errorf("like %s: %w", like, err)
			}
			var id string
			if model.Striping != nil {
				id = model.Striping.ID
			}
			e := newEdit(have)
			db := &Database{Name: name, Status: StatusReady, StorageClass: model.StorageClass,
				ReleaseStatus: model.ReleaseStatus}
			if err := e.newDatabase(db, id); err != nil {
				return kv.Change{}, err
			}
			if !o.emptyChunks {
				return e.change, nil
			}
			known, err := emptyChunks(have, like)
			if errors.Is(err, ErrEmptyChunksUnknown) {
				return e.change, nil
			}
			e.change.Puts = append(e.change.Puts, kv.Put{Path: csskey.EmptyOf(name), Value: known.String()})
			return e.change, err
		},
	})
}

// SetDatabaseStatus writes the status of a database. It returns ErrNoSuchDB. Takes IfStatus and IfRevision.
func (c *Client) SetDatabaseStatus(ctx context.Context, name string, s Status, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, setDatabaseStatus(name, s, opts))
}

func setDatabaseStatus(name string, s Status, opts []WriteOption) operation {
	return operation{name: "set status of database", object: name}.withError(checkPart("database", name)).
		setting(databaseThing(name), string(s), opts, func(*kv.Snapshot) error { return ErrNoSuchDB })
}

// setting writes the status of a thing that must exist.
func (o operation) setting(t thing, value string, opts []WriteOption, missing func(*kv.Snapshot) error,
	more ...kv.Span) operation {
	if err := checkValue(t.key, value); err != nil {
		return o.withError(err)
	}
	when, err := writeOptionsOf(opts, "IfStatus", "IfRevision")
	if err != nil {
		return o.withError(err)
	}
	return o.as(kv.Op{
		Reads: spans(when.reads(t), more),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if !have.At(cssPath(t.key)).Exists() {
				return kv.Change{}, missing(have)
			}
			put := kv.Put{Path: cssPath(t.key), Value: value}
			return kv.Change{Guards: when.guards(t), Puts: []kv.Put{put}}, when.permits(have, t)
		},
	})
}

// DropDatabase removes a database with all its tables and chunks at once, whatever queries are running; its
// partitioning entry stays. It refuses with ErrCzarsRegistered while czars are registered. It returns ErrNoSuchDB.
// Takes IfExists, IfStatus, IfRevision and Unsafe.
func (c *Client) DropDatabase(ctx context.Context, name string, opts ...WriteOption) (Revision, error) {
	return c.do(ctx, dropDatabase(name, opts))
}

func dropDatabase(name string, opts []WriteOption) operation {
	return operation{name: "drop database", object: name}.withError(checkPart("database", name)).
		dropping(databaseThing(name), opts, func(*kv.Snapshot) error { return ErrNoSuchDB })
}

// dropping removes a thing and everything below it.
func (o operation) dropping(t thing, opts []WriteOption, missing func(*kv.Snapshot) error, more ...kv.Span) operation {
	when, err := writeOptionsOf(opts, "IfExists", "IfStatus", "IfRevision", "Unsafe")
	if err != nil {
		return o.withError(err)
	}
	return o.as(kv.Op{
		Reads: spans(when.reads(t), spellingTree(t.key), more, []kv.Span{kv.Below(czarRoot)}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			exists := have.At(cssPath(t.key)).Exists()
			if !exists && !when.ifExists {
				return kv.Change{}, missing(have)
			}
			if err := when.permits(have, t); err != nil {
				return kv.Change{}, err
			}
			if !exists {
				return kv.Change{}, errUnchanged
			}
			e := newEdit(have)
			e.change.Guards = when.guards(t)
			if err := when.removal(have, e); err != nil {
				return kv.Change{}, err
			}
			e.forget(t.key)
			return e.change, nil
		},
	})
}
