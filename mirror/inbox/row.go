package inbox

import (
	"slices"
	"time"

	"github.com/qserv/css-etcd/internal/kv"
)

// Value is what a row of kvData holds. The zero Value says that there is no row.
type Value struct {
	There bool
	Text  string
}

// Row is one key that a foreign transaction changed, as a trigger captured it.
type Row struct {
	ID     int64 // counts statements, not commits: a smaller one may become visible later
	Conn   int64 // CONNECTION_ID() of the writer
	KvID   int32 // of the row of kvData
	Parent int32 // its parentKvId after the change; that of a deleted row before it; 0: NULL
	Key    string
	Before Value
	After  Value
	Writer string    // USER() of the writer's session
	At     time.Time // by the server's clock, UTC
}

// Fresh returns those of the rows that are not among others, which were read before.
func Fresh(rows, before []Row) []Row {
	known := IDsOfRows(before)
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return known.Has(r.ID) })
}

// The kinds of a [Conflict].
const (
	KindConflict = "conflict" // etcd did not take it, and kvData shows what etcd holds
	KindRequest  = "request"  // a removal that became a drop, since queries may be running
	KindDrift    = "drift"    // a change that no trigger captured
)

// Conflict is a foreign change that etcd did not take as it was written, and why.
type Conflict struct {
	Row
	Kind     string
	Reason   string // a [Reason]
	Detail   string // a sentence
	Etcd     Value  // what etcd held instead
	Revision kv.Revision
}
