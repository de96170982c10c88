package csstest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
)

// verb says what an op does.
type verb string

const (
	createDB       verb = "create database"
	createDBLike   verb = "create database like"
	setDBStatus    verb = "set status of database"
	dropDB         verb = "drop database"
	createTable    verb = "create table"
	setTableStatus verb = "set status of table"
	setSchema      verb = "set schema"
	setSharedScan  verb = "set shared scan"
	dropTable      verb = "drop table"
	addNode        verb = "add node"
	setNodeState   verb = "set state of node"
	deleteNode     verb = "delete node"
	addChunk       verb = "add chunk"
	deleteChunk    verb = "delete chunk"
	putKey         verb = "put"
	createKey      verb = "create key"
	deleteKey      verb = "delete key"
	commitBatch    verb = "batch"
	readDB         verb = "read database"
	readTable      verb = "read table"
	readChunks     verb = "read chunks"
	readNode       verb = "read node"
	readAll        verb = "read all"
)

// op is one operation on the catalogue, as a value: a Client carries it out, a model says what must come of it.
type op struct {
	verb       verb
	group      int // all that the operation is about belongs to it
	db         string
	like       string
	table      cssetcd.TableName
	node       string
	nodes      []string
	chunk      int
	key        string
	number     int // different in each op, so that values tell who wrote them
	status     cssetcd.Status
	lenient    bool // IfExists, IfNotExists
	ifStatus   *cssetcd.Status
	ifRevision *cssetcd.Revision
	batch      []op
}

// String describes the op for messages.
func (o op) String() string {
	if o.verb == commitBatch {
		return fmt.Sprintf("batch %v", o.batch)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s (%d)", o.verb, o.number)
	for _, part := range []string{o.db, o.like, o.node, o.key, strings.Trim(o.table.String(), "."),
		strings.Join(o.nodes, "+"), string(o.status)} {
		if part != "" {
			fmt.Fprintf(&s, " %s", part)
		}
	}
	if o.verb == addChunk || o.verb == deleteChunk {
		fmt.Fprintf(&s, " chunk %d", o.chunk)
	}
	if o.lenient {
		s.WriteString(" leniently")
	}
	if o.ifStatus != nil {
		fmt.Fprintf(&s, " if %q", *o.ifStatus)
	}
	if o.ifRevision != nil {
		fmt.Fprintf(&s, " if at %d", *o.ifRevision)
	}
	return s.String()
}

func (o op) reads() bool { return strings.HasPrefix(string(o.verb), "read") }

func (o op) database() cssetcd.Database {
	return cssetcd.Database{
		Name: o.db, Status: o.status, StorageClass: "L2", ReleaseStatus: fmt.Sprint(o.number),
		Striping: &cssetcd.Striping{Stripes: o.number + 1, SubStripes: 3, Overlap: 0.25},
	}
}

// newTable is a plain table, a director with all that a table can have, or a match table.
func (o op) newTable() cssetcd.Table {
	t := cssetcd.Table{Name: o.table, Status: o.status, Schema: o.schema()}
	switch o.number % 3 {
	case 1:
		t.Partitioning = &cssetcd.Partitioning{
			DirDB: o.table.DB, DirTable: o.table.Table, DirColumn: "id", LatColumn: "decl", LonColumn: "ra", Overlap: 0.5,
			SubChunks: true,
		}
		t.SharedScan = &cssetcd.SharedScan{LockInMem: true, Rating: 1}
	case 2:
		t.Match = &cssetcd.Match{DirTable1: "x.a", DirColumn1: "i", DirTable2: "x.b", DirColumn2: "j", FlagColumn: "f",
			AngSep: 0.125}
	}
	return t
}

func (o op) schema() string { return fmt.Sprintf("(c%d INT)", o.number) }

func (o op) newNode() cssetcd.Node {
	return cssetcd.Node{Name: o.node, Type: "worker", Host: fmt.Sprintf("host%d", o.number), Port: 5012,
		State: cssetcd.NodeState(o.status)}
}

func (o op) sharedScan() cssetcd.SharedScan {
	return cssetcd.SharedScan{LockInMem: o.number%2 == 0, Rating: o.number % 4}
}

func (o op) options() []cssetcd.WriteOption {
	var opts []cssetcd.WriteOption
	if o.verb == createTable {
		opts = append(opts, cssetcd.AllowUnqueryable()) // the model is one of tables and not of what czars make of them
	}
	switch {
	case o.lenient && (o.verb == dropDB || o.verb == dropTable):
		opts = append(opts, cssetcd.IfExists())
	case o.lenient:
		opts = append(opts, cssetcd.IfNotExists())
	}
	if o.ifStatus != nil {
		opts = append(opts, cssetcd.IfStatus(*o.ifStatus))
	}
	if o.ifRevision != nil {
		opts = append(opts, cssetcd.IfRevision(*o.ifRevision))
	}
	return opts
}

// answer is what came of an op.
type answer struct {
	rev     cssetcd.Revision
	err     string // the kinds of the error, "" for success
	unknown bool   // the answer was lost for good: it may have happened, and may still happen
	idle    bool   // it could not be tried, and nothing was written
	read    *state // what a read returned
}

// String describes the answer for messages.
func (a answer) String() string {
	switch {
	case a.unknown:
		return "unknown"
	case a.err != "":
		return a.err
	case a.read != nil:
		return a.read.String()
	}
	return fmt.Sprintf("revision %d", a.rev)
}

// kinds names every sentinel that an error is. Two errors with the same kinds mean the same to a caller.
func kinds(err error) string {
	if err == nil {
		return ""
	}
	var names []string
	for _, kind := range []error{
		cssetcd.ErrNotFound, cssetcd.ErrNoSuchDB, cssetcd.ErrNoSuchTable, cssetcd.ErrNoSuchNode, cssetcd.ErrNoSuchChunk,
		cssetcd.ErrNoSuchKey,
		cssetcd.ErrExists, cssetcd.ErrDBExists, cssetcd.ErrTableExists, cssetcd.ErrNodeExists, cssetcd.ErrKeyExists,
		cssetcd.ErrPrecondition, cssetcd.ErrStatusMismatch, cssetcd.ErrRevisionMismatch, cssetcd.ErrNodeInUse,
		cssetcd.ErrInvalid, cssetcd.ErrInvalidName, cssetcd.ErrBadValue, cssetcd.ErrVersionMissing, cssetcd.ErrReadOnly,
		cssetcd.ErrDuplicateColumn, cssetcd.ErrUnqueryable, cssetcd.ErrTooLarge, cssetcd.ErrCompacted,
		cssetcd.ErrFutureRevision, cssetcd.ErrNotEmpty,
	} {
		if errors.Is(err, kind) {
			names = append(names, kind.Error())
		}
	}
	if names == nil {
		return "another error: " + err.Error()
	}
	return strings.Join(names, ", ")
}

// carryOut does the op through a client.
func (o op) carryOut(ctx context.Context, c *cssetcd.Client) answer {
	var a answer
	var err error
	if o.reads() {
		a.read, err = o.look(ctx, c)
	} else {
		a.rev, err = o.write(ctx, c)
	}
	switch {
	case errors.Is(err, cssetcd.ErrOutcomeUnknown):
		return answer{unknown: true}
	case errors.Is(err, cssetcd.ErrUnavailable) || errors.Is(err, cssetcd.ErrContended) ||
		errors.Is(err, context.DeadlineExceeded):
		return answer{idle: true, err: err.Error()}
	case err != nil:
		return answer{err: kinds(err)}
	}
	return a
}

// write does an op that writes.
func (o op) write(ctx context.Context, c *cssetcd.Client) (cssetcd.Revision, error) {
	switch o.verb {
	case createDB:
		return c.CreateDatabase(ctx, o.database(), o.options()...)
	case createDBLike:
		return c.CreateDatabaseLike(ctx, o.db, o.like, o.options()...)
	case setDBStatus:
		return c.SetDatabaseStatus(ctx, o.db, o.status, o.options()...)
	case dropDB:
		return c.DropDatabase(ctx, o.db, o.options()...)
	case createTable:
		return c.CreateTable(ctx, o.newTable(), o.options()...)
	case setTableStatus:
		return c.SetTableStatus(ctx, o.table, o.status, o.options()...)
	case setSchema:
		return c.SetTableSchema(ctx, o.table, o.schema(), o.options()...)
	case setSharedScan:
		return c.SetSharedScan(ctx, o.table, o.sharedScan(), o.options()...)
	case dropTable:
		return c.DropTable(ctx, o.table, o.options()...)
	case addNode:
		return c.AddNode(ctx, o.newNode())
	case setNodeState:
		return c.SetNodeState(ctx, o.node, cssetcd.NodeState(o.status), o.options()...)
	case deleteNode:
		return c.DeleteNode(ctx, o.node, o.options()...)
	case addChunk:
		return c.AddChunk(ctx, o.table, o.chunk, o.nodes...)
	case deleteChunk:
		return c.DeleteChunk(ctx, o.table, o.chunk)
	case putKey:
		return c.Raw().Put(ctx, o.key, fmt.Sprint(o.number))
	case createKey:
		return c.Raw().Create(ctx, o.key, fmt.Sprint(o.number))
	case deleteKey:
		return c.Raw().Delete(ctx, o.key)
	case commitBatch:
		var b cssetcd.Batch
		for _, part := range o.batch {
			part.addTo(&b)
		}
		return c.Commit(ctx, &b)
	}
	panic("csstest: no such write: " + string(o.verb))
}

// addTo adds the op to a batch.
func (o op) addTo(b *cssetcd.Batch) {
	switch o.verb {
	case createDB:
		b.CreateDatabase(o.database(), o.options()...)
	case createTable:
		b.CreateTable(o.newTable(), o.options()...)
	case setDBStatus:
		b.SetDatabaseStatus(o.db, o.status, o.options()...)
	case setTableStatus:
		b.SetTableStatus(o.table, o.status, o.options()...)
	case setSharedScan:
		b.SetSharedScan(o.table, o.sharedScan(), o.options()...)
	case dropTable:
		b.DropTable(o.table, o.options()...)
	case addNode:
		b.AddNode(o.newNode())
	case addChunk:
		b.AddChunk(o.table, o.chunk, o.nodes...)
	default:
		panic("csstest: not for a batch: " + string(o.verb))
	}
}

// look does an op that reads.
func (o op) look(ctx context.Context, c *cssetcd.Client) (*state, error) {
	s := newState()
	switch o.verb {
	case readDB:
		db, err := c.Database(ctx, o.db)
		if err != nil {
			return nil, err
		}
		s.dbs[o.db] = plainDatabase(db)
	case readTable:
		t, err := c.Table(ctx, o.table)
		if err != nil {
			return nil, err
		}
		s.tables[o.table] = *t
	case readChunks:
		chunks, err := c.Chunks(ctx, o.table)
		if err != nil {
			return nil, err
		}
		return s, s.addChunks(o.table, chunks)
	case readNode:
		n, err := c.Node(ctx, o.node)
		if err != nil {
			return nil, err
		}
		s.nodes[o.node] = *n
	case readAll:
		snapshot, err := c.Snapshot(ctx, 0)
		if err != nil {
			return nil, err
		}
		return stateOf(snapshot, o.group)
	}
	return s, nil
}

// universe is the names of a group. Some differ in case only: no two of those can be there at a time.
type universe struct {
	dbs    []string
	tables []string
	nodes  []string
	keys   []string
}

func universeOf(group int) universe {
	return universe{
		dbs:    []string{fmt.Sprintf("d%d", group), fmt.Sprintf("D%d", group)},
		tables: []string{"a", "A", "b"},
		nodes:  []string{fmt.Sprintf("n%d", group), fmt.Sprintf("m%d", group), fmt.Sprintf("N%d", group)},
		keys:   []string{fmt.Sprintf("/other/k%d", group)},
	}
}

func (u universe) hasDB(name string) bool   { return slices.Contains(u.dbs, name) }
func (u universe) hasNode(name string) bool { return slices.Contains(u.nodes, name) }

// plainDatabase is a database without the id of its partitioning, which depends on who came first, and without the
// revision that only snapshots tell.
func plainDatabase(db *cssetcd.Database) cssetcd.Database {
	plain := *db
	plain.Revision = 0
	if plain.Striping != nil {
		s := *plain.Striping
		s.ID = ""
		plain.Striping = &s
	}
	return plain
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
