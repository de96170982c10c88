package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func dropsList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the drops that are under way", Args: cli.Takes(),
		Long: `List the drops that are under way, and those that are requested for later, with what each waits for.

With -w json: a list of what "css-sync drops show -w json" prints of each.`,
		Example: "  css-sync drops list\n  css-sync drops list -w json | jq -r '.[] | select(.phase == \"failed\") | .name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
				all, err := client.Drops(ctx)
				views := form.OfDrops(all)
				t := cli.Table{Header: []string{"NAME", "PHASE", "AGE", "POLICY", "BY", "NOW"}}
				for _, v := range views {
					t.Rows = append(t.Rows, []string{v.Name, v.Phase, v.Age(), string(v.Policy), v.By, v.Summary})
				}
				return errors.Join(p.Print(views, t.Write), err)
			})
		},
	}
}
