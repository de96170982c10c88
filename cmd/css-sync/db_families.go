package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// familyView is the JSON form of a family.
type familyView struct {
	Family     int      `json:"family"`
	Databases  []string `json:"databases"`
	Tables     int      `json:"tables"`
	TableNames []string `json:"table_names"`
}

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
	views := []familyView{}
	t := cli.Table{Header: []string{"FAMILY", "TABLES", "DATABASES"}}
	for i, f := range families {
		views = append(views, familyView{i + 1, f.Databases, len(f.Tables), f.Tables})
		t.Rows = append(t.Rows, []string{strconv.Itoa(i + 1), strconv.Itoa(len(f.Tables)), strings.Join(f.Databases, ", ")})
	}
	return p.Print(views, t.Write)
}
