package protocol

import (
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// Revision is etcd's.
type Revision = kv.Revision

// Name is that of a table or a database: its CSS key.
type Name string

// TableName returns the name of a table.
func TableName(db, table string) Name { return Name(csskey.TableKey(db, table)) }

// DatabaseName returns the name of a database.
func DatabaseName(db string) Name { return Name(csskey.DatabaseKey(db)) }

// Parts returns the database and the table; the table is "" for a database.
func (n Name) Parts() (db, table string) {
	db, table, _ = csskey.Split(string(n))
	return db, table
}

// IsDatabase reports whether the name is that of a database.
func (n Name) IsDatabase() bool { _, table := n.Parts(); return table == "" }

// Database returns the name of the database that a table is in; that of a database is itself.
func (n Name) Database() Name { db, _ := n.Parts(); return DatabaseName(db) }

// String returns the name as people write it: "LSST.Object", or "LSST" for a database.
func (n Name) String() string {
	db, table := n.Parts()
	if table == "" {
		return db
	}
	return db + "." + table
}

// IsName reports whether a CSS key is that of a table or a database.
func IsName(key string) bool { _, _, ok := csskey.Split(key); return ok }

// Path returns where the key of the name is.
func (n Name) Path() kv.Path { return csskey.Of(string(n)) }

// Intent returns where the intent to drop it is.
func (n Name) Intent() kv.Path  { return csskey.Intent(n.Parts()) }
func (n Name) hold() kv.Path    { return csskey.Hold(n.Parts()) }
func (n Name) request() kv.Path { return csskey.Request(n.Parts()) }
func (n Name) later() kv.Path   { return csskey.Later(n.Parts()) }

// Standing is what a status means to queries.
type Standing uint8

// The standings. The zero Standing is that of what is not there.
const (
	Gone        Standing = iota
	Ready                // queries may use it
	DropPending          // marked to be dropped
	Unready              // anything else: being made, or failed
)

// Entry is what a revision of the catalogue says of a name. Of what is not there it says when that was seen, in
// Modified.
type Entry struct {
	Standing    Standing `json:"standing"`
	Incarnation Revision `json:"incarnation,omitempty"` // when its key was created
	Modified    Revision `json:"modified"`              // when its status was written last
}

// EntryOf returns what the key of a table or a database says, as of a revision.
func EntryOf(e kv.Entry, at Revision) Entry {
	if !e.Exists() {
		return Entry{Modified: at}
	}
	standing := Unready
	switch cssetcd.Status(e.Value).State() {
	case cssetcd.StateReady:
		standing = Ready
	case cssetcd.StatePendingDrop:
		standing = DropPending
	}
	return Entry{standing, e.Create, e.Mod}
}

// Observation is what a czar's view shows of a name.
type Observation struct {
	Name  Name  `json:"name"`
	Entry Entry `json:"entry"`
}

// ObservationsIn returns all names that a snapshot of the catalogue holds.
func ObservationsIn(have *kv.Snapshot) (observations []Observation) {
	for p, e := range have.Range(kv.Below(csskey.Of(csskey.Databases))) {
		if key := strings.TrimPrefix(string(p), string(csskey.CSS)); IsName(key) {
			observations = append(observations, Observation{Name(key), EntryOf(e, have.Revision)})
		}
	}
	return observations
}
