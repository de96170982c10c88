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
