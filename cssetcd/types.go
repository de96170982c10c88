package cssetcd

import "github.com/qserv/css-etcd/internal/kv"

// Revision numbers the states of the catalogue. It is etcd's: every transaction makes the next one, over all keys. 0 is
// none.
type Revision = kv.Revision

// Entry is what one CSS key holds: Value, and the revisions at which the key came into being (Create) and last changed
// (Mod). The zero Entry means that the key is absent.
type Entry = kv.Entry

// What a creation fills in where a field is "". The status of a database or table is READY then, the state of a node
// ACTIVE.
const (
	DefaultStorageClass  = "L2"
	DefaultReleaseStatus = "RELEASED"
	DefaultNodeType      = "worker"
)

// Database is one database of the catalogue.
type Database struct {
	Name          string
	Status        Status
	StorageClass  string    // "L2" everywhere today
	ReleaseStatus string    // "RELEASED", "UNRELEASED", "PRIVATE"
	Striping      *Striping // nil: the database has no partitioned tables
	Incarnation   Revision  // when the database was created; set on reading
	Modified      Revision  // when anything of it but its tables was last written; set on reading
	// Revision rises with each change of anything in the database, its tables, chunks and partitioning included: while
	// it is the same in the snapshots of a view, the database is the same. It is set on reading from a Snapshot, and is
	// as a rule the revision of the change; after etcd went back it is higher.
	Revision Revision
}

// Striping is how databases cut the sky into chunks and sub-chunks. Several may share one.
type Striping struct {
	ID         string  // the ten digits under which it is stored; set on reading, chosen when creating
	Stripes    int     // stripes of declination
	SubStripes int     // sub-stripes of each stripe
	Overlap    float64 // default overlap of sub-chunks, in degrees
}

// TableName names a table: database and table.
type TableName struct{ DB, Table string }

// Table is all that the catalogue says of one table, but for its chunks.
type Table struct {
	Name         TableName
	Incarnation  Revision // when the table was created, which tells it from others of its name; set on reading
	Status       Status
	Schema       string        // what stands between CREATE TABLE t and the semicolon, with its parentheses
	Partitioning *Partitioning // nil: every worker holds the table whole
	// nil: not a match table. One created with Match alone is partitioned, too, with all fields zero
	Match      *Match
	SharedScan *SharedScan // nil: not in shared scans
	Modified   Revision    // when anything of it but its chunks was last written; set on reading
}

// Partitioning is how a table is cut into chunks. A director table decides where rows go; its children follow it.
type Partitioning struct {
	DirDB     string  // database of the director table
	DirTable  string  // the director table: the table itself when it is one
	DirColumn string  // column that holds the director's key
	LatColumn string  // declination column; "" for a child placed by its director's key alone
	LonColumn string  // right ascension column; likewise
	Overlap   float64 // overlap of this table in degrees; 0: that of the database
	SubChunks bool    // whether chunks are cut again into sub-chunks
}

// Match says that a table pairs rows of two director tables.
type Match struct {
	DirTable1, DirColumn1 string // first director, "table" or "db.table", and the column that holds its key
	DirTable2, DirColumn2 string // second director
	FlagColumn            string
	AngSep                float64 // greatest distance between matched rows, in degrees
}

// SharedScan is how a table takes part in shared scans.
type SharedScan struct {
	LockInMem bool // keep chunks in memory while scanned
	Rating    int  // 1 to 3 in upstream's interface: the higher, the slower the scan
}

// Node is a worker of the Qserv instance.
type Node struct {
	Name        string
	Type        string // "worker"
	Host        string
	Port        int
	State       NodeState
	Incarnation Revision // when the node was added; set on reading
	Modified    Revision // when anything of it was last written; set on reading
}

// NodeState is what a node's key holds.
type NodeState string

// The node states that upstream writes. Others are kept as they are.
const (
	NodeActive   NodeState = "ACTIVE"
	NodeInactive NodeState = "INACTIVE"
)

// Chunk is one chunk of a table and the nodes that hold a replica of it, in the order in which they were added. A node
// may stand in it more than once where upstream wrote it.
type Chunk struct {
	ID    int
	Nodes []string
}

// ChunkLevel is 0 for a table that every worker holds whole, 1 for a chunked table and 2 for one with sub-chunks.
func (t *Table) ChunkLevel() int {
	switch {
	case t.Partitioning != nil && t.Partitioning.SubChunks:
		return 2
	case t.Partitioning != nil || t.Match != nil:
		return 1
	default:
		return 0
	}
}
