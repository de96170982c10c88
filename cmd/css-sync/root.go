package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
)

// commands are the parts of css-sync, in the order in which help lists them. Each makes its own cobra command.
var commands = []func(*program) *cobra.Command{
	serveCommand, mirrorCommand, checkCommand, statusCommand,
	dbCommand, tableCommand, chunkCommand, nodeCommand, dropsCommand,
	getCommand, lsCommand, putCommand, delCommand, watchCommand,
	dumpCommand, restoreCommand, diffCommand,
	demoCommand, czarCommand, benchCommand,
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
environment variables: --endpoints is CSS_SYNC_ENDPOINTS or else ETCDCTL_ENDPOINTS. Passwords need not be on the command line.

Exit codes: 0 done, 1 error, 2 no connection, 3 invalid input or another version of the CSS, 10 checked and differences found.`

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               "css-sync",
		Short:             "Qserv's catalogue on etcd, mirrored to MySQL",
		Long:              rootHelp,
		Version:           version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.prepare(cmd) },
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return invalidUse(cmd, "%w", err) })
	root.SetHelpCommandGroupID(groupFiles)
	root.SetCompletionCommandGroupID(groupFiles)
	root.AddGroup(
		&cobra.Group{ID: groupDaemon, Title: "Mirror:"},
		&cobra.Group{ID: groupCatalogue, Title: "Catalogue:"},
		&cobra.Group{ID: groupFiles, Title: "Files and the rest:"},
	)
	flags := root.PersistentFlags()
	flags.SortFlags, root.Flags().SortFlags = false, false
	p.connection.register(flags)
	p.file.register(flags)
	p.mysql.register(flags)
	p.output.register(flags)
	p.logging.register(flags)
	for _, command := range commands {
		root.AddCommand(command(p))
	}
	root.SetOut(p.stdout)
	if err := p.addCompletion(root); err != nil {
		panic(err) // the name of a command or flag is mistyped
	}
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), inheritedFlags, "\n\nWhere etcd and MySQL are, output and log: see css-sync --help", 1))
	return root
}

// inheritedFlags is what cobra's template says of the flags that all commands have. They would bury a command's own.
const inheritedFlags = "\n\nGlobal Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}"

// Help lists commands in the order in which they are used.
func init() { cobra.EnableCommandSorting = false }

// prepare runs before every command: the environment fills in flags that were not given, and the log begins.
func (p *program) prepare(cmd *cobra.Command) error {
	if strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
		return nil // it prepares the command that is being completed, and without a word
	}
	if err := fromEnvironment(cmd.Flags(), p.getenv); err != nil {
		return invalidUse(cmd, "%w", err)
	}
	if err := p.output.check(); err != nil {
		return invalidUse(cmd, "%w", err)
	}
	log, err := p.logging.logger(p.stderr)
	if err != nil {
		return invalidUse(cmd, "%w", err)
	}
	p.log = log
	return p.refuseFile(cmd)
}

// group makes a command that only holds others.
func group(use, short string, parts ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, GroupID: groupCatalogue, Args: unknownCommand}
	g.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, part := range cmd.Commands() {
			names = append(names, part.Name())
		}
		return invalidUse(cmd, "say what to do: %s", strings.Join(names, ", "))
	}
	g.AddCommand(parts...)
	return g
}

// unknownCommand refuses what is not one of the parts of a command, with the nearest that is.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	did := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		did = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return invalidUse(cmd, "there is no command %q%s", args[0], did)
}

// takes checks the number of arguments against their names: takes("KEY", "VALUE"), takes("[KEY]"), takes("ID", "NODE...").
func takes(names ...string) cobra.PositionalArgs {
	least, most := 0, len(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "[") {
			least++
		}
		if strings.HasSuffix(name, "...") {
			most = math.MaxInt
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return invalidUse(cmd, "%s is missing", strings.TrimSuffix(names[len(args)], "..."))
		case len(args) > most:
			return invalidUse(cmd, "%q is one argument too many", args[most])
		}
		return nil
	}
}

// invalidUse is an error in the command line itself.
func invalidUse(cmd *cobra.Command, format string, args ...any) error {
	path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "css-sync"), " ")
	err := fmt.Errorf(format, args...)
	if path != "" {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return &usageError{err: err, help: cmd.CommandPath() + " --help"}
}
