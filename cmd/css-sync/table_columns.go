package main

import (
	"io"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// tableDetails is the JSON form of one table that is shown alone.
type tableDetails struct {
	tableView
	Columns      []columnView `json:"columns"`                 // null: they cannot be read from the schema
	ColumnsError string       `json:"columns_error,omitempty"` // why not
	Unqueryable  string       `json:"unqueryable,omitempty"`   // why no czar can query it
}

type columnView struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func viewDetails(t *cssetcd.Table) tableDetails {
	v := tableDetails{tableView: viewTable(t)}
	columns, err := t.Columns()
	if err != nil {
		_, v.ColumnsError = unreadable(err)
		return v
	}
	v.Columns = []columnView{}
	for _, c := range columns {
		v.Columns = append(v.Columns, columnView(c))
	}
	return v
}

// write writes what a table is, and its columns; the text of the schema where they cannot be read from it.
func (v tableDetails) write(w io.Writer, f cli.Facts) {
	if v.ColumnsError != "" {
		append(f, cli.Facts{{"columns", "cannot be read from the schema: " + v.ColumnsError},
			{"schema", v.Schema}}...).Write(w)
		return
	}
	f.Write(w)
	t := cli.Table{Header: []string{"COLUMN", "TYPE"}}
	for _, c := range v.Columns {
		t.Rows = append(t.Rows, []string{c.Name, c.Type})
	}
	_, _ = io.WriteString(w, "\n") // the writer keeps its error
	t.Write(w)
}
