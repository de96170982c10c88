package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
)

func dropsAbandon(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "abandon NAME", Short: "Free the name of a drop whose data cannot be removed; they stay",
		Long: `Free the name of a drop after the point of no return although its data are not all removed. Nothing removes them later. A table that is created
under the same name may meet them: a worker that finds old chunks may serve them as the new table's, or the new one cannot be loaded. An attempt
to remove them that is under way is told to end; should it go on, and not tell incarnations apart, as css-sync's own do, it may remove data of the new table.
So remove what is left by hand before the name is used again.`,
		Example: "  css-sync drops show LSST.Object\n  css-sync drops abandon LSST.Object",
	}, "abandoned", (*deletion.Client).Abandon,
		"the drop of NAME is abandoned and the name is free; data that were not removed stay, and a table that is created "+
			"as NAME may meet them: remove them by hand first")
}
