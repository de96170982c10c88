package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func dropsEvict(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "evict CZAR-ID", Short: "End the registration of a czar that does not answer", Args: cli.Takes("CZAR-ID"),
		Long: `End the registration of a czar, so that drops need not wait for it. The id is in css-sync drops czars and css-sync drops show. The coordinator does this by
itself to czars that confirm no more; it is for one that confirms, and yet holds drops up.

Drops go on when the registration has ended, which takes as long as the czar could still take itself for registered: "wait" in css-sync drops settings show. A czar that
lives notices with its next confirmation and registers anew under another id. Its queries go on, except those on what is marked to be dropped: these are cancelled. So
a false alarm costs no other query, and nothing is removed under a query that could still read it.` + doneHelp,
		Example: "  css-sync drops czars\n  css-sync drops evict 4f1c2a9e0b7d6583",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
				if err := client.Evict(ctx, args[0]); err != nil {
					return err
				}
				within := ""
				if t, err := client.Timing(ctx); err == nil {
					within = fmt.Sprintf(", which takes %s or somewhat more", t.Wait)
				}
				return p.Print(doneView{args[0], "evicted"}, func(w io.Writer) {
					fmt.Fprintf(w, "the registration of czar %s is being ended%s; if it lives, it registers anew and cancels its "+
						"queries on what is marked\n", args[0], within)
				})
			})
		},
	}
}
