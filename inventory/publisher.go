package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/leader"
)

// DefaultTTL is after which time a worker that is not heard of is taken for dead.
const DefaultTTL = 10 * time.Second

// Publisher sees to it that etcd says which chunks a worker serves. What it is told is in memory at once, and in etcd
// as soon as [Publisher.Run] has written it. All methods may be called by any number of goroutines, before and while it
// runs.
type Publisher struct {
	worker string
	store  *kv.Etcd
	settings

	mu      sync.Mutex
	want    wish
	version int           // of want
	changed chan struct{} // closed when version or reached is another one

	reached  int // the version that etcd has; -1: nothing is known of what it has
	revision cssetcd.Revision
	running  bool
	yields   bool // another process is to have a try
	yielded  int  // how often it had one since there was something else to say
}

// wish is what a worker is to serve, as sets and as texts. It is never changed.
type wish struct {
	sets  map[string]chunkset.Set
	texts said
}

type settings struct {
	ttl  time.Duration
	log  *slog.Logger
	name string
}

// PublisherOption changes how a Publisher publishes.
type PublisherOption func(*settings) error

// WithTTL says after which time without a sign of life the worker is taken for dead, in whole seconds of at least 2. It
// is [DefaultTTL] without it. A worker that cannot reach etcd for so long is gone for all others, and comes again by
// itself.
func WithTTL(ttl time.Duration) PublisherOption {
	return func(s *settings) error {
		if ttl < 2*time.Second || ttl%time.Second != 0 {
			return fmt.Errorf("%w: the time to live is %v and must be whole seconds, 2 at least", cssetcd.ErrInvalid, ttl)
		}
		s.ttl = ttl
		return nil
	}
}

// WithLogger has a publisher tell when it publishes, stands by, and cannot write. Without it, it tells nobody.
func WithLogger(log *slog.Logger) PublisherOption {
	return func(s *settings) error {
		if log == nil {
			return fmt.Errorf("%w: the logger is nil", cssetcd.ErrInvalid)
		}
		s.log = log
		return nil
	}
}

// WithProcess names this process to people, "w1.example.org:4711" say. It is the author of the client without it.
func WithProcess(name string) PublisherOption {
	return func(s *settings) error { s.name = name; return nil }
}

// NewPublisher returns a publisher for a worker, which is to have the name of its node in the catalogue. It asks etcd
// nothing. It returns cssetcd.ErrInvalid for a name that cannot be one and for a catalogue on a file.
func NewPublisher(c *cssetcd.Client, worker string, opts ...PublisherOption) (*Publisher, error) {
	p := &Publisher{worker: worker, want: wish{map[string]chunkset.Set{}, said{}}, changed: make(chan struct{}),
		reached:  -1,
		settings: settings{ttl: DefaultTTL, log: slog.New(slog.DiscardHandler)}}
	store, err := storeOf(c)
	err = errors.Join(err, CheckWorker(worker))
	for _, opt := range opts {
		err = errors.Join(err, opt(&p.settings))
	}
	if err != nil {
		return nil, fmt.Errorf("publish the inventory of a worker: %w", err)
	}
	p.store = store
	if p.name == "" {
		p.name = store.Author()
	}
	return p, nil
}

// Set says which chunks of a database the worker serves, all of them. The empty set says that it serves the database,
// of which there are no chunks yet. It returns cssetcd.ErrInvalid for a name that cannot be one, and ErrTooLarge where
// the text form of the set has more than a MiB; nothing has changed then.
func (p *Publisher) Set(db string, chunks chunkset.Set) error {
	return p.change(func(want wish) error { return want.set(db, chunks) })
}

// Change adds to the chunks of a database that the worker serves, and takes from them. What is in both sets is taken.
// It returns what Set returns.
func (p *Publisher) Change(db string, more, fewer chunkset.Set) error {
	return p.change(func(want wish) error { return want.set(db, want.sets[db].Union(more).Difference(fewer)) })
}

// Forget says that the worker does not serve a database any more.
func (p *Publisher) Forget(db string) {
	_ = p.change(func(want wish) error {
		delete(want.sets, db)
		delete(want.texts, db)
		return nil
	})
}

// Replace says what the worker serves of all databases, whatever was said before. It returns what Set returns.
func (p *Publisher) Replace(all map[string]chunkset.Set) error {
	return p.change(func(want wish) error {
		clear(want.sets)
		clear(want.texts)
		for db, chunks := range all {
			if err := want.set(db, chunks); err != nil {
				return err
			}
		}
		return nil
	})
}

// set is for a wish that is being made.
func (w wish) set(db string, chunks chunkset.Set) error {
	if err := checkName("database", db); err != nil {
		return err
	}
	text := chunks.String()
	if len(text) > maxText {
		return fmt.Errorf("%w: the chunks of database %s take %d bytes as text, and may take %d", cssetcd.ErrTooLarge, db,
			len(text), maxText)
	}
	w.sets[db], w.texts[db] = chunks, text
	return nil
}

// change changes all that change wants, or nothing.
func (p *Publisher) change(change func(wish) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := wish{maps.Clone(p.want.sets), maps.Clone(p.want.texts)}
	if err := change(want); err != nil {
		return fmt.Errorf("publish the inventory of worker %s: %w", p.worker, err)
	}
	if !maps.Equal(want.texts, p.want.texts) {
		p.want, p.yielded = want, 0
		p.version++
		p.tell()
	}
	return nil
}

// tell wakes who waits. It needs the lock.
func (p *Publisher) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Wait waits until etcd says all that the publisher was told before the call, and returns the revision of that. It
// returns the error of ctx; while another process publishes for the worker, or nobody runs this one, it waits.
func (p *Publisher) Wait(ctx context.Context) (cssetcd.Revision, error) {
	p.mu.Lock()
	version := p.version
	p.mu.Unlock()
	for {
		p.mu.Lock()
		reached, rev, changed := p.reached, p.revision, p.changed
		p.mu.Unlock()
		if reached >= version {
			return rev, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Run publishes until ctx ends, whose error it returns; then the worker is gone from etcd. A publisher that was told
// nothing yet says that the worker is alive and serves nothing. While another process publishes for the worker it
// stands by. An etcd that cannot be reached is tried again for ever. It returns cssetcd.ErrClosed when the client was
// closed, and ErrInvalid when it is called again while it runs.
func (p *Publisher) Run(ctx context.Context) error {
	p.mu.Lock()
	running := p.running
	p.running = true
	p.mu.Unlock()
	if running {
		return fmt.Errorf("%w: the publisher of worker %s runs already", cssetcd.ErrInvalid, p.worker)
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = false
	}()
	err := leader.Run(ctx, leader.Config{
		Etcd: p.store.Client(), Root: p.store.EtcdKey(""), Key: p.key(),
		Name: p.name, TTL: p.ttl, Log: p.log,
		StandsBy: func() {
			p.log.Info("another process publishes the inventory of this worker; standing by", "worker", p.worker)
		},
	}, p.publish)
	if errors.Is(err, leader.ErrClosed) {
		err = fmt.Errorf("publish the inventory of worker %s: %w: %w", p.worker, cssetcd.ErrClosed, err)
	}
	return err
}

// key is what the keys of candidates begin with.
func (p *Publisher) key() string { return p.store.EtcdKey(csskey.PublishersOf(p.worker)) }

// StepBack lets another process publish for the worker, where one stands by: who does not know any more what the worker
// serves gives another one a try. This one then stands by, behind it. Without another one it goes on. So it does until
// it has published for its time to live, and twice as long each time that it steps back and has nothing new to say: two
// that know nothing would hand each other the work without end. It does not wait. Who still knows nothing calls it
// again.
func (p *Publisher) StepBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.yields = true
	p.tell()
}

// yielding reports whether StepBack was called since it was asked last, and another process may have a try after so
// long a term.
func (p *Publisher) yielding(term time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.yields
	p.yields = false
	return was && term >= p.ttl<<min(p.yielded, mostDoubled)
}

// mostDoubled is how often the term is doubled after which a publisher that knows nothing steps back.
const mostDoubled = 5

// stepsBack notes that another process has a try.
func (p *Publisher) stepsBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.yielded++
}
