package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/inventory"
)

var sourceFlags = []string{"from-dsn", "from-dsn-file", "from-command"}

func inventoryPublish(p *program) *cobra.Command {
	config := daemon.Publish{Version: version}
	var dsn, dsnFile string
	cmd := &cobra.Command{
		Use: "publish --worker NAME", Short: "Run beside a worker, and publish which chunks it serves",
		Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Run beside a worker, until SIGTERM or SIGINT, and publish which chunks it can serve. What it serves is looked at every --every:

  --from-dsn-file   in the tables Dbs and Chunks of the schema that the worker itself uses, qservw_worker_1 say, which its MySQL has
  --from-command    with a program, which prints a line for each database: its name, a blank, and chunks such as 0-311,313 or none

The tables say what is registered with the worker, while its MySQL answers. Where a worker may be dead whose MySQL is not, let a program ask
the worker itself, and fail when that does not answer.

When it cannot be found out for as long as --ttl what is served, nothing is, and that is what is published until it can be found out again.
Of several processes with the same --worker one publishes, and the others stand by.`,
		Example: "  css-sync inventory publish --worker worker-1 --from-dsn-file /etc/css-sync/worker.dsn\n" +
			"  css-sync inventory publish --worker worker-1 --from-command /usr/local/bin/what-is-served",
		RunE: func(cmd *cobra.Command, _ []string) error {
			given, err := cli.One(cmd.Flags(), sourceFlags...)
			switch {
			case err != nil:
				return cli.InvalidUse(cmd, "%w", err)
			case config.Worker == "":
				return cli.InvalidUse(cmd, "say with --worker for which worker")
			case inventory.CheckWorker(config.Worker) != nil:
				return cli.InvalidUse(cmd, "%w", inventory.CheckWorker(config.Worker))
			case given == "":
				return cli.InvalidUse(cmd, "say with one of --from-dsn, --from-dsn-file and --from-command what it serves")
			case config.Every < 100*time.Millisecond:
				return cli.InvalidUse(cmd, "--every is %s and must be at least 100ms", config.Every)
			case config.TTL < 2*time.Second || config.TTL%time.Second != 0:
				return cli.InvalidUse(cmd, "--ttl is %s and must be whole seconds, 2 at least", config.TTL)
			case config.Every > config.TTL/2:
				return cli.InvalidUse(cmd, "--every is %s and must be at most half of --ttl, %s", config.Every, config.TTL/2)
			}
			if dsnFile != "" {
				text, err := os.ReadFile(dsnFile)
				if err != nil {
					return cli.InvalidUse(cmd, "%s: %w", cli.Source(cmd.Flags(), "from-dsn-file"), err)
				}
				if dsn = strings.TrimSpace(string(text)); dsn == "" {
					return cli.InvalidUse(cmd, "%s: the file is empty", cli.Source(cmd.Flags(), "from-dsn-file"))
				}
			}
			if config.Command == "" {
				if config.Server, err = cli.ParseServer(dsn, p.Connection.DialTimeout); err == nil && config.Server.DBName == "" {
					err = cli.BadInput("it names no schema; give the one that the worker itself uses, such as qservw_worker_1")
				}
				if err != nil {
					return cli.InvalidUse(cmd, "%s: %w", cli.Source(cmd.Flags(), given), err)
				}
			}
			return daemon.RunPublish(cmd.Context(), p.Program, config)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Worker, "worker", "", "name of the worker, which is that of its node")
	flags.StringVar(&dsn, "from-dsn", "", "schema of the worker, as `string` "+
		"user:password@tcp(host:port)/qservw_worker_1 or mysql://user:password@host:port/qservw_worker_1; better in a file")
	flags.StringVar(&dsnFile, "from-dsn-file", "", "file that holds what --from-dsn would be given")
	flags.StringVar(&config.Command, "from-command", "", "program that prints what the worker serves")
	flags.DurationVar(&config.Every, "every", 2*time.Second, "how often to look at what the worker serves")
	flags.DurationVar(&config.TTL, "ttl", inventory.DefaultTTL, "how long a worker lives that is not heard of")
	return cmd
}
