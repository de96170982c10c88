// Package daemon is what css-sync serve runs: a mirror to MySQL, a coordinator of drops, the compaction of etcd's
// history, answers over HTTP, and, where it is asked for, an etcd of its own.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/compaction"
	"github.com/qserv/css-etcd/internal/event"
)

// Config says what the daemon runs. Run checks none of it; who reads it from flags does.
type Config struct {
	Version    string // for the log
	Mirror     Mirror
	Targets    []Target      // to mirror to, each with another name
	DataDir    string        // of an etcd in this process, which outlives a reload; "": none
	Listen     string        // where that etcd listens for clients
	SessionTTL time.Duration // after how long a daemon that is gone is replaced, in whole seconds
	Compact    time.Duration // how much of etcd's history to keep; 0: all
	Drops      Drops
	HTTP       HTTP
	OnEvent    []string // programs that are told what happens to mirrors and drops
	// Status reads how all stands, for HTTP; nil: it is not told.
	Status func(context.Context, *cli.Catalogue, *cssetcd.Snapshot) (any, error)
}

// daemon is what serve runs. Its parts live until its context ends or one of them fails.
type daemon struct {
	*cli.Program
	Config
	css      *cli.Catalogue
	view     *cssetcd.View
	standing standing
	lasting  *lasting
	events   *event.Runner // nil: nobody is told
}

// serve runs the daemon's parts.
func serve(ctx context.Context, p *cli.Program, config Config, on *lasting) error {
	d := &daemon{Program: p, Config: config, lasting: on}
	var parts []func(context.Context) error
	if on.etcd != nil {
		parts = append(parts, func(ctx context.Context) error { return watchOver(ctx, on.etcd) })
	}
	var err error
	if d.css, err = p.Connect(ctx); err != nil {
		return err
	}
	defer d.css.Close()
	if d.view, err = cssetcd.OpenView(ctx, d.css.Client); err != nil {
		return err
	}
	defer d.view.Close()
	p.Log.Info("daemon started", "version", config.Version, "endpoints", p.Connection.Endpoints, "prefix",
		p.Connection.Prefix,
		"revision", d.view.Snapshot().Revision(), "keys", d.view.Snapshot().Len())
	if len(config.OnEvent) > 0 {
		d.events = event.NewRunner(event.Config{Commands: config.OnEvent, Daemon: cli.Owner(), Prefix: p.Connection.Prefix,
			Log: p.Log})
		parts = append(parts, d.events.Run, d.tellOfMirrors)
	}
	parts = append(parts, d.reconcileNames)
	config.Mirror.warn(p.Log, len(config.Targets))
	for _, t := range config.Targets {
		parts = append(parts, d.mirrorTo(t), d.probe(t, p.Log))
	}
	if !config.Drops.None {
		parts = append(parts, d.coordinate)
	}
	if config.Compact > 0 {
		parts = append(parts, d.compact)
	}
	if on.door != nil {
		parts = append(parts, d.answer(on.door))
	}
	parts = append(parts, d.tellReady)
	defer on.heart.asks(d.answers)()
	err = runAll(ctx, parts...)
	p.Log.Info("css-sync stops")
	if err != nil {
		err = fmt.Errorf("serve: %w", err)
	}
	return err
}

// runAll runs the parts until ctx ends, which is no error, or one of them fails.
func runAll(ctx context.Context, parts ...func(context.Context) error) error {
	group, inner := errgroup.WithContext(ctx)
	for _, part := range parts {
		group.Go(func() error { return part(inner) })
	}
	group.Go(func() error { <-inner.Done(); return nil })
	err := group.Wait()
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	if err == nil {
		err = errors.New("a part of the daemon ended by itself")
	}
	return err
}

// compact keeps etcd's history short. Each daemon does it, whether it leads anything or not: compacting twice does
// nothing, and a daemon that takes over would have to run for as long as history is kept before it could begin.
func (d *daemon) compact(ctx context.Context) error {
	return compaction.Run(ctx, compaction.Config{
		Etcd: d.css.Conn, Key: d.css.Prefix() + "/history", Keep: d.Compact, Log: d.Log,
	})
}
