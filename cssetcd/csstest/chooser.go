package csstest

import (
	"fmt"
	"slices"

	"github.com/qserv/css-etcd/cssetcd"
)

// chooser draws ops that have a fair chance to meet: few names, often dropped and created again.
type chooser struct {
	draw   func(n int) int // one of 0 to n-1
	groups int
	next   func() int                                  // numbers ops
	seen   func(thing string) (cssetcd.Revision, bool) // at which the chooser's owner saw a thing last
}

// mix is how often each verb comes.
var mix = []verb{
	createDB, createDB, createDB, createDB, createDBLike, setDBStatus, dropDB,
	createTable, createTable, createTable, createTable, createTable, createTable, createTable, createTable,
	setTableStatus, setTableStatus, setTableStatus, setTableStatus, setSchema, setSharedScan, dropTable, dropTable,
	addNode, addNode, addNode, addNode, setNodeState, deleteNode, deleteNode,
	addChunk, addChunk, addChunk, addChunk, addChunk, deleteChunk, deleteChunk,
	putKey, createKey, deleteKey, commitBatch, commitBatch, commitBatch,
	readDB, readTable, readTable, readTable, readChunks, readChunks, readNode, readAll, readAll,
}

var someStatuses = []cssetcd.Status{cssetcd.StatusReady, cssetcd.StatusReady, cssetcd.StatusIgnore, cssetcd.Failed("x")}

func pick[T any](c *chooser, from []T) T { return from[c.draw(len(from))] }

// mostlyFirst draws a name, seldom the last, which keeps another away while it is there: all are as likely where names
// are to be freed.
func (c *chooser) mostlyFirst(names []string, fairly bool) string {
	if fairly || c.draw(12) == 0 {
		return pick(c, names)
	}
	return pick(c, names[:len(names)-1])
}

func (c *chooser) one() op {
	o := c.bare(pick(c, mix), c.draw(c.groups))
	if o.verb == commitBatch {
		o.batch = c.batch(o.group)
	}
	return o
}

// again is the same op once more, with numbers of its own.
func (c *chooser) again(o op) op {
	o.number = c.next()
	o.batch = slices.Clone(o.batch)
	for i := range o.batch {
		o.batch[i].number = c.next()
	}
	return o
}

// against is an op that stands in the way of another: the same once more, or one that takes away what the other needs.
func (c *chooser) against(o op) op {
	var other op
	switch {
	case o.verb == addChunk && c.draw(2) == 0:
		other = c.bare(deleteNode, o.group)
		other.node = o.nodes[0]
	case o.verb == deleteNode && c.draw(2) == 0:
		other = c.bare(addChunk, o.group)
		other.nodes = []string{o.node}
	case o.verb == createTable && c.draw(3) == 0:
		other = c.bare(dropDB, o.group)
		other.db = o.table.DB
	case o.verb == dropDB && c.draw(2) == 0:
		other = c.bare(createTable, o.group)
		other.table.DB = o.db
	default:
		return c.again(o)
	}
	other.ifStatus, other.ifRevision = nil, nil
	return other
}

// bare draws the arguments of a verb.
func (c *chooser) bare(v verb, group int) op {
	u := universeOf(group)
	db := c.mostlyFirst(u.dbs, v == dropDB)
	o := op{verb: v, group: group, number: c.next()}
	switch v {
	case createDB, createDBLike, setDBStatus, dropDB, readDB:
		o.db, o.status = db, pick(c, someStatuses)
		if v == createDBLike {
			o.like, o.status = pick(c, u.dbs), ""
		}
	case addNode, setNodeState, deleteNode, readNode:
		o.node, o.status = c.mostlyFirst(u.nodes, v == deleteNode), pick(c, someStatuses)
	case putKey, createKey, deleteKey:
		o.key = pick(c, u.keys)
	case readAll, commitBatch:
	default:
		o.table, o.status = cssetcd.TableName{DB: db, Table: c.mostlyFirst(u.tables, v == dropTable)}, pick(c, someStatuses)
	}
	if v == addChunk || v == deleteChunk {
		o.chunk = c.draw(2)
	}
	for v == addChunk && len(o.nodes) <= c.draw(2) {
		if node := c.mostlyFirst(u.nodes, false); !slices.Contains(o.nodes, node) {
			o.nodes = append(o.nodes, node)
		}
	}
	return c.conditions(o)
}

// conditions adds options to some of the ops that take them.
func (c *chooser) conditions(o op) op {
	switch o.verb {
	case createDB, createDBLike, createTable:
		o.lenient = c.draw(4) == 0
		return o
	case dropDB, dropTable:
		o.lenient = c.draw(4) == 0
	case setDBStatus, setTableStatus, setSchema, setSharedScan, setNodeState, deleteNode:
	default:
		return o
	}
	switch c.draw(4) {
	case 0:
		status := pick(c, someStatuses)
		o.ifStatus = &status
	case 1:
		if rev, ok := c.seen(o.thing()); ok {
			o.ifRevision = &rev
		}
	}
	return o
}

// batch draws ops that fit into one transaction: nothing is written that the same batch removes.
func (c *chooser) batch(group int) []op {
	part := func(v verb) op {
		o := c.bare(v, group)
		o.ifRevision = nil // inside a batch, the revision is that of before
		return o
	}
	switch c.draw(5) {
	case 0:
		db, t := part(createDB), part(createTable)
		t.table.DB = db.db
		return []op{db, t, part(createTable)}
	case 1:
		t, chunk := part(createTable), part(addChunk)
		chunk.table = t.table
		return []op{part(addNode), t, chunk}
	case 2:
		return []op{part(dropTable), part(setDBStatus), part(dropTable)}
	case 3:
		return []op{part(setTableStatus), part(setTableStatus), part(setSharedScan)}
	default:
		return []op{part(addChunk), part(addChunk)}
	}
}

// thing names what a condition on a revision is about.
func (o op) thing() string { return fmt.Sprintf("%s %s %s", o.db, o.table, o.node) }

// revisions returns the revisions of the things in the state, for conditions.
func (s *state) revisions() map[string]cssetcd.Revision {
	all := map[string]cssetcd.Revision{}
	for name, db := range s.dbs {
		all[op{db: name}.thing()] = db.Modified
	}
	for name, t := range s.tables {
		all[op{table: name}.thing()] = t.Modified
	}
	for name, n := range s.nodes {
		all[op{node: name}.thing()] = n.Modified
	}
	return all
}
