package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/progress"
)

type restoreFlags struct{ dryRun, overwrite, pendingDrops, force bool }

func restoreCommand(p *program) *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Fill an empty etcd from a dump", GroupID: groupFiles, Args: cli.Takes("FILE"),
		Long: `Fill an empty etcd from a dump; - reads it from standard input. All of the dump is checked before anything is written. Qserv
sees each table when it is whole, and the databases last. A restore that was interrupted is made good by running it again.`,
		Example: "  css-sync restore css.json --dry-run\n  css-sync restore css.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			dump, err := cli.ReadDump(cmd.Context(), args[0], p.Stdin)
			if err != nil {
				return err
			}
			return p.AtLength(cmd.Context(), func(ctx context.Context,
				css *cli.Catalogue) error {
				return p.restore(ctx, css, dump, f)
			})
		},
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "check everything and say what would be done")
	cmd.Flags().BoolVar(&f.overwrite, "overwrite", false, "remove the catalogue that is there first")
	cmd.Flags().BoolVar(&f.pendingDrops, "with-pending-drops", false,
		"restore statuses PENDING_DROP, each of which starts a drop")
	cmd.Flags().BoolVar(&f.force, "force", false, "overwrite although czars are registered, whose queries may fail")
	return cmd
}

func (f restoreFlags) options(report progress.Reporter) []cssetcd.RestoreOption {
	opts := []cssetcd.RestoreOption{cssetcd.OnProgress(report.Update)}
	for _, o := range []struct {
		on  bool
		opt cssetcd.RestoreOption
	}{
		{f.dryRun, cssetcd.DryRun()}, {f.overwrite, cssetcd.Overwrite()},
		{f.pendingDrops, cssetcd.WithPendingDrops()}, {f.force, cssetcd.RestoreUnsafe()},
	} {
		if o.on {
			opts = append(opts, o.opt)
		}
	}
	return opts
}

func (p *program) restore(ctx context.Context, css *cli.Catalogue, dump *cssetcd.Dump, f restoreFlags) error {
	for name, why := range cssetcd.Unqueryable(dump.All()) {
		p.Say("warning: %s: %s", name, why)
	}
	report := progress.New(p.Stderr, "restore")
	res, err := css.Restore(ctx, dump, f.options(report)...)
	report.Finish()
	switch {
	case errors.Is(err, cssetcd.ErrInvalid) && !f.pendingDrops:
		return cli.Hinted(err, "--with-pending-drops restores them, and with that starts the drops")
	case err != nil && ctx.Err() != nil:
		p.Say("interrupted; what is restored stays, and running it again does the rest")
		return err
	case err != nil:
		return err
	}
	v := restoreView(res)
	return p.Print(restoredView{f.dryRun, v}, func(w io.Writer) { v.write(w, f.dryRun) })
}

// restoredView is the JSON form of what restore prints.
type restoredView struct {
	DryRun bool `json:"dry_run"`
	restoreView
}

// restoreView is the JSON form of what a restore did, or would do.
type restoreView struct {
	Databases    int              `json:"databases"`
	Tables       int              `json:"tables"`
	Nodes        int              `json:"nodes"`
	Keys         int              `json:"keys"`
	Present      int              `json:"present"`
	Removed      int              `json:"removed"`
	Transactions int              `json:"transactions"`
	Revision     cssetcd.Revision `json:"revision"`
}

func (v restoreView) write(w io.Writer, dryRun bool) {
	fmt.Fprintf(w, "the dump has %s, %s and %s in %s\n",
		cli.Count(v.Databases, "database"), cli.Count(v.Tables, "table"), cli.Count(v.Nodes, "node"),
		cli.Count(v.Keys, "key"))
	did, removed := "restored", "removed"
	if dryRun {
		did, removed = "would restore", "would remove"
	}
	if v.Removed > 0 {
		fmt.Fprintf(w, "%s %s that were there before\n", removed, cli.Count(v.Removed, "key"))
	}
	if v.Transactions == 0 {
		fmt.Fprintf(w, "all is there, nothing has to be restored, revision %d\n", v.Revision)
		return
	}
	fmt.Fprintf(w, "%s %s in %s", did, cli.Count(v.Keys-v.Present, "key"), cli.Count(v.Transactions, "transaction"))
	if v.Present > 0 {
		fmt.Fprintf(w, "; the other %d were there", v.Present)
	}
	if dryRun {
		fmt.Fprintln(w, "; nothing was written")
		return
	}
	fmt.Fprintf(w, ", revision %d\n", v.Revision)
}
