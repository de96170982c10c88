package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// doneView is the JSON form of what was done to a drop or a czar.
type doneView struct {
	Name string `json:"name"`
	Done string `json:"done"` // "cancelled", "retried", "abandoned" or "evicted"
}

const doneHelp = `

With -w json: {"name","done"}.`

// dropChange makes a command that does one thing to a drop.
func dropChange(p *program, cmd *cobra.Command, done string, do func(*deletion.Client, context.Context, string) error,
	say string) *cobra.Command {
	cmd.Args = cli.Takes("NAME")
	cmd.Long += doneHelp
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.onDrops(cmd.Context(), func(ctx context.Context, client *dropClient) error {
			if err := do(client.Client, ctx, args[0]); err != nil {
				return err
			}
			return p.Print(doneView{args[0], done}, func(w io.Writer) {
				fmt.Fprintln(w,
					strings.ReplaceAll(say, "NAME", args[0]))
			})
		})
	}
	return cmd
}

func dropsCancel(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "cancel NAME", Short: "Take a drop back: what was marked is in use again",
		Long: `Take a drop back, or a request for one: what was marked has the status again that it had, and queries begin on it again. That is possible
until the point of no return, which comes when the agreed delay is over and no query uses it any more.`,
		Example: "  css-sync drops cancel LSST.Object",
	}, "cancelled", (*deletion.Client).Undo, "the drop of NAME is cancelled; it has the status again that it had")
}

func dropsRetry(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "retry NAME", Short: "Try again at once to remove the data of a drop that failed",
		Long: `Have the coordinator try again at once to remove the data, and not only when the time between two attempts, up to a minute, is over.
For when the cause of the failure is mended. An attempt that has been under way for more than 10 s is ended for it.`,
		Example: "  css-sync drops retry LSST.Object",
	}, "retried", (*deletion.Client).Retry,
		"removing the data of NAME is tried again at once; see css-sync drops show NAME")
}

func dropsAbandon(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "abandon NAME", Short: "Free the name of a drop whose data cannot be removed; they stay",
		Long: `Free the name of a drop after the point of no return although its data are not all removed. Nothing removes them later. A table that is created
under the same name may meet them: a worker that finds old chunks may serve them as the new table's, or the new one cannot be loaded. An attempt
to remove them that is under way is told to end; should it go on, and not tell incarnations apart, as css-sync's own do, it may remove data of the new table.
So remove what is left by hand before the name is used again.`,
		Example: "  css-sync drops show LSST.Object\n  css-sync drops abandon LSST.Object",
	}, "abandoned", (*deletion.Client).Abandon,
		"the drop of NAME is abandoned and the name is free; data that were not removed stay, and a table that is created "+
			"as NAME may meet them: remove them by hand first")
}

func dropsEvict(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "evict CZAR-ID", Short: "End the registration of a czar that does not answer", Args: cli.Takes("CZAR-ID"),
		Long: `End the registration of a czar, so that drops need not wait for it. The id is in css-sync drops czars and css-sync drops show. The coordinator does this by
itself to czars that confirm no more; it is for one that confirms, and yet holds drops up.

Drops go on when the registration has ended, which takes as long as the czar could still take itself for registered: "wait" in css-sync config show. A czar that
lives notices with its next confirmation and registers anew under another id. Its queries go on, except those on what is marked to be dropped: these are cancelled. So
a false alarm costs no other query, and nothing is removed under a query that could still read it.` + doneHelp,
		Example: "  css-sync drops czars\n  css-sync drops evict 4f1c2a9e0b7d6583",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *dropClient) error {
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

// errNotEnded is the end of the patience of who waits for a drop.
var errNotEnded = errors.New("it has not ended")

func dropsWait(p *program) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait NAME", Short: "Wait until a drop has ended", Args: cli.Takes("NAME"),
		Long: `Wait until a drop has ended and its name is free, and say on standard error what it waits for whenever that changes. The exit code is 1 when the drop was
cancelled, or has not ended within --timeout; the drop goes on then.

With -w json: {"name","ended"}, printed when it has ended.`,
		Example: "  css-sync drops wait LSST.Object --timeout 10m",
		RunE: func(cmd *cobra.Command, args []string) error {
			if timeout < 0 {
				return cli.InvalidUse(cmd, "--timeout is %s and must be 0 or above", timeout)
			}
			return p.AtLength(cmd.Context(), func(ctx context.Context,
				css *cli.Catalogue) error {
				return p.waitForDrop(ctx, css, args[0], timeout)
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "how long to wait at most; 0: as long as it takes")
	return cmd
}

// endedView is the JSON form of the end of a drop.
type endedView struct {
	Name  string `json:"name"`
	Ended bool   `json:"ended"`
}

func (p *program) waitForDrop(ctx context.Context, css *cli.Catalogue, name string, timeout time.Duration) error {
	client, err := newDropClient(css.Client)
	if err != nil {
		return err
	}
	limited, cancel := p.Limit(ctx)
	drop, err := client.Find(limited, name)
	cancel()
	if err != nil {
		return err
	}
	patient := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		patient, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err = p.await(patient, client, drop)
	if errors.Is(err, context.DeadlineExceeded) && patient.Err() != nil {
		return fmt.Errorf("wait for the drop of %s: %w within %s, and goes on%s", drop.Name(), errNotEnded, timeout,
			p.where(ctx, client, drop.Name()))
	}
	if err != nil {
		return err
	}
	return p.Print(endedView{drop.Name(), true}, func(w io.Writer) {
		fmt.Fprintf(w, "the drop of %s has ended\n",
			drop.Name())
	})
}

// where says how far a drop is, to go on after an error; "" when that cannot be found out.
func (p *program) where(ctx context.Context, client *dropClient, name string) string {
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	s, err := client.Status(ctx, name)
	if err != nil {
		return ""
	}
	return ": " + s.Summary()
}
