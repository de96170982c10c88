package csstest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// explains reports whether the answer is what the op returns when it takes effect on the model now, and lets it take
// effect.
func (s *state) explains(o op, got answer) bool {
	if o.reads() {
		want, ok := s.part(o)
		if !ok {
			return got.err == kinds(s.missing(o))
		}
		return got.err == "" && want.shows(got.read)
	}
	changed, err := s.apply(o, got)
	switch {
	case got.unknown:
		return true
	case err != nil || got.err != "":
		return got.err == kinds(err)
	case !changed:
		return got.rev == 0
	}
	earlier := s.last
	s.last = got.rev
	return got.rev > earlier
}

// missing is the error of an op on something that is not there.
func (s *state) missing(o op) error {
	switch o.verb {
	case readDB, setDBStatus, dropDB:
		return cssetcd.ErrNoSuchDB
	case readNode, setNodeState, deleteNode:
		return cssetcd.ErrNoSuchNode
	}
	if _, ok := s.dbs[o.table.DB]; !ok {
		return errors.Join(cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchDB)
	}
	return cssetcd.ErrNoSuchTable
}

// apply changes the model as the op does, or not at all. The answer tells the revision, and decides conditions on a
// revision that is unknown.
func (s *state) apply(o op, got answer) (changed bool, err error) {
	next := s.clone()
	if o.verb != commitBatch {
		changed, err = next.write(o, got)
	}
	for _, part := range o.batch {
		did, err := next.write(part, got)
		if err != nil {
			return false, err
		}
		changed = changed || did
	}
	if changed && err == nil {
		*s = *next
	}
	return changed, err
}

// write does one op on a copy of the model, which is thrown away when it fails.
func (s *state) write(o op, got answer) (changed bool, err error) {
	switch o.verb {
	case createDB, createDBLike:
		return s.createDB(o, got.rev)
	case createTable:
		return s.createTable(o, got.rev)
	case addNode:
		return s.addNode(o, got.rev)
	case setDBStatus, dropDB:
		return s.changeDB(o, got)
	case setTableStatus, setSchema, setSharedScan, dropTable:
		return s.changeTable(o, got)
	case setNodeState, deleteNode:
		return s.changeNode(o, got)
	case addChunk, deleteChunk:
		return s.changeChunk(o)
	case putKey, createKey, deleteKey:
		return s.changeKey(o)
	}
	panic("csstest: the model lacks " + string(o.verb))
}

func (s *state) createDB(o op, rev cssetcd.Revision) (bool, error) {
	if _, ok := s.dbs[o.db]; ok {
		return false, unless(o.lenient, cssetcd.ErrDBExists)
	}
	if spelledElse(s.dbs, o.db) {
		return false, cssetcd.ErrDBExists
	}
	db := o.database()
	if o.verb == createDBLike {
		like, ok := s.dbs[o.like]
		if !ok {
			return false, cssetcd.ErrNoSuchDB
		}
		db = like
		db.Name, db.Status = o.db, cssetcd.StatusReady
	}
	db.Incarnation, db.Modified = rev, rev
	s.dbs[o.db] = db
	return true, nil
}

func (s *state) createTable(o op, rev cssetcd.Revision) (bool, error) {
	if _, ok := s.dbs[o.table.DB]; !ok {
		return false, cssetcd.ErrNoSuchDB
	}
	if _, ok := s.tables[o.table]; ok {
		return false, unless(o.lenient, cssetcd.ErrTableExists)
	}
	for n := range s.tables {
		if n.DB == o.table.DB && strings.EqualFold(n.Table, o.table.Table) {
			return false, cssetcd.ErrTableExists
		}
	}
	t := o.newTable()
	if t.Match != nil && t.Partitioning == nil {
		t.Partitioning = &cssetcd.Partitioning{}
	}
	t.Incarnation, t.Modified = rev, rev
	s.tables[o.table], s.chunks[o.table] = t, map[int][]string{}
	return true, nil
}

func (s *state) addNode(o op, rev cssetcd.Revision) (bool, error) {
	if _, ok := s.nodes[o.node]; ok || spelledElse(s.nodes, o.node) {
		return false, cssetcd.ErrNodeExists
	}
	n := o.newNode()
	n.Incarnation, n.Modified = rev, rev
	s.nodes[o.node] = n
	return true, nil
}

func (s *state) changeDB(o op, got answer) (bool, error) {
	db, ok := s.dbs[o.db]
	if !ok {
		return false, o.onMissing(s.missing(o))
	}
	if err := o.permitted(db.Status, db.Modified, got); err != nil {
		return false, err
	}
	if o.verb == setDBStatus {
		db.Status, db.Modified = o.status, got.rev
		s.dbs[o.db] = db
		return true, nil
	}
	delete(s.dbs, o.db)
	for n := range s.tables {
		if n.DB == o.db {
			delete(s.tables, n)
			delete(s.chunks, n)
		}
	}
	return true, nil
}

func (s *state) changeTable(o op, got answer) (bool, error) {
	t, ok := s.tables[o.table]
	if !ok {
		return false, o.onMissing(s.missing(o))
	}
	if err := o.permitted(t.Status, t.Modified, got); err != nil {
		return false, err
	}
	switch o.verb {
	case setTableStatus:
		t.Status, t.Modified = o.status, got.rev
	case setSchema:
		t.Schema, t.Modified = o.schema(), got.rev
	case setSharedScan:
		scan := o.sharedScan()
		t.SharedScan, t.Modified = &scan, got.rev
	case dropTable:
		delete(s.tables, o.table)
		delete(s.chunks, o.table)
		return true, nil
	}
	s.tables[o.table] = t
	return true, nil
}

func (s *state) changeNode(o op, got answer) (bool, error) {
	n, ok := s.nodes[o.node]
	if !ok {
		return false, s.missing(o)
	}
	if err := o.permitted(cssetcd.Status(n.State), n.Modified, got); err != nil {
		return false, err
	}
	if o.verb == setNodeState {
		n.State, n.Modified = cssetcd.NodeState(o.status), got.rev
		s.nodes[o.node] = n
		return true, nil
	}
	for _, chunks := range s.chunks {
		for _, nodes := range chunks {
			if slices.Contains(nodes, o.node) {
				return false, cssetcd.ErrNodeInUse
			}
		}
	}
	delete(s.nodes, o.node)
	return true, nil
}

func (s *state) changeChunk(o op) (bool, error) {
	if _, ok := s.tables[o.table]; !ok {
		return false, s.missing(o)
	}
	chunks := maps.Clone(s.chunks[o.table])
	s.chunks[o.table] = chunks
	if o.verb == deleteChunk {
		if _, ok := chunks[o.chunk]; !ok {
			return false, cssetcd.ErrNoSuchChunk
		}
		delete(chunks, o.chunk)
		return true, nil
	}
	if t := s.tables[o.table]; t.Partitioning == nil {
		return false, cssetcd.ErrInvalid
	}
	for _, node := range o.nodes {
		if _, ok := s.nodes[node]; !ok {
			return false, cssetcd.ErrNoSuchNode
		}
		if slices.Contains(chunks[o.chunk], node) {
			return false, cssetcd.ErrInvalid
		}
	}
	chunks[o.chunk] = slices.Concat(chunks[o.chunk], o.nodes)
	return true, nil
}

func (s *state) changeKey(o op) (bool, error) {
	_, ok := s.keys[o.key]
	switch {
	case o.verb == createKey && ok:
		return false, cssetcd.ErrKeyExists
	case o.verb == deleteKey && !ok:
		return false, cssetcd.ErrNoSuchKey
	case o.verb == deleteKey:
		delete(s.keys, o.key)
	default:
		s.keys[o.key] = fmt.Sprint(o.number)
	}
	return true, nil
}

// permitted checks the conditions of an op. Where the model does not know the revision, the answer tells whether it was
// the one, and nothing else: what is refused for another reason was at the right revision.
func (o op) permitted(status cssetcd.Status, modified cssetcd.Revision, got answer) error {
	if o.ifStatus != nil && *o.ifStatus != status {
		return cssetcd.ErrStatusMismatch
	}
	same := o.ifRevision == nil || *o.ifRevision == modified
	if o.ifRevision != nil && modified == 0 {
		same = got.err != kinds(cssetcd.ErrRevisionMismatch)
	}
	if !same {
		return cssetcd.ErrRevisionMismatch
	}
	return nil
}

// onMissing is what an op says that finds nothing: one that may drop what is missing has conditions all the same, which
// nothing cannot meet.
func (o op) onMissing(err error) error {
	switch {
	case !o.lenient:
		return err
	case o.ifStatus != nil:
		return cssetcd.ErrStatusMismatch
	case o.ifRevision != nil:
		return cssetcd.ErrRevisionMismatch
	}
	return nil
}

func unless(lenient bool, err error) error {
	if lenient {
		return nil
	}
	return err
}

// spelledElse reports whether a name is there in another case.
func spelledElse[V any](there map[string]V, name string) bool {
	for other := range there {
		if other != name && strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}
