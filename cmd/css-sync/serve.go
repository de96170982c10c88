package main

import (
	"context"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/status"
)

type serveFlags struct {
	mirror       mirrorFlags
	foreign      serveForeignFlags
	noMirror     bool
	dataDir      string
	listenClient string
	sessionTTL   time.Duration
	drops        serveDropFlags
	compact      compactFlag
	http         serveHTTPFlags
	events       serveEventFlags
}

func serveCommand(p *program) *cobra.Command {
	f := newServeFlags()
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the daemon: keep MySQL equal to the catalogue in etcd, and carry drops out",
		GroupID: groupDaemon, Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Run the daemon: keep MySQL equal to the catalogue in etcd and carry drops out, until SIGTERM or SIGINT; a second signal ends it at once.

At SIGHUP it reads the configuration file anew, and the files that settings name (secrets, the czar's configuration, the list of workers, certificates),
ends what it runs in order, and begins again. When nothing but log-level has changed, nothing ends. When what they say cannot be used it says so and goes on as
it was. Flags and the environment stay as they were, and so does the etcd of --data-dir, with its settings.

Several may run with the same --mirror-name: one writes, the others stand by and take over when it is gone. With --data-dir,
the daemon runs an etcd of its own in this process, without TLS and users: for a single machine.

It looks at MySQL every --look-every, and every --compare-every it compares all rows with what it left there. What others wrote is logged
by key with both values and kept in the table css_mirror_foreign. It is left as it is until the daemon has to write such a row or takes the
table over the next time; with --foreign-writes repair it is undone at once.

Give --mysql-dsn several times, and a --mirror-name for each in the same order, to mirror to several servers: one that is down holds
up none of the others.

At the start it protects names that were made past css-sync, with etcdctl, against others that differ in case only, and warns of
those that do.

When etcd cannot be reached at the start, that is an error; when it or MySQL is lost later, the daemon waits for it.

It keeps the history of etcd short, that of all keys: give --compact=off where the etcd is shared with others. Of several daemons the one that keeps least counts.

` + serveDropsHelp + "\n\n" + serveHTTPHelp + "\n\n" + serveEventHelp,
		Example: `  css-sync serve --endpoints etcd-0:2379,etcd-1:2379,etcd-2:2379 --czar-config /config-etc/qserv-czar.cnf
  css-sync serve --data-dir /var/lib/css-sync --czar-config /config-etc/qserv-czar.cnf
  css-sync serve --czar-config /config-etc/qserv-czar.cnf --worker-dsn-file /secrets/workers --qmeta-dsn-file /secrets/qmeta
  css-sync serve --no-mirror --drop-command /usr/local/bin/remove-data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			said := p.Said(cmd)
			config, err := f.config(cmd, p)
			if err != nil {
				return err
			}
			return p.serve(cmd.Context(), daemon.Setup{Program: p.Program, Config: config, Said: said})
		},
	}
	f.register(cmd)
	return cmd
}

func newServeFlags() *serveFlags { return &serveFlags{compact: compactFlag(time.Hour)} }

func (f *serveFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.mirror.register(cmd)
	f.foreign.register(cmd)
	flags.BoolVar(&f.noMirror, "no-mirror", false, "serve without a mirror")
	flags.StringVar(&f.dataDir, "data-dir", "", "run an etcd in this process that keeps its data here")
	flags.StringVar(&f.listenClient, "listen-client", "127.0.0.1:2379",
		"where the etcd of --data-dir listens for clients: host:port or unix:///path")
	flags.DurationVar(&f.sessionTTL, "session-ttl", 10*time.Second,
		"after how long a daemon that is gone without a word is replaced, in whole seconds")
	flags.Var(&f.compact, "compact", "how much of etcd's history to keep, or off to keep all")
	cli.AllowEnvironment(flags, []string{"no-mirror", "data-dir", "listen-client", "session-ttl", "compact"},
		cli.OwnPrefix)
	f.drops.register(cmd)
	f.http.register(cmd)
	f.events.register(cmd)
}

// config checks the flags, reads the files that they name, and returns what they say.
func (f *serveFlags) config(cmd *cobra.Command, p *program) (daemon.Config, error) {
	targets, err := f.check(cmd, p)
	if err != nil {
		return daemon.Config{}, err
	}
	if err := f.events.check(cmd); err != nil {
		return daemon.Config{}, err
	}
	answers, err := f.http.config(cmd)
	return daemon.Config{
		Version: version, Mirror: f.mirror.Mirror, Targets: targets, DataDir: f.dataDir, Listen: f.listenClient,
		SessionTTL: f.sessionTTL, Compact: time.Duration(f.compact), Drops: f.drops.config(),
		HTTP: answers, OnEvent: f.events.commands,
		Status: func(ctx context.Context, css *cli.Catalogue, have *cssetcd.Snapshot) (any, error) {
			servers := make([]*mysql.Config, len(targets))
			for i, t := range targets {
				servers[i] = t.Server
			}
			s, _ := status.Of(ctx, p.Program, css, have, servers) // what is wrong it says itself
			return s, nil
		},
	}, err
}

// check returns where to mirror to.
func (f *serveFlags) check(cmd *cobra.Command, p *program) ([]daemon.Target, error) {
	flags := cmd.Flags()
	if f.dataDir == "" && cli.Source(flags, "listen-client") != "" {
		return nil, cli.InvalidUse(cmd, "%s is for the etcd of --data-dir, which is not given",
			cli.Source(flags, "listen-client"))
	}
	from := cli.Source(flags, "endpoints")
	if f.dataDir != "" && from != "" && !slices.Equal(p.Connection.Endpoints, []string{f.listenClient}) {
		return nil, cli.InvalidUse(cmd, "%s names an etcd elsewhere and %s runs one here; give one of them", from,
			cli.Source(flags, "data-dir"))
	}
	if f.sessionTTL < time.Second || f.sessionTTL%time.Second != 0 {
		return nil, cli.InvalidUse(cmd, "%s %s: must be whole seconds, at least one", cli.Named(flags, "session-ttl"),
			f.sessionTTL)
	}
	if _, err := f.mirror.targets(cmd, nil); err != nil {
		return nil, err
	}
	if err := f.foreign.check(cmd, &f.mirror.Mirror); err != nil {
		return nil, err
	}
	if err := f.drops.check(cmd, p); err != nil {
		return nil, err
	}
	servers, err := p.MySQL.Targets(p.Connection.DialTimeout)
	switch {
	case err != nil:
		return nil, err
	case len(servers) == 0 && !f.noMirror:
		return nil, cli.InvalidUse(cmd,
			"no MySQL server configured: set --mysql-dsn, --mysql-dsn-file or --czar-config, or --no-mirror to do without")
	case f.noMirror && (p.MySQL.Level(p.Settings) <= p.Settings["no-mirror"].Level || f.drops.mirrorState != nil):
		servers = nil // where MySQL is was said to other commands, too, or for drops
	}
	return f.mirror.targets(cmd, servers)
}

// runDaemon runs the daemon. At SIGHUP the command line runs anew, up to where a daemon would begin.
func (p *program) runDaemon(ctx context.Context, setup daemon.Setup) error {
	return daemon.Run(ctx, setup, func() (anew daemon.Setup, err error) {
		again := newProgram(p.Stdin, p.Stdout, p.Stderr, p.Getenv)
		again.serve = func(_ context.Context, setup daemon.Setup) error { anew = setup; return nil }
		err = again.Execute(ctx, p.Args)
		return anew, err
	})
}
