package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/history"
	"github.com/qserv/css-etcd/internal/kv"
)

func watchCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "watch [KEY]", Short: "Print changes of the catalogue as they happen", GroupID: groupCatalogue,
		Args: cli.Takes("[KEY]"), Annotations: cli.OnlyEtcd,
		Long: `Print changes of the catalogue as they happen, one key a line, until it is interrupted. What changes several times in quick
succession may appear once, with the last value; nothing is lost over a broken connection. With -w json each line is an object
{"revision","key","old","new"}, in which null stands for an absent key. A change of which chunks of a database are empty has the key css_empty/DATABASE.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, err := parseRoot(optional(args))
			if err != nil {
				return err
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				return p.watch(ctx, css,
					root)
			})
		},
	}
}

// watch prints until ctx ends, which is how it is meant to end.
func (p *program) watch(ctx context.Context, css *cli.Catalogue, root string) error {
	view, err := cssetcd.OpenView(ctx, css.Client)
	if err != nil {
		return err
	}
	defer view.Close()
	changes := view.Subscribe()
	p.Say("watching %s from revision %d on", root+"/", changes.Snapshot().Revision())
	for {
		u, err := changes.Next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if u.Regressed {
			p.Say("etcd went back from revision %d to %d; what follows is the difference", u.From.Revision(), u.To.Revision())
		}
		for _, c := range slices.Concat(u.Keys, u.EmptyChunks) {
			if !form.Concerns(c.Key, root) {
				continue
			}
			if err := p.printChange(form.OfChange(c, u.To.Revision())); err != nil {
				return err
			}
		}
	}
}

func (p *program) printChange(v form.Change) error {
	if p.Output.JSON() {
		return cli.WriteJSON(p.Stdout, v, "")
	}
	text := history.KeyText(v.Key, v.Old, v.New, strconv.Quote)
	if db, ok := csskey.EmptyAt(kv.Path(v.Key)); ok {
		text = history.EmptyText(db, v.Old, v.New)
	}
	_, err := fmt.Fprintf(p.Stdout, "%d  %s\n", v.Revision, text)
	return err
}
