package cssetcd

import (
	"fmt"
	"strings"
)

// ErrUnqueryable says that every query on a table would fail, mostly in the czar's analysis. The message says why.
var ErrUnqueryable = under(ErrInvalid, "no czar can query it")

// AllowUnqueryable lets a table be created that no czar can query: one that another program than Qserv reads, or one
// under construction, whose director comes later. Without it such a table is refused with ErrUnqueryable.
func AllowUnqueryable() WriteOption {
	return func(o *writeOptions) error {
		o.unqueryable = true
		return o.check("AllowUnqueryable")
	}
}

// neighbours is what decides about a table beside itself. All of it is of the table's own database: a czar looks
// nowhere else.
type neighbours struct {
	striped bool                // the database has a partitioning
	tables  map[string]Relation // the tables that it names as directors, those that exist
}

// queryable says why no czar can query a table, as ErrUnqueryable; nil when one can. The rules are those of upstream's
// query analysis (src/qana/TableInfoPool.cc, TableInfoPool::get), and that the columns which are named are there, by
// MariaDB's rule that upper and lower case are the same. A schema that cannot be parsed is taken to have them.
func queryable(t *Table, in neighbours) error {
	why := unqueryable(t.relation(), in)
	if why == "" {
		why = missingColumn(t)
	}
	if why == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnqueryable, why)
}

// unqueryable says what is wrong with a table's ties; "" when nothing is.
func unqueryable(r Relation, in neighbours) string {
	switch {
	case r.Partitioning == nil && r.Match == nil:
		return "" // every worker holds it whole
	case !in.striped:
		return fmt.Sprintf("it is partitioned, and the database %s has no partitioning", r.Name.DB)
	case r.Match != nil:
		return faultOfMatch(r, in)
	case r.Partitioning.DirDB != "" && r.Partitioning.DirDB != r.Name.DB:
		return fmt.Sprintf("its director is of the database %s, and a director is one of the table's own database",
			r.Partitioning.DirDB)
	case r.isDirector():
		return faultOfDirector(r.Partitioning)
	}
	return faultOfChild(r, in)
}

// isDirector reports whether a table is a director by its form: it is its own director, or names none.
func (r Relation) isDirector() bool {
	p := r.Partitioning
	return r.Match == nil && p != nil && (p.DirTable == "" || p.DirTable == r.Name.Table)
}

func faultOfDirector(p *Partitioning) string {
	columns := []string{p.DirColumn, p.LonColumn, p.LatColumn}
	switch {
	case !p.SubChunks:
		return "a director needs sub-chunks"
	case !differ(columns...):
		return fmt.Sprintf("the columns of a director's key, longitude and latitude are three different ones, "+
			"and these are %q, %q and %q", p.DirColumn, p.LonColumn, p.LatColumn)
	}
	return ""
}

func faultOfChild(r Relation, in neighbours) string {
	switch p := r.Partitioning; {
	case p.SubChunks:
		return "a child of a director has no sub-chunks"
	case p.DirColumn == "":
		return "a child of a director names the column that holds the director's key"
	}
	return faultOfNamed(r.Partitioning.DirTable, r.Name.DB, in)
}

func faultOfMatch(r Relation, in neighbours) string {
	m := r.Match
	for _, director := range r.directors() {
		if why := faultOfNamed(director, r.Name.DB, in); why != "" {
			return why
		}
	}
	if !differ(m.DirColumn1, m.DirColumn2) {
		return fmt.Sprintf("the columns that hold the keys of its directors are two different ones, and these are %q and %q",
			m.DirColumn1, m.DirColumn2)
	}
	return ""
}

// faultOfNamed says why a table cannot be the director of another one in its database.
func faultOfNamed(table, db string, in neighbours) string {
	director, ok := in.tables[table]
	switch {
	case strings.Contains(table, "."):
		return fmt.Sprintf("its director is %s, and a director is a table of the database %s, named without it",
			table, db)
	case !ok:
		return fmt.Sprintf("its director %s is not there", TableName{db, table})
	case !director.isDirector():
		return fmt.Sprintf("its director %s is no director", TableName{db, table})
	}
	if why := unqueryable(director, neighbours{striped: true}); why != "" {
		return fmt.Sprintf("no czar can query its director %s: %s", TableName{db, table}, why)
	}
	return ""
}

// differ reports whether columns are all different ones, with no empty name among them.
func differ(columns ...string) bool {
	seen := map[string]bool{"": true}
	for _, c := range columns {
		if c = strings.ToLower(c); seen[c] {
			return false
		}
		seen[c] = true
	}
	return true
}

// missingColumn names a column that the schema lacks.
func missingColumn(t *Table) string {
	columns, err := parseColumns(t.Schema)
	if err != nil {
		return ""
	}
	there := map[string]bool{"": true}
	for _, c := range columns {
		there[strings.ToLower(c.Name)] = true
	}
	for _, name := range namedColumns(t) {
		if !there[strings.ToLower(name)] {
			return fmt.Sprintf("its schema has no column %q", name)
		}
	}
	return ""
}

// namedColumns returns the columns that a table's partitioning or match names.
func namedColumns(t *Table) []string {
	switch p, m := t.Partitioning, t.Match; {
	case m != nil:
		return []string{m.DirColumn1, m.DirColumn2, m.FlagColumn}
	case p != nil:
		return []string{p.DirColumn, p.LonColumn, p.LatColumn}
	}
	return nil
}

// directors returns the names of other tables that a table names as its directors.
func (r Relation) directors() []string {
	switch {
	case r.Match != nil:
		return []string{r.Match.DirTable1, r.Match.DirTable2}
	case r.Partitioning != nil && !r.isDirector():
		return []string{r.Partitioning.DirTable}
	}
	return nil
}
