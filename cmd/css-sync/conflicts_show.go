package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

func conflictsShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one conflict: both values, who wrote, and why etcd did not take it",
		Args: cli.Takes("ID"),
		Long: `Show one conflict: what kvData held, what others wrote there and what etcd held instead, who wrote it and when, and why etcd did not take it.

With -w json an object:
  id, seen             its number, and when it was recorded
  kind                 "conflict", "request" or "drift"; see css-sync conflicts --help
  reason               "changed", "follows", "no_parent", "incarnation", "keys_below", "spelling", "drop_pending", "invalid", "protected",
                       "set_back" or "queried"
  explanation, detail  what the reason means, and what it was in this case
  key                  the CSS key
  before, wrote, etcd  what kvData held before, what others wrote, and what etcd held; null: nothing
  revision             of etcd, at which that was decided
  writer, connection   USER() and CONNECTION_ID() in MySQL of who wrote it
  written              when, by MySQL's clock; null where nobody knows`,
		Example: "  css-sync conflicts show 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, target, err := p.conflictsAt(cmd, args)
			if err != nil {
				return err
			}
			ctx, cancel := p.Limit(cmd.Context())
			defer cancel()
			c, err := kvdata.ReadConflict(ctx, target, ids[0])
			if err != nil {
				return err
			}
			v := report.NewConflict(c)
			return p.Print(v, v.Write)
		},
	}
}
