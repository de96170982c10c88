package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory"
)

func inventoryMissing(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "missing [DATABASE]", Short: "List what is placed and not served, and what is served and not placed",
		Args: cli.Takes("[DATABASE]"), Annotations: cli.OnlyEtcd,
		Long: `Compare what the catalogue places on workers with what they serve at this moment, of all databases or of one: MISSING is placed and not
served, EXTRA is served and not placed. The exit code is 10 when there is any of it. Databases of which the catalogue places no chunk at all are
left out, and so is chunk 1234567890, which each worker has of each partitioned table.

With -w json a list of {"worker","database","alive","missing","extra"}.`,
		Example:           "  css-sync inventory missing\n  css-sync inventory missing LSST",
		ValidArgsFunction: p.Completes(cli.DatabaseNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				now, err := inventory.Read(ctx, css.Client)
				if err != nil {
					return err
				}
				s, err := css.WholeSnapshot(ctx, 0)
				if err != nil {
					return err
				}
				if len(args) == 1 {
					if _, err := s.Database(args[0]); err != nil {
						return err
					}
				}
				gaps, err := inventory.Gaps(s, now)
				if len(args) == 1 {
					gaps = ofDatabase(gaps, args[0])
				}
				return errors.Join(err, p.printGaps(gaps))
			})
		},
	}
}

func ofDatabase(all []inventory.Gap, db string) (gaps []inventory.Gap) {
	for _, g := range all {
		if g.DB == db {
			gaps = append(gaps, g)
		}
	}
	return gaps
}

func (p *program) printGaps(gaps []inventory.Gap) error {
	views := []form.Gap{}
	t := cli.Table{Header: []string{"WORKER", "DATABASE", "ALIVE", "MISSING", "EXTRA"}}
	var bad unreadables
	for _, g := range gaps {
		v := form.OfGap(g, cli.Sentence)
		row := []string{g.Worker, g.DB, yesNo(g.Alive), cli.Shorten(chunkSetText(g.Missing)),
			cli.Shorten(chunkSetText(g.Extra))}
		if v.Error != "" {
			row[3], row[4] = "unreadable", "unreadable"
			bad = append(bad, fmt.Sprintf("%s of %s: %s", g.DB, g.Worker, v.Error))
		}
		views, t.Rows = append(views, v), append(t.Rows, row)
	}
	if err := p.Print(views, t.Write); err != nil {
		return err
	}
	if err := bad.err("set of chunks"); err != nil {
		return err
	}
	if len(gaps) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", cli.ErrDifferences, cli.Plural(len(gaps),
		"database of a worker is not served as it is placed", "databases of workers are not served as they are placed"))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
