package cssetcd

import (
	"fmt"
	"strings"
)

// Column is one column of a table's schema.
type Column struct {
	Name string // without quotes
	Type string // the rest of its definition: "tinyint(4) NOT NULL"
}

// Columns reads the columns from the schema text, in their order. It returns an error for a text that it cannot read, such as one that
// takes its columns from another table; that is not an error of the table: the text is what MySQL is given.
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
	text, err := withoutComments(schema)
	if err != nil {
		return nil, err
	}
	parts, err := splitDefinitions(text)
	if err != nil {
		return nil, err
	}
	var columns []Column
	for _, part := range parts {
		column, err := parseDefinition(part)
		if err != nil {
			return nil, err
		}
		if column != (Column{}) {
			columns = append(columns, column)
		}
	}
	return columns, nil
}

// parseDefinition reads one definition: the zero Column stands for a key or a constraint.
func parseDefinition(text string) (Column, error) {
	word, rest, err := cutIdentifier(text)
	if err != nil {
		return Column{}, err
	}
	if text[0] != '`' && !strings.HasPrefix(rest, ".") {
		if isQuery(word) {
			return Column{}, fmt.Errorf("%w: the columns of the schema are those of a query or of another table", ErrInvalid)
		}
		if startsIndex(word, rest) {
			return Column{}, nil
		}
	}
	for strings.HasPrefix(rest, ".") { // the column's name may follow that of its table
		if word, rest, err = cutIdentifier(strings.TrimLeft(rest[1:], blanks)); err != nil {
			return Column{}, err
		}
	}
	if rest == "" {
		return Column{}, fmt.Errorf("%w: column %.80q of the schema has no type", ErrInvalid, word)
	}
	return Column{Name: word, Type: rest}, nil
}

// isQuery reports whether a definition that begins with the unquoted word is none, but a query or the name of another table.
func isQuery(word string) bool {
	switch strings.ToUpper(word) {
	case "LIKE", "SELECT", "VALUES", "WITH":
		return true
	}
	return false
}

// ErrDuplicateColumn says that a schema names a column twice, by MySQL's rule that upper and lower case are the same.
var ErrDuplicateColumn = under(ErrInvalid, "duplicate column name")

// checkSchema refuses a schema that MySQL would refuse for naming a column twice. A text that cannot be read is let pass.
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

// startsIndex reports whether a definition that begins with the unquoted word is one of a key or constraint.
func startsIndex(word, rest string) bool {
	next, _, err := cutIdentifier(rest)
	switch strings.ToUpper(word) {
	case "PRIMARY", "FOREIGN", "KEY", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "CONSTRAINT", "CHECK":
		return true // reserved words: no column has such a name without quotes
	case "PERIOD":
		return err == nil && strings.EqualFold(next, "FOR")
	case "VECTOR":
		return err != nil || strings.EqualFold(next, "KEY") || strings.EqualFold(next, "INDEX")
	}
	return false
}

// splitDefinitions cuts "(a INT, b CHAR(3) DEFAULT ',')" at the commas between definitions. Options may follow the closing parenthesis. The
// text has no comments.
func splitDefinitions(schema string) ([]string, error) {
	text := strings.Trim(schema, blanks)
	if !strings.HasPrefix(text, "(") {
		return nil, fmt.Errorf("%w: a schema begins with a parenthesis", ErrInvalid)
	}
	var parts []string
	depth, start := 0, 1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '`', '\'', '"':
			i = endOfQuoted(text, i) // every quote ends, or removing the comments would have failed
		case '(':
			depth++
		case ')', ',':
			if c == ')' {
				depth--
			}
			if depth == 0 || (depth == 1 && c == ',') {
				parts = append(parts, strings.Trim(text[start:i], blanks))
				start = i + 1
			}
			if depth == 0 {
				if hasWord(text[start:], "SELECT") {
					return nil, fmt.Errorf("%w: a query adds columns to the schema", ErrInvalid)
				}
				return parts, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: a parenthesis of the schema does not end", ErrInvalid)
}

// endOfQuoted returns the index of the quote that ends the one at i, or -1. A doubled quote does not end it, nor one after a backslash, which
// has no meaning in backticks.
func endOfQuoted(text string, i int) int {
	quote := text[i]
	for j := i + 1; j < len(text); j++ {
		switch {
		case text[j] == '\\' && quote != '`':
			j++
		case text[j] != quote:
		case j+1 < len(text) && text[j+1] == quote:
			j++
		default:
			return j
		}
	}
	return -1
}

// cutIdentifier returns the identifier that a definition begins with, without its quotes, and the rest.
func cutIdentifier(definition string) (name, rest string, err error) {
	if definition == "" {
		return "", "", fmt.Errorf("%w: the schema has an empty definition", ErrInvalid)
	}
	if definition[0] == '`' {
		end := endOfQuoted(definition, 0)
		if end < 2 {
			return "", "", fmt.Errorf("%w: the schema has an empty name", ErrInvalid)
		}
		return strings.ReplaceAll(definition[1:end], "``", "`"), strings.Trim(definition[end+1:], blanks), nil
	}
	end := 0
	for end < len(definition) && isNameByte(definition[end]) {
		end++
	}
	if end == 0 {
		return "", "", fmt.Errorf("%w: %.20q is not the name of a column", ErrInvalid, definition)
	}
	return definition[:end], strings.Trim(definition[end:], blanks), nil
}
