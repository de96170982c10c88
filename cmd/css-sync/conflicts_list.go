package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

func conflictsList(p *program) *cobra.Command {
	limit := 100
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List conflicts, the newest first", Args: cli.Takes(),
		Long: `List conflicts, the newest first.

With -w json: a list of what "css-sync conflicts show -w json" prints of each.`,
		Example: "  css-sync conflicts list\n  css-sync conflicts list --limit 0 -w json | jq -r '.[].key'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return cli.InvalidUse(cmd, "--limit is %d and must be 0 or above", limit)
			}
			target, err := p.MustTarget()
			if err != nil {
				return err
			}
			ctx, cancel := p.Limit(cmd.Context())
			defer cancel()
			list, total, err := kvdata.ReadConflicts(ctx, target, limit)
			if err != nil {
				return err
			}
			views := report.NewConflicts(list)
			return p.Print(views, func(w io.Writer) { views.Write(w, total) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "how many to list at most; 0: all")
	return cmd
}
