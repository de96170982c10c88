package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func putCommand(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "put KEY VALUE", Short: "Write one CSS key as it is", GroupID: groupCatalogue, Args: cli.Takes("KEY", "VALUE"),
		Long: `Write one CSS key as it is, for repairs: what the value means is not looked at. Missing ancestors of the key are written
with the value ''. Prefer the commands db, table and node, which write what belongs together in one go.`,
		Example: "  css-sync put /DBS/LSST DO_NOT_USE --if-status READY",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.write(cmd.Context(), outcome{done: "key " + args[0] + " written"},
				func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
					return css.Raw().Put(ctx, args[0], args[1], only.options()...)
				})
		},
	}
	only.register(cmd, "key", "value")
	return cmd
}
