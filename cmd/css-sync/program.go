package main

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

	"github.com/qserv/css-etcd/cssetcd"
)

// program is css-sync with all that it has from outside, so that tests run it in process.
type program struct {
	stdin  io.Reader
	stdout io.Writer // data
	stderr io.Writer // messages
	getenv func(string) string

	connection connectionFlags
	file       fileFlags
	mysql      mysqlFlags
	output     outputFlags
	logging    logFlags
	log        *slog.Logger

	tidies atomic.Bool // the command has to remove files before it ends
}

// run runs one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.rootCommand()
	root.SetArgs(append([]string{}, args...)) // for nil, cobra would look at the arguments of the process
	root.SetIn(p.stdin)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, cssetcd.ErrOutcomeUnknown) {
		err = errInterrupted
	}
	if err != nil {
		report(p.stderr, err)
	}
	return exitCode(err)
}

// say writes a message for the person at the terminal.
func (p *program) say(format string, args ...any) {
	fmt.Fprintf(p.stderr, "css-sync: "+format+"\n", args...)
}

// untilSignalled returns a context that ends with the first SIGINT or SIGTERM. The second ends the process at once: all that
// css-sync writes is written in transactions, so nothing is left half done. A command that has something to remove says so in
// tidies, and is ended by the third.
func (p *program) untilSignalled(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		if p.tidies.Load() {
			p.say("stopping what it started, in some seconds; another signal ends it at once, and leaves files behind")
			<-signals
		}
		p.say("stopped at once by another signal")
		os.Exit(exitError)
	}()
	return ctx, cancel
}
