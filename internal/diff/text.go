package diff

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/qserv/css-etcd/internal/cli"
)

// Write writes a comparison for people to read.
func (v Result) Write(w io.Writer) {
	defer v.writeUnqueryable(w)
	if v.Equal {
		fmt.Fprintf(w, "no difference: %s has %s and %s has %s\n", v.A.Source, cli.Count(v.A.Keys, "key"), v.B.Source,
			cli.Count(v.B.Keys, "key"))
		return
	}
	t := cli.Table{Header: []string{"DIFFERENCE", "KEY", "IN " + filepath.Base(v.A.Source),
		"IN " + filepath.Base(v.B.Source)}, Widest: 64}
	for _, d := range v.Differences {
		a, b := shownValue(d.A), shownValue(d.B)
		if strings.TrimSpace(a) == strings.TrimSpace(b) {
			a, b = fromDifference(*d.A, *d.B), fromDifference(*d.B, *d.A)
		}
		t.Rows = append(t.Rows, []string{d.Kind, d.Key, a, b})
	}
	t.Write(w)
}

// writeUnqueryable names such tables of both sides.
func (v Result) writeUnqueryable(w io.Writer) {
	for _, u := range v.A.Unqueryable {
		where := v.A.Source
		if slices.Contains(v.B.Unqueryable, u) {
			where = "both"
		}
		fmt.Fprintf(w, "in %s: %s: %s\n", where, u.Table, u.Reason)
	}
	for _, u := range v.B.Unqueryable {
		if !slices.Contains(v.A.Unqueryable, u) {
			fmt.Fprintf(w, "in %s: %s: %s\n", v.B.Source, u.Table, u.Reason)
		}
	}
}

// shownValue is a value in a cell: "" for none, which is shown as a dash.
func shownValue(value *string) string {
	switch {
	case value == nil:
		return ""
	case *value == "":
		return "''"
	}
	return cli.Shorten(*value)
}

// fromDifference is a value from a little before where another one is different: that may be a space, or far behind its
// beginning.
func fromDifference(value, other string) string {
	const before = 20
	runes, others := []rune(value), []rune(other)
	at := 0
	for at < len(runes) && at < len(others) && runes[at] == others[at] {
		at++
	}
	if at <= before {
		return cli.Shorten(strconv.Quote(value))
	}
	return "..." + cli.Shorten(strconv.Quote(string(runes[at-before:])))
}
