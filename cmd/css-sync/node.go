package main

import (
	"context"
	"io"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func nodeCommand(p *program) *cobra.Command {
	return catalogueGroup("node", "List, show, add, change and delete worker nodes",
		nodeList(p), nodeShow(p), nodeAdd(p), nodeSetState(p), nodeDelete(p))
}

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
	views := []nodeView{}
	t := cli.Table{Header: []string{"NODE", "STATE", "TYPE", "HOST", "PORT"}}
	var bad unreadables
	for n, err := range all {
		if err != nil {
			name, reason := bad.add(err)
			views = append(views, nodeView{Name: name, Error: reason})
			t.Rows = append(t.Rows, []string{name, "unreadable"})
			continue
		}
		views = append(views, viewNode(n))
		t.Rows = append(t.Rows, []string{n.Name, string(n.State), n.Type, n.Host, strconv.Itoa(n.Port)})
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("node")
}

func nodeShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show NODE", Short: "Show one node", Args: cli.Takes("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				n, err := css.Node(ctx, args[0])
				if err != nil {
					return err
				}
				return p.Print(viewNode(n), func(w io.Writer) {
					append(cli.Facts{
						{"node", n.Name}, {"state", string(n.State)}, {"type", n.Type}, {"host", n.Host}, {"port", strconv.Itoa(n.Port)},
					}, revisions(n.Incarnation, n.Modified)...).Write(w)
				})
			})
		},
	}
}

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

func nodeSetState(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-state NODE STATE", Short: "Set the state of a node: ACTIVE or INACTIVE", Args: cli.Takes("NODE", "STATE"),
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

func nodeDelete(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "delete NODE", Short: "Delete a node that holds no chunks", Args: cli.Takes("NODE"),
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
