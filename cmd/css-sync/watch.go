package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/history"
)

func watchCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "watch [KEY]", Short: "Print changes of the catalogue as they happen", GroupID: groupCatalogue,
		Args: cli.Takes("[KEY]"), Annotations: cli.OnlyEtcd,
		Long: `Print changes of the catalogue as they happen, one key a line, until it is interrupted. What changes several times in quick
succession may appear once, with the last value; nothing is lost over a broken connection. With -w json each line is an object
{"revision","key","old","new"}, in which null stands for an absent key.`,
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
		for _, c := range u.Keys {
			if c.Key != root && !strings.HasPrefix(c.Key, root+"/") {
				continue
			}
			if err := p.printChange(viewChange(c, u.To.Revision())); err != nil {
				return err
			}
		}
	}
}

// changeView is one line of watch -w json.
type changeView struct {
	Revision cssetcd.Revision `json:"revision"`
	Key      string           `json:"key"`
	Old      *string          `json:"old"` // null: the key came into being
	New      *string          `json:"new"` // null: the key is gone
}

// viewChange: of a key that is gone only the revision is known up to which it went.
func viewChange(c cssetcd.KeyChange, upTo cssetcd.Revision) changeView {
	v := changeView{Revision: upTo, Key: c.Key}
	if c.Old.Exists() {
		v.Old = &c.Old.Value
	}
	if c.New.Exists() {
		v.New, v.Revision = &c.New.Value, c.New.Mod
	}
	return v
}

func (p *program) printChange(v changeView) error {
	if p.Output.JSON() {
		return cli.WriteJSON(p.Stdout, v, "")
	}
	_, err := fmt.Fprintf(p.Stdout, "%d  %s\n", v.Revision, history.KeyText(v.Key, v.Old, v.New, strconv.Quote))
	return err
}
