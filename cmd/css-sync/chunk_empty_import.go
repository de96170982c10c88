package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/lines"
)

func emptyImport(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "import DATABASE FILE", Short: "Set the empty chunks of a database to those of a file",
		Args: cli.Takes("DATABASE", "FILE"),
		Long: `Set the empty chunks of a database to those of a file, - for standard input. A line has an id, as in Qserv's files of empty chunks, or
ids and runs as "0-311,313". Empty lines and those that begin with # are left out. What was said before is replaced.`,
		Example: `  css-sync chunk empty import LSST emptyChunks_LSST.txt
  mariadb -N -e 'SELECT chunkId FROM qservCssData.LSST_EmptyChunks' | css-sync chunk empty import LSST -`,
		ValidArgsFunction: p.Completes(cli.DatabaseNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := cli.Reading(cmd.Context(), args[1], p.Stdin, parseChunkLines)
			if err != nil {
				return err
			}
			say := emptyChunksSet(args[0], cli.Plural(set.Len(), "chunk", "chunks"))
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.SetEmptyChunks(ctx, args[0], set)
			})
		},
	}
}

// parseChunkLines reads a set from lines. A file without any is refused: it may be the wrong one, or cut off.
func parseChunkLines(r io.Reader) (cssetcd.ChunkSet, error) {
	var all []string
	err := lines.Each(r, longestChunkLine, func(line string) error {
		if _, err := chunkset.Parse(line); err != nil {
			return cli.BadInput("%w", err)
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		return cssetcd.ChunkSet{}, err
	}
	if all == nil {
		return cssetcd.ChunkSet{}, cli.BadInput("there is no chunk in it; if none is empty, say so with `chunk empty set`")
	}
	set, err := chunkset.Parse(strings.Join(all, ","))
	if err != nil {
		return set, cli.BadInput("%w", err)
	}
	return set, nil
}
