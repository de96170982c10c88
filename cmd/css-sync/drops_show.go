package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

func dropsShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one drop, and by name who holds it up and why", Args: cli.Takes("NAME"),
		ValidArgsFunction: p.Completes(cli.DropNames, nil),
		Long: `Show one drop: how far it is, since when, what it waits for, and by name which czars have not said yet that their queries have ended,
and why not.

With -w json an object:
  name           DATABASE.TABLE, or DATABASE
  kind           "table" or "database"
  phase          "requested", "marked", "dropping" or "failed"; see css-sync drops --help
  summary        what it waits for, as a sentence
  incarnation    revision at which what is dropped was created
  mark           revision of the mark; not there while it is requested
  policy         "wait" or "cancel": what becomes of queries that are running
  by, since      who wanted it, and when by that one's clock
  age_seconds    how long ago that is by the clock here; not there where it is not known
  left_seconds   of the time of --after, or of the agreed delay; 0 when it is over
  waiting_for    czars that have not acknowledged: a list of {"czar","name","why"}, czar being the id that evict takes
  tables_first   a database waits for drops of its tables
  attempts       to remove the data that failed
  error          why the last one did
  trouble        what the attempt that is under way has trouble with, by server and table where it knows them`,
		Example: "  css-sync drops show LSST.Object\n  css-sync drops show LSST.Object -w json | jq -r '.waiting_for[].name'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *deletion.Client) error {
				name, err := deletion.ParseName(args[0])
				if err != nil {
					return err
				}
				s, err := client.Status(ctx, name.String())
				if err != nil {
					return err
				}
				v := form.OfDrop(s)
				return p.Print(v, func(w io.Writer) { writeDrop(w, v) })
			})
		},
	}
}

func writeDrop(w io.Writer, v form.Drop) {
	attempts := ""
	if v.Attempts > 0 {
		attempts = strconv.Itoa(v.Attempts)
	}
	mark := ""
	if v.Mark > 0 {
		mark = "revision " + strconv.FormatInt(int64(v.Mark), 10)
	}
	cli.Facts{
		{v.Kind, v.Name}, {"phase", v.Phase}, {"now", v.Summary}, {"marked at", mark},
		{"incarnation", "revision " + strconv.FormatInt(int64(v.Incarnation), 10)},
		{"running queries", map[deletion.Policy]string{deletion.Wait: "are waited for",
			deletion.Cancel: "are cancelled"}[v.Policy]},
		{"wanted by", v.By}, {"since", strings.TrimSpace(v.Since + ago(v))}, {"failed attempts", attempts},
		{"last error", v.Error}, {"trouble now", v.Trouble},
	}.Write(w)
	if len(v.WaitingFor) == 0 {
		return
	}
	t := cli.Table{Header: []string{"WAITS FOR CZAR", "ID", "BECAUSE"}}
	for _, b := range v.WaitingFor {
		t.Rows = append(t.Rows, []string{b.Name, b.Czar, b.Why})
	}
	fmt.Fprintln(w)
	t.Write(w)
}

func ago(v form.Drop) string {
	if v.AgeSeconds == nil {
		return ""
	}
	return ", " + v.Age() + " ago"
}
