package edge

import (
	"context"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// IsDirector reports whether a table is partitioned by itself.
func IsDirector(t *cssetcd.Table) bool {
	p := t.Partitioning
	return p != nil && (p.DirTable == "" || p.DirTable == t.Name.Table && (p.DirDB == "" || p.DirDB == t.Name.DB))
}

// Related are all tables, by what ties them to each other.
type Related []cssetcd.Relation

// Relations reads those of the given databases; of all when none is given.
func Relations(ctx context.Context, css *cssetcd.Client, dbs ...string) (all Related, err error) {
	each, err := css.Relations(ctx, dbs...)
	if err != nil {
		return nil, err
	}
	for r := range each { // one that cannot be read is there all the same, and depends on nothing
		all = append(all, r)
	}
	return all, nil
}

// Tables counts those of a database.
func (all Related) Tables(db string) (n int) {
	for _, r := range all {
		if r.Name.DB == db {
			n++
		}
	}
	return n
}

// Children returns the tables that depend on what a name drops, and are not dropped with it. It looks at each table
// once.
func (all Related) Children(n protocol.Name) (children []cssetcd.TableName) {
	db, table := n.Parts()
	dropped := map[cssetcd.TableName]bool{}
	for _, r := range all {
		if r.Name.DB == db && (table == "" || r.Name.Table == table) {
			dropped[r.Name] = true
		}
	}
	for _, r := range all {
		if !dropped[r.Name] && r.Status.State() != cssetcd.StatePendingDrop && dependsOnAny(r, dropped) {
			children = append(children, r.Name)
		}
	}
	return children
}

// dependsOnAny reports whether a table is partitioned by one of the directors, or matches one.
func dependsOnAny(r cssetcd.Relation, directors map[cssetcd.TableName]bool) bool {
	if p := r.Partitioning; p != nil && directors[cssetcd.TableName{DB: p.DirDB, Table: p.DirTable}] {
		return true
	}
	m := r.Match
	return m != nil && (matches(r.Name.DB, m.DirTable1, directors) || matches(r.Name.DB, m.DirTable2, directors))
}

// matches: a match table names its directors with their database, or without where that is its own.
func matches(db, dir string, directors map[cssetcd.TableName]bool) bool {
	if directors[cssetcd.TableName{DB: db, Table: dir}] {
		return true
	}
	n, err := cssetcd.ParseTableName(dir)
	return err == nil && directors[n]
}
