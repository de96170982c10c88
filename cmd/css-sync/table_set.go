package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

// writeTable is write for one table, given by its argument.
func (p *program) writeTable(ctx context.Context, arg string, say outcome,
	do func(context.Context, *cli.Catalogue, cssetcd.TableName) (cssetcd.Revision, error)) error {
	name, err := cssetcd.ParseTableName(arg)
	if err != nil {
		return err
	}
	return p.write(ctx, say, func(ctx context.Context, css *cli.Catalogue) (cssetcd.Revision,
		error) {
		return do(ctx, css, name)
	})
}

func tableSetStatus(p *program) *cobra.Command {
	var only conditionFlags
	cmd := &cobra.Command{
		Use: "set-status DATABASE.TABLE STATUS", Short: "Set the status of a table",
		Args:    cli.Takes("DATABASE.TABLE", "STATUS"),
		Example: "  css-sync table set-status LSST.Object READY --if-status DO_NOT_USE",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := parseStatus(args[1])
			if err != nil {
				return err
			}
			return p.writeTable(cmd.Context(), args[0], outcome{done: "status of table " + args[0] + " is " + args[1]},
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName) (cssetcd.Revision, error) {
					return css.SetTableStatus(ctx, name, status, only.options()...)
				})
		},
	}
	only.register(cmd, "table", "status")
	return cmd
}

func tableSetSchema(p *program) *cobra.Command {
	var only conditionFlags
	var schema schemaFlags
	cmd := &cobra.Command{
		Use: "set-schema DATABASE.TABLE", Short: "Set the schema of a table", Args: cli.Takes("DATABASE.TABLE"),
		Example: "  css-sync table set-schema LSST.Object --schema-file Object.schema",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := schema.read(cmd, p.Stdin)
			if err != nil {
				return err
			}
			return p.writeTable(cmd.Context(), args[0], outcome{done: "schema of table " + args[0] + " set"},
				func(ctx context.Context, css *cli.Catalogue, name cssetcd.TableName) (cssetcd.Revision, error) {
					return css.SetTableSchema(ctx, name, text, only.options()...)
				})
		},
	}
	schema.register(cmd)
	only.register(cmd, "table", "status")
	return cmd
}

func tableSetScan(p *program) *cobra.Command {
	var only conditionFlags
	var scan cssetcd.SharedScan
	cmd := &cobra.Command{
		Use: "set-scan DATABASE.TABLE", Short: "Set how a table takes part in shared scans",
		Args: cli.Takes("DATABASE.TABLE"),
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
