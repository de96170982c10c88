package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// Target is a MySQL server to mirror to.
type Target struct {
	Name   string // of the mirror, and a part of a key of etcd
	Server *mysql.Config
}

// Mirror says how to write to MySQL.
type Mirror struct {
	Adopt           bool              // take over, at the beginning, a table that mirrors another catalogue
	AllowMassDelete bool              // let through what deletes very many rows
	Foreign         mirror.Policy     // what becomes of rows that others wrote
	ForeignDrops    mirror.DropPolicy // what becomes of drops by others while czars are registered
	LookEvery       time.Duration     // how often a server is looked at
	CompareEvery    time.Duration     // how often its rows are compared; below 0: never
}

func (f *Mirror) config(t Target, css *cli.Catalogue, log *slog.Logger) (mirror.Config, error) {
	taker, err := mirror.NewTaker(css.Client, t.Name)
	return mirror.Config{
		Catalogue: css.Client, Inbox: taker, Target: t.Server, Name: t.Name, Owner: cli.Owner(), Adopt: f.Adopt,
		AllowMassDelete: f.AllowMassDelete, Policy: f.Foreign, Drops: f.ForeignDrops, LookEvery: f.LookEvery,
		CompareEvery: f.CompareEvery,
		Logger:       log,
	}, err
}

// warn tells of what is meant for once and stays in force for as long as the daemon runs.
func (f *Mirror) warn(log *slog.Logger, targets int) {
	if targets > 0 && f.AllowMassDelete {
		log.Warn("the mirror's brake is off for as long as this process runs")
	}
	if targets > 0 && f.Adopt {
		log.Warn("the mirror takes over a table of any other catalogue when it begins")
	}
}

// Once makes kvData show the catalogue as it is now, and the tables of empty chunks, or finds out what that would take.
func (f *Mirror) Once(ctx context.Context, t Target, css *cli.Catalogue, log *slog.Logger, dryRun bool) (mirror.Result,
	error) {
	config, err := f.config(t, css, log)
	if err != nil {
		return mirror.Result{}, err
	}
	if config.Empty, err = mirror.NewEmptyChunks(nil, css.Client, t.Name); err != nil {
		return mirror.Result{}, err
	}
	m, err := mirror.New(config)
	if err != nil {
		return mirror.Result{}, err
	}
	if dryRun {
		return m.DryRun(ctx)
	}
	return m.Once(ctx)
}
