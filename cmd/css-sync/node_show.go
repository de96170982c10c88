package main

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func nodeShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show NODE", Short: "Show one node", Args: cli.Takes("NODE"),
		ValidArgsFunction: p.Completes(cli.NodeNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				n, err := css.Node(ctx, args[0])
				if err != nil {
					return err
				}
				return p.Print(form.OfNode(n), func(w io.Writer) {
					append(cli.Facts{
						{"node", n.Name}, {"state", string(n.State)}, {"type", n.Type}, {"host", n.Host}, {"port", strconv.Itoa(n.Port)},
					}, revisions(n.Incarnation, n.Modified)...).Write(w)
				})
			})
		},
	}
}
