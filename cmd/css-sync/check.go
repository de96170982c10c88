package main

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

func checkCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var repair, printSQL bool
	cmd := &cobra.Command{
		Use: "check", Short: "Compare MySQL with etcd", GroupID: groupDaemon, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Compare the table kvData with etcd at exactly the revision that the table shows, so that a mirror at work makes no
difference. Nothing is written. The exit code is 10 when there are differences. Keys that the table cannot hold are listed, and
are no difference.

With --repair the differences are undone: the table is taken over for a moment, as by mirror --once, brought to the newest
revision, and what others had written there is kept in the table css_mirror_foreign. With --print-sql the SQL is printed that would undo
them by hand, and nothing is written.`,
		Example: "  css-sync check --czar-config /config-etc/qserv-czar.cnf\n  css-sync check --repair",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if repair && printSQL {
				return cli.InvalidUse(cmd, "give one of --repair and --print-sql")
			}
			target, err := f.target(cmd, p)
			if err != nil {
				return err
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				report, err := mirror.Check(ctx, target.Server, css.Client)
				switch {
				case err != nil:
					return err
				case printSQL:
					return p.printSQL(report)
				case !repair || report.InAgreement():
					return p.printReport(report)
				}
				r, err := f.Once(ctx, target, css, p.Log, false)
				if err != nil {
					return err
				}
				return p.printRepair(report, r)
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
	statements := append([]string{}, r.SQL...)
	return p.Print(statements, func(w io.Writer) {
		for _, s := range statements {
			fmt.Fprintln(w, s+";")
		}
	})
}

// repairView is the JSON form of a comparison whose differences were undone.
type repairView struct {
	reportView
	Repaired mirrorResultView `json:"repaired"`
}

func (p *program) printRepair(r mirror.Report, done mirror.Result) error {
	v := repairView{viewReport(r), viewMirrorResult(done, false)}
	return p.Print(v, func(w io.Writer) {
		v.reportView.write(w)
		fmt.Fprintln(w)
		writeMirrorResult(w, done, false)
	})
}

// reportView is the JSON form of a comparison.
type reportView struct {
	Revision    int64             `json:"revision"`
	Rows        int               `json:"rows"`
	InAgreement bool              `json:"in_agreement"`
	Differences []differenceView  `json:"differences"`
	Quarantined []quarantinedView `json:"quarantined"`
}

// differenceView is one way in which a row is not as it should be. Kind is missing, extra, value, parent or
// key_spelling.
type differenceView struct {
	Kind  string `json:"kind"`
	Key   string `json:"key"`
	Have  string `json:"have"`
	Want  string `json:"want"`
	RowID int32  `json:"row_id"` // kvId; 0: there is no row
}

type quarantinedView struct {
	Key        string `json:"key"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail"`
	Modified   int64  `json:"modified_revision"`
	ValueBytes int    `json:"value_bytes"`
}

func viewReport(r mirror.Report) reportView {
	v := reportView{
		Revision: int64(r.Revision), Rows: r.Rows, InAgreement: r.InAgreement(),
		Differences: []differenceView{}, Quarantined: []quarantinedView{},
	}
	for _, d := range r.Differences {
		v.Differences = append(v.Differences, differenceView{string(d.Kind), d.Key, d.Have, d.Want, d.RowID})
	}
	for _, q := range r.Quarantined {
		v.Quarantined = append(v.Quarantined, quarantinedView{q.Key, string(q.Reason), q.Detail, int64(q.Mod), q.ValueBytes})
	}
	return v
}

func (p *program) printReport(r mirror.Report) error {
	v := viewReport(r)
	if err := p.Print(v, v.write); err != nil {
		return err
	}
	if v.InAgreement {
		return nil
	}
	return cli.Hinted(fmt.Errorf("%w: %d between kvData and etcd at revision %d", cli.ErrDifferences, len(v.Differences),
		v.Revision),
		"somebody else than the mirror wrote there: find out who, and undo it with `css-sync check --repair`, which keeps "+
			"a record of it")
}

func (v reportView) write(w io.Writer) {
	if v.InAgreement {
		fmt.Fprintf(w, "kvData shows etcd at revision %d: %s compared, no difference\n", v.Revision, cli.Count(v.Rows, "row"))
	} else {
		t := cli.Table{Header: []string{"DIFFERENCE", "KEY", "IN MYSQL", "IN ETCD"}}
		for _, d := range v.Differences {
			t.Rows = append(t.Rows, []string{d.Kind, d.Key, shorten(d.Have), shorten(d.Want)})
		}
		t.Write(w)
	}
	if len(v.Quarantined) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s that kvData cannot hold:\n", cli.Count(len(v.Quarantined), "key"))
	t := cli.Table{Header: []string{"KEY", "REASON", "DETAIL"}}
	for _, q := range v.Quarantined {
		t.Rows = append(t.Rows, []string{shorten(q.Key), q.Reason, q.Detail})
	}
	t.Write(w)
}

// shorten cuts a text that would make a table unreadable; JSON has it whole.
func shorten(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-3]) + "..."
}
