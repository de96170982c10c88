package main

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func chunkList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list DATABASE.TABLE", Aliases: []string{"ls"}, Short: "List the chunks of a table",
		Args:              cli.Takes("DATABASE.TABLE"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onChunks(cmd.Context(), args[0], func(_ cssetcd.TableName, chunks iter.Seq2[cssetcd.Chunk, error]) error {
				return p.printChunks(chunks)
			})
		},
	}
}

func (p *program) printChunks(chunks iter.Seq2[cssetcd.Chunk, error]) error {
	views := []form.Chunk{}
	t := cli.Table{Header: []string{"CHUNK", "NODES"}}
	var bad unreadables
	for c, err := range chunks {
		v, nodes := form.OfChunk(c), strings.Join(c.Nodes, ", ")
		if err != nil {
			v.Error, nodes = cli.Sentence(err), "unreadable"
			bad = append(bad, fmt.Sprintf("%d: %s", c.ID, v.Error))
		}
		views = append(views, v)
		t.Rows = append(t.Rows, []string{strconv.Itoa(c.ID), nodes})
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	return bad.err("chunk")
}
