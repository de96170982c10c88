package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func nodeDelete(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "delete NODE", Short: "Delete a node that holds no chunks", Args: cli.Takes("NODE"),
		ValidArgsFunction: p.Completes(cli.NodeNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.write(cmd.Context(), outcome{done: "node " + args[0] + " deleted"},
				func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
					return css.DeleteNode(ctx, args[0], only.options()...)
				})
		},
	}
	only.register(cmd, "node", "state")
	return cmd
}
