package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func getCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "get KEY", Short: "Print the value of a CSS key", GroupID: groupCatalogue, Args: takes("KEY"),
		Example: "  css-sync get /DBS/LSST",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onCatalogue(cmd.Context(), func(ctx context.Context, css *catalogue) error {
				e, err := css.Raw().Get(ctx, args[0])
				if err != nil {
					return err
				}
				return p.print(viewKey(args[0], e), func(w io.Writer) { fmt.Fprintln(w, e.Value) })
			})
		},
	}
}
