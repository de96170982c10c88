package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func dbSetStatus(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-status DATABASE STATUS", Short: "Set the status of a database", Args: cli.Takes("DATABASE", "STATUS"),
		ValidArgsFunction: p.Completes(cli.DatabaseNames, statuses, nil),
		Example:           "  css-sync db set-status LSST READY --if-status DO_NOT_USE",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := parseStatus(args[1])
			if err != nil {
				return err
			}
			say := outcome{done: "status of database " + args[0] + " is " + args[1]}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.SetDatabaseStatus(ctx, args[0], status, only.options()...)
			})
		},
	}
	only.register(cmd, "database", "status")
	return cmd
}
