package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/mirror"
)

func mirrorCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var once, dryRun bool
	cmd := &cobra.Command{
		Use: "mirror --once", Short: "Bring MySQL to the current revision of etcd, once", GroupID: groupDaemon,
		Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Bring the table kvData to the current revision of etcd in one transaction, and say what that took. A "css-sync serve" that
mirrors to the same table meanwhile goes on by itself afterwards. With --dry-run nothing is written and nobody disturbed: it says what it
would take, or why it would be refused.`,
		Example: "  css-sync mirror --once --czar-config /config-etc/qserv-czar.cnf\n  css-sync mirror --dry-run " +
			"--allow-mass-delete",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !once && !dryRun {
				return cli.InvalidUse(cmd, "say --once, or --dry-run; `css-sync serve` is what keeps MySQL up to date")
			}
			if err := f.Check(); err != nil {
				return cli.InvalidUse(cmd, "%w", err)
			}
			target, err := p.MustTarget()
			if err != nil {
				return err
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				r, err := f.Once(ctx, target, css, p.Log, dryRun)
				if err != nil {
					return err
				}
				return p.Print(viewMirrorResult(r, dryRun), func(w io.Writer) { writeMirrorResult(w, r, dryRun) })
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "mirror once and end")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and write nothing")
	f.register(cmd)
	return cmd
}

// mirrorFlags are those of commands that write to MySQL.
type mirrorFlags struct{ daemon.Mirror }

func (f *mirrorFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Name, "mirror-name", mirror.DefaultName,
		"name of the mirror; mirrors to different MySQL servers need different names")
	flags.BoolVar(&f.Adopt, "adopt", false, "take over a table that mirrors another prefix, cluster or history of etcd")
	flags.BoolVar(&f.AllowMassDelete, "allow-mass-delete", false,
		"let through a change that deletes very many rows, or the last database")
	cli.AllowEnvironment(flags, []string{"mirror-name"}, cli.OwnPrefix)
}

type mirrorResultView struct {
	DryRun      bool  `json:"dry_run"`
	Revision    int64 `json:"revision"`
	Inserted    int   `json:"inserted"`
	Updated     int   `json:"updated"`
	Deleted     int   `json:"deleted"`
	Rows        int   `json:"rows"`
	Quarantined int   `json:"quarantined"`
}

func viewMirrorResult(r mirror.Result, dryRun bool) mirrorResultView {
	return mirrorResultView{dryRun, int64(r.Revision), r.Inserted, r.Updated, r.Deleted, r.Rows, r.Quarantined}
}

func writeMirrorResult(w io.Writer, r mirror.Result, dryRun bool) {
	shows := "shows"
	if dryRun {
		shows = "would show"
	}
	fmt.Fprintf(w, "kvData %s revision %d: %s", shows, r.Revision, cli.Count(r.Rows, "row"))
	switch {
	case r.Inserted+r.Updated+r.Deleted == 0 && dryRun:
		fmt.Fprintln(w, ", nothing has to be changed")
	case r.Inserted+r.Updated+r.Deleted == 0:
		fmt.Fprintln(w, ", nothing had to be changed")
	default:
		fmt.Fprintf(w, "; %d inserted, %d updated, %d deleted\n", r.Inserted, r.Updated, r.Deleted)
	}
	if r.Quarantined > 0 {
		fmt.Fprintf(w, "%s cannot be shown there; `css-sync check` says which\n", cli.Count(r.Quarantined, "key"))
	}
}
