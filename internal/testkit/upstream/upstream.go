// Package upstream runs what Qserv's own css module was recorded to send to MySQL, for tests. The recordings are beside
// a checkout that has them, in ../shared/data/upstream-statements.
package upstream

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Operation is what one call of the css module sent, in order. All operations together are one history: each goes on
// where the ones before it ended, over one connection, from an empty table on.
type Operation struct {
	Name       string // such as 05-createTable-plain
	Statements []string
}

// Outcome is what a server answered to a statement: to a query its rows, to anything else what it did.
type Outcome struct {
	Rows         [][]sql.NullString
	Affected, ID int64
	Error        uint16 // the server's number; 0: none
	Text         string // of the error
}

// Dir returns the directory of the recordings, or skips the test.
func Dir(t testing.TB) string {
	t.Helper()
	dir, found := Find(t)
	if !found {
		t.Skip("the statements that upstream was recorded to send are not beside this checkout")
	}
	return dir
}

// Find returns the directory of the recordings, if there is one.
func Find(t testing.TB) (dir string, found bool) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("the test does not run in a checkout")
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "data", "upstream-statements")
	return dir, exists(dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Schema returns the statement that makes the table on which the recordings begin.
func Schema(t testing.TB, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "00-schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Operations reads the recordings, in their order.
func Operations(t testing.TB, dir string) []Operation {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "[0-9][0-9]-*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	var all []Operation
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		if name == "00-schema" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		op := Operation{Name: name}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(strings.TrimSpace(line), ";")
			if line != "" && !strings.HasPrefix(line, "--") {
				op.Statements = append(op.Statements, line)
			}
		}
		all = append(all, op)
	}
	return all
}

// Call executes an operation as the css module does: at the first statement that fails it rolls back and stops, and
// what it tells its caller is the last of the answers. An error is one of the connection.
func Call(ctx context.Context, conn *sql.Conn, op Operation) ([]Outcome, error) {
	var all []Outcome
	for _, statement := range op.Statements {
		one, err := Run(ctx, conn, statement)
		all = append(all, one...)
		if err != nil {
			return all, err
		}
		if one[0].Error != 0 {
			_, err := Run(ctx, conn, "ROLLBACK")
			return all, err
		}
	}
	return all, nil
}

// Run executes statements one after the other, whatever the server answers to each, and returns its answers. An error
// is one of the connection.
func Run(ctx context.Context, conn *sql.Conn, statements ...string) ([]Outcome, error) {
	var all []Outcome
	for _, statement := range statements {
		var o Outcome
		var err error
		if strings.HasPrefix(statement, "SELECT") || strings.HasPrefix(statement, "SHOW") {
			o.Rows, err = query(ctx, conn, statement)
		} else {
			var result sql.Result
			if result, err = conn.ExecContext(ctx, statement); err == nil {
				o.Affected, err = result.RowsAffected()
			}
			if err == nil {
				o.ID, err = result.LastInsertId()
			}
		}
		if err != nil {
			if o.Error, o.Text = mysqlconn.Number(err), err.Error(); o.Error == 0 {
				return all, fmt.Errorf("%s: %w", statement, err)
			}
		}
		all = append(all, o)
	}
	return all, nil
}

func query(ctx context.Context, conn *sql.Conn, statement string) (all [][]sql.NullString, err error) {
	rows, err := conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
