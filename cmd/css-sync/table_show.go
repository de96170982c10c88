package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func tableShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE.TABLE", Short: "Show one table", Args: cli.Takes("DATABASE.TABLE"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		Long: "Show one table with its columns. " +
			"-w json has the text of the schema, too, which may name indexes.",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := cssetcd.ParseTableName(args[0])
			if err != nil {
				return err
			}
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				t, err := css.Table(ctx, name)
				if err != nil {
					return err
				}
				v, f := viewDetails(t), tableFacts(t)
				if v.Unqueryable, err = whyUnqueryable(css.CheckQueryable(ctx, name)); err != nil {
					return err
				}
				if v.Unqueryable != "" {
					f = append(f, [2]string{"no czar can query it", v.Unqueryable})
				}
				return p.Print(v, func(w io.Writer) { writeTable(w, v, f) })
			})
		},
	}
}

func viewDetails(t *cssetcd.Table) form.TableDetails {
	columns, err := t.Columns()
	reason := ""
	if err != nil {
		_, reason = unreadable(err)
	}
	return form.OfDetails(t, columns, reason)
}

// writeTable writes what a table is, and its columns; the text of the schema where they cannot be read from it.
func writeTable(w io.Writer, v form.TableDetails, f cli.Facts) {
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

func tableFacts(t *cssetcd.Table) cli.Facts {
	f := cli.Facts{{"table", t.Name.String()}, {"status", string(t.Status)}, {"kind", kindOf(t)}}
	if p := t.Partitioning; p != nil {
		if p.DirTable != "" { // a match table has two, see below
			f = append(f, [2]string{"director", p.DirDB + "." + p.DirTable})
		}
		f = append(f, cli.Facts{
			{"director column", p.DirColumn}, {"latitude column", p.LatColumn}, {"longitude column", p.LonColumn},
			{"overlap", cli.Degrees(p.Overlap) + " degrees"}, {"sub-chunks", fmt.Sprint(p.SubChunks)},
		}...)
	}
	if m := t.Match; m != nil {
		f = append(f, cli.Facts{
			{"first director", m.DirTable1 + ", column " + m.DirColumn1},
			{"second director", m.DirTable2 + ", column " + m.DirColumn2},
			{"flag column", m.FlagColumn}, {"angular separation", cli.Degrees(m.AngSep) + " degrees"},
		}...)
	}
	if s := t.SharedScan; s != nil {
		f = append(f, cli.Facts{{"scan rating", strconv.Itoa(s.Rating)}, {"lock in memory", fmt.Sprint(s.LockInMem)}}...)
	}
	return append(f, revisions(t.Incarnation, t.Modified)...)
}

// whyUnqueryable returns what makes a table one that no czar can query; any other error is passed on.
func whyUnqueryable(err error) (string, error) {
	if !errors.Is(err, cssetcd.ErrUnqueryable) {
		return "", err
	}
	_, reason := unreadable(err)
	return strings.TrimPrefix(reason, cssetcd.ErrUnqueryable.Error()+": "), nil
}
