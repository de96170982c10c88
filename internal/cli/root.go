package cli

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
)

func (p *Program) RootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:               p.about.Name,
		Short:             p.about.Short,
		Long:              p.about.Long,
		Version:           p.about.Version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return p.Prepare(cmd) },
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return InvalidUse(cmd, "%w", err) })
	root.SetHelpCommandGroupID(p.about.Misc)
	root.SetCompletionCommandGroupID(p.about.Misc)
	root.AddGroup(p.about.Groups...)
	flags := root.PersistentFlags()
	flags.SortFlags, root.Flags().SortFlags = false, false
	p.configFile.register(flags)
	p.Connection.register(flags)
	p.File.register(flags)
	p.MySQL.register(flags)
	p.Output.register(flags)
	p.logging.register(flags)
	root.AddCommand(p.about.Commands()...)
	root.SetOut(p.Stdout)
	if p.about.Complete != nil {
		p.about.Complete(root)
	}
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), inheritedFlags,
		"\n\nWhere etcd and MySQL are, output and log: see "+p.about.Name+" --help", 1))
	return root
}

// inheritedFlags is what cobra's template says of the flags that all commands have. They would bury a command's own.
const inheritedFlags = "\n\nGlobal Flags:\n{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}"

// Help lists commands in the order in which they are used.
func init() { cobra.EnableCommandSorting = false }

// Prepare runs before every command: the environment and the configuration file fill in flags that were not given,
// and the log begins.
func (p *Program) Prepare(cmd *cobra.Command) error {
	if strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) {
		return nil // it prepares the command that is being completed, and without a word
	}
	err := p.prepare(cmd)
	if err == nil && p.configFile.warning != "" {
		p.Log.Warn(p.configFile.warning)
	}
	return err
}

func (p *Program) prepare(cmd *cobra.Command) error {
	if err := p.configure(cmd); err != nil {
		return err
	}
	if err := p.Output.check(cmd.Flags()); err != nil {
		return InvalidUse(cmd, "%w", err)
	}
	log, err := p.logging.logger(p.Stderr, cmd.Flags())
	if err != nil {
		return InvalidUse(cmd, "%w", err)
	}
	p.Log = log
	return p.refuseFile(cmd)
}

// Group makes a command that only holds others.
func Group(use, short, id string, parts ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, GroupID: id, Args: unknownCommand}
	g.RunE = func(cmd *cobra.Command, _ []string) error {
		var names []string
		for _, part := range cmd.Commands() {
			if !part.Hidden {
				names = append(names, part.Name())
			}
		}
		return InvalidUse(cmd, "missing subcommand: %s", strings.Join(names, ", "))
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
	return InvalidUse(cmd, "there is no command %q%s", args[0], did)
}

// Takes checks the number of arguments against their names: takes("KEY", "VALUE"), takes("[KEY]"), takes("ID",
// "NODE...").
func Takes(names ...string) cobra.PositionalArgs {
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
			return InvalidUse(cmd, "%s is missing", strings.TrimSuffix(names[len(args)], "..."))
		case len(args) > most:
			return InvalidUse(cmd, "unexpected argument %q", args[most])
		}
		return nil
	}
}

// InvalidUse is an error in the command line itself.
func InvalidUse(cmd *cobra.Command, format string, args ...any) error {
	path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	err := fmt.Errorf(format, args...)
	if path != "" {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return &usageError{err: err, help: cmd.CommandPath() + " --help"}
}
