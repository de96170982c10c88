package deletion

import (
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/protocol"
)

// Children returns the tables that cannot be queried any more when something is dropped: those that are partitioned by the table, or by a table of the
// database, or that match it, and are not dropped with it. Tables that are marked to be dropped themselves are left out, and so are those that cannot be read.
func Children(s *cssetcd.Snapshot, n protocol.Name) (children []cssetcd.TableName) {
	db, table := n.Parts()
	for d := range s.Databases() {
		if d == nil || table == "" && d.Name == db {
			continue
		}
		for t := range s.Tables(d.Name) {
			if t != nil && t.Status.State() != cssetcd.StatePendingDrop && dependsOnAny(s, t, db, table) {
				children = append(children, t.Name)
			}
		}
	}
	return children
}

// dependsOnAny reports whether a table depends on the given one or, with "", on any of the database, if that is there.
func dependsOnAny(s *cssetcd.Snapshot, t *cssetcd.Table, db, table string) bool {
	if table != "" {
		e, there := s.Key(string(protocol.TableName(db, table)))
		return there && e.Exists() && dependsOn(t, db, table)
	}
	for director := range s.Tables(db) {
		if director != nil && dependsOn(t, db, director.Name.Table) {
			return true
		}
	}
	return false
}

// dependsOn reports whether a table is another one that is partitioned by the given director, or matches it.
func dependsOn(t *cssetcd.Table, db, table string) bool {
	if t.Name == (cssetcd.TableName{DB: db, Table: table}) {
		return false
	}
	if p := t.Partitioning; p != nil && p.DirDB == db && p.DirTable == table {
		return true
	}
	m := t.Match
	is := func(dir string) bool { return dir == db+"."+table || dir == table && t.Name.DB == db }
	return m != nil && (is(m.DirTable1) || is(m.DirTable2))
}
