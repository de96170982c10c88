package csstest

import (
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// state is a catalogue, or what belongs to one group in it, as plain maps. As a model, its revisions are those that
// operations returned; one that nobody was told is 0 and equals any other.
type state struct {
	dbs    map[string]cssetcd.Database
	tables map[cssetcd.TableName]cssetcd.Table
	chunks map[cssetcd.TableName]map[int][]string // of each table; what is in it is never changed but replaced
	nodes  map[string]cssetcd.Node
	keys   map[string]string
	last   cssetcd.Revision // of the newest write; of a model only
}

func newState() *state {
	return &state{
		dbs: map[string]cssetcd.Database{}, tables: map[cssetcd.TableName]cssetcd.Table{},
		chunks: map[cssetcd.TableName]map[int][]string{}, nodes: map[string]cssetcd.Node{}, keys: map[string]string{},
	}
}

func (s *state) clone() *state {
	return &state{
		dbs: maps.Clone(s.dbs), tables: maps.Clone(s.tables), chunks: maps.Clone(s.chunks), nodes: maps.Clone(s.nodes),
		keys: maps.Clone(s.keys),
		last: s.last,
	}
}

// stateOf reads what belongs to a group from a snapshot.
func stateOf(snapshot *cssetcd.Snapshot, group int) (*state, error) {
	s, u := newState(), universeOf(group)
	for db, err := range snapshot.Databases() {
		if err != nil {
			return nil, err
		}
		if !u.hasDB(db.Name) {
			continue
		}
		s.dbs[db.Name] = plainDatabase(db)
		for t, err := range snapshot.Tables(db.Name) {
			if err != nil {
				return nil, err
			}
			s.tables[t.Name] = *t
			if err := s.addChunks(t.Name, snapshot.Chunks(t.Name)); err != nil {
				return nil, err
			}
		}
	}
	for n, err := range snapshot.Nodes() {
		if err != nil {
			return nil, err
		}
		if u.hasNode(n.Name) {
			s.nodes[n.Name] = *n
		}
	}
	for _, key := range u.keys {
		if e, ok := snapshot.Key(key); ok {
			s.keys[key] = e.Value
		}
	}
	return s, nil
}

func (s *state) addChunks(n cssetcd.TableName, chunks iter.Seq2[cssetcd.Chunk, error]) error {
	all := map[int][]string{}
	for chunk, err := range chunks {
		if err != nil {
			return err
		}
		all[chunk.ID] = chunk.Nodes
	}
	s.chunks[n] = all
	return nil
}

// part returns what a read of the model returns; ok is false when the thing is not there.
func (s *state) part(o op) (part *state, ok bool) {
	if o.verb == readAll {
		return s, true
	}
	part = newState()
	switch o.verb {
	case readDB:
		part.dbs[o.db], ok = s.dbs[o.db]
	case readTable:
		part.tables[o.table], ok = s.tables[o.table]
	case readChunks:
		_, ok = s.tables[o.table]
		part.chunks[o.table] = s.chunks[o.table]
	case readNode:
		part.nodes[o.node], ok = s.nodes[o.node]
	}
	return part, ok
}

// shows reports whether somebody who looked at the model could have seen got.
func (s *state) shows(got *state) bool {
	if len(s.dbs) != len(got.dbs) || len(s.tables) != len(got.tables) || len(s.nodes) != len(got.nodes) ||
		len(s.chunks) != len(got.chunks) {
		return false
	}
	for name, want := range s.dbs {
		have, ok := got.dbs[name]
		forget(&have.Incarnation, want.Incarnation)
		forget(&have.Modified, want.Modified)
		if !ok || !reflect.DeepEqual(want, have) {
			return false
		}
	}
	for name, want := range s.tables {
		have, ok := got.tables[name]
		forget(&have.Incarnation, want.Incarnation)
		forget(&have.Modified, want.Modified)
		if !ok || !reflect.DeepEqual(want, have) {
			return false
		}
	}
	for name, want := range s.nodes {
		have, ok := got.nodes[name]
		forget(&have.Incarnation, want.Incarnation)
		forget(&have.Modified, want.Modified)
		if !ok || want != have {
			return false
		}
	}
	for name, want := range s.chunks {
		if !maps.EqualFunc(want, got.chunks[name], slices.Equal) {
			return false
		}
	}
	return maps.Equal(s.keys, got.keys)
}

// forget makes a revision unknown where the model does not know it.
func forget(have *cssetcd.Revision, want cssetcd.Revision) {
	if want == 0 {
		*have = 0
	}
}

// String describes the state for messages.
func (s *state) String() string {
	var out strings.Builder
	for _, name := range sortedKeys(s.dbs) {
		db := s.dbs[name]
		fmt.Fprintf(&out, "%s: %q %s at %d, %d; ", name, db.Status, db.ReleaseStatus, db.Incarnation, db.Modified)
	}
	for name, t := range s.tables {
		fmt.Fprintf(&out, "%s: %q %s at %d, %d, chunks %v; ", name, t.Status, t.Schema, t.Incarnation, t.Modified,
			s.chunks[name])
	}
	for _, name := range sortedKeys(s.nodes) {
		n := s.nodes[name]
		fmt.Fprintf(&out, "%s: %q %s at %d, %d; ", name, n.State, n.Host, n.Incarnation, n.Modified)
	}
	fmt.Fprintf(&out, "%v", s.keys)
	return out.String()
}
