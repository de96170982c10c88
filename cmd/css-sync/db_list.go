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

func dbList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the databases", Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				all, err := css.Databases(ctx)
				if err != nil {
					return err
				}
				return p.printDatabases(all)
			})
		},
	}
}

func (p *program) printDatabases(all iter.Seq2[cssetcd.DatabaseListing, error]) error {
	header := []string{"DATABASE", "STATUS", "TABLES", "STRIPES", "SUB-STRIPES", "OVERLAP", "STORAGE", "RELEASE"}
	return printList(p, "database", header, all, func(db cssetcd.DatabaseListing) (form.Database, []string) {
		v, n := form.OfDatabase(db.Database), len(db.Tables)
		v.Tables = &n
		row := []string{v.Name, string(v.Status), strconv.Itoa(n), "", "", "", v.StorageClass, v.ReleaseStatus}
		if s := v.Striping; s != nil {
			row[3], row[4], row[5] = strconv.Itoa(s.Stripes), strconv.Itoa(s.SubStripes), cli.Degrees(s.Overlap)
		}
		return v, row
	}, func(name, reason string) form.Database { return form.Database{Name: name, Error: reason} })
}
