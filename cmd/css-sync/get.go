package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func getCommand(p *program) *cobra.Command {
	var unpacked *bool
	cmd := &cobra.Command{
		Use: "get KEY", Short: "Print the value of a CSS key", GroupID: groupCatalogue, Args: cli.Takes("KEY"),
		Example: "  css-sync get /DBS/LSST\n  css-sync get --unpacked /NODES/worker-1/port",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnCatalogue(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				e, err := get(ctx, css, args[0], *unpacked)
				if err != nil {
					return err
				}
				return p.PrintExactly(form.OfKey(args[0], e), func(w io.Writer) { fmt.Fprintln(w, e.Value) })
			})
		},
	}
	unpacked = unpackedFlag(cmd)
	return cmd
}

func get(ctx context.Context, css *cli.Catalogue, key string, unpacked bool) (cssetcd.Entry, error) {
	if !unpacked {
		return css.Raw().Get(ctx, key)
	}
	s, err := css.WholeSnapshot(ctx, 0)
	if err != nil {
		return cssetcd.Entry{}, err
	}
	return getUnpacked(s, key)
}
