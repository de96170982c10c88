package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableSetSchema(p *program) *cobra.Command {
	var only conditionFlags
	var schema schemaFlags
	cmd := &cobra.Command{
		Use: "set-schema DATABASE.TABLE", Short: "Set the schema of a table", Args: cli.Takes("DATABASE.TABLE"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		Example:           "  css-sync table set-schema LSST.Object --schema-file Object.schema",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := schema.read(cmd, p.Stdin)
			if err != nil {
				return err
			}
			return p.writeTable(cmd.Context(), args[0], outcome{done: "schema of table " + args[0] + " set"},
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName) (cssetcd.Revision, error) {
					return css.SetTableSchema(ctx, name, text, only.options()...)
				})
		},
	}
	schema.register(cmd)
	only.register(cmd, "table", "status")
	return cmd
}
