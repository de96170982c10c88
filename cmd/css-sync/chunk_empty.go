package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/served"
)

const emptyHelp = `Say which chunks of a database hold no rows, so that czars send no queries there. That is known of a database once somebody
has set it, and until then it is not known, which is not the same as that none is empty.

Chunks are given as "0-311,313,400-402": ids and runs of ids, with commas and without blanks; "none" is the empty set.`

func chunkEmpty(p *program) *cobra.Command {
	g := cli.Group("empty", "Show or change which chunks of databases are empty", "", emptyList(p), emptyShow(p),
		emptySet(p), emptyAdd(p), emptyRemove(p), emptyImport(p), emptyForget(p))
	g.Long = emptyHelp
	g.Example = "  css-sync chunk empty list\n  css-sync chunk empty set LSST 0-311,313,400-402"
	return g
}

// noChunks is how the empty set is typed and printed: nothing at all would look like a mistake.
const noChunks = served.None

func parseChunkSet(arg string) (cssetcd.ChunkSet, error) {
	if arg == "" {
		return cssetcd.ChunkSet{}, cli.BadInput("the set of chunks is empty text; say %q if no chunk is meant", noChunks)
	}
	set, err := served.ParseSet(arg)
	if err != nil {
		return set, cli.BadInput("%w", err)
	}
	return set, nil
}

func chunkSetText(s cssetcd.ChunkSet) string {
	if s.IsEmpty() {
		return noChunks
	}
	return s.String()
}

// emptyWrite is a command that changes the empty chunks of a database by a set that is typed.
type emptyWrite struct {
	verb, short, more string
	say               func(db string, n string) outcome
	do                func(context.Context, *cli.Catalogue, string, cssetcd.ChunkSet) (cssetcd.Revision, error)
}

func (w emptyWrite) command(p *program) *cobra.Command {
	return &cobra.Command{
		Use: w.verb + " DATABASE CHUNKS", Short: w.short, Long: w.short + ".\n\n" + w.more,
		Example: "  css-sync chunk empty " + w.verb + " LSST 0-311,313", Args: cli.Takes("DATABASE", "CHUNKS"),
		ValidArgsFunction: p.Completes(cli.DatabaseNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := parseChunkSet(args[1])
			if err != nil {
				return err
			}
			say := w.say(args[0], cli.Plural(set.Len(), "chunk", "chunks"))
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return w.do(ctx, css, args[0], set)
			})
		},
	}
}
