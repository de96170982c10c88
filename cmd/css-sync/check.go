package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
)

func checkCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var repair, printSQL bool
	cmd := &cobra.Command{
		Use: "check", Short: "Compare MySQL with etcd", GroupID: groupDaemon, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Compare the table kvData with etcd at exactly the revision that the table shows, so that a mirror at work makes no
difference. The tables of empty chunks are compared with what etcd says now; what a mirror settles within ten seconds is no difference.
Nothing is written. The exit code is 10 when there are differences. Keys that the table cannot hold are listed, and are no difference.

With --repair the differences are undone: the table is taken over for a moment, as by mirror --once, brought to the newest
revision, and what others had written there is kept in the table css_mirror_foreign. What others made of a table of empty chunks is taken
into etcd where both sides write, and else undone. With --print-sql the SQL is printed that would undo
them by hand, and nothing is written; the exit code is that of a comparison.`,
		Example: "  css-sync check --czar-config /config-etc/qserv-czar.cnf\n  css-sync check --repair",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repair && printSQL {
				return cli.InvalidUse(cmd, "give one of --repair and --print-sql")
			}
			target, err := f.target(cmd, p)
			if err != nil {
				return err
			}
			return p.mirroring(cmd.Context(), !repair, func(ctx context.Context, css *cli.Catalogue) error {
				found, err := mirror.Check(ctx, target.Server, css.Client)
				switch {
				case err != nil:
					return err
				case printSQL:
					return cmp.Or(p.printSQL(found), differing(found))
				case !repair || found.InAgreement():
					return p.printReport(found)
				}
				r, err := f.Once(ctx, target, css, p.Log, false)
				if err != nil && r.Revision == 0 {
					return err
				}
				v := report.Repair{Comparison: report.NewComparison(found), Repaired: report.NewResult(r, false)}
				return cmp.Or(p.Print(v, v.Write), err)
			})
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "undo the differences")
	cmd.Flags().BoolVar(&printSQL, "print-sql", false, "print SQL that would undo the differences, and nothing else")
	f.registerName(cmd)
	return cmd
}

// printSQL prints statements, an end of a line being the end of one.
func (p *program) printSQL(r mirror.Report) error {
	statements := append([]string{}, r.SQL()...)
	return p.PrintExactly(statements, func(w io.Writer) {
		for _, s := range statements {
			fmt.Fprintln(w, s+";")
		}
	})
}

// printReport prints a comparison, and fails when there are differences.
func (p *program) printReport(r mirror.Report) error {
	v := report.NewComparison(r)
	return cmp.Or(p.Print(v, v.Write), differing(r))
}

// differing is the error of a comparison that found differences.
func differing(r mirror.Report) error {
	if r.InAgreement() {
		return nil
	}
	var what []string
	if n := len(r.Differences); n > 0 {
		what = append(what, fmt.Sprintf("%d between kvData and etcd at revision %d", n, r.Revision))
	}
	if n := len(r.EmptyChunks); n > 0 {
		what = append(what, "the empty chunks of "+cli.Count(n, "database"))
	}
	hint := "somebody else than the mirror wrote there: find out who, and undo it with `css-sync check --repair`, which " +
		"keeps a record of it"
	if len(r.Differences) == 0 {
		hint = "no mirror has brought them together within ten seconds: `css-sync status` shows whether one runs, and " +
			"`css-sync check --repair` does what it would do"
	}
	return cli.Hinted(fmt.Errorf("%w: %s", cli.ErrDifferences, strings.Join(what, ", and ")), "%s", hint)
}
