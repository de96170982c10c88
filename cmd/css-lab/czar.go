package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
)

func czarCommand(p *program) *cobra.Command {
	var flags czarFlags
	cmd := &cobra.Command{
		Use: "czar", Short: "Run a czar that tells what it sees of the catalogue, and runs queries, for tests and " +
			"demonstrations", GroupID: groupLab,
		Args: cli.Takes(), Annotations: cli.OnlyEtcd,
		Long: `Run a czar, one of the processes that plan Qserv's queries: it holds the catalogue in memory as a czar does, and prints each change
of a database, table or node at the moment at which its queries would see it, until it is interrupted. Chunks are not told of. How its
connection to etcd does is in the log. Without --queries it runs none and is not registered: no drop waits for it.

With -w json each line is an object {"time","revision","what","name","change","status"}: time is this machine's clock when the
change was visible, revision that of the catalogue as visible then, change is created, changed or removed. What is removed has no
status. Dropped and created again between two looks is removed and created. The first line is {"ready":true,"revision"}.

` + czarQueriesHelp,
		Example: `  css-lab czar
  (echo Sky.Object 3s; sleep 1; echo Sky.Source,Sky.Object 500ms) | css-lab czar --queries --name czar-1 -w json
  css-lab czar --queries --worker-dsn 'qsreplica@tcp(worker-1:3306)/' --worker-dsn 'qsreplica@tcp(worker-2:3306)/'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.check(cmd, p); err != nil {
				return err
			}
			run := func(ctx context.Context, css *cli.Catalogue) error { return p.czar(ctx, css, &flags) }
			if flags.queries {
				return p.AtLength(cmd.Context(), run)
			}
			return p.OnWhole(cmd.Context(), run)
		},
	}
	flags.register(cmd)
	return cmd
}

// czarRun is one run of a czar.
type czarRun struct {
	*program
	out  *wholeWrites // where lines go
	view *cssetcd.View
}

// czar tells of changes until ctx ends, which is how it is meant to end, and runs queries where that is wanted.
func (p *program) czar(ctx context.Context, css *cli.Catalogue, flags *czarFlags) error {
	view, err := cssetcd.OpenView(ctx, css.Client)
	if err != nil {
		return err
	}
	defer view.Close()
	c := &czarRun{program: p, out: &wholeWrites{w: p.Stdout}, view: view}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { c.tellPhases(ctx); return nil })
	group.Go(func() error {
		defer stop() // the queries have ended, or the changes cannot be told
		return c.work(ctx, css, flags, group)
	})
	return group.Wait()
}

// work tells of changes, and takes queries if that is wanted, until one of the two has ended.
func (c *czarRun) work(ctx context.Context, css *cli.Catalogue, flags *czarFlags, group *errgroup.Group) error {
	changes := c.view.Subscribe()
	if !flags.queries {
		if err := c.printReady(changes.Snapshot()); err != nil {
			return err
		}
		return c.tellSights(ctx, changes)
	}
	q, err := c.openQueries(ctx, css, flags)
	if err != nil {
		return err
	}
	err = c.printReady(changes.Snapshot())
	if err == nil {
		group.Go(func() error { return c.tellSights(ctx, changes) })
		err = q.run(ctx)
	}
	q.close(context.WithoutCancel(ctx))
	return err
}

// tellSights prints what changes until ctx ends.
func (c *czarRun) tellSights(ctx context.Context, changes *cssetcd.Subscription) error {
	for {
		u, err := changes.Next(ctx)
		seen := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if u.Regressed {
			c.Log.Warn("etcd went back, or is another one; what follows is the difference", "from", u.From.Revision(), "to",
				u.To.Revision())
		}
		for _, s := range sights(u) {
			s.Time, s.Revision = seen, u.To.Revision()
			if err := c.printSight(s); err != nil {
				return err
			}
		}
	}
}

// tellPhases logs when the view loses etcd and when it has it back, until ctx ends.
func (c *czarRun) tellPhases(ctx context.Context) {
	last := c.view.Condition().Phase
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.view.Condition()
		if now.Phase == last {
			continue
		}
		if last = now.Phase; last == cssetcd.Live {
			c.Log.Info("the view follows etcd again", "revision", c.view.Snapshot().Revision())
			continue
		}
		c.Log.Warn("the view does not follow etcd; queries go on with what it has", "phase", now.Phase, "revision",
			c.view.Snapshot().Revision(),
			"confirmed_ago", c.view.Staleness().Round(time.Millisecond), "err", now.Reason)
	}
}

// readyView is the first line of czar -w json.
type readyView struct {
	Ready    bool             `json:"ready"`
	Revision cssetcd.Revision `json:"revision"`
}

func (c *czarRun) printReady(s *cssetcd.Snapshot) error {
	if c.Output.JSON() {
		return cli.WriteJSON(c.out, readyView{true, s.Revision()}, "")
	}
	_, err := fmt.Fprintf(c.out, "ready at revision %d\n", s.Revision())
	return err
}

// clockTime is as exact as the changes are quick, and of one width.
const clockTime = "2006-01-02T15:04:05.000000Z07:00"

func (c *czarRun) printSight(s sight) error {
	if c.Output.JSON() {
		return cli.WriteJSON(c.out, s, "")
	}
	status := ""
	if s.Status != "" {
		status = "  " + cli.Cell(string(s.Status))
	}
	_, err := fmt.Fprintf(c.out, "%s  %d  %s  %-8s  %s%s\n", s.Time.Format(clockTime), s.Revision, s.Change, s.What,
		cli.Cell(s.Name), status)
	return err
}

// lookEvery is how often a czar looks at how fresh its view is.
const lookEvery = 200 * time.Millisecond
