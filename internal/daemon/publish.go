package daemon

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/served"
	"github.com/qserv/css-etcd/inventory"
)

// Publish says how to publish which chunks a worker serves.
type Publish struct {
	Version string
	Worker  string
	Server  *mysql.Config // where the worker says what it serves; or
	Command string        // a program that does
	Every   time.Duration // how often it is looked at
	TTL     time.Duration // how long a worker lives that is not heard of
}

// RunPublish publishes which chunks a worker serves until ctx ends.
func RunPublish(ctx context.Context, p *cli.Program, config Publish) error {
	css, err := p.Connect(ctx)
	if err != nil {
		return err
	}
	defer css.Close()
	publisher, err := inventory.NewPublisher(css.Client, config.Worker, inventory.WithTTL(config.TTL),
		inventory.WithLogger(p.Log), inventory.WithProcess(cli.Owner()))
	if err != nil {
		return err
	}
	source, closeSource, err := config.source()
	if err != nil {
		return err
	}
	defer closeSource()
	p.Log.Info("css-sync publishes the inventory of a worker", "version", config.Version, "worker", config.Worker,
		"prefix", p.Connection.Prefix)
	notify(p, ready)
	trouble := func(err error) {
		if err == nil {
			p.Log.Info("it is known again what the worker serves", "worker", config.Worker)
			return
		}
		p.Log.Warn("it is not known what the worker serves", "worker", config.Worker, "err", cli.Sentence(err))
	}
	asked := make(chan struct{}) // closed when it is known what the worker serves, or that it is not
	known := sync.OnceFunc(func() { close(asked) })
	err = runAll(ctx,
		func(ctx context.Context) error {
			select {
			case <-asked:
				return publisher.Run(ctx)
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		func(ctx context.Context) error {
			return served.Follow(ctx, source, config.Every, config.TTL, func(sets map[string]chunkset.Set, isKnown bool) error {
				err := publisher.Replace(sets)
				if err == nil {
					known()
				}
				if !isKnown {
					publisher.StepBack() // another process beside the worker may know
				}
				return err
			}, trouble)
		},
		func(ctx context.Context) error { return warnUnknownWorker(ctx, p, css, config.Worker) },
		func(ctx context.Context) error { new(heart).beat(ctx, p); return nil })
	notify(p, stopping)
	p.Log.Info("css-sync stops")
	return err
}

// warnUnknownWorker warns where the name of a worker may be a slip: the catalogue has no node of that name.
func warnUnknownWorker(ctx context.Context, p *cli.Program, css *cli.Catalogue, worker string) error {
	ctx, cancel := p.Limit(ctx)
	defer cancel()
	if _, err := css.Node(ctx, worker); errors.Is(err, cssetcd.ErrNotFound) {
		p.Log.Warn("the catalogue has no node of the worker's name", "worker", worker)
	}
	return nil
}

func (c Publish) source() (from served.Source, closeSource func(), err error) {
	if c.Command != "" {
		return served.Command(c.Command), func() {}, nil
	}
	config := c.Server.Clone()
	config.ReadTimeout = c.TTL
	config.WriteTimeout = c.TTL
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return served.MySQL(db), func() { _ = db.Close() }, nil
}
