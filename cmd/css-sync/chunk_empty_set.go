package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func emptySet(p *program) *cobra.Command {
	return emptyWrite{
		verb: "set", short: "Say which chunks of a database are empty, all of them",
		more: "It replaces what was said before. Chunks are given as \"0-311,313\"; \"none\" says that each holds rows.",
		say:  emptyChunksSet,
		do: func(ctx context.Context, css *cli.Catalogue, db string, set cssetcd.ChunkSet) (cssetcd.Revision, error) {
			return css.SetEmptyChunks(ctx, db, set)
		},
	}.command(p)
}

// emptyChunksSet says that n chunks of a database are the empty ones now, or were before.
func emptyChunksSet(db, n string) outcome {
	return outcome{"empty chunks of " + db + " set to " + n, "these are the empty chunks of " + db + " already"}
}
