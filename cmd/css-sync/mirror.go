package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
)

func mirrorCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var capture captureFlags
	var once, dryRun bool
	cmd := &cobra.Command{
		Use: "mirror --once", Short: "Bring MySQL to the current revision of etcd, once; say who may write",
		GroupID: groupDaemon, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Bring the table kvData to the current revision of etcd in one transaction, then the tables of empty chunks, and say what that took. A "css-sync serve" that
mirrors to the same table meanwhile goes on by itself afterwards. With --dry-run nothing is written and nobody disturbed: it says what it
would take, or why it would be refused. Privileges it does not look at, so that a user who may only read can run it.` + captureHelp,
		Example: "  css-sync mirror --once --czar-config /config-etc/qserv-czar.cnf\n  css-sync mirror --dry-run " +
			"--allow-mass-delete\n  css-sync mirror --capture status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			captures, err := capture.check(cmd)
			switch {
			case err != nil:
				return err
			case !once && !dryRun && !captures:
				return cli.InvalidUse(cmd, "say --once, or --dry-run, or --capture; `css-sync serve` is what keeps MySQL up to "+
					"date")
			}
			target, err := f.target(cmd, p)
			if err != nil {
				return err
			}
			if captures {
				return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
					return capture.run(ctx, p, css, target)
				})
			}
			return p.mirroring(cmd.Context(), dryRun, func(ctx context.Context, css *cli.Catalogue) error {
				r, err := f.Once(ctx, target, css, p.Log, dryRun)
				if err != nil && r.Revision == 0 {
					return err
				}
				v := report.NewResult(r, dryRun)
				return cmp.Or(p.Print(v, v.Write), err)
			})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "mirror once and end")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be done, and write nothing")
	f.register(cmd)
	capture.register(cmd, p)
	return cmd
}

// mirroring runs a command on the whole catalogue, which it changes where it takes empty chunks in that others wrote.
func (p *program) mirroring(ctx context.Context, looks bool, do func(context.Context, *cli.Catalogue) error) error {
	if looks {
		return p.OnWhole(ctx, do)
	}
	return p.AtLength(ctx, do)
}

// mirrorFlags are those of commands that write to MySQL.
type mirrorFlags struct {
	daemon.Mirror
	names []string
}

func (f *mirrorFlags) register(cmd *cobra.Command) {
	f.registerName(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.Adopt, "adopt", false,
		"take over a table of another name, or of another prefix, cluster or history of etcd; serve does so when it begins")
	flags.BoolVar(&f.AllowMassDelete, "allow-mass-delete", false,
		"let through a change that deletes very many rows, or the last database")
}

func (f *mirrorFlags) registerName(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.names, "mirror-name", []string{mirror.DefaultName},
		"name of the mirror, a `string`; mirrors to different MySQL servers need different names, each given once")
	cli.AllowEnvironment(flags, []string{"mirror-name"}, cli.OwnPrefix)
}

// target is the one server of a command that cannot do without.
func (f *mirrorFlags) target(cmd *cobra.Command, p *program) (daemon.Target, error) {
	if _, err := f.targets(cmd, nil); err != nil {
		return daemon.Target{}, err
	}
	server, err := p.MustTarget()
	if err != nil {
		return daemon.Target{}, err
	}
	targets, err := f.targets(cmd, []*mysql.Config{server})
	if err != nil {
		return daemon.Target{}, err
	}
	return targets[0], nil
}

// targets gives each server its name.
func (f *mirrorFlags) targets(cmd *cobra.Command, servers []*mysql.Config) ([]daemon.Target, error) {
	named := cli.Named(cmd.Flags(), "mirror-name")
	for i, name := range f.names {
		switch {
		case name == "" || strings.Contains(name, "/"):
			return nil, cli.InvalidUse(cmd, "%s %q must not be empty nor have a slash", named, name)
		case slices.Contains(f.names[:i], name):
			return nil, cli.InvalidUse(cmd, "%s %s is given twice", named, name)
		}
	}
	if len(servers) > 0 && len(servers) != len(f.names) {
		return nil, cli.InvalidUse(cmd, "%s and %s: each server needs a --mirror-name of its own, in the same order",
			cli.Count(len(servers), "MySQL server"), cli.Count(len(f.names), "mirror name"))
	}
	var out []daemon.Target
	for i, server := range servers {
		out = append(out, daemon.Target{Name: f.names[i], Server: server})
	}
	return out, nil
}
