package main

import (
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

const serveEventHelp = `It runs each program of --on-event when something happens, with one JSON document on standard input, {"event","time","daemon","prefix",...}:

  mirror_refused       a mirror writes no more until somebody does something; with mirror, code, text, do
  mirror_well          it follows again; with mirror
  conflict             others wrote something that etcd did not take; with mirror, conflicts, text, do
  drop_done            all of it is removed and the name is free; with name, mark
  drop_stuck           it has waited for half an hour since the daemon saw it marked, or its data could not be removed for so long; with name, mark, text, do

The daemon that leads the mirror tells of it, and that which coordinates drops of drops; another one that takes over tells anew of what is wrong.
Programs run one at a time, in the order of events, each for up to a minute. What 64 events wait for is not told, nor what waits when the
daemon ends: the log and css_sync_events_total say so.`

// serveEventFlags say who is told what happens.
type serveEventFlags struct{ commands []string }

func (f *serveEventFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.commands, "on-event", nil,
		"program that is told what happens to mirrors and drops; may be repeated")
	cli.AllowEnvironment(flags, []string{"on-event"}, cli.OwnPrefix)
}

func (f *serveEventFlags) check(cmd *cobra.Command) error {
	for _, path := range f.commands {
		if _, err := exec.LookPath(path); err != nil {
			return cli.InvalidUse(cmd, "%s: %w", cli.Source(cmd.Flags(), "on-event"), err)
		}
	}
	return nil
}
