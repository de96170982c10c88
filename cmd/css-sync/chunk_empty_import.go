package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
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
			say := outcome{"empty chunks of " + args[0] + " set to " + cli.Plural(set.Len(), "chunk", "chunks"),
				"these are the empty chunks of " + args[0] + " already"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.SetEmptyChunks(ctx, args[0], set)
			})
		},
	}
}

// parseChunkLines reads a set from lines. A file without any is refused: it may be the wrong one, or cut off.
func parseChunkLines(r io.Reader) (cssetcd.ChunkSet, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestChunkLine)
	var all []string
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := chunkset.Parse(line); err != nil {
			return cssetcd.ChunkSet{}, cli.BadInput("line %d: %w", number, err)
		}
		all = append(all, line)
	}
	if err := lines.Err(); err != nil {
		return cssetcd.ChunkSet{}, fmt.Errorf("line %d: %w", number+1, err)
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
