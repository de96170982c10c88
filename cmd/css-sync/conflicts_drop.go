package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// conflictsDropped is the JSON form of how many conflicts were dropped.
type conflictsDropped struct {
	Dropped int `json:"dropped"`
}

func conflictsDrop(p *program) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "drop ID...", Short: "Drop conflicts from the record; what others wrote is lost", Args: cli.Takes("[ID]..."),
		Long: `Drop conflicts from the record: etcd and kvData stay as they are, and what others wrote is lost.

With -w json: {"dropped"}, how many.`,
		Example: "  css-sync conflicts drop 7 8\n  css-sync conflicts drop --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := conflictIDs(cmd, args)
			switch {
			case err != nil:
				return err
			case all == (len(ids) > 0):
				return cli.InvalidUse(cmd, "say which conflicts by their ID, or --all")
			}
			target, err := p.MustTarget()
			if err != nil {
				return err
			}
			ctx, cancel := p.Limit(cmd.Context())
			defer cancel()
			if all {
				list, _, err := kvdata.ReadConflicts(ctx, target, 0)
				if err != nil {
					return err
				}
				for _, c := range list {
					ids = append(ids, c.ID)
				}
			}
			n, err := kvdata.DropConflicts(ctx, target, ids...)
			if err != nil {
				return err
			}
			err = p.Print(conflictsDropped{n}, func(w io.Writer) { fmt.Fprintf(w, "%s dropped\n", cli.Count(n, "conflict")) })
			if missing := len(ids) - n; err == nil && missing > 0 && !all {
				err = fmt.Errorf("%w: %d of %s given", kvdata.ErrNoConflict, missing, cli.Count(len(ids), "number"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "drop all that are on record")
	return cmd
}
