// Package leader lets one of several processes do a piece of work at a time, and another when that one is gone.
//
// A process leads for as long as the key that it was elected with is there, and is the oldest one. It looks at that key
// whenever something may have happened to it, and from time to time: a lease that is alive proves nothing once its key
// is gone.
//
// It is for liveness only. A process that is cut off or paused may go on for a while after another has taken over: what
// the work writes has to be fenced where it is written, in etcd by [Term.Key] and [Term.Created].
package leader

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/wait"
)

// Config says who campaigns, and where.
type Config struct {
	Etcd *clientv3.Client
	Root string        // the first part of Key that Term.Path leaves out, such as the prefix of a catalogue
	Key  string        // candidates write one key each below it, and nothing else has one there
	Name string        // of this candidate, for whoever looks at the keys; host and process id, say
	TTL  time.Duration // after which a candidate that is not heard of is replaced; whole seconds
	Log  *slog.Logger
	// StandsBy, where it is set, is called when this candidate finds itself behind another one. It must not block.
	StandsBy func()
}

// Term is one time of being elected.
type Term struct {
	Key     string           // with which this process was elected, in etcd
	Path    string           // what follows Config.Root in it
	Created int64            // the CreateRevision of that key; another one of its name proves nothing
	Lease   clientv3.LeaseID // on which the key is; it ends with the term, and so do keys that work puts on it
	looks   chan<- struct{}
}

// Look has the leader look at its key at once, without waiting for that: a transaction that the key was to prove was
// refused, say.
func (t Term) Look() {
	select {
	case t.looks <- struct{}{}:
	default: // it is about to
	}
}

// ErrStepBack is what work returns to let another candidate try: Run withdraws and stands again, behind all others.
var ErrStepBack = errors.New("stepping back behind the other candidates")

// ErrClosed says that the client of etcd was closed.
var ErrClosed = errors.New("the etcd client was closed")

// StandsBy reports whether there are other candidates for a key while one leads.
func StandsBy(ctx context.Context, etcd *clientv3.Client, key string) (bool, error) {
	got, err := etcd.Get(ctx, key+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	return err == nil && got.Count > 1, err
}

// Run campaigns for as long as ctx lives and calls work each time this process is elected. The context of work ends
// with that of Run or when the leadership is lost, by the loss of the lease or of the key; then Run campaigns again,
// with another key. It returns the error of ctx, [ErrClosed], or what work returned by itself, save for [ErrStepBack].
// On return the candidacy is withdrawn, so that another takes over at once.
func Run(ctx context.Context, cfg Config, work func(context.Context, Term) error) error {
	c := candidacy{Config: cfg}
	said := ""
	for {
		err := c.term(ctx, work)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, new(finished)) && !errors.Is(err, ErrStepBack):
			return errors.Unwrap(err)
		case cfg.Etcd.Ctx().Err() != nil:
			return ErrClosed
		}
		// An outage of etcd is said once and not with each attempt.
		if text := err.Error(); text != said || c.stood {
			cfg.Log.Warn("not a candidate for the leadership any more; trying again", "key", cfg.Key, "err", err)
			said = text
		}
		if err := wait.For(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// retryAfter keeps a campaign that fails at once from becoming a storm of requests.
const retryAfter = time.Second

// finished is the end of the work, which is the end of Run.
type finished struct{ error }

func (f finished) Unwrap() error { return f.error }

// candidacy is what outlives a term.
type candidacy struct {
	Config
	left  []clientv3.LeaseID // of earlier terms that could not be withdrawn: their keys would be before the next one
	stood bool               // the last term got as far as a key
}

// term is one try, from its lease to its end.
func (c *candidacy) term(ctx context.Context, work func(context.Context, Term) error) error {
	c.stood = false
	if err := c.withdrawLeft(ctx); err != nil {
		return err
	}
	s, err := open(ctx, c.Config)
	if err != nil {
		return err
	}
	defer func() {
		if !s.close() {
			c.left = append(c.left, s.lease)
		}
	}()
	if err := s.stand(); err != nil {
		return s.cause(err)
	}
	c.stood = true
	select {
	case <-s.elected:
	case <-s.ctx.Done():
		return s.cause(s.ctx.Err())
	}
	c.Log.Debug("elected", "key", s.mine.key)
	err = work(s.ctx, Term{Key: s.mine.key, Path: strings.TrimPrefix(s.mine.key, c.Root), Created: s.mine.created,
		Lease: s.lease, looks: s.looks})
	if lost := s.lost(); lost != nil && ctx.Err() == nil {
		return lost
	}
	return finished{err}
}

// withdrawLeft ends what an outage kept from ending. Without that this process would stand by behind itself.
func (c *candidacy) withdrawLeft(ctx context.Context) error {
	for len(c.left) > 0 {
		if err := revoke(ctx, c.Etcd, c.left[0]); err != nil {
			return err
		}
		c.left = c.left[1:]
	}
	return nil
}
