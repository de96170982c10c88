package main

import (
	"context"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func nodeList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the nodes", Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				all, err := css.Nodes(ctx)
				if err != nil {
					return err
				}
				return p.printNodes(all)
			})
		},
	}
}

func (p *program) printNodes(all iter.Seq2[*cssetcd.Node, error]) error {
	return printList(p, "node", []string{"NODE", "STATE", "TYPE", "HOST", "PORT"}, all,
		func(n *cssetcd.Node) (form.Node, []string) {
			return form.OfNode(n), []string{n.Name, string(n.State), n.Type, n.Host, strconv.Itoa(n.Port)}
		}, func(name, reason string) form.Node { return form.Node{Name: name, Error: reason} })
}
