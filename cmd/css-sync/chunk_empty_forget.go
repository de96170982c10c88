package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func emptyForget(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "forget DATABASE", Short: "Make it unknown which chunks of a database are empty", Args: cli.Takes("DATABASE"),
		Long: `Make it unknown which chunks of a database are empty.

Qserv refuses queries on a database of which that is not known. To say that no chunk is empty, set "none". The mirror then removes the table
of the database's empty chunks in MySQL.`,
		Example:           "  css-sync chunk empty forget LSST",
		ValidArgsFunction: p.Completes(cli.DatabaseNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			say := outcome{"the empty chunks of " + args[0] + " are forgotten",
				"nobody has said which chunks of " + args[0] + " are empty"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				return css.ForgetEmptyChunks(ctx, args[0])
			})
		},
	}
}
