package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/mirror"
)

// serveForeignFlags say how the daemon watches for what others write into kvData.
type serveForeignFlags struct {
	policy, drops string
	look, compare time.Duration
}

func (f *serveForeignFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "foreign-writes", string(mirror.Alert),
		"what becomes of rows of kvData that others wrote: alert tells of them, repair undoes them, too")
	flags.StringVar(&f.drops, "foreign-drops", string(mirror.Refuse),
		"where both sides write, what becomes of tables and databases that others drop in kvData while czars are "+
			"registered: refuse makes their SQL fail, request makes it a drop that waits for queries")
	flags.DurationVar(&f.look, "look-every", 3*time.Second, "how often MySQL is looked at while nothing changes")
	flags.DurationVar(&f.compare, "compare-every", time.Minute,
		"how often all rows of kvData are compared with what the daemon left there; 0: never")
	cli.AllowEnvironment(flags, []string{"foreign-writes", "foreign-drops", "look-every", "compare-every"}, cli.OwnPrefix)
}

// check fills in what the flags say.
func (f *serveForeignFlags) check(cmd *cobra.Command, m *daemon.Mirror) error {
	named := func(name string) string { return cli.Named(cmd.Flags(), name) }
	m.ForeignDrops = mirror.DropPolicy(f.drops)
	m.Foreign, m.LookEvery, m.CompareEvery = mirror.Policy(f.policy), f.look, f.compare
	switch {
	case m.Foreign != mirror.Alert && m.Foreign != mirror.Repair:
		return cli.InvalidUse(cmd, "%s %q is neither alert nor repair", named("foreign-writes"), f.policy)
	case m.ForeignDrops != mirror.Refuse && m.ForeignDrops != mirror.Request:
		return cli.InvalidUse(cmd, "%s %q is neither refuse nor request", named("foreign-drops"), f.drops)
	case f.look <= 0:
		return cli.InvalidUse(cmd, "%s is %s and must be above 0", named("look-every"), f.look)
	case f.compare < 0:
		return cli.InvalidUse(cmd, "%s is %s and must be 0 or above", named("compare-every"), f.compare)
	case f.compare == 0:
		m.CompareEvery = -1
	}
	return nil
}
