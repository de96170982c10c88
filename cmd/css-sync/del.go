package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
)

func delCommand(p *program) *cobra.Command {
	var only conditionFlags
	var force bool
	cmd := &cobra.Command{
		Use: "del KEY", Short: "Delete a CSS key and all keys below it", GroupID: groupCatalogue, Args: takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := only.options()
			if force {
				opts = append(opts, cssetcd.Unsafe())
			}
			return p.write(cmd.Context(), outcome{done: "key " + args[0] + " deleted"}, func(ctx context.Context, css *catalogue) (cssetcd.Revision, error) {
				return css.Raw().Delete(ctx, args[0], opts...)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete although czars are registered, whose queries may fail")
	only.register(cmd, "value")
	return cmd
}
