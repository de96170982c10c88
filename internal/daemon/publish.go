package daemon

import (
	"context"
	"database/sql"
	"time"

	"github.com/go-sql-driver/mysql"

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
			p.Log.Info("the worker says again what it serves", "worker", config.Worker)
			return
		}
		p.Log.Warn("the worker does not say what it serves", "worker", config.Worker, "err", cli.Sentence(err))
	}
	err = runAll(ctx, publisher.Run,
		func(ctx context.Context) error {
			return served.Follow(ctx, source, config.Every, config.TTL, publisher.Replace, trouble)
		},
		func(ctx context.Context) error { new(heart).beat(ctx, p); return nil })
	notify(p, stopping)
	p.Log.Info("css-sync stops")
	return err
}

func (c Publish) source() (from served.Source, closeSource func(), err error) {
	if c.Command != "" {
		return served.Command(c.Command, c.TTL), func() {}, nil
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
