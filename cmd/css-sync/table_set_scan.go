package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func tableSetScan(p *program) *cobra.Command {
	var only conditionFlags
	var scan cssetcd.SharedScan
	cmd := &cobra.Command{
		Use: "set-scan DATABASE.TABLE", Short: "Set how a table takes part in shared scans",
		Args:              cli.Takes("DATABASE.TABLE"),
		ValidArgsFunction: p.Completes(cli.TableNames, nil),
		Long: "Set how a table takes part in shared scans: both values at once. --scan-rating has to be given; without " +
			"--lock-in-mem that is off.",
		Example: "  css-sync table set-scan LSST.Object --scan-rating 2 --lock-in-mem",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("scan-rating") {
				return cli.InvalidUse(cmd, "--scan-rating is missing")
			}
			return p.writeTable(cmd.Context(), args[0], outcome{done: "shared scan of table " + args[0] + " set"},
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName) (cssetcd.Revision, error) {
					return css.SetSharedScan(ctx, name, scan, only.options()...)
				})
		},
	}
	cmd.Flags().IntVar(&scan.Rating, "scan-rating", 0, "1 to 3: the higher, the slower the scan")
	cmd.Flags().BoolVar(&scan.LockInMem, "lock-in-mem", false, "keep chunks in memory while they are scanned")
	only.register(cmd, "table", "status")
	return cmd
}
