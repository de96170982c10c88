package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func dropsCzars(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "czars", Short: "List the czars that drops wait for", Args: cli.Takes(),
		Long: `List the czars that are registered: those whose queries drops wait for. C++ czars do not register.

A czar that is silent has not confirmed for a while; the coordinator ends its registration by itself. One that is ending is waited for
no more when its time is over.

With -w json a list of {"id","name","since","state","seen"}: id is what evict takes, state "alive", "silent" or "ending", seen the revision
of etcd up to which it knows the catalogue.`,
		Example: "  css-sync drops czars",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
				all, err := client.Czars(ctx)
				views := form.OfCzars(all)
				t := cli.Table{Header: []string{"CZAR", "ID", "STATE", "SEEN", "SINCE"}}
				for _, v := range views {
					t.Rows = append(t.Rows, []string{v.Name, v.ID, v.State, strconv.FormatInt(int64(v.Seen), 10), v.Since})
				}
				return errors.Join(p.Print(views, t.Write), err)
			})
		},
	}
}
