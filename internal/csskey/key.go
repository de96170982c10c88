// Package csskey has the keys of the catalogue: what each is a part of, where etcd keeps it, and what kvData can hold.
package csskey

import "strings"

// The CSS keys of which the others are built, in upstream's names.
const (
	Meta          = "/css_meta"
	Version       = Meta + "/version"
	Databases     = "/DBS"
	Nodes         = "/NODES"
	Partitionings = "/PARTITIONING"
	PackedName    = ".packed.json" // the last part of a packed key

	tables = "/TABLES"
	chunks = "/CHUNKS"
)

// Kind says what a key is a part of.
type Kind int

// The kinds.
const (
	Other        Kind = iota // none of those below: the version, and keys that only hold others
	Partitioning             // a partitioning
	Node                     // a node
	Database                 // a database, and none of its tables
	Table                    // a table, or its chunks
)

// Object is what a key is a part of. The zero Object is none.
type Object struct {
	Kind Kind
	DB   string // of a database or table
	Name string // of a partitioning, node or table
}

// Key is a CSS key, taken apart.
type Key struct {
	Object
	Rest string // what follows the object's own key: "" or "/schema"; the whole key when the object is none
}

// Parse takes a key apart. It takes any text, allocates nothing, and checks no names but for those that cannot be one:
// an empty one, and that of a packed key.
func Parse(key string) Key {
	if name, rest, ok := under(key, Nodes); ok {
		return Key{Object{Kind: Node, Name: name}, rest}
	}
	if name, rest, ok := under(key, Partitionings); ok {
		return Key{Object{Kind: Partitioning, Name: name}, rest}
	}
	db, rest, ok := under(key, Databases)
	if !ok {
		return Key{Rest: key}
	}
	if name, below, ok := under(rest, tables); ok {
		return Key{Object{Table, db, name}, below}
	}
	return Key{Object{Kind: Database, DB: db}, rest}
}

// under cuts "<root>/<name><rest>".
func under(key, root string) (name, rest string, ok bool) {
	below, ok := strings.CutPrefix(key, root)
	if !ok || below == "" || below[0] != '/' {
		return "", "", false
	}
	name = below[1:]
	if i := strings.IndexByte(name, '/'); i >= 0 {
		name, rest = name[:i], name[i:]
	}
	return name, rest, name != "" && name != PackedName
}

// Key returns the object's own key, "" of none.
func (o Object) Key() string {
	switch o.Kind {
	case Partitioning:
		return Partitionings + "/" + o.Name
	case Node:
		return Nodes + "/" + o.Name
	case Database:
		return DatabaseKey(o.DB)
	case Table:
		return TableKey(o.DB, o.Name)
	}
	return ""
}

// String returns the key.
func (k Key) String() string { return k.Object.Key() + k.Rest }

// IsName reports whether the key is that of a database, table or node, whose spelling is kept on record.
func (k Key) IsName() bool { return k.Kind >= Node && k.Rest == "" }

// IsStatus reports whether the key holds the status of a database or table.
func (k Key) IsStatus() bool { return k.Kind >= Database && k.Rest == "" }

// InTables reports whether the key of a database holds its tables, or lies below the one that does.
func (k Key) InTables() bool {
	return k.Kind == Database && (k.Rest == tables || strings.HasPrefix(k.Rest, tables+"/"))
}

// InChunks reports whether the key holds the chunks of a table, or lies below the one that does.
func (k Key) InChunks() bool {
	return k.Kind == Table && (k.Rest == chunks || strings.HasPrefix(k.Rest, chunks+"/"))
}

// Chunk returns the id in the key of a chunk, checked in no way; ok is false for any other key.
func (k Key) Chunk() (id string, ok bool) {
	if k.Kind != Table {
		return "", false
	}
	id, rest, ok := under(k.Rest, chunks)
	return id, ok && rest == ""
}

// OfChunk returns the id in the key of a chunk or of what lies below it, checked in no way; ok is false for any other.
func (k Key) OfChunk() (id string, ok bool) {
	if k.Kind != Table {
		return "", false
	}
	id, _, ok = under(k.Rest, chunks)
	return id, ok
}

// Names returns the keys of the database, table or node that the key is or lies below; that of a table's database
// first.
func (k Key) Names() []string {
	switch k.Kind {
	case Node, Database:
		return []string{k.Object.Key()}
	case Table:
		return []string{DatabaseKey(k.DB), k.Object.Key()}
	}
	return nil
}

// Intents returns where the intents to drop are kept that forbid to create the object: none for a node.
func (o Object) Intents() []Path {
	switch o.Kind {
	case Database:
		return []Path{Intent(o.DB, "")}
	case Table:
		return []Path{Intent(o.DB, ""), Intent(o.DB, o.Name)}
	}
	return nil
}

// DatabaseKey returns the key of a database.
func DatabaseKey(db string) string { return Databases + "/" + db }

// TablesKey returns the key below which the tables of a database are.
func TablesKey(db string) string { return DatabaseKey(db) + tables }

// TableKey returns the key of a table.
func TableKey(db, table string) string { return TablesKey(db) + "/" + table }

// ChunksKey returns the key below which the chunks of a table are.
func ChunksKey(db, table string) string { return TableKey(db, table) + chunks }

// Split returns the names in the key of a table, or of a database, whose table is "". ok is false for any other key.
func Split(key string) (db, table string, ok bool) {
	k := Parse(key)
	if !k.IsStatus() {
		return "", "", false
	}
	return k.DB, k.Name, true
}

// Parent returns the key without its last part. The key must have a slash.
func Parent(key string) string { return key[:strings.LastIndexByte(key, '/')] }

// Packed returns the packed key below a key.
func Packed(parent string) string { return parent + "/" + PackedName }

// CutPacked returns the key below which a packed key is; ok is false for any other key.
func CutPacked(key string) (parent string, ok bool) { return strings.CutSuffix(key, "/"+PackedName) }

// IsLastPart reports whether a packed member of this name stands for a key beside the packed one.
func IsLastPart(name string) bool {
	return name != "" && name != PackedName && !strings.Contains(name, "/")
}
