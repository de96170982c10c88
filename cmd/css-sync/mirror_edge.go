package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// All that css-sync uses of the package mirror, but for the types of its results, goes through this file.

// mirrorFlags are those of commands that write to MySQL.
type mirrorFlags struct {
	name            string
	adopt           bool
	allowMassDelete bool
}

// check: the name is a part of a key of etcd.
func (f *mirrorFlags) check() error {
	if f.name == "" || strings.Contains(f.name, "/") {
		return fmt.Errorf("--mirror-name %q must not be empty nor have a slash", f.name)
	}
	return nil
}

func (f *mirrorFlags) new(target *mysql.Config, css *cli.Catalogue, feed mirror.Feed, p *program) (*mirror.Mirror,
	error) {
	return mirror.New(mirror.Config{
		Feed: feed, Catalogue: css.Client, Target: target, Name: f.name, Owner: cli.Owner(),
		Adopt: f.adopt, AllowMassDelete: f.allowMassDelete, Logger: p.Log,
	})
}

// still is a feed of one snapshot.
type still struct{ snapshot *cssetcd.Snapshot }

func (s still) Snapshot() *cssetcd.Snapshot { return s.snapshot }

func (still) Next(ctx context.Context) (cssetcd.Update, error) {
	<-ctx.Done()
	return cssetcd.Update{}, ctx.Err()
}

// once makes kvData show the catalogue as it is now, or finds out what that would take.
func (f *mirrorFlags) once(ctx context.Context, target *mysql.Config, css *cli.Catalogue, p *program,
	dryRun bool) (mirror.Result, error) {
	s, err := css.Snapshot(ctx, 0)
	if err != nil {
		return mirror.Result{}, err
	}
	m, err := f.new(target, css, still{s}, p)
	if err != nil {
		return mirror.Result{}, err
	}
	if dryRun {
		return m.DryRun(ctx)
	}
	return m.Once(ctx)
}
