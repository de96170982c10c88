package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func settingsShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the durations of the protocol of deletion", Args: cli.Takes(),
		Long: settingsHelp + `

What etcd does not say is as it is by default. With -w json: {"confirm","fence","wait","alive","delay"}, texts such as "1m15s".`,
		Example: "  css-sync drops settings show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
				t, err := client.Timing(ctx)
				if err != nil && (!errors.Is(err, deletion.ErrTiming) || t == (deletion.Timing{})) {
					return err
				}
				return errors.Join(p.Print(t, func(w io.Writer) { timingFacts(t).Write(w) }), err)
			})
		},
	}
}

func timingFacts(t deletion.Timing) cli.Facts {
	return cli.Facts{
		{"confirm", t.Confirm.String()}, {"fence", t.Fence.String()}, {"wait", t.Wait.String()}, {"alive", t.Alive.String()},
		{"delay", t.Delay.String()},
	}
}
