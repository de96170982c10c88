// Package form has the JSON forms of what the catalogue holds, for the command line and for HTTP. They are a contract:
// fields may be added, and none is renamed or removed.
package form

import "github.com/qserv/css-etcd/cssetcd"

// Database is the form of a database.
type Database struct {
	Name          string           `json:"name"`
	Status        cssetcd.Status   `json:"status"`
	StorageClass  string           `json:"storage_class"`
	ReleaseStatus string           `json:"release_status"`
	Striping      *Striping        `json:"striping"` // null: no partitioned tables
	Tables        *int             `json:"tables,omitempty"`
	Incarnation   cssetcd.Revision `json:"created_revision"`
	Modified      cssetcd.Revision `json:"modified_revision"`
	Error         string           `json:"error,omitempty"` // why the rest could not be read
}

// Striping is the form of how databases cut the sky.
type Striping struct {
	ID         string  `json:"id"`
	Stripes    int     `json:"stripes"`
	SubStripes int     `json:"sub_stripes"`
	Overlap    float64 `json:"overlap"`
}

// OfDatabase returns the form of a database.
func OfDatabase(db *cssetcd.Database) Database {
	return Database{
		Name: db.Name, Status: db.Status, StorageClass: db.StorageClass, ReleaseStatus: db.ReleaseStatus,
		Striping: (*Striping)(db.Striping), Incarnation: db.Incarnation, Modified: db.Modified,
	}
}

// Value returns the database that a form describes, without what is set on reading.
func (f Database) Value() cssetcd.Database {
	db := cssetcd.Database{Name: f.Name, Status: f.Status, StorageClass: f.StorageClass, ReleaseStatus: f.ReleaseStatus}
	if f.Striping != nil {
		striping := cssetcd.Striping(*f.Striping)
		striping.ID = ""
		db.Striping = &striping
	}
	return db
}

// Table is the form of a table.
type Table struct {
	Database     string           `json:"database"`
	Table        string           `json:"table"`
	Status       cssetcd.Status   `json:"status"`
	Schema       string           `json:"schema"`
	Partitioning *Partitioning    `json:"partitioning"` // null: every worker holds the table whole
	Match        *Match           `json:"match"`        // null: not a match table
	SharedScan   *SharedScan      `json:"shared_scan"`  // null: not in shared scans
	Incarnation  cssetcd.Revision `json:"created_revision"`
	Modified     cssetcd.Revision `json:"modified_revision"`
	Error        string           `json:"error,omitempty"` // why the rest could not be read
}

// Partitioning is the form of how a table is cut into chunks.
type Partitioning struct {
	DirDB     string  `json:"director_database"`
	DirTable  string  `json:"director_table"`
	DirColumn string  `json:"director_column"`
	LatColumn string  `json:"latitude_column"`
	LonColumn string  `json:"longitude_column"`
	Overlap   float64 `json:"overlap"`
	SubChunks bool    `json:"sub_chunks"`
}

// Match is the form of what a match table pairs.
type Match struct {
	DirTable1  string  `json:"director_table1"`
	DirColumn1 string  `json:"director_column1"`
	DirTable2  string  `json:"director_table2"`
	DirColumn2 string  `json:"director_column2"`
	FlagColumn string  `json:"flag_column"`
	AngSep     float64 `json:"angular_separation"`
}

// SharedScan is the form of how a table takes part in shared scans.
type SharedScan struct {
	LockInMem bool `json:"lock_in_mem"`
	Rating    int  `json:"scan_rating"`
}

// OfTable returns the form of a table.
func OfTable(t *cssetcd.Table) Table {
	return Table{
		Database: t.Name.DB, Table: t.Name.Table, Status: t.Status, Schema: t.Schema,
		Partitioning: (*Partitioning)(t.Partitioning), Match: (*Match)(t.Match),
		SharedScan: (*SharedScan)(t.SharedScan), Incarnation: t.Incarnation, Modified: t.Modified,
	}
}

// Value returns the table that a form describes, without what is set on reading.
func (f Table) Value() cssetcd.Table {
	return cssetcd.Table{
		Name: cssetcd.TableName{DB: f.Database, Table: f.Table}, Status: f.Status, Schema: f.Schema,
		Partitioning: (*cssetcd.Partitioning)(f.Partitioning), Match: (*cssetcd.Match)(f.Match),
		SharedScan: (*cssetcd.SharedScan)(f.SharedScan),
	}
}

// TableDetails is the form of one table that is shown alone.
type TableDetails struct {
	Table
	Columns      []Column `json:"columns"`                 // null: they cannot be read from the schema
	ColumnsError string   `json:"columns_error,omitempty"` // why not
	Unqueryable  string   `json:"unqueryable,omitempty"`   // why no czar can query it, where that was looked at
}

// Column is the form of a column.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// OfDetails returns the form of a table with its columns, or with why they cannot be read.
func OfDetails(t *cssetcd.Table, columns []cssetcd.Column, unreadable string) TableDetails {
	f := TableDetails{Table: OfTable(t), ColumnsError: unreadable}
	if unreadable != "" {
		return f
	}
	f.Columns = make([]Column, 0, len(columns)) // and not null in JSON
	for _, c := range columns {
		f.Columns = append(f.Columns, Column(c))
	}
	return f
}

// Node is the form of a node.
type Node struct {
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Host        string            `json:"host"`
	Port        int               `json:"port"`
	State       cssetcd.NodeState `json:"state"`
	Incarnation cssetcd.Revision  `json:"created_revision"`
	Modified    cssetcd.Revision  `json:"modified_revision"`
	Error       string            `json:"error,omitempty"` // why the rest could not be read
}

// OfNode returns the form of a node.
func OfNode(n *cssetcd.Node) Node {
	return Node{n.Name, n.Type, n.Host, n.Port, n.State, n.Incarnation, n.Modified, ""}
}

// Value returns the node that a form describes, without what is set on reading.
func (f Node) Value() cssetcd.Node {
	return cssetcd.Node{Name: f.Name, Type: f.Type, Host: f.Host, Port: f.Port, State: f.State}
}

// Chunk is the form of a chunk.
type Chunk struct {
	ID    int      `json:"id"`
	Nodes []string `json:"nodes"` // one for each replica
	Error string   `json:"error,omitempty"`
}

// OfChunk returns the form of a chunk.
func OfChunk(c cssetcd.Chunk) Chunk {
	return Chunk{ID: c.ID, Nodes: append([]string{}, c.Nodes...)}
}

// Value returns the chunk that a form describes.
func (f Chunk) Value() cssetcd.Chunk { return cssetcd.Chunk{ID: f.ID, Nodes: f.Nodes} }

// Family is the form of databases that have the same tables.
type Family struct {
	Family     int      `json:"family"`
	Databases  []string `json:"databases"`
	Tables     int      `json:"tables"`
	TableNames []string `json:"table_names"`
}

// OfFamilies returns the forms of families; it is not null in JSON.
func OfFamilies(families []cssetcd.Family) []Family {
	forms := make([]Family, 0, len(families))
	for i, f := range families {
		forms = append(forms, Family{i + 1, f.Databases, len(f.Tables), f.Tables})
	}
	return forms
}

// Name is the form of the name of a database or table.
type Name struct {
	Database string  `json:"database"`
	Table    *string `json:"table"` // null: it is the database
	Status   string  `json:"status"`
	Error    string  `json:"error,omitempty"` // why it could not be read
}

// Names is the form of some names.
type Names struct {
	Names    []Name `json:"names"`
	Complete bool   `json:"complete"` // nothing was left out for being too many
}
