package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func historyCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "history-reset", Short: "Give etcd's history a new name, after it was restored from a backup",
		GroupID: groupFiles, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Give the history of this etcd a new name. Do this once each time etcd itself was restored from a backup (etcdutl snapshot restore), right
after it runs again and before anything is dropped. Bring a restored etcd up no sooner than fence (css-sync drops settings show) after the old one was gone, or start the
czars again: those that registered since the backup are not known to it, and drops do not wait for them. It is not for css-sync restore, which only adds to the history that there is.

A restored etcd gives out revisions anew that it gave out before. Whoever goes on with what it knew from before could take one thing for another: a czar, a table that
was marked since the backup for one that was not. With a new name czars that were registered before are refused until they have registered anew,
which they do by themselves, and mirrors say that MySQL shows another history: css-sync mirror --once --adopt takes it over.

What removes data, css-sync serve --worker-dsn or --drop-command, is told the name of the history with each drop. Without a new one it would take a table for one
that was dropped before the backup was brought back, and leave its data.`,
		Example: "  css-sync history-reset",
		RunE: func(cmd *cobra.Command, _ []string) error {
			say := outcome{done: "the history has a new name; czars register anew by themselves"}
			return p.write(cmd.Context(), say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
				client, err := deletion.NewClient(css.Client)
				if err != nil {
					return 0, err
				}
				return client.ResetHistory(ctx)
			})
		},
	}
}
