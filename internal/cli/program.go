// Package cli is what the programs of css-etcd share: the terminal (output, errors, hints, exit codes), and the
// connections to etcd and MySQL that their flags and variables describe.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/settings"
)

// Program is a program with all that it has from outside, so that tests run it in process.
type Program struct {
	about  About
	Stdin  io.Reader
	Stdout io.Writer // data
	Stderr io.Writer // messages
	Getenv func(string) string

	Connection connectionFlags
	File       fileFlags
	MySQL      mysqlFlags
	Output     outputFlags
	logging    logFlags
	Log        *slog.Logger

	configFile configFile
	Settings   settings.Layer // what the command was told, by the names of flags
	Args       []string       // the command line that runs

	Tidies atomic.Bool // the command has to remove files before it ends
}

// About is what a program is called and what it does.
type About struct {
	Name, Short, Long, Version string
	Groups                     []*cobra.Group
	// Misc is the group of help and completion.
	Misc string
	// Others are settings of another program that reads the same configuration file.
	Others   []string
	Commands func() []*cobra.Command   // in the order in which help lists them
	Complete func(root *cobra.Command) // changes the command that cobra adds for shells; nil: it stays
}

// NewProgram returns a program on streams and an environment.
func NewProgram(about About, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *Program {
	return &Program{about: about, Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: getenv}
}

// Name returns what the program is called.
func (p *Program) Name() string { return p.about.Name }

// Run runs one command line and returns the exit code.
func (p *Program) Run(ctx context.Context, args []string) int {
	err := p.Execute(ctx, args)
	if err != nil && ctx.Err() != nil && !errors.Is(err, cssetcd.ErrOutcomeUnknown) {
		err = ErrInterrupted
	}
	if err != nil {
		report(p.Stderr, p.about.Name, err)
	}
	return ExitCode(err)
}

// Execute runs one command line, and returns what went wrong.
func (p *Program) Execute(ctx context.Context, args []string) error {
	p.Args = append([]string{}, args...) // for nil, cobra would look at the arguments of the process
	root := p.RootCommand()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

// Say writes a message for the person at the terminal.
func (p *Program) Say(format string, args ...any) {
	fmt.Fprintln(p.Stderr, Printable(p.about.Name+": "+fmt.Sprintf(format, args...)))
}

// UntilSignalled returns a context that ends with the first SIGINT or SIGTERM. The second ends the process at once: all
// that is written is written in transactions, so nothing is left half done. A command that has something to remove says
// so in tidies, and is ended by the third.
func (p *Program) UntilSignalled(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		if p.Tidies.Load() {
			p.Say("stopping what it started, in some seconds; another signal ends it at once, and leaves files behind")
			<-signals
		}
		p.Say("stopped at once by another signal")
		os.Exit(ExitError)
	}()
	return ctx, cancel
}
