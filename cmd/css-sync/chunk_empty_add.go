package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func emptyAdd(p *program) *cobra.Command {
	return emptyWrite{
		verb: "add", short: "Add to the empty chunks of a database",
		more: "It must be known already which chunks are empty: otherwise this would say of all others that they hold rows.",
		say: func(db, n string) outcome {
			return outcome{n + " added to the empty ones of " + db, "all of them are empty in " + db + " already"}
		},
		do: func(ctx context.Context, css *cli.Catalogue, db string, set cssetcd.ChunkSet) (cssetcd.Revision, error) {
			return css.AddEmptyChunks(ctx, db, set)
		},
	}.command(p)
}
