package cssetcd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qserv/css-etcd/cssetcd/internal/columns"
)

// Column is one column of a table's schema.
type Column struct {
	Name string // without quotes
	Type string // the rest of its definition: "tinyint(4) NOT NULL"
}

// Columns reads the columns from the schema text, in their order. It returns an error for a text that it cannot read,
// such as one that takes its columns from another table; that is not an error of the table: the text is what MySQL is
// given.
func (t *Table) Columns() ([]Column, error) {
	columns, err := parseColumns(t.Schema)
	return columns, schemaError(t.Name, err)
}

func schemaError(n TableName, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: "read schema of table", Object: n.String(), Err: err}
}

func parseColumns(schema string) ([]Column, error) {
	read, err := columns.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	all := slices.Grow([]Column(nil), len(read))
	for _, c := range read {
		all = append(all, Column(c))
	}
	return all, nil
}

// ErrDuplicateColumn says that a schema names a column twice, by MySQL's rule that upper and lower case are the same.
var ErrDuplicateColumn = under(ErrInvalid, "duplicate column name")

// checkSchema refuses a schema that MySQL would refuse for naming a column twice. A text that cannot be read is let
// pass.
func checkSchema(t *Table) error {
	columns, err := parseColumns(t.Schema)
	if err != nil {
		return nil
	}
	seen := map[string]string{}
	for _, c := range columns {
		lower := strings.ToLower(c.Name)
		if other, ok := seen[lower]; ok {
			return fmt.Errorf("%w: %q and %q", ErrDuplicateColumn, other, c.Name)
		}
		seen[lower] = c.Name
	}
	return nil
}
