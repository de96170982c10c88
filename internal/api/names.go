package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
)

// Parameters of names.
const (
	paramText     = "text"
	paramDatabase = "database"
)

const (
	usualNames = 1_000
	mostNames  = 100_000
)

// readNames lists names, and no more of what they name: those of a database, and those that have a text in them,
// whatever its case.
func readNames(s *cssetcd.Snapshot, _ *http.Request, q *query) (answer, error) {
	limit, given := q.number(paramLimit)
	if !given {
		limit = usualNames
	}
	if q.err == nil && (limit == 0 || limit > mostNames) {
		q.fail("limit is %d and must be from 1 to %d", limit, mostNames)
	}
	if q.err != nil {
		return answer{}, q.err
	}
	n := naming{limit: int(limit), text: strings.ToLower(q.text(paramText)), Names: form.Names{Names: []form.Name{},
		Complete: true}}
	if !q.given(paramDatabase) {
		n.all(s)
		return answer{body: n.Names}, nil
	}
	db := q.text(paramDatabase)
	if _, err := s.Database(db); errors.Is(err, cssetcd.ErrNoSuchDB) {
		return answer{}, err
	}
	n.tables(s, db)
	return answer{body: n.Names}, nil
}

// naming gathers names.
type naming struct {
	form.Names
	limit int
	text  string // in lower case
}

// all lists databases, each with its tables after it.
func (n *naming) all(s *cssetcd.Snapshot) {
	for db, err := range s.Databases() {
		name := form.Name{}
		if err != nil {
			name.Database, name.Error = unreadable(err)
		} else {
			name.Database, name.Status = db.Name, string(db.Status)
		}
		if !n.take(name, name.Database) || !n.tables(s, name.Database) {
			return
		}
	}
}

// tables lists those of a database. It returns false when there is no room for more.
func (n *naming) tables(s *cssetcd.Snapshot, db string) bool {
	for t, err := range s.Tables(db) {
		name := form.Name{Database: db}
		if err != nil {
			object, reason := unreadable(err)
			table := strings.TrimPrefix(object, db+".")
			name.Table, name.Error = &table, reason
		} else {
			name.Table, name.Status = &t.Name.Table, string(t.Status)
		}
		if !n.take(name, db+"."+*name.Table) {
			return false
		}
	}
	return true
}

// take takes a name that is wanted.
func (n *naming) take(name form.Name, whole string) bool {
	if !strings.Contains(strings.ToLower(whole), n.text) {
		return true
	}
	if n.Complete = len(n.Names.Names) < n.limit; n.Complete {
		n.Names.Names = append(n.Names.Names, name)
	}
	return n.Complete
}
