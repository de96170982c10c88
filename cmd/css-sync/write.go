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

// outcome says in words what a write did, and for those that may find nothing to do, why not.
type outcome struct{ done, otherwise string }

// write runs a write and prints the revision that it made, or that nothing had to be changed.
func (p *program) write(ctx context.Context, say outcome, do func(context.Context, *cli.Catalogue) (cssetcd.Revision,
	error)) error {
	return p.Shortly(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		rev, err := do(ctx, css)
		if err != nil {
			return err
		}
		return p.Print(form.OfRevision(rev), func(w io.Writer) {
			if rev == 0 {
				fmt.Fprintf(w, "nothing to do: %s\n", say.otherwise)
				return
			}
			fmt.Fprintf(w, "%s, revision %d\n", say.done, rev)
		})
	})
}

// conditionFlags make a write depend on what it finds.
type conditionFlags struct {
	status   string
	revision cli.RevisionFlag
	flags    interface{ Changed(string) bool }
}

func (c *conditionFlags) register(cmd *cobra.Command, of, status string) {
	cmd.Flags().StringVar(&c.status, "if-status", "", "only if the "+of+"'s "+status+" is this one")
	cmd.Flags().Var(&c.revision, "if-revision", "only if the "+of+" was last written at this revision")
	c.flags = cmd.Flags()
}

func (c *conditionFlags) options() []cssetcd.WriteOption {
	var opts []cssetcd.WriteOption
	if c.flags.Changed("if-status") {
		opts = append(opts, cssetcd.IfStatus(cssetcd.Status(c.status)))
	}
	if c.flags.Changed("if-revision") {
		opts = append(opts, cssetcd.IfRevision(cssetcd.Revision(c.revision)))
	}
	return opts
}

// statuses are those that an operator sets.
var statuses = cli.Words(string(cssetcd.StatusReady), string(cssetcd.StatusIgnore))

func parseStatus(text string) (cssetcd.Status, error) {
	s := cssetcd.Status(text)
	if err := form.CheckStatus(s); err != nil {
		return "", cli.Hinted(cli.BadInput("%w", err), "`css-sync put` writes any text")
	}
	return s, nil
}
