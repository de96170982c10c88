package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/mysqlconn"
)

// Feed is what a mirror follows; [cssetcd.Subscription] is one.
type Feed interface {
	// Snapshot returns what was seen last: at first the newest, then To of the last update.
	Snapshot() *cssetcd.Snapshot
	// Next waits for the catalogue to move on and returns the exact difference. An error of ctx loses nothing; with a ctx
	// that has ended it returns what is ready, and only else that error.
	Next(ctx context.Context) (cssetcd.Update, error)
}

// Catalogue is the etcd that is mirrored; [cssetcd.Client] is one.
type Catalogue interface {
	Identity(ctx context.Context) (cssetcd.Identity, error)
	// Snapshot returns the catalogue at a revision, or fails with cssetcd.ErrCompacted.
	Snapshot(ctx context.Context, at cssetcd.Revision) (*cssetcd.Snapshot, error)
}

var (
	_ Feed      = (*cssetcd.Subscription)(nil)
	_ Catalogue = (*cssetcd.Client)(nil)
)

// DefaultName is the name of a mirror that was not given one.
const DefaultName = "default"

// Config says what is mirrored to where.
type Config struct {
	Feed      Feed
	Catalogue Catalogue
	// Target says how MySQL is reached; its DBName, "qservCssData" in a Qserv, is the database of kvData. It is not
	// changed.
	Target *mysql.Config
	Name   string // tells mirrors apart; "" is DefaultName
	Owner  string // who this is, for whoever reads css_mirror_state: host and process
	// Adopt lets the mirror take over a table that mirrors another prefix, cluster or history. It is meant for Once.
	Adopt bool
	// AllowMassDelete lifts those rules of the brake that can be lifted. It is meant for Once.
	AllowMassDelete bool
	Logger          *slog.Logger // nil: nothing is logged
}

// validated returns the configuration with defaults in place, or all its faults together.
func (c Config) validated() (Config, error) {
	var faults *multierror.Error
	if c.Feed == nil {
		faults = multierror.Append(faults, errors.New("no Feed is given"))
	}
	if c.Catalogue == nil {
		faults = multierror.Append(faults, errors.New("no Catalogue is given"))
	}
	if err := validateTarget(c.Target); err != nil {
		faults = multierror.Append(faults, err)
	}
	if len(c.Name) > maxNameBytes || len(c.Owner) > maxNameBytes {
		faults = multierror.Append(faults, fmt.Errorf("the fields Name and Owner take at most %d bytes", maxNameBytes))
	}
	if err := faults.ErrorOrNil(); err != nil {
		return c, fmt.Errorf("mirror: %w", err)
	}
	if c.Name == "" {
		c.Name = DefaultName
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func validateTarget(target *mysql.Config) error {
	switch {
	case target == nil:
		return errors.New("no Target is given")
	case target.DBName == "":
		return errors.New("the MySQL target names no database; Qserv's is qservCssData")
	}
	return nil
}

// Unless the caller chose others: a dead server is noticed, and a transaction of 100,000 rows is not taken for one.
const (
	ioTimeout   = time.Minute
	lockTimeout = "10" // seconds
)

// sessionConfig returns the target with what the mirror's correctness rests on.
func sessionConfig(target *mysql.Config) (*mysql.Config, error) {
	c, err := mysqlconn.Config(target, ioTimeout,
		// Without strictness the server shortens values with no more than a warning; without the second mode it would replace
		// the id 0. ANSI_QUOTES and PAD_CHAR_TO_FULL_LENGTH must be off.
		"sql_mode", "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
		"innodb_lock_wait_timeout", lockTimeout, "foreign_key_checks", "1", "unique_checks", "1")
	if err != nil {
		return nil, err
	}
	c.ClientFoundRows = true // a row that was found but needed no change counts as found
	return c, nil
}
