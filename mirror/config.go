package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/go-multierror"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/kvdata"
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
	Feed      Feed // what Run follows; Once does without
	Catalogue Catalogue
	// Inbox is where etcd keeps what was taken of what others write, for a kvData that both sides write; nil: only etcd is
	// written.
	Inbox Inbox
	// Empty is where etcd has which chunks are empty; nil: the tables of empty chunks are left alone. Where only etcd is
	// written, a table that others made before etcd said anything is left alone, too.
	Empty *EmptyChunks
	// Target says how MySQL is reached; its DBName, "qservCssData" in a Qserv, is the database of kvData. It is not
	// changed.
	Target *mysql.Config
	Name   string // tells mirrors apart; "" is DefaultName
	Owner  string // who this is, for whoever reads css_mirror_state: host and process
	// Adopt lets the mirror take over a table that mirrors another prefix, cluster or history, or has another name. It is
	// meant for Once. Run does so at its beginning only: two that adopt would take the table from each other for ever.
	Adopt bool
	// AllowMassDelete lifts those rules of the brake that can be lifted. It is meant for Once.
	AllowMassDelete bool
	// Policy says what becomes of rows of kvData that others wrote; "" is Alert.
	Policy Policy
	// Drops says what becomes of databases and tables that others drop in kvData while czars are registered; "" is
	// Refuse.
	Drops DropPolicy
	// LookEvery is how often kvData is looked at while nothing changes; 0 is 3 s. CompareEvery is how often all its
	// rows are compared with what the mirror left there, by their digest; 0 is a minute, below 0 is never.
	LookEvery, CompareEvery time.Duration
	// Timeout is for how long a server that says nothing is waited for, and for how long it keeps what a mirror that
	// says nothing has locked; 0 is 10 s. A time-out of Target takes precedence for the former.
	Timeout time.Duration
	// StepBack is for how long Run goes on trying when MySQL cannot be reached. After it, Run returns ErrUnavailable,
	// so that another mirror can try; 0 is for ever.
	StepBack time.Duration
	// StandsBy says whether another mirror would try then; nil: one would. Without one, Run goes on.
	StandsBy func(context.Context) bool
	Logger   *slog.Logger // nil: nothing is logged
}

// Policy says what becomes of rows that others wrote into kvData. They are told and recorded in any case.
type Policy string

// The policies.
const (
	// Alert leaves them until the mirror has to write such a row, or takes the table over the next time.
	Alert Policy = "alert"
	// Repair undoes them as soon as they are found.
	Repair Policy = "repair"
)

// DropPolicy says what becomes of a database or table that others drop in kvData while queries may be running on it.
type DropPolicy string

// The policies for drops.
const (
	// Refuse makes their statement fail, with an error that says what to run instead. A moment may pass between the
	// registration of the first czar and the first refusal; what is dropped in it is as with Request.
	Refuse DropPolicy = "refuse"
	// Request makes it a drop that waits for the queries: the rows come back as PENDING_DROP.
	Request DropPolicy = "request"
)

// validated returns the configuration with defaults in place, or all its faults together.
func (c Config) validated() (Config, error) {
	var faults *multierror.Error
	if c.Catalogue == nil {
		faults = multierror.Append(faults, errors.New("no Catalogue is given"))
	}
	if err := kvdata.ValidateTarget(c.Target); err != nil {
		faults = multierror.Append(faults, err)
	}
	if len(c.Name) > kvdata.MaxName || len(c.Owner) > kvdata.MaxName {
		faults = multierror.Append(faults, fmt.Errorf("the fields Name and Owner take at most %d bytes", kvdata.MaxName))
	}
	if c.Policy != "" && c.Policy != Alert && c.Policy != Repair {
		faults = multierror.Append(faults, fmt.Errorf("the Policy %q is neither %q nor %q", c.Policy, Alert, Repair))
	}
	if c.Drops != "" && c.Drops != Refuse && c.Drops != Request {
		faults = multierror.Append(faults, fmt.Errorf("the Drops %q is neither %q nor %q", c.Drops, Refuse, Request))
	}
	if c.LookEvery < 0 || c.Timeout < 0 || c.StepBack < 0 {
		faults = multierror.Append(faults, errors.New("the fields LookEvery, Timeout and StepBack must not be below 0"))
	}
	if err := faults.ErrorOrNil(); err != nil {
		return c, fmt.Errorf("mirror: %w", err)
	}
	c.Policy = cmp.Or(c.Policy, Alert)
	c.Drops = cmp.Or(c.Drops, Refuse)
	c.LookEvery = cmp.Or(c.LookEvery, 3*time.Second)
	c.CompareEvery = cmp.Or(c.CompareEvery, time.Minute)
	c.Timeout = cmp.Or(c.Timeout, kvdata.DefaultTimeout)
	c.Name = cmp.Or(c.Name, DefaultName)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
