package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

const configHelp = `Show how css-sync is configured. Flags come before the environment, which comes before the file that --config names, which comes before
defaults. The file is YAML, one for all commands: names of flags and their values. Of settings that say the same in different ways, as --mysql-dsn and
--czar-config do, those count that come first.

What the protocol of deletion is set to is kept in etcd, for all: css-sync drops settings.`

func configCommand(p *program) *cobra.Command {
	g := cli.Group("config", "Show how css-sync is configured, and where each setting comes from", groupFiles,
		append(movedSettings(), configPrint(p))...)
	g.Long = configHelp
	g.Example = "  css-sync config print --show-source\n  css-sync config print --config css-sync.yaml > /dev/null"
	return g
}
