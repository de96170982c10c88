package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

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

// fewBelow is how many keys below one go without a question.
const fewBelow = 9

type delFlags struct {
	only                  conditionFlags
	recursive, force, yes bool
}

func delCommand(p *program) *cobra.Command {
	var f delFlags
	cmd := &cobra.Command{
		Use: "del KEY", Short: "Delete a CSS key, and with --recursive all keys below it", GroupID: groupCatalogue,
		Args: cli.Takes("KEY"),
		Long: fmt.Sprintf(`Delete a CSS key, and with --recursive all keys below it, in one transaction. Where more than %d lie below, it asks first, and without
a terminal it does nothing unless --yes is given.

With -w json: {"revision","changed","keys"}, keys being how many were deleted.`, fewBelow),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				d, err := p.remove(ctx, css, args[0], f)
				if err != nil {
					return err
				}
				return p.Print(d, d.write)
			})
		},
	}
	cmd.Flags().BoolVarP(&f.recursive, "recursive", "r", false, "delete all keys below it, too")
	cmd.Flags().BoolVar(&f.force, "force", false, "delete although czars are registered, whose queries may fail")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask, however many keys lie below it")
	f.only.register(cmd, "key", "value")
	return cmd
}

// mostBelow is how many keys may lie below what is deleted.
func (f delFlags) mostBelow() int {
	switch {
	case !f.recursive:
		return 0
	case f.yes:
		return math.MaxInt
	}
	return fewBelow
}

// remove deletes a key. Who is asked about some keys says nothing of those that come meanwhile: more are not deleted.
func (p *program) remove(ctx context.Context, css *cli.Catalogue, key string, f delFlags) (deleted, error) {
	attempt := func(below int) (deleted, error) {
		ctx, cancel := p.Limit(ctx)
		defer cancel()
		opts := append(f.only.options(), cssetcd.IfAtMostBelow(below))
		if f.force {
			opts = append(opts, cssetcd.Unsafe())
		}
		keys, rev, err := css.Raw().DeleteCounted(ctx, key, opts...)
		return deleted{form.Result{Revision: rev, Changed: true}, keys, key}, err
	}
	d, err := attempt(f.mostBelow())
	var more *cssetcd.KeysBelowError
	switch {
	case !errors.As(err, &more):
		return d, err
	case !f.recursive:
		return d, cli.Hinted(err, "--recursive deletes them, too; `css-sync ls` shows them, and `css-sync db drop` and "+
			"`css-sync table drop` wait for queries")
	}
	asked := p.Confirm(ctx, fmt.Sprintf("Delete %s and the %d keys below it?", key, more.Keys))
	switch {
	case errors.Is(asked, cli.ErrNobodyToAsk):
		return d, cli.Hinted(fmt.Errorf("%w, and %w", err, asked), "--yes deletes them without a question")
	case asked != nil:
		return d, asked
	}
	return attempt(more.Keys)
}

func (d deleted) write(w io.Writer) {
	fmt.Fprintf(w, "key %s deleted", d.key)
	if d.Keys > 1 {
		fmt.Fprintf(w, " with all below it, %d keys", d.Keys)
	}
	fmt.Fprintf(w, ", revision %d\n", d.Revision)
}
