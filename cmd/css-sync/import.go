package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/progress"
	"github.com/qserv/css-etcd/mirror"
)

func importCommand(p *program) *cobra.Command {
	return cli.Group("import", "Take a catalogue of MySQL into etcd while others write it", groupFiles,
		importMySQLCommand(p))
}

// importFlags are those of import mysql.
type importFlags struct {
	mirror                          mirrorFlags
	dryRun, overwrite, pendingDrops bool
	onlyDB                          string
	wait                            time.Duration
}

func importMySQLCommand(p *program) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use: "mysql", Short: "Take kvData into etcd, and let both sides write from then on", Args: cli.Takes(),
		Annotations: cli.OnlyEtcd,
		Long: `Take the table kvData of a Qserv into etcd, and let both sides write from then on. No writer of MySQL is stopped: what they write is
captured by triggers first, then a consistent copy of the table becomes the catalogue, and "css-sync serve" takes what was captured
since. Nobody may write to etcd until it has ended.

All that kvData holds and no catalogue can hold is named before anything is changed. An import that was interrupted is made good by
running it again, with --overwrite where kvData was changed in between. "css-sync export mysql" is the way back.

With --only-db one database is copied for a trial, with nodes and partitionings: nothing is captured, and nothing changes in MySQL.`,
		Example: "  css-sync import mysql --czar-config /config-etc/qserv-czar.cnf --dry-run\n" +
			"  css-sync import mysql --czar-config /config-etc/qserv-czar.cnf",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.wait <= 0 {
				return cli.InvalidUse(cmd, "--wait is %s and must be above 0", f.wait)
			}
			target, err := f.mirror.target(cmd, p)
			if err != nil {
				return err
			}
			return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				i := mirror.Import{
					Client: css.Client, Target: target.Server, Name: target.Name, Owner: cli.Owner(), Overwrite: f.overwrite,
					PendingDrops: f.pendingDrops, Wait: f.wait,
				}
				return p.importMySQL(ctx, i, f)
			})
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "check everything and say what would be done")
	flags.BoolVar(&f.overwrite, "overwrite", false, "remove what etcd holds first: a catalogue that is given up, or the "+
		"rest of an import that was interrupted")
	flags.BoolVar(&f.pendingDrops, "with-pending-drops", false, "take statuses PENDING_DROP, each of which starts a drop")
	flags.StringVar(&f.onlyDB, "only-db", "", "copy one database, for a trial")
	flags.DurationVar(&f.wait, "wait", time.Minute,
		"how long to wait for a moment in which no transaction on kvData is open")
	f.mirror.registerName(cmd)
	return cmd
}

func (p *program) importMySQL(ctx context.Context, i mirror.Import, f importFlags) error {
	report := progress.New(p.Stderr, "import")
	i.Progress = report.Update
	if f.onlyDB != "" {
		i.Only = mirror.OfDatabase(f.onlyDB)
	}
	run := i.Run
	switch {
	case f.dryRun:
		run = i.DryRun
	case f.onlyDB != "":
		run = i.Part
	}
	res, err := run(ctx)
	report.Finish()
	switch {
	case errors.Is(err, mirror.ErrImported): // as after an import that was interrupted when it was done
		v := importView{}
		return p.Print(v, v.write)
	case errors.Is(err, cssetcd.ErrNotEmpty):
		return cli.Hinted(err, "if what etcd holds is the rest of an import, or is to be given up, add --overwrite")
	case err != nil && ctx.Err() != nil:
		p.Say("interrupted; running it again goes on")
		return err
	case err != nil:
		return err
	}
	v := importView{Resumed: res.Resumed, Changed: !f.dryRun, DryRun: f.dryRun, OnlyDB: f.onlyDB, Rows: res.Rows,
		Waiting: res.Waiting, restoreView: restoreView(res.RestoreResult)}
	return p.Print(v, v.write)
}

// importView is the JSON form of what an import did, or would do.
type importView struct {
	Resumed bool   `json:"resumed"` // it had been interrupted before its last step
	Changed bool   `json:"changed"` // false: nothing had to be done, or a dry run
	DryRun  bool   `json:"dry_run"`
	OnlyDB  string `json:"only_db,omitempty"`
	Rows    int    `json:"rows"`
	Waiting int    `json:"waiting"`
	restoreView
}

func (v importView) write(w io.Writer) {
	if !v.Changed && !v.DryRun {
		fmt.Fprintln(w, "nothing to do: both sides write already; `css-sync mirror --capture status` says how it stands")
		return
	}
	if v.Resumed {
		fmt.Fprintln(w, "what was left of an import that was interrupted is done")
	} else {
		v.restoreView.write(w, v.DryRun)
	}
	switch {
	case v.DryRun:
		fmt.Fprintf(w, "kvData has %s, and a catalogue can hold all of them\n", cli.Count(v.Rows, "row"))
	case v.OnlyDB != "":
		fmt.Fprintln(w, "MySQL is as it was, and what is written there from now on does not come to etcd")
	default:
		fmt.Fprintf(w, "both sides write from now on: start `css-sync serve`, which takes what others write (%s so far)\n",
			cli.Count(v.Waiting, "change"))
	}
}
