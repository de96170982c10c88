package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

// moved are commands that css-sync once had. Scripts that name them are told where they are.
var moved = []string{"demo", "czar", "bench"}

func movedCommands() (all []*cobra.Command) {
	for _, name := range moved {
		all = append(all, &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return cli.BadInput("%s is a command of css-lab, with the same flags: css-lab %s", name, name)
			},
		})
	}
	return all
}

// movedSettings are what css-sync config was once about: the settings of drops, which are kept in etcd.
func movedSettings() (all []*cobra.Command) {
	for _, verb := range []string{"show", "set"} {
		all = append(all, &cobra.Command{
			Use: verb, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return cli.BadInput("config %s is css-sync drops settings %s now, with the same flags; css-sync config "+
					"print shows how css-sync itself is configured", verb, verb)
			},
		})
	}
	return all
}
