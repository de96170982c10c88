package deletion

import (
	"context"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// ChildrenError is an ErrHasChildren that names the tables that would stay.
type ChildrenError struct{ Children []cssetcd.TableName }

func (e *ChildrenError) Error() string {
	const most = 5
	var names []string
	for _, n := range e.Children[:min(len(e.Children), most)] {
		names = append(names, n.String())
	}
	if more := len(e.Children) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%v and would stay: %s", ErrHasChildren, strings.Join(names, ", "))
}

// Unwrap returns ErrHasChildren.
func (e *ChildrenError) Unwrap() error { return ErrHasChildren }

// Children returns the tables that cannot be queried any more after a drop of a table, "LSST.Object", or of a database,
// "LSST": those that are partitioned by it, or by a table of the database, or that match it, and are not dropped with
// it. Tables that are marked to be dropped themselves are left out, and so are those that cannot be read. It costs one
// read of what ties tables to each other, and of a table that is no director only its own. Drops check by themselves,
// unless they are forced.
func Children(ctx context.Context, css *cssetcd.Client, name string) ([]cssetcd.TableName, error) {
	n, err := ParseName(name)
	if err != nil {
		return nil, err
	}
	if db, table := n.Parts(); table != "" {
		t, err := css.Table(ctx, cssetcd.TableName{DB: db, Table: table})
		if err != nil || !isDirector(t) {
			return nil, nil // as far as anyone can tell; whether it is there is found out with the drop
		}
	}
	all, err := relations(ctx, css)
	if err != nil {
		return nil, err
	}
	return all.children(n), nil
}

func isDirector(t *cssetcd.Table) bool {
	p := t.Partitioning
	return p != nil && (p.DirTable == "" || p.DirTable == t.Name.Table && (p.DirDB == "" || p.DirDB == t.Name.DB))
}

// related are all tables, by what ties them to each other.
type related []cssetcd.Relation

// relations reads those of the given databases; of all when none is given.
func relations(ctx context.Context, css *cssetcd.Client, dbs ...string) (all related, err error) {
	each, err := css.Relations(ctx, dbs...)
	if err != nil {
		return nil, err
	}
	for r := range each { // one that cannot be read is there all the same, and depends on nothing
		all = append(all, r)
	}
	return all, nil
}

// tables counts those of a database.
func (all related) tables(db string) (n int) {
	for _, r := range all {
		if r.Name.DB == db {
			n++
		}
	}
	return n
}

// children looks at each table once.
func (all related) children(n protocol.Name) (children []cssetcd.TableName) {
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
