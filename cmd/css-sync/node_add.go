package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func nodeAdd(p *program) *cobra.Command {
	var n cssetcd.Node
	cmd := &cobra.Command{
		Use: "add NODE", Short: "Add a node", Args: cli.Takes("NODE"),
		Example: "  css-sync node add worker-1 --host worker-1.example.org --port 5012",
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			return p.write(cmd.Context(), outcome{done: "node " + n.Name + " added"},
				func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
					return css.AddNode(ctx, n)
				})
		},
	}
	cmd.Flags().StringVar(&n.Type, "type", cssetcd.DefaultNodeType, "type of the node")
	cmd.Flags().StringVar(&n.Host, "host", "", "host name or address")
	cmd.Flags().IntVar(&n.Port, "port", 0, "port")
	cmd.Flags().StringVar((*string)(&n.State), "state", string(cssetcd.NodeActive), "state of the node")
	return cmd
}
