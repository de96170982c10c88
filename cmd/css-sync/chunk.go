package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func chunkCommand(p *program) *cobra.Command {
	return catalogueGroup("chunk", "List, show, add and delete chunks of tables, and say which are empty", chunkList(p),
		chunkShow(p), chunkAdd(p), chunkDelete(p), chunkEmpty(p))
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

const longestChunkLine = 1 << 20
