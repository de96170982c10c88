package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

// deleted is what del did, and its JSON form.
type deleted struct {
	form.Result
	Keys int `json:"keys"` // that were deleted
	key  string
}

func delCommand(p *program) *cobra.Command {
	var only conditionFlags
	var recursive, force bool
	cmd := &cobra.Command{
		Use: "del KEY", Short: "Delete a CSS key, and with --recursive all keys below it", GroupID: groupCatalogue,
		Args: cli.Takes("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := only.options()
			if !recursive {
				opts = append(opts, cssetcd.IfAlone())
			}
			if force {
				opts = append(opts, cssetcd.Unsafe())
			}
			return p.Shortly(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				keys, rev, err := css.Raw().DeleteCounted(ctx, args[0], opts...)
				if errors.Is(err, cssetcd.ErrKeysBelow) {
					return cli.Hinted(err,
						"--recursive deletes them, too; `css-sync ls` shows them, and `css-sync db drop` and `css-sync table drop` "+
							"wait for queries")
				}
				if err != nil {
					return err
				}
				d := deleted{form.Result{Revision: rev, Changed: true}, keys, args[0]}
				return p.Print(d, d.write)
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "delete all keys below it, too")
	cmd.Flags().BoolVar(&force, "force", false, "delete although czars are registered, whose queries may fail")
	only.register(cmd, "key", "value")
	return cmd
}

func (d deleted) write(w io.Writer) {
	fmt.Fprintf(w, "key %s deleted", d.key)
	if d.Keys > 1 {
		fmt.Fprintf(w, " with all below it, %d keys", d.Keys)
	}
	fmt.Fprintf(w, ", revision %d\n", d.Revision)
}
