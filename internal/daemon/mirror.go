package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/mirror"
)

// Mirror says how to write to MySQL.
type Mirror struct {
	Name            string // of the mirror, and a part of a key of etcd
	Adopt           bool   // take over a table that mirrors another catalogue
	AllowMassDelete bool   // let through what deletes very many rows
}

// Check fails for a name that cannot be a part of a key of etcd.
func (f *Mirror) Check() error {
	if f.Name == "" || strings.Contains(f.Name, "/") {
		return fmt.Errorf("--mirror-name %q must not be empty nor have a slash", f.Name)
	}
	return nil
}

func (f *Mirror) new(target *mysql.Config, css *cli.Catalogue, feed mirror.Feed,
	log *slog.Logger) (*mirror.Mirror, error) {
	return mirror.New(mirror.Config{
		Feed: feed, Catalogue: css.Client, Target: target, Name: f.Name, Owner: cli.Owner(),
		Adopt: f.Adopt, AllowMassDelete: f.AllowMassDelete, Logger: log,
	})
}

// Once makes kvData show the catalogue as it is now, or finds out what that would take.
func (f *Mirror) Once(ctx context.Context, target *mysql.Config, css *cli.Catalogue, log *slog.Logger,
	dryRun bool) (mirror.Result, error) {
	m, err := f.new(target, css, nil, log)
	if err != nil {
		return mirror.Result{}, err
	}
	if dryRun {
		return m.DryRun(ctx)
	}
	return m.Once(ctx)
}
