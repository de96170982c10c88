package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

// program is css-lab: what all commands share, and the commands.
type program struct{ *cli.Program }

// version is set by the build.
var version = "unknown"

// commands are the parts of css-lab, in the order in which help lists them.
var commands = []func(*program) *cobra.Command{demoCommand, czarCommand, benchCommand}

const groupLab = "lab"

// settingsOfSync are those of css-sync alone, which may stand in the configuration file that both read.
var settingsOfSync = []string{
	"mirror-name", "foreign-writes", "foreign-drops", "look-every", "compare-every", "no-mirror", "data-dir",
	"listen-client", "session-ttl", "compact", "no-drops", "drop-command", "drop-command-timeout", "qmeta-dsn",
	"qmeta-dsn-file", "qmeta-grace", "listen-http", "http-cert", "http-key", "http-client-ca",
	"http-token-file", "http-host", "on-event",
}

const rootHelp = `css-lab shows and measures css-etcd: it operates nothing. css-sync does that.

Data go to standard output, messages to standard error. The flags and the environment variables that say where etcd is are
those of css-sync.

Exit codes: 0 done, 1 error, 2 no connection, 3 invalid input.`

// newProgram returns css-lab on streams and an environment.
func newProgram(stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) *program {
	p := &program{}
	p.Program = cli.NewProgram(cli.About{
		Name: "css-lab", Short: "Show and measure css-etcd", Long: rootHelp, Version: version,
		Groups:   []*cobra.Group{{ID: groupLab, Title: "Commands:"}},
		Misc:     groupLab,
		Commands: p.commands,
		Others:   settingsOfSync,
	}, stdin, stdout, stderr, getenv)
	return p
}

func (p *program) commands() (all []*cobra.Command) {
	for _, command := range commands {
		all = append(all, command(p))
	}
	return all
}
