package sqldrop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/deletion/coordinator"
)

const (
	// qmetaName is the number of characters of a name that QMeta keeps.
	qmetaName = 63
	// namedQueries is how many queries a reason names.
	namedQueries = 5
)

// query is a query that QMeta has for running.
type query struct {
	id        int64
	czar      int64
	submitted time.Time
}

// queries returns the queries on the tables of a job that are not completed, the oldest first.
func queries(ctx context.Context, qmeta *mysql.Config, job coordinator.Job) ([]query, error) {
	s, err := open(ctx, qmeta)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	statement, args := queriesStatement(qmeta.DBName, job)
	rows, err := s.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []query
	for rows.Next() {
		var q query
		if err := rows.Scan(&q.id, &q.czar, &q.submitted); err != nil {
			return nil, err
		}
		found = append(found, q)
	}
	return found, rows.Err()
}

// queriesStatement returns the statement and its arguments. QMeta's collation may find more than is meant, never less.
func queriesStatement(schema string, job coordinator.Job) (string, []any) {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT DISTINCT queryId, czarId, submitted FROM %s NATURAL JOIN %s WHERE completed IS NULL AND "+
		"dbName IN (?, ?)",
		in(schema, "QInfo"), in(schema, "QTable"))
	args := []any{job.Database, shortened(job.Database)}
	if !job.Whole {
		var names []any
		for _, t := range job.Tables {
			names = append(names, t.Table, shortened(t.Table))
		}
		fmt.Fprintf(&b, " AND tblName IN (%s)", strings.Join(slices.Repeat([]string{"?"}, len(names)), ", "))
		args = append(args, names...)
	}
	b.WriteString(" ORDER BY submitted, queryId")
	return b.String(), args
}

// shortened returns what QMeta keeps of a name on a server that is not strict.
func shortened(name string) string {
	characters := []rune(name)
	return string(characters[:min(len(characters), qmetaName)])
}

// describe says which queries there are.
func describe(found []query) string {
	var b strings.Builder
	if len(found) == 1 {
		b.WriteString("1 query in QMeta is not completed")
	} else {
		fmt.Fprintf(&b, "%d queries in QMeta are not completed", len(found))
	}
	for i, q := range found {
		separator := ", "
		if i == 0 {
			separator = ", the oldest first: "
		}
		if i == namedQueries {
			fmt.Fprintf(&b, ", and %d more", len(found)-i)
			break
		}
		fmt.Fprintf(&b, "%squery %d of czar %d since %s", separator, q.id, q.czar,
			q.submitted.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return b.String()
}
