package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func emptyList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List how many chunks are empty, for each database of which it is known",
		Args: cli.Takes(), Example: "  css-sync chunk empty list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				s, err := css.WholeSnapshot(ctx, 0)
				if err != nil {
					return err
				}
				return p.printEmptyChunks(s)
			})
		},
	}
}

func (p *program) printEmptyChunks(s *cssetcd.Snapshot) error {
	views := []form.EmptyChunks{}
	t := cli.Table{Header: []string{"DATABASE", "EMPTY", "CHUNKS"}}
	var bad unreadables
	for db := range s.EmptyChunksKnown() {
		set, err := s.EmptyChunks(db)
		v := form.OfEmptyChunks(db, set)
		row := []string{db, strconv.Itoa(v.Count), cli.Shorten(chunkSetText(set))}
		if err != nil {
			v.Error = cli.Sentence(err)
			row[1], row[2] = "", "unreadable"
			bad = append(bad, fmt.Sprintf("%s: %s", db, v.Error))
		}
		views, t.Rows = append(views, v), append(t.Rows, row)
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("set of empty chunks")
}
