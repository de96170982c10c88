package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

const dropsHelp = `Look at drops that are under way, and do something about them. NAME is DATABASE.TABLE, or DATABASE for a whole database.

A drop has one of these phases:

  requested   it is marked when the time of --after is over; until then all goes on as before, and it can be cancelled
  marked      no query begins on it; it can be cancelled. It waits for the agreed delay, and for every czar to say that none of its
              queries uses it any more
  dropping    the catalogue has forgotten it: the point of no return is past. Its data are being removed
  failed      likewise, and the last attempt to remove the data failed; it is tried again by itself

When the data are removed, the drop is listed no more and the name is free. css-sync serve is what carries drops out.`

func dropsCommand(p *program) *cobra.Command {
	g := catalogueGroup("drops", "List, show, cancel and end drops that are under way; name what blocks them",
		dropsList(p), dropsShow(p), dropsWait(p), dropsCancel(p), dropsRetry(p), dropsAbandon(p), dropsCzars(p),
		dropsEvict(p), dropsClean(p), dropsSettings(p))
	g.Long = dropsHelp
	g.Example = "  css-sync drops list\n  css-sync drops show LSST.Object\n  css-sync drops cancel LSST.Object"
	for _, part := range g.Commands() {
		part.Annotations = cli.OnlyEtcd
	}
	return g
}

// onDrops runs a short command about drops.
func (p *program) onDrops(ctx context.Context, do func(context.Context, *deletion.Client) error) error {
	return p.Shortly(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		client, err := deletion.NewClient(css.Client)
		if err != nil {
			return err
		}
		return do(ctx, client)
	})
}
