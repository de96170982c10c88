package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
)

func czarCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use: "czar", Short: "Run a czar that tells what it sees of the catalogue, for tests and demonstrations", GroupID: groupFiles,
		Args: takes(), Annotations: onlyEtcd,
		Long: `Run a czar, one of the processes that plan Qserv's queries, without the queries: it holds the catalogue in memory as a czar does,
and prints each change of a database, table or node at the moment at which its queries would see it, until it is interrupted.
Chunks are not told of. How its connection to etcd does is in the log.

With -w json each line is an object {"time","revision","what","name","change","status"}: time is this machine's clock when the
change was visible, revision that of the catalogue as visible then, change is created, changed or removed. What is removed has no
status. Dropped and created again between two looks is removed and created. The first line is {"ready":true,"revision"}.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.onWhole(cmd.Context(), p.czar) },
	}
}

// czar prints until ctx ends, which is how it is meant to end.
func (p *program) czar(ctx context.Context, css *catalogue) error {
	view, err := cssetcd.OpenView(ctx, css.Client)
	if err != nil {
		return err
	}
	defer view.Close()
	var telling sync.WaitGroup
	defer telling.Wait()
	following, stop := context.WithCancel(ctx)
	defer stop()
	telling.Go(func() { p.tellPhases(following, view) })

	changes := view.Subscribe()
	if err := p.printReady(changes.Snapshot()); err != nil {
		return err
	}
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
			p.log.Warn("etcd went back, or is another one; what follows is the difference", "from", u.From.Revision(), "to", u.To.Revision())
		}
		for _, s := range sights(u) {
			s.Time, s.Revision = seen, u.To.Revision()
			if err := p.printSight(s); err != nil {
				return err
			}
		}
	}
}

// tellPhases logs when the view loses etcd and when it has it back, until ctx ends.
func (p *program) tellPhases(ctx context.Context, view *cssetcd.View) {
	last := view.Condition().Phase
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := view.Condition()
		if now.Phase == last {
			continue
		}
		if last = now.Phase; last == cssetcd.Live {
			p.log.Info("the view follows etcd again", "revision", view.Snapshot().Revision())
			continue
		}
		p.log.Warn("the view does not follow etcd; queries go on with what it has", "phase", now.Phase, "revision", view.Snapshot().Revision(),
			"confirmed_ago", view.Staleness().Round(time.Millisecond), "err", now.Reason)
	}
}

// readyView is the first line of czar -w json.
type readyView struct {
	Ready    bool             `json:"ready"`
	Revision cssetcd.Revision `json:"revision"`
}

func (p *program) printReady(s *cssetcd.Snapshot) error {
	if p.output.json() {
		return writeJSON(p.stdout, readyView{true, s.Revision()}, "")
	}
	_, err := fmt.Fprintf(p.stdout, "ready at revision %d\n", s.Revision())
	return err
}

// clockTime is as exact as the changes are quick, and of one width.
const clockTime = "2006-01-02T15:04:05.000000Z07:00"

func (p *program) printSight(s sight) error {
	if p.output.json() {
		return writeJSON(p.stdout, s, "")
	}
	status := ""
	if s.Status != "" {
		status = "  " + cell(string(s.Status))
	}
	_, err := fmt.Fprintf(p.stdout, "%s  %d  %s  %-8s  %s%s\n", s.Time.Format(clockTime), s.Revision, s.Change, s.What, cell(s.Name), status)
	return err
}
