package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func settingsSet(p *program) *cobra.Command {
	given := deletion.DefaultTiming
	cmd := &cobra.Command{
		Use: "set", Short: "Change durations of the protocol of deletion", Args: cli.Takes(),
		Long: settingsHelp + `

What is not given stays as it is. Nothing is changed when the durations do not fit together, and the error says all that is wrong.

The delay counts for drops from then on. Czars that are registered keep the others until they register anew, and drops wait for them by what they have; coordinators
take them at once. So fence can be changed while czars are at work, and is in force everywhere when all czars were started again.`,
		Example: "  css-sync drops settings set --delay 1m\n  css-sync drops settings set --fence 5m --wait 6m15s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			changes := map[string]func(*deletion.Timing) *time.Duration{}
			for name, field := range timingFields {
				if flags.Changed(name) {
					changes[name] = field
				}
			}
			if len(changes) == 0 {
				return cli.InvalidUse(cmd, "say what to change: --confirm, --fence, --wait, --alive or --delay")
			}
			return p.write(cmd.Context(), outcome{done: "settings changed"},
				func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision, error) {
					client, err := deletion.NewClient(css.Client)
					if err != nil {
						return 0, err
					}
					t, err := client.Timing(ctx)
					switch {
					case errors.Is(err, deletion.ErrTiming): // to be mended by this
						if t == (deletion.Timing{}) {
							t = deletion.DefaultTiming
						}
					case err != nil:
						return 0, err
					}
					for _, field := range changes {
						*field(&t) = *field(&given)
					}
					return client.SetTiming(ctx, t)
				})
		},
	}
	for _, f := range []struct{ name, usage string }{
		{"confirm", "how often a czar proves that it is registered"},
		{"fence", "for how long after a proof a czar lets queries begin and go on"},
		{"wait", "how long a czar that was found silent is left alone"},
		{"alive", "after which a czar that has not confirmed is taken for silent; whole seconds, at least 2"},
		{"delay", "from the mark to the removal at least; whole seconds, 0 or at least 2"},
	} {
		to := timingFields[f.name](&given)
		cmd.Flags().DurationVar(to, f.name, *to, f.usage)
		cmd.Flags().Lookup(f.name).DefValue = "0s" // it stays as it is, whatever that is
	}
	return cmd
}

var timingFields = map[string]func(*deletion.Timing) *time.Duration{
	"confirm": func(t *deletion.Timing) *time.Duration { return &t.Confirm },
	"fence":   func(t *deletion.Timing) *time.Duration { return &t.Fence },
	"wait":    func(t *deletion.Timing) *time.Duration { return &t.Wait },
	"alive":   func(t *deletion.Timing) *time.Duration { return &t.Alive },
	"delay":   func(t *deletion.Timing) *time.Duration { return &t.Delay },
}
