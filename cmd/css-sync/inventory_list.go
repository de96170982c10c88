package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory"
)

func inventoryList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the workers, whether they are alive, and how much they serve",
		Args: cli.Takes(), Annotations: cli.OnlyEtcd, Example: "  css-sync inventory list",
		Long: `List the workers that publish what they serve, and the nodes of the catalogue for which nobody does. With -w json a list of
{"worker","alive","process","since","databases"}, databases being a list of {"database","count","chunks"}.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := inventory.Read(ctx, css.Client)
				if err != nil {
					return err
				}
				names := s.Workers()
				nodes, err := css.Nodes(ctx)
				if err != nil {
					return err
				}
				for n, err := range nodes {
					if err == nil && !slices.Contains(names, n.Name) {
						names = append(names, n.Name)
					}
				}
				slices.Sort(names)
				return p.printWorkers(s, names)
			})
		},
	}
}

func (p *program) printWorkers(s *inventory.State, names []string) error {
	views := []form.Worker{}
	t := cli.Table{Header: []string{"WORKER", "ALIVE", "DATABASES", "CHUNKS", "PUBLISHED BY"}}
	var bad unreadables
	for _, name := range names {
		v := form.OfWorker(s, name, cli.Sentence)
		views = append(views, v)
		if !v.Alive {
			t.Rows = append(t.Rows, []string{name, "no", "", "", ""})
			continue
		}
		count := 0
		for _, d := range v.Databases {
			count += d.Count
			if d.Error != "" {
				bad = append(bad, fmt.Sprintf("%s of %s: %s", d.Database, name, d.Error))
			}
		}
		t.Rows = append(t.Rows, []string{name, "yes", strconv.Itoa(len(v.Databases)), strconv.Itoa(count), v.Process})
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("set of chunks")
}
