package main

import (
	"context"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func tableList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list [DATABASE]", Aliases: []string{"ls"}, Short: "List the tables, of one database or of all",
		Args:              cli.Takes("[DATABASE]"),
		ValidArgsFunction: p.Completes(cli.DatabaseNames, nil),
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
	return printList(p, "table", []string{"TABLE", "STATUS", "KIND", "DIRECTOR", "SCAN RATING"}, all,
		func(t *cssetcd.Table) (form.Table, []string) { return form.OfTable(t), tableRow(t) },
		func(name, reason string) form.Table {
			n, _ := cssetcd.ParseTableName(name)
			return form.Table{Database: n.DB, Table: n.Table, Error: reason}
		})
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
