package main

import (
	"context"
	"fmt"
	"io"
	"strings"

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
	cmd.Args, cmd.ValidArgsFunction = cli.Takes("NAME"), p.Completes(cli.DropNames, nil)
	cmd.Long += doneHelp
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
			if err := do(client, ctx, args[0]); err != nil {
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
