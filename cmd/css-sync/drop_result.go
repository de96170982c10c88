package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/cli"
)

// drop drops something, and waits for the end of it when that is wanted.
func (p *program) drop(cmd *cobra.Command, d *dropFlags, what dropped) error {
	if err := d.check(cmd, p); err != nil {
		return err
	}
	return p.AtLength(cmd.Context(), func(ctx context.Context, css *cli.Catalogue) error {
		limited, cancel := p.Limit(ctx)
		r, drop, err := d.begin(limited, css, what)
		cancel()
		if err != nil {
			return err
		}
		if drop == nil || !d.wait {
			return p.Print(r, r.write)
		}
		if !p.Output.JSON() {
			if err := p.Print(r, r.write); err != nil {
				return err
			}
		}
		client, err := deletion.NewClient(css.Client)
		if err == nil {
			err = p.await(ctx, client, drop)
		}
		if err != nil {
			return err
		}
		r.Ended = true
		return p.Print(r, func(w io.Writer) { fmt.Fprintln(w, what.what+" dropped") })
	})
}

// The ways in which something is dropped.
const (
	wayDirect   = "direct"
	wayForced   = "forced"
	wayProtocol = "protocol"
)

// dropResult is what became of a wish to drop something, and its JSON form.
type dropResult struct {
	Name         string           `json:"name"`
	Way          string           `json:"way"`
	Changed      bool             `json:"changed"`
	Revision     cssetcd.Revision `json:"revision"`
	Phase        string           `json:"phase,omitempty"`
	Incarnation  cssetcd.Revision `json:"incarnation,omitempty"`
	DelaySeconds int              `json:"delay_seconds,omitempty"`
	AfterSeconds int              `json:"after_seconds,omitempty"`
	Ended        bool             `json:"ended,omitempty"`         // --wait: it was waited for
	LeftChildren []string         `json:"left_children,omitempty"` // what was partitioned by it and stays

	what   string
	joined string // the drop that had begun already, which is waited for
	file   bool   // the catalogue is on one
	czars  int    // that were registered when it was forced
	now    string // what the drop waits for
}

func (r dropResult) write(w io.Writer) {
	back := "css-sync drops cancel " + r.Name
	delay := time.Duration(r.DelaySeconds) * time.Second
	switch {
	case r.joined != "":
		fmt.Fprintf(w, "a drop of %s has begun already, with the mark at revision %d; it is waited for as it was begun\n",
			r.joined, r.Revision)
	case !r.Changed:
		fmt.Fprintf(w, "nothing to do: there is no %s\n", r.what)
	case r.Phase == deletion.PhaseRequested:
		fmt.Fprintf(w, "%s stays in use for %s and is marked to be dropped then\nuntil then and for %s more it can be "+
			"kept: %s\n",
			r.what, time.Duration(r.AfterSeconds)*time.Second, delay, back)
	case r.Way == wayProtocol:
		fmt.Fprintf(w, "%s is marked to be dropped, revision %d; no query begins on it from now on\n", r.what, r.Revision)
		if r.DelaySeconds > 0 {
			fmt.Fprintf(w, "to undo within %s: %s\n", delay, back)
		} else {
			fmt.Fprintf(w, "to undo until the czars have agreed: %s\n", back)
		}
	default:
		fmt.Fprintf(w, "%s dropped, revision %d\n", r.what, r.Revision)
	}
	if r.Changed && len(r.LeftChildren) > 0 {
		fmt.Fprintf(w, "left without what they are partitioned by, and cannot be queried: %s\n", someOf(r.LeftChildren))
	}
	if !r.Changed || r.file {
		return
	}
	switch r.Way {
	case wayDirect:
		fmt.Fprintln(w, "removed at once, since no czar is registered; data that workers hold of it are left alone")
	case wayForced:
		fmt.Fprintf(w, "removed at once, by force: %s; data that workers hold of it are left alone\n", r.risk())
	case wayProtocol:
		if r.now != "" {
			fmt.Fprintln(w, "now "+r.now)
		}
	}
}

// risk says what a removal by force did to queries, as far as that is known.
func (r dropResult) risk() string {
	switch {
	case r.czars == 0:
		return "no czar was registered, so no query of theirs is at risk"
	case r.czars == 1:
		return "1 czar is registered, whose queries on it may fail, or read another table if the name is created anew " +
			"before they end"
	}
	return fmt.Sprintf("%d czars are registered, whose queries on it may fail, or read another table if the name is "+
		"created anew before they end", r.czars)
}

// await waits until a drop has ended, and says what it waits for whenever that changes. It fails when the drop was
// cancelled.
func (p *program) await(ctx context.Context, client *deletion.Client, drop *deletion.Drop) error {
	done := make(chan error, 1)
	go func() { done <- drop.Wait(ctx) }()
	said := ""
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if s, err := client.Status(ctx, drop.Name()); err == nil && s.Incarnation == drop.Incarnation() &&
			awaited(s) != said {
			said = awaited(s)
			p.Say("%s: %s", drop.Name(), s.Summary())
		}
		select {
		case err := <-done:
			if errors.Is(err, context.Canceled) {
				p.Say("the drop of %s goes on", drop.Name())
			}
			return err
		case <-tick.C:
		}
	}
}

// awaited tells apart what a drop may be waiting for. The time that is left is no difference.
func awaited(s deletion.Status) string {
	text := fmt.Sprint(s.Phase, s.Left > 0, s.Occupied, s.Attempts, s.Error, s.Trouble)
	for _, b := range s.Waiting {
		text += "\n" + b.Czar + " " + b.Why
	}
	return text
}

// lookEvery is how often a command that waits for a drop looks at what holds it up.
const lookEvery = 200 * time.Millisecond
