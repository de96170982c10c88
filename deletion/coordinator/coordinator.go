package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/leader"
)

// Config says what a coordinator works on and with.
type Config struct {
	Catalogue *cssetcd.Client
	View      *cssetcd.View // stays the caller's
	Dropper   Dropper       // nil: Nothing
	Tracker   QueryTracker  // nil: all czars speak the protocol
	Name      string        // for people; "": host and process
	TTL       time.Duration // after which a coordinator that is gone without a word is replaced, in whole seconds; 0: 10 s
	Logger    *slog.Logger  // nil: nothing is logged
	Trace     func(Step)
	// Done is called when this coordinator has ended a drop: all is removed, and the name is free. It must not block.
	Done func(name string, mark cssetcd.Revision)
}

// Step is one step of a coordinator: what it read, when, and what it did about it if it led.
type Step struct {
	Facts   protocol.Facts
	Now     protocol.Time
	Actions []protocol.Action
	Leading bool
}

// Replay returns a coordinator without a process: given what the steps of a trace read, it returns the actions that
// follow. It is for tests.
func Replay() func(protocol.Facts, protocol.Time) []protocol.Action {
	var c protocol.Coordinator
	return c.Step
}

// Coordinator carries drops out. Any number of them may run: one leads, the others watch and take over when it is gone.
// What one that lost the lead without noticing still sends is refused by etcd, because each transaction proves the
// lead.
type Coordinator struct {
	cfg      Config
	store    *kv.Etcd
	etcd     *clientv3.Client
	clock    edge.Clock
	observer edge.Observer
	state    protocol.Coordinator
	said     string // the last trouble, which is logged once
	failing  failing
	patience time.Duration // for a read
	wakes    chan struct{}
	removals removals
	tracks   tracks

	mu      sync.Mutex
	leading *leadership            // nil: another one leads
	marked  map[protocol.Name]bool // seen with a mark, whoever made it
}

// leadership is a term of this process. Its context ends with it.
type leadership struct {
	protocol.Leadership
	ctx  context.Context
	term leader.Term
}

// New returns a coordinator. It fails with ErrInvalid for a catalogue on a file, for a view of another prefix, and for
// a TTL that etcd cannot keep.
func New(cfg Config) (*Coordinator, error) {
	if err := edge.Paired(cfg.Catalogue, cfg.View); err != nil {
		return nil, &deletion.Error{Op: "make a coordinator", Err: err}
	}
	store, err := edge.Open(cfg.Catalogue)
	if err != nil {
		return nil, &deletion.Error{Op: "make a coordinator", Err: err}
	}
	if cfg.TTL == 0 {
		cfg.TTL = 10 * time.Second
	}
	if cfg.TTL < time.Second || cfg.TTL%time.Second != 0 {
		return nil, &deletion.Error{Op: "make a coordinator", Err: fmt.Errorf("%w: TTL %s: must be whole seconds",
			cssetcd.ErrInvalid, cfg.TTL)}
	}
	if cfg.Dropper == nil {
		cfg.Dropper = Nothing{}
	}
	if cfg.Name == "" {
		cfg.Name = edge.Owner()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Coordinator{
		cfg: cfg, store: store, etcd: store.Client(), clock: edge.NewClock(), observer: edge.Observer{Store: store},
		wakes: make(chan struct{}, 1), marked: map[protocol.Name]bool{},
	}
	c.removals.init(cfg.Dropper)
	c.tracks.init(cfg.Tracker)
	return c, nil
}

// Run takes part until ctx ends, and returns its error. It returns earlier only when the view is closed, or with
// ErrTiming when the settings in etcd do not fit together at the start, or with ErrInvalid when the view is of another
// catalogue.
func (c *Coordinator) Run(ctx context.Context) error {
	if err := edge.Identical(ctx, c.cfg.Catalogue, c.cfg.View); errors.Is(err, cssetcd.ErrInvalid) {
		return &deletion.Error{Op: "coordinate drops", Err: err}
	}
	if _, err := edge.ReadRegistrationContext(ctx, c.store); errors.Is(err, deletion.ErrTiming) {
		return &deletion.Error{Op: "coordinate drops", Err: err}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.follow(ctx) })
	group.Go(func() error { return c.watch(ctx) })
	group.Go(func() error {
		return leader.Run(ctx, leader.Config{
			Etcd: c.etcd, Root: c.store.EtcdKey(""), Key: c.store.EtcdKey(csskey.Coordinators),
			Name: c.cfg.Name, TTL: c.cfg.TTL, Log: c.cfg.Logger,
		}, c.lead)
	})
	group.Go(func() error { return c.loop(ctx) })
	return group.Wait()
}

// lead is what this process does when it is elected.
func (c *Coordinator) lead(ctx context.Context, term leader.Term) error {
	c.cfg.Logger.Info("this process coordinates drops")
	proof := protocol.Leadership{Key: kv.Path(term.Path), Created: protocol.Revision(term.Created)}
	c.setLeading(&leadership{proof, ctx, term})
	defer c.setLeading(nil)
	<-ctx.Done()
	return ctx.Err()
}

func (c *Coordinator) setLeading(l *leadership) {
	c.mu.Lock()
	c.leading = l
	c.mu.Unlock()
	c.wake()
}

func (c *Coordinator) leads() *leadership {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leading
}

func (c *Coordinator) wake() {
	select {
	case c.wakes <- struct{}{}:
	default: // it is about to look
	}
}

// loop reads, decides and acts, whenever something may have changed and from time to time. After a read it rests for as
// long as that took: what happens meanwhile is then read together, and with thousands of drops there is time for all
// else.
func (c *Coordinator) loop(ctx context.Context) error {
	defer c.removals.wait()
	defer c.tracks.wait()
	for {
		next, took := c.round(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(took):
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wakes:
		case <-time.After(next):
		}
	}
}

// round is one look at everything. It returns when to look again if nothing wakes the coordinator before, and how long
// reading took.
func (c *Coordinator) round(ctx context.Context) (next, took time.Duration) {
	began := time.Now()
	f, faults, err := c.read(ctx)
	took = time.Since(began)
	c.tell(ctx, err, edge.Joined(faults))
	if err != nil {
		return time.Second, 0
	}
	now, lead := c.clock.Now(), c.leads()
	if lead != nil {
		c.tracks.judge(lead.ctx, &f, c.wake)
	}
	actions := c.state.Step(f, now)
	if c.cfg.Trace != nil {
		c.cfg.Trace(Step{f, now, actions, lead != nil})
	}
	if lead != nil {
		c.do(lead, f, actions)
	}
	c.removals.forget(f)
	return min(time.Second, f.Timing.Confirm/2), took
}

// read reads everything. What takes longer than it may has more time for the next try: there may be very many drops.
func (c *Coordinator) read(ctx context.Context) (protocol.Facts, []error, error) {
	c.patience = max(c.patience, readLimit)
	reading, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	f, faults, err := c.observer.Read(reading, c.seenMarked())
	if reading.Err() != nil {
		c.patience = min(2*c.patience, longestRead)
	}
	return f, faults, err
}

// do carries actions out. Removals of data go on by themselves.
func (c *Coordinator) do(lead *leadership, f protocol.Facts, actions []protocol.Action) {
	c.failing.begin()
	var removals, executions []protocol.Action
	for _, a := range actions {
		if a.Kind == protocol.Remove {
			removals = append(removals, a)
		}
	}
	for _, t := range c.removals.advance(c, lead, f.At, removals) {
		c.noteTrouble(lead, t)
	}
	for _, a := range actions {
		switch {
		case a.Kind == protocol.Remove:
		case a.Kind == protocol.Execute && !a.Name.IsDatabase():
			executions = append(executions, a)
		default:
			c.act(lead, a)
		}
	}
	c.executeAll(lead, executions)
}

// readLimit bounds a read: a coordinator that hangs on a broken connection helps nobody. longestRead bounds one that
// was too short.
const (
	readLimit   = 5 * time.Second
	longestRead = time.Minute
)

// tell logs trouble once and not with each look.
func (c *Coordinator) tell(ctx context.Context, err, faults error) {
	trouble, what := err, "drops stand still: the coordinator cannot read what it decides on"
	if err == nil {
		trouble, what = faults, "records of drops or czars cannot be read"
	}
	text := ""
	if trouble != nil {
		text = trouble.Error()
	}
	if text != "" && text != c.said && ctx.Err() == nil {
		c.cfg.Logger.Warn(what, "err", trouble)
	}
	c.said = text
}

// follow notes what is marked in the catalogue, by whomever, and wakes the coordinator for it.
func (c *Coordinator) follow(ctx context.Context) error {
	changes := c.cfg.View.Subscribe()
	c.note(edge.Whole(changes.Snapshot()), true)
	for {
		u, err := changes.Next(ctx)
		if err != nil {
			return err
		}
		if u.Regressed {
			c.removals.reset()
			c.note(edge.Whole(u.To), true)
			continue
		}
		observations, _ := edge.Changed(u)
		c.note(observations, false)
	}
}

func (c *Coordinator) note(observations []protocol.Observation, anew bool) {
	c.mu.Lock()
	if anew {
		clear(c.marked)
	}
	for _, s := range observations {
		if s.Entry.Standing == protocol.DropPending {
			c.marked[s.Name] = true
		} else {
			delete(c.marked, s.Name)
		}
	}
	c.mu.Unlock()
	if len(observations) > 0 {
		c.wake()
	}
}

func (c *Coordinator) seenMarked() (names []protocol.Name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.marked {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// watch wakes the coordinator when drops or registrations change. It is for speed only.
func (c *Coordinator) watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(clientv3.WithRequireLeader(ctx))
	for _, w := range []struct {
		below kv.Path
		opts  []clientv3.OpOption
	}{
		{csskey.Drops, nil},
		{csskey.Czars, nil},
		{csskey.Alive, []clientv3.OpOption{clientv3.WithFilterPut()}}, // confirmations are no news
	} {
		group.Go(func() error {
			for {
				for range c.etcd.Watch(ctx, c.store.EtcdKey(w.below)+"/", append(w.opts, clientv3.WithPrefix())...) {
					c.wake()
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
				}
			}
		})
	}
	return group.Wait()
}
