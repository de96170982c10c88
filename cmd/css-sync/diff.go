package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/diff"
)

func diffCommand(p *program) *cobra.Command {
	var byMeaning bool
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Compare two catalogues, in etcd, MySQL or dumps", GroupID: groupFiles,
		Args: cli.Takes("A", "B"),
		Long: `Compare two catalogues and list the keys that are missing in B, extra in B, or different. The exit code is 10 when there are any.
A and B are each one of

  etcd             the catalogue as it is now (with --css: the one on the file)
  etcd@REVISION    the catalogue at a revision of etcd
  mysql            the rows of kvData, and the tables of empty chunks
  FILE             a dump; file:///path is one, too, and - is standard input

Where one of them is mysql, the rows that a mirror adds are no difference: ancestors of keys, /DBS and /NODES. "css-sync check" compares
a mirror with etcd at the revision that it shows, and looks at more than keys and values. Which chunks of a database are empty is
listed as a key css_empty/DATABASE, as in a dump; where one of them is mysql, only of databases of which the other one says it.

Tables that no czar can query, and those whose names are such as workers give to chunks of others, are named, and are no difference.

With --meaning, forms that read alike are no difference: packed and plain keys, spaces and the order of members in JSON, numbers such
as 0.1 and 0.100000, and missing ancestors. The members of packed keys are then listed as keys.`,
		Example: "  css-sync diff backup.json etcd\n  css-sync diff etcd@1200 etcd\n  css-sync diff --meaning " +
			"upstream.json mysql",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := p.parseSide(cmd, args[0])
			if err != nil {
				return err
			}
			b, err := p.parseSide(cmd, args[1])
			if err != nil {
				return err
			}
			if args[0] == "-" && args[1] == "-" {
				return cli.InvalidUse(cmd, "standard input cannot be both A and B")
			}
			return p.diff(cmd.Context(), a, b, byMeaning)
		},
	}
	cmd.Flags().BoolVar(&byMeaning, "meaning", false, "compare what is read, and not how it is written")
	return cmd
}

func (p *program) diff(ctx context.Context, a, b side, byMeaning bool) error {
	sideA, err := a(ctx)
	if err != nil {
		return err
	}
	sideB, err := b(ctx)
	if err != nil {
		return err
	}
	r := diff.Of(sideA, sideB, byMeaning)
	if err := p.Print(r, r.Write); err != nil || r.Equal {
		return err
	}
	return fmt.Errorf("%w: %s between %s and %s", cli.ErrDifferences, cli.Count(len(r.Differences), "key"), r.A.Source,
		r.B.Source)
}
