package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func emptyRemove(p *program) *cobra.Command {
	return emptyWrite{
		verb: "remove", short: "Take chunks out of the empty ones of a database: they hold rows now",
		more: "It must be known already which chunks are empty.",
		say: func(db, n string) outcome {
			return outcome{n + " taken out of the empty ones of " + db, "none of them is empty in " + db}
		},
		do: func(ctx context.Context, css *cli.Catalogue, db string, set cssetcd.ChunkSet) (cssetcd.Revision, error) {
			return css.RemoveEmptyChunks(ctx, db, set)
		},
	}.command(p)
}
