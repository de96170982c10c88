package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func nodeSetState(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-state NODE STATE", Short: "Set the state of a node: ACTIVE or INACTIVE", Args: cli.Takes("NODE", "STATE"),
		ValidArgsFunction: p.Completes(cli.NodeNames,
			cli.Words(string(cssetcd.NodeActive), string(cssetcd.NodeInactive)), nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			state := cssetcd.NodeState(args[1])
			if state != cssetcd.NodeActive && state != cssetcd.NodeInactive {
				return cli.Hinted(cli.InvalidUse(cmd, "state %q is neither ACTIVE nor INACTIVE", args[1]),
					"`css-sync put` writes any text")
			}
			say := outcome{done: "state of node " + args[0] + " is " + args[1]}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.SetNodeState(ctx, args[0], state, only.options()...)
			})
		},
	}
	only.register(cmd, "node", "state")
	return cmd
}
