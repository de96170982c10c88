package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableDrop(p *program) *cobra.Command {
	var d dropFlags
	cmd := &cobra.Command{
		Use: "drop DATABASE.TABLE", Short: "Drop a table with its chunks, without harm to queries",
		Args:              cli.Takes("DATABASE.TABLE"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		Long:              "Drop a table with its chunks.\n\n" + dropHelp,
		Example: `  css-sync table drop LSST.Object
  css-sync table drop LSST.Object --after 10m --delay 1m --policy cancel
  css-sync table drop LSST.Object --wait
  css-sync table drop LSST.Object --force`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := cssetcd.ParseTableName(args[0])
			if err != nil {
				return err
			}
			return p.drop(cmd, &d, dropped{
				name: name.String(), what: "table " + name.String(),
				direct: func(ctx context.Context, css *cli.Catalogue, opts ...cssetcd.WriteOption) (cssetcd.Revision, error) {
					return css.DropTable(ctx, name, opts...)
				},
				mark: func(ctx context.Context, c *deletion.Client, opts ...deletion.Option) (*deletion.Drop, error) {
					return c.DropTable(ctx, name, opts...)
				},
			})
		},
	}
	d.register(cmd, "table")
	p.CompleteFlag(cmd, "policy", policies)
	return cmd
}
