package main

import (
	"slices"
	"strconv"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
)

const conflictsHelp = `Look at conflicts, and settle them. Where both sides write (css-sync mirror --capture), a conflict is a change that others wrote into kvData
and that etcd did not take, because its writer had not seen what etcd held. kvData shows what etcd holds, and the change is on record, until
somebody applies it or drops it. The newest 10,000 are kept.

A conflict is of one of these kinds:

  conflict   etcd did not take it, for the reason that show explains
  request    a removal of a table or database on which queries may have been running: it became a drop; see css-sync drops list
  drift      MySQL or etcd was set back to an older state, and nobody knows what it was written on`

func conflictsCommand(p *program) *cobra.Command {
	g := cli.Group("conflicts", "List, show, apply and drop what others wrote and etcd did not take", groupDaemon,
		conflictsList(p), conflictsShow(p), conflictsApply(p), conflictsDrop(p))
	g.Long = conflictsHelp
	g.Example = "  css-sync conflicts list\n  css-sync conflicts show 7\n  css-sync conflicts apply 7"
	for _, part := range g.Commands() {
		part.Annotations = cli.OnlyEtcd
	}
	return g
}

// conflictsAt returns the conflicts that are named, and where they are on record.
func (p *program) conflictsAt(cmd *cobra.Command, args []string) (ids []int64, target *mysql.Config, err error) {
	if ids, err = conflictIDs(cmd, args); err == nil {
		target, err = p.MustTarget()
	}
	return ids, target, err
}

// conflictIDs reads the numbers of conflicts, each once, in ascending order: what was written first comes first.
func conflictIDs(cmd *cobra.Command, args []string) (ids []int64, err error) {
	for _, text := range args {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id <= 0 {
			return nil, cli.InvalidUse(cmd, "%q is no number of a conflict, as `css-sync conflicts list` shows it", text)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
