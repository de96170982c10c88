package daemon

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/page"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/mirror"
)

// answer answers requests over HTTP.
func (d *daemon) answer(door *door) func(context.Context) error {
	return func(ctx context.Context) error {
		config := api.Config{Catalogue: d.css.Client, View: d.view, Access: d.HTTP.Access, Log: d.Log,
			Mirror: d.records, Page: page.Handler()}
		if d.Status != nil {
			config.Status = func(ctx context.Context) (any, error) { return d.Status(ctx, d.css, d.view.Snapshot()) }
		}
		for _, t := range d.Targets {
			config.Checks = append(config.Checks, api.Check{Name: "mirror " + t.Name,
				Ask: func() error { return d.standing.healthy(t.Name) }})
		}
		a, err := api.New(config)
		if err != nil {
			return err
		}
		if err := a.Register(d.collectors()...); err != nil {
			return err
		}
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error { return a.Run(ctx) })
		group.Go(func() error {
			defer door.lead(d.HTTP, a)()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-door.served:
				door.served <- err
				return fmt.Errorf("HTTP at %s: %w", door.address(), err)
			}
		})
		return group.Wait()
	}
}

// records reads what a mirror of this daemon has on record.
func (d *daemon) records(ctx context.Context, name string, limit int) (any, error) {
	for _, t := range d.Targets {
		if t.Name != name {
			continue
		}
		found, err := report.ReadRecords(ctx, t.Server, limit)
		if errors.Is(err, mirror.ErrNoMirror) {
			err = nil // nothing is on record yet
		}
		return found, err
	}
	return nil, nil // so that who asks is told
}
