package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
)

// program is css-sync: what all commands share, and the commands.
type program struct {
	*cli.Program
	serve func(context.Context, daemon.Setup) error // what serve does when all is read
}

// commands are the parts of css-sync, in the order in which help lists them. Each makes its own cobra command.
var commands = []func(*program) *cobra.Command{
	serveCommand, agentCommand, mirrorCommand, checkCommand, statusCommand, conflictsCommand, grantsCommand,
	rolesCommand,
	dbCommand, tableCommand, chunkCommand, nodeCommand, inventoryCommand, dropsCommand,
	getCommand, lsCommand, putCommand, delCommand, batchCommand, watchCommand, logCommand,
	dumpCommand, restoreCommand, importCommand, exportCommand, diffCommand,
	configCommand, historyCommand, versionCommand,
}

// The groups in which help shows the commands.
const (
	groupDaemon    = "daemon"
	groupCatalogue = "catalogue"
	groupFiles     = "files"
)

const rootHelp = `css-sync keeps Qserv's catalogue (the CSS) on etcd and mirrors it to the MySQL table that Qserv reads.

Data go to standard output, messages to standard error. The flags that say where etcd is are those of etcdctl, and so are their
environment variables: --endpoints is CSS_SYNC_ENDPOINTS or else ETCDCTL_ENDPOINTS. What variables can say can stand in a YAML file, too, that --config names;
css-sync config print shows it all. Passwords need not be on the command line.

Exit codes: 0 done, 1 error, 2 no connection, 3 invalid input or another version of the CSS,
4 trouble with a mirror, 10 checked and differences found.`

// newProgram returns css-sync on streams and an environment.
func newProgram(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *program {
	p := &program{}
	p.serve = p.runDaemon
	p.Program = cli.NewProgram(cli.About{
		Name: "css-sync", Short: "Qserv's catalogue on etcd, mirrored to MySQL", Long: rootHelp, Version: version,
		Groups: []*cobra.Group{
			{ID: groupDaemon, Title: "Mirror:"},
			{ID: groupCatalogue, Title: "Catalogue:"},
			{ID: groupFiles, Title: "Files and the rest:"},
		},
		Misc:     groupFiles,
		Commands: p.commands,
		Complete: func(root *cobra.Command) { p.CompletionCommand(root) },
	}, stdin, stdout, stderr, getenv)
	return p
}

func (p *program) commands() (all []*cobra.Command) {
	for _, command := range commands {
		all = append(all, command(p))
	}
	return append(all, movedCommands()...)
}

// group makes a command of the catalogue that only holds others.
func catalogueGroup(use, short string, parts ...*cobra.Command) *cobra.Command {
	return cli.Group(use, short, groupCatalogue, parts...)
}
