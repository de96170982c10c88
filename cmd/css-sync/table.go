package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableCommand(p *program) *cobra.Command {
	return catalogueGroup("table", "List, show, create, change and drop tables",
		tableList(p), tableShow(p), tableCreate(p), tableSetStatus(p), tableSetSchema(p), tableSetScan(p), tableDrop(p))
}

func tableList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list [DATABASE]", Aliases: []string{"ls"}, Short: "List the tables, of one database or of all",
		Args: cli.Takes("[DATABASE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				all, err := css.Tables(ctx, args...)
				if err != nil {
					return err
				}
				return p.printTables(all)
			})
		},
	}
}

func (p *program) printTables(all iter.Seq2[*cssetcd.Table, error]) error {
	views := []tableView{}
	t := cli.Table{Header: []string{"TABLE", "STATUS", "KIND", "DIRECTOR", "SCAN RATING"}}
	var bad unreadables
	for tab, err := range all {
		if err != nil {
			name, reason := bad.add(err)
			n, _ := cssetcd.ParseTableName(name)
			views = append(views, tableView{Database: n.DB, Table: n.Table, Error: reason})
			t.Rows = append(t.Rows, []string{name, "unreadable"})
			continue
		}
		views = append(views, viewTable(tab))
		t.Rows = append(t.Rows, tableRow(tab))
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("table")
}

func tableRow(t *cssetcd.Table) []string {
	row := []string{t.Name.String(), string(t.Status), kindOf(t), "", ""}
	switch {
	case t.Match != nil:
		row[3] = t.Match.DirTable1 + ", " + t.Match.DirTable2
	case t.Partitioning != nil:
		row[3] = t.Partitioning.DirDB + "." + t.Partitioning.DirTable
	}
	if t.SharedScan != nil {
		row[4] = strconv.Itoa(t.SharedScan.Rating)
	}
	return row
}

// kindOf says in a word how a table is spread over the workers.
func kindOf(t *cssetcd.Table) string {
	p := t.Partitioning
	switch {
	case t.Match != nil:
		return "match"
	case p == nil:
		return "whole"
	case p.DirDB == t.Name.DB && p.DirTable == t.Name.Table:
		return "director"
	}
	return "child"
}

func tableShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE.TABLE", Short: "Show one table", Args: cli.Takes("DATABASE.TABLE"),
		Long: "Show one table with its columns. -w json has the text of the schema, too, which may name indexes.",
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
				return p.Print(v, func(w io.Writer) { v.write(w, f) })
			})
		},
	}
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
