package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func dbDrop(p *program) *cobra.Command {
	var d dropFlags
	cmd := &cobra.Command{
		Use: "drop DATABASE", Short: "Drop a database with all its tables, without harm to queries",
		Args:              cli.Takes("DATABASE"),
		ValidArgsFunction: p.Completes(cli.DatabaseNames, nil),
		Long: "Drop a database with all its tables. Drops of its tables that have begun go on by themselves, and the " +
			"database waits for them.\n\n" + dropHelp,
		Example: `  css-sync db drop LSST
  css-sync db drop LSST --delay 5m --wait
  css-sync db drop LSST --force`,
		RunE: func(cmd *cobra.Command, args []string) error {
			db := args[0]
			return p.drop(cmd, &d, dropped{
				name: db, what: "database " + db,
				direct: func(ctx context.Context, css *cli.Catalogue, opts ...cssetcd.WriteOption) (cssetcd.Revision, error) {
					return css.DropDatabase(ctx, db, opts...)
				},
				mark: func(ctx context.Context, c *deletion.Client, opts ...deletion.Option) (*deletion.Drop, error) {
					return c.DropDatabase(ctx, db, opts...)
				},
			})
		},
	}
	d.register(cmd, "database")
	p.CompleteFlag(cmd, "policy", policies)
	return cmd
}
