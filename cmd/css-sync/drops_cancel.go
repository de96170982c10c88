package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
)

func dropsCancel(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "cancel NAME", Short: "Take a drop back: what was marked is in use again",
		Long: `Take a drop back, or a request for one: what was marked has the status again that it had, and queries begin on it again. That is possible
until the point of no return, which comes when the agreed delay is over and no query uses it any more.`,
		Example: "  css-sync drops cancel LSST.Object",
	}, "cancelled", (*deletion.Client).Undo, "the drop of NAME is cancelled; it has the status again that it had")
}
