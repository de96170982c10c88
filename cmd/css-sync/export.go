package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

func exportCommand(p *program) *cobra.Command {
	return cli.Group("export", "Leave a catalogue to MySQL while others write it", groupFiles, exportMySQLCommand(p))
}

func exportMySQLCommand(p *program) *cobra.Command {
	var f mirrorFlags
	var wait time.Duration
	var force bool
	cmd := &cobra.Command{
		Use: "mysql", Short: "Leave kvData to those who write into MySQL", Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Leave the table kvData to those who write into MySQL: it holds the catalogue, nothing is captured any more, and no css-sync writes to it,
also one that goes on running. No writer of MySQL is stopped. Nobody may write to etcd any more; keys that were written there too
late are named. While drops are under way it is refused. It waits until kvData shows all that etcd held when it began, for which
"css-sync serve" has to run; with --force it does not. An import that was interrupted is given up.

The way back into etcd is "css-sync import mysql --overwrite".`,
		Example: "  css-sync export mysql --czar-config /config-etc/qserv-czar.cnf",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait <= 0 {
				return cli.InvalidUse(cmd, "--wait is %s and must be above 0", wait)
			}
			target, err := f.target(cmd, p)
			if err != nil {
				return err
			}
			return p.OnWhole(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
				taker, err := mirror.NewTaker(css.Client, target.Name)
				if err != nil {
					return err
				}
				short, cancel := context.WithTimeout(ctx, wait)
				defer cancel()
				left, err := mirror.Leave(short, target.Server, css.Client, taker, 0, force)
				if err != nil {
					return err
				}
				v := exportView{int64(left.Revision), append([]string{}, left.Newer...), left.GaveUp}
				return p.Print(v, v.write)
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for serve, and for a moment in which no "+
		"transaction on kvData is open")
	cmd.Flags().BoolVar(&force, "force", false, "do not wait for what was written to etcd and kvData does not show: "+
		"it is named, and given up")
	f.registerName(cmd)
	return cmd
}

// exportView is the JSON form of how a kvData was left.
type exportView struct {
	Revision int64    `json:"revision"`
	Newer    []string `json:"newer"` // keys that were written in etcd since, and are not in kvData
	GaveUp   bool     `json:"gave_up_import"`
}

func (v exportView) write(w io.Writer) {
	if v.GaveUp {
		fmt.Fprintln(w, "an import that had not ended is given up; kvData is as those who write into MySQL left it")
		return
	}
	fmt.Fprintf(w,
		"kvData holds revision %d of etcd, and what others wrote on it since; no mirror writes to it any more\n",
		v.Revision)
	if len(v.Newer) == 0 {
		return
	}
	fmt.Fprintf(w, "%s of etcd came too late and kvData does not have them as etcd does:\n", cli.Count(len(v.Newer),
		"change"))
	for _, key := range v.Newer[:min(len(v.Newer), 20)] {
		fmt.Fprintf(w, "  %s\n", key)
	}
	if more := len(v.Newer) - 20; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}
