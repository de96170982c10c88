package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

const settingsHelp = `Show or change the durations of the protocol of deletion. They are kept in etcd, and are the same for all czars and coordinators of a catalogue:

  confirm   how often a czar proves in etcd that it is registered
  fence     for how long after such a proof a czar lets queries begin and go on. A czar that is cut off from etcd for longer refuses queries
  wait      how long a czar that was found silent is left alone; at least 11/9 of fence, since clocks differ. It holds drops up for alive + wait
  alive     after which a czar that has not confirmed is taken for silent
  delay     from the mark to the removal at least, unless a drop says otherwise; in it a drop can be cancelled

A long fence costs drops only, and only when a czar is lost: queries go on through an outage of etcd that is shorter.`

// dropsSettings makes the command of what etcd holds, beside what css-sync config prints, which is of one process.
func dropsSettings(p *program) *cobra.Command {
	g := cli.Group("settings", "Show or change the durations of the protocol of deletion", "", settingsShow(p),
		settingsSet(p))
	g.Long = settingsHelp
	g.Example = "  css-sync drops settings show\n  css-sync drops settings set --delay 1m"
	for _, part := range g.Commands() {
		part.Annotations = cli.OnlyEtcd
	}
	return g
}
