package main

import "github.com/qserv/css-etcd/cssetcd"

// The JSON forms of what the catalogue holds. They are a contract: fields may be added, and none is renamed or removed.

type databaseView struct {
	Name          string           `json:"name"`
	Status        cssetcd.Status   `json:"status"`
	StorageClass  string           `json:"storage_class"`
	ReleaseStatus string           `json:"release_status"`
	Striping      *stripingView    `json:"striping"` // null: no partitioned tables
	Tables        *int             `json:"tables,omitempty"`
	Incarnation   cssetcd.Revision `json:"created_revision"`
	Modified      cssetcd.Revision `json:"modified_revision"`
	Error         string           `json:"error,omitempty"` // why the rest could not be read
}

type stripingView struct {
	ID         string  `json:"id"`
	Stripes    int     `json:"stripes"`
	SubStripes int     `json:"sub_stripes"`
	Overlap    float64 `json:"overlap"`
}

func viewDatabase(db *cssetcd.Database) databaseView {
	return databaseView{
		Name: db.Name, Status: db.Status, StorageClass: db.StorageClass, ReleaseStatus: db.ReleaseStatus,
		Striping: (*stripingView)(db.Striping), Incarnation: db.Incarnation, Modified: db.Modified,
	}
}

type tableView struct {
	Database     string            `json:"database"`
	Table        string            `json:"table"`
	Status       cssetcd.Status    `json:"status"`
	Schema       string            `json:"schema"`
	Partitioning *partitioningView `json:"partitioning"` // null: every worker holds the table whole
	Match        *matchView        `json:"match"`        // null: not a match table
	SharedScan   *sharedScanView   `json:"shared_scan"`  // null: not in shared scans
	Incarnation  cssetcd.Revision  `json:"created_revision"`
	Modified     cssetcd.Revision  `json:"modified_revision"`
	Error        string            `json:"error,omitempty"` // why the rest could not be read
}

type partitioningView struct {
	DirDB     string  `json:"director_database"`
	DirTable  string  `json:"director_table"`
	DirColumn string  `json:"director_column"`
	LatColumn string  `json:"latitude_column"`
	LonColumn string  `json:"longitude_column"`
	Overlap   float64 `json:"overlap"`
	SubChunks bool    `json:"sub_chunks"`
}

type matchView struct {
	DirTable1  string  `json:"director_table1"`
	DirColumn1 string  `json:"director_column1"`
	DirTable2  string  `json:"director_table2"`
	DirColumn2 string  `json:"director_column2"`
	FlagColumn string  `json:"flag_column"`
	AngSep     float64 `json:"angular_separation"`
}

type sharedScanView struct {
	LockInMem bool `json:"lock_in_mem"`
	Rating    int  `json:"scan_rating"`
}

func viewTable(t *cssetcd.Table) tableView {
	return tableView{
		Database: t.Name.DB, Table: t.Name.Table, Status: t.Status, Schema: t.Schema,
		Partitioning: (*partitioningView)(t.Partitioning), Match: (*matchView)(t.Match),
		SharedScan: (*sharedScanView)(t.SharedScan), Incarnation: t.Incarnation, Modified: t.Modified,
	}
}

type nodeView struct {
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Host        string            `json:"host"`
	Port        int               `json:"port"`
	State       cssetcd.NodeState `json:"state"`
	Incarnation cssetcd.Revision  `json:"created_revision"`
	Modified    cssetcd.Revision  `json:"modified_revision"`
	Error       string            `json:"error,omitempty"` // why the rest could not be read
}

func viewNode(n *cssetcd.Node) nodeView {
	return nodeView{n.Name, n.Type, n.Host, n.Port, n.State, n.Incarnation, n.Modified, ""}
}

// keyView is one raw key.
type keyView struct {
	Key    string           `json:"key"`
	Value  *string          `json:"value"` // null: there are only keys below it
	Create cssetcd.Revision `json:"created_revision"`
	Mod    cssetcd.Revision `json:"modified_revision"`
}

func viewKey(key string, e cssetcd.Entry) keyView {
	v := keyView{Key: key, Create: e.Create, Mod: e.Mod}
	if e.Exists() {
		v.Value = &e.Value
	}
	return v
}
