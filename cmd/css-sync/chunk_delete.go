package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func chunkDelete(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "delete DATABASE.TABLE ID", Short: "Delete a chunk with all its replicas",
		Args:              cli.Takes("DATABASE.TABLE", "ID"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.writeChunk(cmd.Context(), args, "deleted",
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName, id int) (cssetcd.Revision, error) {
					return css.DeleteChunk(ctx, name, id)
				})
		},
	}
}
