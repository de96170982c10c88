package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableSetStatus(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-status DATABASE.TABLE STATUS", Short: "Set the status of a table",
		Args:              cli.Takes("DATABASE.TABLE", "STATUS"),
		ValidArgsFunction: p.Completes(cli.TableNames, statuses, nil),
		Example:           "  css-sync table set-status LSST.Object READY --if-status DO_NOT_USE",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := parseStatus(args[1])
			if err != nil {
				return err
			}
			return p.writeTable(cmd.Context(), args[0], outcome{done: "status of table " + args[0] + " is " + args[1]},
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName) (cssetcd.Revision, error) {
					return css.SetTableStatus(ctx, name, status, only.options()...)
				})
		},
	}
	only.register(cmd, "table", "status")
	return cmd
}
