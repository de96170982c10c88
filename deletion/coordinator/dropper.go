package coordinator

import (
	"context"

	"github.com/qserv/css-etcd/cssetcd"
)

// Dropper removes the data of what the catalogue has forgotten.
//
// Drop is called after the point of no return, by one coordinator at a time as a rule. It is called again, with the
// same Job, after a failure, and by another coordinator when the first is gone, which may still be at work or paused in
// the middle of it. So it has to be idempotent, and an attempt that goes on late must not touch a table that was
// created anew under the same name: the incarnation tells the two apart. When it returns nil, the name becomes free.
type Dropper interface {
	Drop(ctx context.Context, job Job) error
}

// Job is what a Dropper has to remove: one table, or a database with its tables. As JSON it is what a command is given.
type Job struct {
	Database string `json:"database"`
	// Whole says that the database itself is dropped, and not only the tables.
	Whole bool `json:"whole"`
	// Incarnation is that of the table that is dropped, or of the database: the revision at which its key was created.
	Incarnation cssetcd.Revision `json:"incarnation"`
	// History tells histories of etcd apart: after a restore from a backup the same revision can be another incarnation.
	History string `json:"history"`
	// Mark is P, the revision of the mark. A later drop of the same name has a higher one.
	Mark cssetcd.Revision `json:"mark"`
	// Tables are the tables to remove, one when a table is dropped.
	Tables []JobTable `json:"tables"`
	// Keep are tables of the database that the catalogue held when the attempt began and whose names look like those of
	// chunk tables of Tables, such as Object_5. They belong to others and must not be touched.
	Keep []string `json:"keep,omitempty"`
	// Held returns those of some names that are tables of the database in the catalogue as it is now; they must not be
	// touched, whatever they look like. What is to be removed is looked for first, and this asked then: what a worker has
	// of a table that the catalogue got meanwhile came later. It fails with ErrDropEnded for an attempt that is late: the
	// drop has ended. nil where nobody can be asked, and Keep is all that is known; see [Job.Holds].
	Held func(ctx context.Context, names []string) ([]string, error) `json:"-"`
	// Tell shows operators what an attempt that goes on has trouble with, in a text that changes when that does; "" when
	// it is over. nil where nobody listens.
	Tell func(trouble string) `json:"-"`
}

// JobTable is one table of a Job. Tables that were created in one transaction have one incarnation, so the name belongs
// to it.
type JobTable struct {
	Table       string           `json:"table"`
	Incarnation cssetcd.Revision `json:"incarnation"`
	// ChunkLevel is 0 for a table that workers hold whole, 1 for a chunked table, 2 for one with sub-chunks, as
	// [cssetcd.Table.ChunkLevel] says.
	ChunkLevel int `json:"chunk_level"`
}

// Nothing is a Dropper that removes nothing: data stay, or something else removes them.
type Nothing struct{}

// Drop returns nil.
func (Nothing) Drop(context.Context, Job) error { return nil }
