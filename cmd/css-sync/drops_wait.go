package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

func dropsWait(p *program) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "wait NAME", Short: "Wait until a drop has ended", Args: cli.Takes("NAME"),
		ValidArgsFunction: p.Completes(cli.DropNames, nil),
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

// errNotEnded is the end of the patience of who waits for a drop.
var errNotEnded = errors.New("it has not ended")

// endedView is the JSON form of the end of a drop.
type endedView struct {
	Name  string `json:"name"`
	Ended bool   `json:"ended"`
}

func (p *program) waitForDrop(ctx context.Context, css *cli.Catalogue, name string, timeout time.Duration) error {
	client, err := deletion.NewClient(css.Client)
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
func (p *program) where(ctx context.Context, client *deletion.Client, name string) string {
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	s, err := client.Status(ctx, name)
	if err != nil {
		return ""
	}
	return ": " + s.Summary()
}
