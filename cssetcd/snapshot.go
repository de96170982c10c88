package cssetcd

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/qserv/css-etcd/internal/kv"
)

// Snapshot is the catalogue at one revision. It is immutable, reading it does no I/O, and any number of goroutines may
// share it. A czar takes one for each query, so that all that the query reads is of one moment.
//
// What it returns is decoded when it is first asked for and then shared, with all its readers and with the later
// snapshots of the same view until it changes: nobody may change it. So a table, database or node that has the same
// pointer in two snapshots of a view has not changed between them. Reading one that is decoded takes a look-up in
// memory, no allocation.
type Snapshot struct {
	kv      *kv.Snapshot
	cluster uint64
	index   *index
}

func newSnapshot(s *kv.Snapshot, cluster uint64) *Snapshot { return &Snapshot{s, cluster, newIndex(s)} }

// next returns the snapshot after this one, in which no path but the touched ones differs.
func (s *Snapshot) next(now *kv.Snapshot, cluster uint64, touched []kv.Path) *Snapshot {
	return &Snapshot{now, cluster, s.index.next(now, touched)}
}

// Revision returns the revision that the snapshot shows.
func (s *Snapshot) Revision() Revision { return s.kv.Revision }

// Cluster returns the id of the etcd cluster that the snapshot is of; 0 for one of a file.
func (s *Snapshot) Cluster() uint64 { return s.cluster }

// Len returns the number of CSS keys.
func (s *Snapshot) Len() int { return s.kv.Len() - s.index.empty.Len() }

// Key returns what a CSS key such as "/DBS/lsst" holds; ok is false when it is absent, as is whatever does not begin
// with a slash.
func (s *Snapshot) Key(key string) (e Entry, ok bool) {
	if !strings.HasPrefix(key, "/") {
		return Entry{}, false
	}
	e = s.kv.At(cssPath(key))
	return e, e.Exists()
}

// Below yields the CSS keys below a key, that key not included, in byte order; Below("") yields all keys.
func (s *Snapshot) Below(key string) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		if key != "" && !strings.HasPrefix(key, "/") {
			return
		}
		for p, e := range s.kv.Range(kv.Below(cssPath(key))) {
			if !yield(cssKey(p), e) {
				return
			}
		}
	}
}

// KeyChange is the net change of one CSS key between two snapshots. Old is zero when the key came into being, New when
// it went.
type KeyChange struct {
	Key      string
	Old, New Entry
}

// Databases yields the databases in byte order of their names. One that cannot be decoded comes as nil with an error
// that names the key at fault, and the others follow.
func (s *Snapshot) Databases() iter.Seq2[*Database, error] {
	return each(s, dbsKey, func(name string) (*Database, error) { return s.Database(name) })
}

// Database returns one database, or ErrNoSuchDB.
func (s *Snapshot) Database(name string) (*Database, error) {
	e, ok := s.index.databases.Get(name)
	if !ok {
		return nil, objectError("read database", name, ErrNoSuchDB)
	}
	if kept := e.kept.Load(); kept != nil {
		return kept.value, kept.err
	}
	name = strings.Clone(name) // it may be a part of something large
	db, err := decodeDatabase(s.kv, name)
	if err == nil {
		db.Revision = e.revision
	}
	return e.keep(db, objectError("read database", name, err))
}

// Tables yields the tables of a database, whatever their status, as Databases does; none for a database that is not
// there.
func (s *Snapshot) Tables(db string) iter.Seq2[*Table, error] {
	return each(s, tablesKey(db), func(name string) (*Table, error) { return s.Table(TableName{db, name}) })
}

// Table returns one table without its chunks, or ErrNoSuchTable.
func (s *Snapshot) Table(name TableName) (*Table, error) {
	e, ok := s.index.tables.Get(name)
	if !ok {
		return nil, objectError("read table", name.String(), noTable(s.kv, name))
	}
	return e.decoded(s.kv)
}

func (e *tableEntry) decoded(have *kv.Snapshot) (*Table, error) {
	if kept := e.table.kept.Load(); kept != nil {
		return kept.value, kept.err
	}
	t, err := decodeTable(have, e.name)
	return e.table.keep(t, objectError("read table", e.name.String(), err))
}

// Columns returns the columns of a table as [Table.Columns] does. They are parsed once for all tables of one schema.
func (s *Snapshot) Columns(name TableName) ([]Column, error) {
	t, err := s.Table(name)
	if err != nil {
		return nil, err
	}
	e, _ := s.index.tables.Get(name)
	kept := e.schema.kept.Load()
	if kept == nil {
		_, _ = e.schema.keep(s.index.schemas.of(t.Schema), nil)
		kept = e.schema.kept.Load()
	}
	columns, err := kept.value.read()
	return columns, schemaError(name, err)
}

// Nodes yields the nodes as Databases does.
func (s *Snapshot) Nodes() iter.Seq2[*Node, error] {
	return each(s, nodesKey, func(name string) (*Node, error) { return s.Node(name) })
}

// Node returns one node, or ErrNoSuchNode.
func (s *Snapshot) Node(name string) (*Node, error) {
	e, ok := s.index.nodes.Get(name)
	if !ok {
		return nil, objectError("read node", name, ErrNoSuchNode)
	}
	if kept := e.kept.Load(); kept != nil {
		return kept.value, kept.err
	}
	name = strings.Clone(name)
	n, err := decodeNode(s.kv, name)
	return e.keep(n, objectError("read node", name, err))
}

// Chunks yields the chunks of a table in the order of their ids; none for a table that is not there. It costs what
// [Snapshot.Placement] costs.
func (s *Snapshot) Chunks(name TableName) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		if e, ok := s.index.tables.Get(name); ok {
			e.placed(s.kv, s.index).All()(yield)
		}
	}
}

// Chunk returns one chunk of a table. It returns ErrNoSuchTable and ErrNoSuchChunk, and costs what
// [Snapshot.Placement] costs.
func (s *Snapshot) Chunk(name TableName, id int) (Chunk, error) {
	e, ok := s.index.tables.Get(name)
	if !ok {
		return Chunk{}, objectError("read chunk", fmt.Sprintf("%d of %s", id, name), noTable(s.kv, name))
	}
	nodes, err := e.placed(s.kv, s.index).Nodes(id)
	if errors.Is(err, ErrNoSuchChunk) {
		return Chunk{}, objectError("read chunk", fmt.Sprintf("%d of %s", id, name), err)
	}
	return Chunk{ID: id, Nodes: nodes}, err
}

// Version returns ErrVersionMissing or ErrVersionMismatch unless the CSS is of the version that this package reads.
func (s *Snapshot) Version() error { return checkVersion(s.kv) }

func objectError(op, object string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Object: object, Err: err}
}

// each yields what the names below key stand for. Names without a key of their own stand for nothing.
func each[T any](s *Snapshot, key string, read func(name string) (*T, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for name := range existing(s.kv, key) {
			if !yield(read(name)) {
				return
			}
		}
	}
}
