package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory"
)

func inventoryShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show WORKER [DATABASE]", Short: "Show which chunks a worker serves", Args: cli.Takes("WORKER", "[DATABASE]"),
		Annotations: cli.OnlyEtcd,
		Long: `Show which chunks a worker serves, a line for each database; of one database the chunks alone: ids and runs of ids, "none" for no chunk.
It fails for a worker that is not alive. With -w json {"worker","alive","process","since","databases"}, and of one database
{"database","count","chunks"}.`,
		Example:           "  css-sync inventory show worker-1\n  css-sync inventory show worker-1 LSST",
		ValidArgsFunction: p.Completes(cli.NodeNames, cli.DatabaseNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := inventory.Read(ctx, css.Client)
				if err != nil {
					return err
				}
				if len(args) == 2 {
					set, err := s.Chunks(args[0], args[1])
					if err != nil {
						return err
					}
					v := form.OfServedSet(s, args[0], args[1], cli.Sentence)
					return p.Print(v, func(w io.Writer) { fmt.Fprintln(w, chunkSetText(set)) })
				}
				if _, err := s.Process(args[0]); err != nil {
					return err
				}
				return p.printWorker(form.OfWorker(s, args[0], cli.Sentence))
			})
		},
	}
}

func (p *program) printWorker(v form.Worker) error {
	t := cli.Table{Header: []string{"DATABASE", "COUNT", "CHUNKS"}}
	var bad unreadables
	for _, d := range v.Databases {
		row := []string{d.Database, strconv.Itoa(d.Count), chunkSetText(d.Chunks)}
		if d.Error != "" {
			row[1], row[2] = "", "unreadable"
			bad = append(bad, fmt.Sprintf("%s: %s", d.Database, d.Error))
		}
		t.Rows = append(t.Rows, row)
	}
	if err := p.Print(v, t.Write); err != nil {
		return err
	}
	return bad.err("set of chunks of database")
}
