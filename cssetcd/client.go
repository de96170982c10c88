package cssetcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/go-multierror"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Version is the value of /css_meta/version that this package reads and writes.
const Version = "1"

// DefaultPrefix is where the CSS lives in etcd unless it is told otherwise.
const DefaultPrefix = "/qserv"

// Client reads and writes the catalogue. Every method is one operation. It returns the revision at which it took
// effect:
//
//	rev, err := client.CreateTable(ctx, cssetcd.Table{
//		Name:         cssetcd.TableName{DB: "lsst", Table: "Source"},
//		Schema:       "(sourceId BIGINT, objectId BIGINT)",
//		Partitioning: &cssetcd.Partitioning{DirDB: "lsst", DirTable: "Object", DirColumn: "objectId"},
//	})
//	...
//	snapshot, err := view.WaitRevision(ctx, rev) // the view shows it now
//
// Options make a write conditional, [IfStatus] and [IfRevision], or let it pass when there is nothing to do,
// [IfNotExists] and [IfExists].
//
// The first creation of a database, node or raw key, or the first restore, makes an empty etcd a CSS. Before that,
// operations on what must be there return [ErrVersionMissing]. A snapshot of it is empty: a czar asks
// [Snapshot.Version] when it starts.
//
// # Consistency
//
//   - An operation happens as a whole or not at all. No reader sees a part of it, and none has to clean up after one
//     that failed. Two take many transactions: restoring, where tables and databases become usable only when they are
//     whole, and adding many chunks, where each chunk is whole.
//   - What an operation relied on is checked in its transaction. When somebody else changed it meanwhile, the operation
//     looks again and decides anew: callers see [ErrTableExists], never a lost race. Only one that is overtaken again
//     and again gives up, with [ErrContended].
//   - When the answer of etcd is lost, the operation finds out whether it happened. When it cannot, it says
//     [ErrOutcomeUnknown]; nothing is guessed and nothing is done twice.
//   - Reads of a Client are linearizable: they see every operation that had returned before they began.
//   - A View shows whole revisions, in order, a moment after etcd has them. It says how fresh it is ([View.Staleness])
//     and waits on demand ([View.WaitRevision]). While etcd cannot be reached it keeps showing what it saw last.
//   - When etcd is restored from a backup, or replaced, a View follows it back, says so in [Update.Regressed], and ends
//     calls that wait with [ErrRegressed]. It knows by a lower revision or another cluster. An etcd of the same cluster
//     that has passed the old revision again before the View reaches it may go unnoticed; give a restored etcd a new
//     cluster token.
//   - The version of the CSS is checked in every operation: raising it stops programs that do not know the new one,
//     also those that are running. Reading a Snapshot is no operation: one that was loaded or followed shows the CSS
//     whatever its version. A czar that must stop then asks [Snapshot.Version] of each snapshot that it takes.
//
// Names that differ in upper and lower case only are refused, because the MySQL table that the C++ czars read cannot
// hold both.
//
// A table that no czar can query is refused with [ErrUnqueryable], unless [AllowUnqueryable] is given. [Unqueryable]
// finds those that came otherwise.
//
// Removing is immediate and takes no notice of queries. It is therefore refused while czars are registered, with
// [ErrCzarsRegistered], unless [Unsafe] is given. With czars, the package deletion drops
// what they use without hurting their queries.
type Client struct {
	store    kv.Store
	etcd     *kv.Etcd
	prefix   string
	author   string
	readOnly bool
	log      *slog.Logger
	closer   io.Closer // of what the client opened itself; nil for a client on etcd
}

// Close gives back what OpenFile holds. For a client on etcd it does nothing: the etcd client is the caller's.
func (c *Client) Close() error {
	if c.closer == nil {
		return nil
	}
	return c.closer.Close()
}

// load reads one span of any size at one revision.
func (c *Client) load(ctx context.Context, at Revision, span kv.Span) (*kv.Snapshot, uint64, error) {
	if c.etcd != nil {
		return c.etcd.Load(ctx, at, span)
	}
	s, err := c.store.Fetch(ctx, at, span)
	return s, 0, err
}

// Option configures a Client.
type Option func(*Client) error

// WithPrefix says where in etcd the CSS lives: one or more segments that begin with a slash each. Creating a CSS is
// refused as ErrInvalid where its keys would lie among those of another, as those of /qserv/css do where /qserv is one.
func WithPrefix(prefix string) Option {
	return func(c *Client) error { c.prefix = prefix; return nil }
}

// WithReadOnly makes every write fail with ErrReadOnly.
func WithReadOnly() Option {
	return func(c *Client) error { c.readOnly = true; return nil }
}

// WithLogger receives what is worth knowing and no error. Without it nothing is logged.
func WithLogger(log *slog.Logger) Option {
	return func(c *Client) error {
		if log == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log = log
		return nil
	}
}

// New returns a client on etcd, which stays the caller's to close. It writes nothing. It fails with ErrVersionMismatch
// when the CSS is of a version that this package does not know; an etcd without a CSS is fine, and the first create or
// restore makes one. All faults of the options are reported together, as ErrInvalid.
func New(ctx context.Context, etcd *clientv3.Client, opts ...Option) (*Client, error) {
	c := &Client{prefix: DefaultPrefix, log: slog.New(slog.DiscardHandler)}
	faults := apply(c, opts)
	if etcd == nil {
		faults = multierror.Append(faults, errors.New("the etcd client is nil"))
	}
	store, err := kv.NewEtcd(etcd, c.prefix)
	faults = multierror.Append(faults, err)
	if err := asInvalid(faults); err != nil {
		return nil, &Error{Op: "open", Err: err}
	}
	if c.author == "" {
		c.author = usualAuthor(etcd)
	}
	c.etcd = store.By(c.author)
	c.store = c.etcd
	have, err := c.store.Fetch(ctx, 0, kv.Key(cssPath(versionKey)))
	if err == nil {
		if err = checkVersion(have); errors.Is(err, ErrVersionMissing) {
			err = nil
		}
	}
	if err != nil {
		return nil, &Error{Op: "open", Object: c.prefix, Err: err}
	}
	return c, nil
}

func checkVersion(have *kv.Snapshot) error {
	switch e := have.At(cssPath(versionKey)); {
	case !e.Exists():
		return ErrVersionMissing
	case e.Value != Version:
		return &VersionError{Want: Version, Got: e.Value}
	}
	return nil
}

// versionGuard is for transactions that do not read the version.
var versionGuard = kv.Guard{Kind: kv.ValueIs, Path: cssPath(versionKey), Value: Version}

// initialise makes an empty etcd a CSS: the version, and the identity of its history. It is a transaction of its own
// and does nothing when the version is there. It refuses to adopt keys that were left without one.
func (c *Client) initialise(ctx context.Context) error {
	_, err := kv.Run(ctx, c.store, kv.Op{
		Name:  "initialise",
		Reads: spans(keys(metaKey, versionKey), []kv.Span{kv.Below(cssRoot), kv.Key(historyPath)}),
		Plan: func(have *kv.Snapshot) (kv.Change, error) {
			if have.At(cssPath(versionKey)).Exists() {
				return kv.Change{}, nil
			}
			for p := range have.Range(kv.Below(cssRoot)) {
				if cssKey(p) != metaKey {
					return kv.Change{}, fmt.Errorf("%w, and yet %s is there", ErrVersionMissing, cssKey(p))
				}
			}
			e := newEdit(have)
			e.set(versionKey, Version)
			if !have.At(historyPath).Exists() {
				e.change.Puts = append(e.change.Puts, kv.Put{Path: historyPath, Value: rand.Text()})
			}
			return e.change, nil
		},
	})
	return err
}

// Identity tells one CSS from another, and one history of it from another.
type Identity struct {
	Cluster uint64 // id of the etcd cluster
	History string // random text made with the CSS; "" for an etcd without one. A backup brings it back
	Prefix  string
}

// Identity returns which CSS the client works on.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	s, cluster, err := c.load(ctx, 0, kv.Span{From: historyPath, To: historyPath + "\x00"})
	if err != nil {
		return Identity{}, &Error{Op: "identify", Object: c.prefix, Err: err}
	}
	return Identity{Cluster: cluster, History: s.At(historyPath).Value, Prefix: c.prefix}, nil
}

// Snapshot loads the whole catalogue at one revision: the newest when at is 0. It costs a read of every key; for
// repeated reads open a [View]. It fails with ErrCompacted when etcd no longer has the revision, with ErrFutureRevision
// when it has not yet, and with ErrInvalid for a number that is none.
func (c *Client) Snapshot(ctx context.Context, at Revision) (*Snapshot, error) {
	if at < 0 { // which etcd would take for the newest
		return nil, &Error{Op: "load", Object: c.prefix, Err: fmt.Errorf("%w: revision %d: revisions begin at 1", ErrInvalid,
			at)}
	}
	s, cluster, err := c.load(ctx, at, csskey.Catalogue)
	if err != nil {
		return nil, &Error{Op: "load", Object: c.prefix, Err: err}
	}
	return newSnapshot(s, cluster), nil
}

// Prefix returns where in etcd the CSS lives.
func (c *Client) Prefix() string { return c.prefix }

// Etcd returns the etcd client that this client works on; nil for a catalogue on a file.
func (c *Client) Etcd() *clientv3.Client {
	if c.etcd == nil {
		return nil
	}
	return c.etcd.Client()
}

// fetch reads a part of the catalogue at one revision and checks its version.
func (c *Client) fetch(ctx context.Context, reads []kv.Span) (*kv.Snapshot, error) {
	have, err := c.store.Fetch(ctx, 0, spans(reads, keys(versionKey))...)
	if err != nil {
		return nil, err
	}
	return have, checkVersion(have)
}

// read decodes one thing from one read of etcd.
func read[T any](ctx context.Context, c *Client, name, object string, reads []kv.Span,
	decode func(*kv.Snapshot) (T, error)) (T, error) {
	var zero T
	for {
		have, err := c.fetch(ctx, reads)
		if err == nil {
			var t T
			if t, err = decode(have); err == nil {
				return t, nil
			}
		}
		need, ok := errors.AsType[kv.Need](err)
		if !ok {
			return zero, &Error{Op: name, Object: object, Err: err}
		}
		reads = spans(reads, need) // all of it anew, so that it is of one revision
	}
}
