package deletion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// Policy says what becomes of queries that are running on what is dropped.
type Policy = protocol.Policy

// The policies.
const (
	Wait   = protocol.Wait   // the drop waits for them
	Cancel = protocol.Cancel // czars abort them, and the drop waits until they have ended
)

// Client begins drops, looks at them and takes them back. It is safe for concurrent use.
type Client struct {
	css   *cssetcd.Client
	store *kv.Etcd
}

// NewClient returns a client for the catalogue of another. It fails with ErrInvalid for one on a file, where nothing
// has to be waited for.
func NewClient(css *cssetcd.Client) (*Client, error) {
	store, err := edge.Open(css)
	if err != nil {
		return nil, failed("open", "", err)
	}
	return &Client{css, store}, nil
}

// Option says how a drop is to go. What is wrong with it is reported by what begins the drop.
type Option func(*dropConfig)

// dropConfig is what the options say.
type dropConfig struct {
	after  time.Duration
	delay  *time.Duration
	policy Policy
	by     string
	force  bool
}

// After leaves the table fully usable for that long before it is marked; a coordinator marks it then. Whole seconds
// from 2 to a day; with 0 it is marked now.
func After(d time.Duration) Option { return func(c *dropConfig) { c.after = d } }

// Delay is the agreed delay: at least that long is it from the mark, after which no query begins, to the point of no
// return. Until then the drop can be cancelled. Whole seconds from 2 to a day, or 0. Without it, it is that of the
// settings, 30 s where there are none.
func Delay(d time.Duration) Option { return func(c *dropConfig) { c.delay = &d } }

// WithPolicy says what becomes of running queries. Without it, the drop waits for them.
func WithPolicy(p Policy) Option { return func(c *dropConfig) { c.policy = p } }

// By says who wants the drop, for those who look at it. Without it that is the host and the process.
func By(who string) Option { return func(c *dropConfig) { c.by = who } }

// Force drops a director, or its database, although tables that are partitioned by it stay. They cannot be queried any
// more.
func Force() Option { return func(c *dropConfig) { c.force = true } }

// CheckDelay returns what is wrong with a duration for After or Delay, if anything.
func CheckDelay(d time.Duration) error { return protocol.CheckDelay(d) }

// dropConfigOf returns the first thing that is wrong with options.
func dropConfigOf(opts []Option) (dropConfig, error) {
	c := dropConfig{policy: Wait, by: edge.Owner()}
	for _, opt := range opts {
		if opt == nil {
			return c, fmt.Errorf("%w: an option is nil", cssetcd.ErrInvalid)
		}
		opt(&c)
	}
	if err := CheckDelay(c.after); err != nil {
		return c, fmt.Errorf("%w: after: %w", cssetcd.ErrInvalid, err)
	}
	if c.delay != nil {
		if err := CheckDelay(*c.delay); err != nil {
			return c, fmt.Errorf("%w: delay: %w", cssetcd.ErrInvalid, err)
		}
	}
	if c.policy != Wait && c.policy != Cancel {
		return c, fmt.Errorf("%w: policy %q: must be %s or %s", cssetcd.ErrInvalid, c.policy, Wait, Cancel)
	}
	return c, nil
}

// DropTable begins to drop a table and returns when the mark, or the request for a later one, is in etcd. It happens as
// a whole or not at all. It returns ErrNoSuchTable, ErrDropPending when a drop of it has begun, ErrHasChildren, and
// with After ErrNotReady and ErrRequested. A table of any status can be dropped. A drop without After replaces one that
// was requested for later.
func (c *Client) DropTable(ctx context.Context, n cssetcd.TableName, opts ...Option) (*Drop, error) {
	return c.drop(ctx, protocol.TableName(n.DB, n.Table), opts)
}

// DropDatabase begins to drop a database with all its tables, as DropTable does. Drops of its tables that have begun go
// on by themselves, and the database waits for them. It returns ErrNoSuchDB, ErrDropPending, ErrHasChildren, and
// ErrTooLarge for one of more than 10,000 tables, forced or not.
func (c *Client) DropDatabase(ctx context.Context, db string, opts ...Option) (*Drop, error) {
	return c.drop(ctx, protocol.DatabaseName(db), opts)
}

func (c *Client) drop(ctx context.Context, n protocol.Name, opts []Option) (*Drop, error) {
	config, err := dropConfigOf(opts)
	if err == nil {
		err = c.check(ctx, n, config.force)
	}
	if err != nil {
		return nil, failed("drop", n.String(), err)
	}
	d, err := c.begin(ctx, n, config)
	return d, failed("drop", n.String(), err)
}

// begin marks, or asks for a mark, with a lease that was granted before. When etcd is so slow that the lease has run
// out by then, another is granted.
func (c *Client) begin(ctx context.Context, n protocol.Name, config dropConfig) (*Drop, error) {
	registration, err := edge.ReadRegistrationContext(ctx, c.store)
	if err != nil {
		return nil, err
	}
	delay := registration.Timing.Delay
	if config.delay != nil {
		delay = *config.delay
	}
	terms := protocol.Terms{Delay: int(delay / time.Second), Policy: config.policy, By: config.by,
		Since: protocol.Stamp(time.Now())}
	for {
		lease, err := edge.Grant(ctx, c.store, cmp.Or(config.after, delay))
		if err != nil {
			return nil, err
		}
		op := protocol.Mark(n, terms, lease)
		if config.after > 0 {
			op = protocol.MarkLater(n, config.after, terms, lease)
		}
		d := &Drop{client: c, name: n}
		plan := op.Plan
		op.Plan = func(have *kv.Snapshot) (kv.Change, error) {
			d.incarnation = have.At(n.Path()).Create
			return plan(have)
		}
		at, err := kv.RunOnce(ctx, c.store, op)
		switch {
		case err == nil:
			if config.after == 0 {
				d.mark = at
			}
			edge.Lengthen(ctx, c.store, lease)
			return d, nil
		case errors.Is(err, rpctypes.ErrLeaseNotFound) && ctx.Err() == nil:
			continue
		case lease != 0 && !errors.Is(err, kv.ErrOutcomeUnknown):
			edge.Revoke(ctx, c.store, lease)
		}
		return nil, err
	}
}

// check refuses to drop a database of more tables than an intent can name and, unless forced, what other tables are
// partitioned by that stay. It is not a part of the transaction: a child that is created at the same moment is not
// seen, and is as useless as one that was created a moment before.
func (c *Client) check(ctx context.Context, n protocol.Name, force bool) error {
	var children []cssetcd.TableName
	var err error
	if n.IsDatabase() {
		children, err = c.checkDatabase(ctx, n, force)
	} else if !force {
		children, err = Children(ctx, c.css, n.String())
	}
	if err == nil && len(children) > 0 {
		err = fmt.Errorf("%w; drop those first, or force it, and they cannot be queried any more", &ChildrenError{children})
	}
	return err
}

func (c *Client) checkDatabase(ctx context.Context, n protocol.Name, force bool) ([]cssetcd.TableName, error) {
	db := n.String()
	var concerned []string // all databases
	if force {
		concerned = []string{db}
	}
	all, err := edge.Relations(ctx, c.css, concerned...)
	switch {
	case errors.Is(err, cssetcd.ErrNoSuchDB):
		return nil, nil // which the mark tells
	case err != nil:
		return nil, err
	case all.Tables(db) > maxTables:
		return nil, fmt.Errorf("%w: it has more than %d tables, which one drop cannot describe; drop tables of it first",
			cssetcd.ErrTooLarge, maxTables)
	case force:
		return nil, nil
	}
	return all.Children(n), nil
}

// maxTables is as many tables as the intent to drop their database can name.
const maxTables = 10_000

// Undo takes a drop back, or a request for one: what was marked has the status again that it had. It returns ErrNoDrop,
// and ErrTooLate after the point of no return.
func (c *Client) Undo(ctx context.Context, name string) error {
	return c.run(ctx, "cancel the drop of", name, protocol.Undo)
}

// Retry has the coordinator try again at once to remove the data of a drop whose last attempt failed. It returns
// ErrNoDrop, and ErrTooEarly before the point of no return.
func (c *Client) Retry(ctx context.Context, name string) error {
	return c.run(ctx, "retry the drop of", name, protocol.TryAgain)
}

// Abandon frees the name of a drop after the point of no return although its data are not all removed. They stay where
// they are, and a table that is created under the same name may meet them. It returns ErrNoDrop and ErrTooEarly.
func (c *Client) Abandon(ctx context.Context, name string) error {
	return c.run(ctx, "abandon the drop of", name, protocol.Abandon)
}

func (c *Client) run(ctx context.Context, op, name string, make func(protocol.Name) kv.Op) error {
	n, err := ParseName(name)
	if err == nil {
		_, err = kv.RunOnce(ctx, c.store, make(n))
	}
	return failed(op, name, err)
}

// Evict ends the registration of a czar that does not answer, so that drops need not wait for it. The czar, if it
// lives, notices within its next confirmation and registers anew; its queries go on where their tables are still there.
// It returns ErrNoSuchCzar.
func (c *Client) Evict(ctx context.Context, id string) error {
	_, err := kv.RunOnce(ctx, c.store, protocol.Evict(id, edge.Owner()))
	return failed("evict czar", id, err)
}

// ParseName reads "LSST.Object", or "LSST" for a database.
func ParseName(text string) (protocol.Name, error) {
	n, err := cssetcd.ParseTableName(text)
	if err == nil {
		return protocol.TableName(n.DB, n.Table), nil
	}
	if key := protocol.DatabaseName(text); !strings.Contains(text, ".") && protocol.IsName(string(key)) &&
		key.IsDatabase() {
		return key, nil
	}
	return "", err
}
