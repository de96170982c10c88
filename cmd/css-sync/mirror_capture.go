package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

const captureHelp = `

--capture says who may write. With --capture install both sides may: triggers in MySQL capture what others write into kvData, such as C++
Qserv, and the mirror takes it into etcd. kvData has to show the catalogue before, and no writer is stopped. It needs a moment in which
no transaction on kvData is open, for which it waits --wait. --capture remove ends that: what was captured is taken first, by the css-sync
serve that runs, for which it waits as long; with --force it is given up. What others write from then on is
undone. --capture status says who may write, whether drops by others are refused, how many changes wait, and how many conflicts there are.
Either may be run again after it has failed. The user needs what "css-sync grants --capture" prints.

With --capture and -w json an object of {"mirror","writers","captured","refuses_drops","waiting","conflicts","unseen","troubles"}; install and
remove add {"changed","given_up","daemon"}. writers is "etcd", "both" or, where kvData was left to others, "mysql"; captured is what MySQL
says; unseen says that the user may not see triggers. Where they disagree, or what captures is faulty, troubles says so, and the exit code of status is 4.`

// captureFlags say who may write.
type captureFlags struct {
	do    string
	force bool
	wait  time.Duration
}

// captureWays are the values of --capture.
var captureWays = cli.Words("install", "remove", "status")

func (f *captureFlags) register(cmd *cobra.Command, p *program) {
	flags := cmd.Flags()
	flags.StringVar(&f.do, "capture", "",
		"who may write: install lets others write into kvData, too, remove ends that, and status looks")
	flags.BoolVar(&f.force, "force", false,
		"with --capture remove: give up what others wrote and nobody has taken, and conflicts")
	flags.DurationVar(&f.wait, "wait", time.Minute,
		"with --capture: how long to wait for a moment in which no transaction is open, or for what was captured to be taken")
	p.CompleteFlag(cmd, "capture", captureWays)
}

// check returns what is wrong with the flags, and whether --capture is given.
func (f *captureFlags) check(cmd *cobra.Command) (given bool, err error) {
	flags := cmd.Flags()
	changed := func(names ...string) string {
		for _, name := range names {
			if flags.Changed(name) {
				return "--" + name
			}
		}
		return ""
	}
	switch other := changed("once", "dry-run", "adopt", "allow-mass-delete"); {
	case !flags.Changed("capture"):
		if only := changed("force", "wait"); only != "" {
			err = cli.InvalidUse(cmd, "%s belongs to --capture", only)
		}
		return false, err
	case f.do != "install" && f.do != "remove" && f.do != "status":
		err = cli.InvalidUse(cmd, "--capture %q is none of install, remove and status", f.do)
	case other != "":
		err = cli.InvalidUse(cmd, "leave out %s, or --capture, which mirrors nothing", other)
	case f.force && f.do != "remove":
		err = cli.InvalidUse(cmd, "--force is for --capture remove")
	case f.do == "status" && flags.Changed("wait"):
		err = cli.InvalidUse(cmd, "--capture status waits for nothing; leave out --wait")
	case f.wait <= 0:
		err = cli.InvalidUse(cmd, "--wait is %s and must be above 0", f.wait)
	}
	return true, err
}

// run does it.
func (f *captureFlags) run(ctx context.Context, p *program, css *cli.Catalogue, t daemon.Target) error {
	taker, err := mirror.NewTaker(css.Client, t.Name)
	if err != nil {
		return err
	}
	before, err := mirror.ReadSides(ctx, t.Server, taker)
	switch {
	case err != nil:
		return err
	case f.do == "status":
		return p.printSides(report.NewSides(t.Name, before))
	}
	leading, err := daemon.ReadLeading(ctx, css.Conn, css.Prefix())
	if err != nil {
		return err
	}
	if err := f.change(ctx, css, t, taker, before); err != nil {
		return err
	}
	after, err := mirror.ReadSides(ctx, t.Server, taker)
	if err != nil {
		return err
	}
	v := report.NewSidesChanged(t.Name, before, after, leading[t.Name].Leader, f.force)
	return p.Print(v, v.Write)
}

func (f *captureFlags) change(ctx context.Context, css *cli.Catalogue, t daemon.Target, taker *mirror.Taker,
	before mirror.Sides) error {
	limited, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	var err error
	if f.do == "install" {
		err = mirror.ShareWriting(limited, t.Server, css.Client, taker, kvdata.DefaultTimeout)
	} else {
		err = mirror.StopSharing(limited, t.Server, taker, kvdata.DefaultTimeout, f.force)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mirror.ErrUnauthorized) && !before.Capture.Installed && f.do == "install":
		return cli.Hinted(fmt.Errorf("nothing captures what others write, and the mirror works as before: %w", err),
			"`css-sync grants --capture` prints what the user needs")
	case errors.Is(err, mirror.ErrNoMirror):
		return cli.Hinted(err, "`css-sync mirror --once` makes kvData show the catalogue first")
	case errors.Is(err, mirror.ErrReleased):
		return cli.Hinted(err, "`css-sync import mysql --overwrite` takes kvData into etcd, and lets both sides write")
	case errors.Is(err, mirror.ErrBusy):
		return cli.Hinted(err, "run it again, or with a longer --wait; information_schema.INNODB_TRX shows open transactions")
	}
	return err
}

// printSides prints who may write, and fails where something is wrong with that.
func (p *program) printSides(v report.Sides) error {
	if err := p.Print(v, v.Write); err != nil || len(v.Troubles) == 0 {
		return err
	}
	codes := []string{}
	for _, t := range v.Troubles {
		codes = append(codes, string(t.Code))
	}
	return fmt.Errorf("%w with the mirror: %s", cli.ErrTrouble, strings.Join(codes, ", "))
}
