package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func chunkCommand(p *program) *cobra.Command {
	return catalogueGroup("chunk", "List, show, add and delete chunks of tables", chunkList(p), chunkShow(p), chunkAdd(p),
		chunkDelete(p))
}

// chunkView is the JSON form of a chunk.
type chunkView struct {
	ID    int      `json:"id"`
	Nodes []string `json:"nodes"` // one for each replica
	Error string   `json:"error,omitempty"`
}

func viewChunk(c cssetcd.Chunk) chunkView {
	return chunkView{ID: c.ID, Nodes: append([]string{}, c.Nodes...)}
}

func chunkList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list DATABASE.TABLE", Aliases: []string{"ls"}, Short: "List the chunks of a table",
		Args: cli.Takes("DATABASE.TABLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onChunks(cmd.Context(), args[0], func(_ cssetcd.TableName, chunks iter.Seq2[cssetcd.Chunk, error]) error {
				return p.printChunks(chunks)
			})
		},
	}
}

// onChunks reads the chunks of a table, of which there may be very many.
func (p *program) onChunks(ctx context.Context, table string,
	do func(cssetcd.TableName, iter.Seq2[cssetcd.Chunk, error]) error) error {
	name, err := cssetcd.ParseTableName(table)
	if err != nil {
		return err
	}
	return p.OnWhole(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		chunks, err := css.Chunks(ctx, name)
		if err != nil {
			return err
		}
		return do(name, chunks)
	})
}

func (p *program) printChunks(chunks iter.Seq2[cssetcd.Chunk, error]) error {
	views := []chunkView{}
	t := cli.Table{Header: []string{"CHUNK", "NODES"}}
	var bad unreadables
	for c, err := range chunks {
		v, nodes := viewChunk(c), strings.Join(c.Nodes, ", ")
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

func chunkShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE.TABLE ID", Short: "Show one chunk and the nodes that hold it",
		Args: cli.Takes("DATABASE.TABLE", "ID"),
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
				return p.Print(viewChunk(c), func(w io.Writer) {
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

// parseChunk reads the id of a chunk.
func parseChunk(arg string) (int, error) {
	id, err := strconv.Atoi(arg)
	if err != nil || strconv.Itoa(id) != arg {
		return 0, cli.BadInput("%q is not the id of a chunk, which is a number", arg)
	}
	return id, nil
}

// writeChunk is write for one chunk, given by its arguments.
func (p *program) writeChunk(ctx context.Context, args []string, say string,
	do func(context.Context, *cli.Catalogue, cssetcd.TableName, int) (cssetcd.Revision, error)) error {
	id, err := parseChunk(args[1])
	if err != nil {
		return err
	}
	done := outcome{done: fmt.Sprintf("chunk %d of %s %s", id, args[0], say)}
	return p.writeTable(ctx, args[0], done, func(ctx context.Context, css *cli.Catalogue,
		name cssetcd.TableName) (cssetcd.Revision, error) {
		return do(ctx, css, name, id)
	})
}

func chunkDelete(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "delete DATABASE.TABLE ID", Short: "Delete a chunk with all its replicas",
		Args: cli.Takes("DATABASE.TABLE", "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.writeChunk(cmd.Context(), args, "deleted",
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName, id int) (cssetcd.Revision, error) {
					return css.DeleteChunk(ctx, name, id)
				})
		},
	}
}
