package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/status"
)

func statusCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how etcd, the catalogue, the mirror, drops and czars stand", GroupID: groupDaemon,
		Args: cli.Takes(),
		Long: `Show how etcd, the catalogue, drops, czars and, if the flags say where MySQL is, the mirror stand. What cannot be reached is said so, and
the rest is shown; the exit code then tells of the first fault. ALARM is what etcd itself raised, as when it is full, and somebody has
to disarm; it is a fault, too.

The daemon that keeps a mirror says in etcd how it stands, whether MySQL can be reached or not. TROUBLE is what is wrong with a mirror:
its code, since when, what it is and what to do. The exit code is 0 only when there is none: 4 says that there is some while etcd
and MySQL could be read, 2 that one of them could not be reached.

Of drops it counts the phases, and shows the three that have been waiting longest; css-sync drops list shows all. With -w json, "drops" has
"phases", which counts each, and "longest", a list as of css-sync drops list; "czars" is that of css-sync drops czars.`,
		Example: "  css-sync status\n  css-sync status -w json | jq .drops.phases",
		RunE: func(cmd *cobra.Command, _ []string) error {
			targets, err := p.MySQL.Targets(p.Connection.DialTimeout)
			if err != nil {
				return err
			}
			path, err := p.File.Path()
			if err != nil {
				return err
			}
			if _, err := p.Connection.Config(); err != nil && path == "" {
				return cli.InvalidUse(cmd, "%w", err)
			}
			s, fault := status.Read(cmd.Context(), p.Program, path, targets)
			return cmp.Or(p.Print(s, s.Write), fault)
		},
	}
}
