package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/mirror"
)

func mirrorCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var once bool
	cmd := &cobra.Command{
		Use: "mirror --once", Short: "Bring MySQL to the current revision of etcd, once", GroupID: groupDaemon, Args: takes(), Annotations: onlyEtcd,
		Long: `Bring the table kvData to the current revision of etcd in one transaction, and say what that took. A "css-sync serve" that
mirrors to the same table meanwhile goes on by itself afterwards.`,
		Example: "  css-sync mirror --once --czar-config /config-etc/qserv-czar.cnf",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !once {
				return invalidUse(cmd, "say --once; `css-sync serve` is what keeps MySQL up to date")
			}
			if err := f.check(); err != nil {
				return invalidUse(cmd, "%w", err)
			}
			target, err := p.mustTarget()
			if err != nil {
				return err
			}
			return p.onWhole(cmd.Context(), func(ctx context.Context, css *catalogue) error {
				r, err := f.once(ctx, target, css, p)
				if err != nil {
					return err
				}
				return p.print(viewMirrorResult(r), func(w io.Writer) { writeMirrorResult(w, r) })
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "mirror once and end")
	f.register(cmd)
	return cmd
}

func (f *mirrorFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "mirror-name", mirror.DefaultName, "name of the mirror; mirrors to different MySQL servers need different names")
	flags.BoolVar(&f.adopt, "adopt", false, "take over a table that mirrors another prefix, cluster or history of etcd")
	flags.BoolVar(&f.allowMassDelete, "allow-mass-delete", false, "let through a change that deletes very many rows, or the last database")
	allowEnvironment(flags, []string{"mirror-name"}, ownPrefix)
}

type mirrorResultView struct {
	Revision    int64 `json:"revision"`
	Inserted    int   `json:"inserted"`
	Updated     int   `json:"updated"`
	Deleted     int   `json:"deleted"`
	Rows        int   `json:"rows"`
	Quarantined int   `json:"quarantined"`
}

func viewMirrorResult(r mirror.Result) mirrorResultView {
	return mirrorResultView{int64(r.Revision), r.Inserted, r.Updated, r.Deleted, r.Rows, r.Quarantined}
}

func writeMirrorResult(w io.Writer, r mirror.Result) {
	fmt.Fprintf(w, "kvData shows revision %d: %s", r.Revision, count(r.Rows, "row"))
	if r.Inserted+r.Updated+r.Deleted == 0 {
		fmt.Fprintln(w, ", nothing had to be changed")
	} else {
		fmt.Fprintf(w, "; %d inserted, %d updated, %d deleted\n", r.Inserted, r.Updated, r.Deleted)
	}
	if r.Quarantined > 0 {
		fmt.Fprintf(w, "%s cannot be shown there; `css-sync check` says which\n", count(r.Quarantined, "key"))
	}
}
