package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

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
		dropsEvict(p), dropsClean(p))
	g.Long = dropsHelp
	g.Example = "  css-sync drops list\n  css-sync drops show LSST.Object\n  css-sync drops cancel LSST.Object"
	for _, part := range g.Commands() {
		part.Annotations = cli.OnlyEtcd
	}
	return g
}

// onDrops runs a short command about drops.
func (p *program) onDrops(ctx context.Context, do func(context.Context, *dropClient) error) error {
	return p.Shortly(ctx, func(ctx context.Context, css *cli.Catalogue) error {
		client, err := newDropClient(css.Client)
		if err != nil {
			return err
		}
		return do(ctx, client)
	})
}

func dropsList(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the drops that are under way", Args: cli.Takes(),
		Long: `List the drops that are under way, and those that are requested for later, with what each waits for.

With -w json: a list of what "css-sync drops show -w json" prints of each.`,
		Example: "  css-sync drops list\n  css-sync drops list -w json | jq -r '.[] | select(.phase == \"failed\") | .name'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *dropClient) error {
				all, err := client.Drops(ctx)
				views := client.views(ctx, all)
				t := cli.Table{Header: []string{"NAME", "PHASE", "AGE", "POLICY", "BY", "NOW"}}
				for _, v := range views {
					t.Rows = append(t.Rows, []string{v.Name, v.Phase, v.age(), string(v.Policy), v.By, v.Summary})
				}
				return errors.Join(p.Print(views, t.Write), err)
			})
		},
	}
}

func dropsShow(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one drop, and by name who holds it up and why", Args: cli.Takes("NAME"),
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
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *dropClient) error {
				name, err := deletion.ParseName(args[0])
				if err != nil {
					return err
				}
				s, err := client.Status(ctx, name.String())
				if err != nil {
					return err
				}
				v := client.view(ctx, s)
				return p.Print(v, v.write)
			})
		},
	}
}

func (v dropView) write(w io.Writer) {
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
		{"wanted by", v.By}, {"since", strings.TrimSpace(v.Since + v.ago())}, {"failed attempts", attempts},
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
			return p.onDrops(cmd.Context(), func(ctx context.Context, client *dropClient) error {
				all, err := client.Czars(ctx)
				views := viewCzars(all)
				t := cli.Table{Header: []string{"CZAR", "ID", "STATE", "SEEN", "SINCE"}}
				for _, v := range views {
					t.Rows = append(t.Rows, []string{v.Name, v.ID, v.State, strconv.FormatInt(int64(v.Seen), 10), v.Since})
				}
				return errors.Join(p.Print(views, t.Write), err)
			})
		},
	}
}
