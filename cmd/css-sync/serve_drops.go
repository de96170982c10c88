package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/qserv/css-etcd/deletion/sqldrop"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
)

const serveDropsHelp = `It carries drops out, see css-sync drops --help: one daemon of all leads, the others stand by. What becomes of the data when the catalogue
has forgotten a table:

  nothing              by default. The data stay where they are, and the name is free
  --drop-command       a program removes them. It gets one JSON document on standard input, {"database","whole","incarnation","history","mark",
                       "tables":[{"table","incarnation","chunk_level"}],"keep"}, keep being tables of the catalogue that look like chunk
                       tables and must not be touched; exit code 0 says that all is removed, any other that it is to be tried
                       again, with the end of standard error as the reason, which operators see. It may be run twice for one drop, or late, when a
                       new table has the name: it has to tell them apart by incarnation and history before it removes anything
  --worker-dsn         css-sync removes the tables with their chunks from these MySQL servers, which have to be all that hold data

Eight drops have their data removed at a time; one that takes longer than 10 s makes room for another, up to 64 in all, and css-sync drops show says what it has trouble with.

Until that has succeeded the name cannot be used again. All daemons must be given the same, since each may come to lead.

C++ czars do not register. With --qmeta-dsn a drop waits for them, too: until MySQL shows the mark, for --qmeta-grace, and then until QMeta says that
no query uses it. That is bounded, not exact; the log says what is waited for.`

// serveDropFlags say how the daemon carries drops out.
type serveDropFlags struct {
	none              bool
	command           string
	commandTimeout    time.Duration
	workers           cli.WorkerFlags
	qmeta, qmetaFile  string
	qmetaGrace        time.Duration
	flags             *pflag.FlagSet
	meta, mirrorState *mysql.Config // QMeta, and where kvData is; nil: czars are not tracked
}

var (
	dropperFlags = []string{"drop-command", "worker-dsn", "worker-dsn-file"}
	qmetaFlags   = []string{"qmeta-dsn", "qmeta-dsn-file"}
)

func (f *serveDropFlags) register(cmd *cobra.Command) {
	f.flags = cmd.Flags()
	f.flags.BoolVar(&f.none, "no-drops", false, "leave carrying drops out to other daemons")
	f.flags.StringVar(&f.command, "drop-command", "", "program that removes the data of what was dropped")
	f.flags.DurationVar(&f.commandTimeout, "drop-command-timeout", time.Hour,
		"how long one run of --drop-command may take; 0: as long as it needs")
	f.workers.Register(cmd, "remove dropped tables from")
	f.flags.StringVar(&f.qmeta, "qmeta-dsn", "",
		"MySQL server with QMeta, where C++ czars register their queries; the schema is "+
			sqldrop.DefaultQMeta+" unless it names one")
	f.flags.StringVar(&f.qmetaFile, "qmeta-dsn-file", "", "file that holds what --qmeta-dsn would be given")
	f.flags.DurationVar(&f.qmetaGrace, "qmeta-grace", time.Minute,
		"longest time that a C++ czar takes from reading kvData to having registered a query in QMeta")
	cli.AllowEnvironment(f.flags, append([]string{"no-drops", "drop-command", "drop-command-timeout", "qmeta-grace"},
		qmetaFlags...), cli.OwnPrefix)
	cli.Alternatives(f.flags, dropperFlags...)
	cli.Alternatives(f.flags, qmetaFlags...)
	cli.NameFiles(f.flags, "qmeta-dsn-file")
	cli.HideDSN(f.flags, "qmeta-dsn")
}

// given returns the flags that were given in any way, as they were.
func (f *serveDropFlags) given(names []string) (sources []string) {
	return cli.Given(f.flags, names)
}

func (f *serveDropFlags) check(cmd *cobra.Command, p *program) error {
	droppers, qmeta := f.given(dropperFlags), f.given(qmetaFlags)
	if f.none {
		return f.checkNone(cmd)
	}
	switch {
	case cli.Source(f.flags, "drop-command") != "" && len(droppers) > 1:
		return cli.InvalidUse(cmd, "%s and %s say both what removes data; give one of them", droppers[0], droppers[1])
	case cli.Source(f.flags, "drop-command") != "" && f.command == "":
		return cli.InvalidUse(cmd, "%s is empty; it takes the path of a program",
			cli.Source(f.flags, "drop-command"))
	case cli.Source(f.flags, "drop-command-timeout") != "" && f.command == "":
		return cli.InvalidUse(cmd, "%s is for --drop-command, which is not given",
			cli.Source(f.flags, "drop-command-timeout"))
	case f.commandTimeout < 0:
		return cli.InvalidUse(cmd, "%s is %s and must be 0 or above", cli.Named(f.flags, "drop-command-timeout"),
			f.commandTimeout)
	case len(qmeta) > 1:
		return cli.InvalidUse(cmd, "%s and %s are mutually exclusive", qmeta[0], qmeta[1])
	case cli.Source(f.flags, "qmeta-grace") != "" && len(qmeta) == 0:
		return cli.InvalidUse(cmd, "%s is for --qmeta-dsn, which is not given", cli.Source(f.flags, "qmeta-grace"))
	case f.qmetaGrace <= 0:
		return cli.InvalidUse(cmd, "%s is %s and must be above 0", cli.Named(f.flags, "qmeta-grace"), f.qmetaGrace)
	}
	if f.command != "" {
		if _, err := exec.LookPath(f.command); err != nil {
			return cli.InvalidUse(cmd, "%s: %w", cli.Source(f.flags, "drop-command"), err)
		}
	}
	if err := f.workers.Read(cmd, p.Connection.DialTimeout); err != nil {
		return err
	}
	return f.readQMeta(cmd, p, qmeta)
}

// checkNone refuses what is said on the command line of drops that are left to others. Elsewhere it may be meant for
// other commands, or other daemons.
func (f *serveDropFlags) checkNone(cmd *cobra.Command) error {
	for _, name := range slices.Concat(dropperFlags, qmetaFlags) {
		if f.flags.Changed(name) {
			return cli.InvalidUse(cmd, "--%s is for carrying drops out, which %s leaves to others", name,
				cli.Source(f.flags, "no-drops"))
		}
	}
	return nil
}

func (f *serveDropFlags) readQMeta(cmd *cobra.Command, p *program, given []string) error {
	if len(given) == 0 {
		return nil
	}
	text := f.qmeta
	if f.qmetaFile != "" {
		read, err := os.ReadFile(f.qmetaFile)
		if err != nil {
			return cli.InvalidUse(cmd, "%s: %w", given[0], err)
		}
		text = strings.TrimSpace(string(read))
	}
	var err error
	if f.meta, err = cli.ParseServer(text, p.Connection.DialTimeout); err != nil {
		return cli.InvalidUse(cmd, "%s: %w", given[0], err)
	}
	if f.mirrorState, err = p.MySQL.Target(p.Connection.DialTimeout); err != nil {
		return err
	}
	if f.mirrorState == nil {
		return cli.InvalidUse(cmd,
			"%s needs to know where kvData is, which C++ czars read: give --mysql-dsn, --mysql-dsn-file or --czar-config",
			given[0])
	}
	return nil
}

// config returns what the flags say, after check.
func (f *serveDropFlags) config() daemon.Drops {
	return daemon.Drops{
		None: f.none, Command: f.command, CommandTimeout: f.commandTimeout, Workers: f.workers.Servers,
		QMeta: f.meta, QMetaGrace: f.qmetaGrace, KvData: f.mirrorState,
	}
}
