package cssetcd

import (
	"iter"

	"github.com/qserv/css-etcd/internal/kv"
)

// Snapshot is the catalogue at one revision. It is immutable, reading it does no I/O, and any number of goroutines may share
// it. A czar takes one for each query, so that all that the query reads is of one moment.
type Snapshot struct {
	kv      *kv.Snapshot
	cluster uint64
}

// Revision returns the revision that the snapshot shows.
func (s *Snapshot) Revision() Revision { return s.kv.Revision }

// Cluster returns the id of the etcd cluster that the snapshot is of; 0 for one of a file.
func (s *Snapshot) Cluster() uint64 { return s.cluster }

// Len returns the number of CSS keys.
func (s *Snapshot) Len() int { return s.kv.Len() }

// Key returns what a CSS key such as "/DBS/lsst" holds; ok is false when it is absent.
func (s *Snapshot) Key(key string) (e Entry, ok bool) {
	e = s.kv.At(cssPath(key))
	return e, e.Exists()
}

// Below yields the CSS keys below a key, that key not included, in byte order; Below("") yields all keys.
func (s *Snapshot) Below(key string) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for p, e := range s.kv.Range(kv.Below(cssPath(key))) {
			if !yield(cssKey(p), e) {
				return
			}
		}
	}
}

// KeyChange is the net change of one CSS key between two snapshots. Old is zero when the key came into being, New when it went.
type KeyChange struct {
	Key      string
	Old, New Entry
}

// Databases yields the databases in byte order of their names. One that cannot be decoded comes as nil with an error that names
// the key at fault, and the others follow.
func (s *Snapshot) Databases() iter.Seq2[*Database, error] {
	return each(s, dbsKey, func(name string) (*Database, error) { return s.Database(name) })
}

// Database returns one database, or ErrNoSuchDB.
func (s *Snapshot) Database(name string) (*Database, error) {
	db, err := decodeDatabase(s.kv, name)
	return db, objectError("read database", name, err)
}

// Tables yields the tables of a database, whatever their status, as Databases does; none for a database that is not there.
func (s *Snapshot) Tables(db string) iter.Seq2[*Table, error] {
	return each(s, tablesKey(db), func(name string) (*Table, error) { return s.Table(TableName{db, name}) })
}

// Table returns one table without its chunks, or ErrNoSuchTable.
func (s *Snapshot) Table(name TableName) (*Table, error) {
	t, err := decodeTable(s.kv, name)
	return t, objectError("read table", name.String(), err)
}

// Nodes yields the nodes as Databases does.
func (s *Snapshot) Nodes() iter.Seq2[*Node, error] {
	return each(s, nodesKey, func(name string) (*Node, error) { return s.Node(name) })
}

// Node returns one node, or ErrNoSuchNode.
func (s *Snapshot) Node(name string) (*Node, error) {
	n, err := decodeNode(s.kv, name)
	return n, objectError("read node", name, err)
}

// Chunks yields the chunks of a table in the order of their ids; none for a table that is not there.
func (s *Snapshot) Chunks(name TableName) iter.Seq2[Chunk, error] { return decodeChunks(s.kv, name) }

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
		for name := range children(s.kv, key) {
			if !s.kv.At(cssPath(key + "/" + name)).Exists() {
				continue
			}
			if !yield(read(name)) {
				return
			}
		}
	}
}
