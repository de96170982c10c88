package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func dbFamilies(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "families", Short: "List which databases have the same tables", Args: cli.Takes(),
		Long: "List which databases have the same tables: of the same names and with the same schemas.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := css.WholeSnapshot(ctx, 0)
				if err != nil {
					return err
				}
				return p.printFamilies(s.Families())
			})
		},
	}
}

func (p *program) printFamilies(families []cssetcd.Family) error {
	t := cli.Table{Header: []string{"FAMILY", "TABLES", "DATABASES"}}
	for i, f := range families {
		t.Rows = append(t.Rows, []string{strconv.Itoa(i + 1), strconv.Itoa(len(f.Tables)), strings.Join(f.Databases, ", ")})
	}
	return p.Print(form.OfFamilies(families), t.Write)
}
