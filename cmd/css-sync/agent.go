package main

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
)

// shortestTTL is what a czar can keep up that asks about its queries now and then.
const shortestTTL = time.Second

func agentCommand(p *program) *cobra.Command {
	config := daemon.Agent{Version: version}
	cmd := &cobra.Command{
		Use: "agent", Short: "Run beside a czar that is not written in Go: its view and its gate, on a socket",
		GroupID: groupDaemon, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Run beside a czar that is not written in Go, until SIGTERM or SIGINT; a second signal ends it at once. It follows the catalogue, is
registered as a czar, and answers on a socket of this machine, over HTTP: what it shows of the catalogue, and for each query whether it may
begin, whether it may send a chunk query now, and when it has to end. Drops wait for these queries. docs/AGENT.md is the manual.

Each czar has an agent of its own. Who may use it is who may write the socket, which has mode 0660; a socket that an agent left behind that was
killed is replaced.

A query lives as long as the session of its czar, which is a connection that stays open, and as long as the czar asks about it once in
--query-ttl. When it ends without being released, its tables are kept for alive and wait of the settings of drops together, 85 s, since
parts of it may run on workers.

At the end no query begins any more, and those that run have --grace to be released.`,
		Example: `  css-sync agent --socket /run/css-sync/agent.sock --name czar-1
  curl --unix-socket /run/css-sync/agent.sock http://css/v1/tables/LSST/Object`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case config.Socket == "":
				return cli.InvalidUse(cmd, "say with --socket where to answer")
			case !filepath.IsAbs(config.Socket):
				return cli.InvalidUse(cmd, "--socket is %q and must begin with a slash", config.Socket)
			case config.QueryTTL < shortestTTL:
				return cli.InvalidUse(cmd, "--query-ttl is %s and must be at least %s", config.QueryTTL, shortestTTL)
			case config.Grace < 0:
				return cli.InvalidUse(cmd, "--grace is %s and must be 0 or above", config.Grace)
			}
			return daemon.RunAgent(cmd.Context(), p.Program, config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Socket, "socket", "", "path of the socket at which to answer")
	flags.StringVar(&config.Name, "name", "",
		"what operators read where this czar holds a drop up; without it host and process")
	flags.DurationVar(&config.QueryTTL, "query-ttl", time.Hour, "how long a query lives about which the czar does not ask")
	flags.DurationVar(&config.Grace, "grace", 30*time.Second, "how long to wait at the end for queries that run")
	return cmd
}
