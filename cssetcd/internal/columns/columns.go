// Package columns reads the columns of a table from the text of its schema, which is what follows its name in CREATE
// TABLE.
package columns

import (
	"fmt"
	"strings"

	"errors"
)

// Column is one column.
type Column struct {
	Name string // without quotes
	Type string // the rest of its definition: "tinyint(4) NOT NULL"
}

// Parse returns the columns in their order. It returns an error for a text that it cannot read, such as one that takes
// its columns from another table.
func Parse(schema string) ([]Column, error) {
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
			return Column{}, errors.New("the columns of the schema are those of a query or of another table")
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
		return Column{}, fmt.Errorf("column %.80q of the schema has no type", word)
	}
	return Column{Name: word, Type: rest}, nil
}

// isQuery reports whether a definition that begins with the unquoted word is none, but a query or the name of another
// table.
func isQuery(word string) bool {
	switch strings.ToUpper(word) {
	case "LIKE", "SELECT", "VALUES", "WITH":
		return true
	}
	return false
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

// splitDefinitions cuts "(a INT, b CHAR(3) DEFAULT ',')" at the commas between definitions. Options may follow the
// closing parenthesis. The text has no comments.
func splitDefinitions(schema string) ([]string, error) {
	text := strings.Trim(schema, blanks)
	if !strings.HasPrefix(text, "(") {
		return nil, errors.New("a schema begins with a parenthesis")
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
					return nil, errors.New("a query adds columns to the schema")
				}
				return parts, nil
			}
		}
	}
	return nil, errors.New("a parenthesis of the schema does not end")
}

// endOfQuoted returns the index of the quote that ends the one at i, or -1. A doubled quote does not end it, nor one
// after a backslash, which has no meaning in backticks.
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
		return "", "", errors.New("the schema has an empty definition")
	}
	if definition[0] == '`' {
		end := endOfQuoted(definition, 0)
		if end < 2 {
			return "", "", errors.New("the schema has an empty name")
		}
		return strings.ReplaceAll(definition[1:end], "``", "`"), strings.Trim(definition[end+1:], blanks), nil
	}
	end := 0
	for end < len(definition) && isNameByte(definition[end]) {
		end++
	}
	if end == 0 {
		return "", "", fmt.Errorf("%.20q is not the name of a column", definition)
	}
	return definition[:end], strings.Trim(definition[end:], blanks), nil
}
