package main

import (
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func chunkShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE.TABLE ID", Short: "Show one chunk and the nodes that hold it",
		Args:              cli.Takes("DATABASE.TABLE", "ID"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseChunk(args[1])
			if err != nil {
				return err
			}
			return p.onChunks(cmd.Context(), args[0], func(name cssetcd.TableName,
				chunks iter.Seq2[cssetcd.Chunk, error]) error {
				c, err := findChunk(chunks, id)
				if err != nil {
					return &cssetcd.Error{Op: "read chunk", Object: fmt.Sprintf("%d of %s", id, name), Err: err}
				}
				return p.Print(form.OfChunk(c), func(w io.Writer) {
					cli.Facts{{"chunk", strconv.Itoa(id)}, {"table", name.String()}, {"nodes", strings.Join(c.Nodes, ", ")}}.Write(w)
				})
			})
		},
	}
}

func findChunk(chunks iter.Seq2[cssetcd.Chunk, error], id int) (cssetcd.Chunk, error) {
	for c, err := range chunks {
		if c.ID == id {
			return c, err
		}
	}
	return cssetcd.Chunk{}, cssetcd.ErrNoSuchChunk
}
