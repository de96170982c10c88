package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/lines"
)

func chunkAdd(p *program) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "add DATABASE.TABLE [ID NODE...]", Short: "Add replicas of a chunk on nodes, and the chunk when it is not there",
		Long: `Add a replica of a chunk on each of the nodes, and the chunk when it is not there. The table must be partitioned, the
nodes must be known, and none of them may have the chunk.

With --from, add the chunks of a file, each on a line of its own as ID NODE..., many in one transaction and each chunk whole. Empty lines and
those that begin with # are left out. What a node has already is passed over, so the same command goes on where one was interrupted.`,
		Example: "  css-sync chunk add LSST.Object 6630 worker-1 worker-2\n  css-sync chunk add LSST.Object --from " +
			"chunks.txt",
		Args:              cli.Takes("DATABASE.TABLE", "[ID]", "[NODE]..."),
		ValidArgsFunction: p.Completes(cli.TableNames, nil, cli.NodeNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case from != "" && len(args) > 1:
				return cli.InvalidUse(cmd, "the chunks are those of %s; leave out %q", from, strings.Join(args[1:], " "))
			case from != "":
				return p.addChunksFrom(cmd.Context(), args[0], from)
			case len(args) < 3:
				return cli.Takes("DATABASE.TABLE", "ID", "NODE...")(cmd, args)
			}
			nodes := args[2:]
			return p.writeChunk(cmd.Context(), args, "added on "+strings.Join(nodes, ", "),
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName, id int) (cssetcd.Revision, error) {
					return css.AddChunk(ctx, name, id, nodes...)
				})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "file with a chunk on each line, as ID NODE..., - for standard input")
	return cmd
}

func (p *program) addChunksFrom(ctx context.Context, table, file string) error {
	chunks, err := cli.Reading(ctx, file, p.Stdin, parseChunks)
	if err != nil {
		return err
	}
	done := outcome{
		done:      fmt.Sprintf("%s of %s added", cli.Plural(len(chunks), "chunk", "chunks"), table),
		otherwise: "the nodes have the chunks already",
	}
	return p.writeTable(ctx, table, done, func(ctx context.Context, css *cli.Catalogue,
		name cssetcd.TableName) (cssetcd.Revision, error) {
		return css.AddChunks(ctx, name, chunks...)
	})
}

// parseChunks reads a chunk from each line.
func parseChunks(r io.Reader) (chunks []cssetcd.Chunk, err error) {
	err = lines.Each(r, longestChunkLine, func(line string) error {
		words := strings.Fields(line)
		id, err := parseChunk(words[0])
		if err != nil {
			return err
		}
		if len(words) == 1 {
			return cli.BadInput("the chunk %d is on no node; a line is ID NODE...", id)
		}
		chunks = append(chunks, cssetcd.Chunk{ID: id, Nodes: words[1:]})
		return nil
	})
	return chunks, err
}
