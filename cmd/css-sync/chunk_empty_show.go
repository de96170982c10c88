package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func emptyShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show DATABASE", Short: "Show which chunks of a database are empty", Args: cli.Takes("DATABASE"),
		Long: `Show which chunks of a database are empty: ids and runs of ids on one line, "none" for no chunk. It fails when nobody has said which these are.
With -w json: {"database","count","chunks"}, where chunks is "" for none.`,
		Example:           "  css-sync chunk empty show LSST",
		ValidArgsFunction: p.Completes(cli.DatabaseNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				set, err := css.EmptyChunks(ctx, args[0])
				if err != nil {
					return err
				}
				return p.Print(form.OfEmptyChunks(args[0], set), func(w io.Writer) { fmt.Fprintln(w, chunkSetText(set)) })
			})
		},
	}
}
