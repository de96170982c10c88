package main

import (
	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
)

func dropsRetry(p *program) *cobra.Command {
	return dropChange(p, &cobra.Command{
		Use: "retry NAME", Short: "Try again at once to remove the data of a drop that failed",
		Long: `Have the coordinator try again at once to remove the data, and not only when the time between two attempts, up to a minute, is over.
For when the cause of the failure is mended. An attempt that has been under way for more than 10 s is ended for it.`,
		Example: "  css-sync drops retry LSST.Object",
	}, "retried", (*deletion.Client).Retry,
		"removing the data of NAME is tried again at once; see css-sync drops show NAME")
}
