package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/wait"
	"github.com/qserv/css-etcd/mirror/emptychunks"
	"github.com/qserv/css-etcd/mirror/kvdata"
)

// EmptyChunks is where etcd has which chunks of databases are empty. Run keeps the tables <db>_EmptyChunks, from which
// C++ czars read the same, beside kvData.
type EmptyChunks struct {
	Feed   Feed // what Run follows, of its own: nobody else calls it; Once does without
	Writer EmptyWriter
}

// NewEmptyChunks returns where a catalogue has them. What a mirror takes in of what others wrote is written as by
// others, as what its [Taker] takes in.
func NewEmptyChunks(feed Feed, client *cssetcd.Client, mirror string) (*EmptyChunks, error) {
	writer, err := client.By(foreignAuthor(mirror))
	return &EmptyChunks{feed, writer}, err
}

// EmptyWriter takes in what others wrote into such a table, where both sides write; [cssetcd.Client] is one.
type EmptyWriter interface {
	SetEmptyChunks(ctx context.Context, db string, all cssetcd.ChunkSet,
		opts ...cssetcd.WriteOption) (cssetcd.Revision, error)
	ForgetEmptyChunks(ctx context.Context, db string, opts ...cssetcd.WriteOption) (cssetcd.Revision, error)
}

// emptyPace says how long a keeper waits for what.
type emptyPace struct {
	poll    time.Duration // between two looks at the tables
	settle  time.Duration // for so long what others changed has to stay the same before something follows from it
	reread  int64         // seconds after which a table is read that seems not to have changed
	catchUp time.Duration // for a feed that is behind what is on record
	failed  time.Duration // after a connection failed
	write   time.Duration // for etcd to take something in
	anew    time.Duration // after which a connection with too few privileges is made anew: there may be more now
	once    time.Duration // for which Once waits for others, and Check for a mirror
}

var usualEmptyPace = emptyPace{
	poll: 2 * time.Second, settle: 3 * time.Second, reread: 300, catchUp: 5 * time.Second, failed: 5 * time.Second,
	write: 10 * time.Second, anew: time.Minute, once: 10 * time.Second,
}

// emptyKeeper keeps the tables of empty chunks for as long as a session has kvData.
type emptyKeeper struct {
	EmptyChunks
	catalogue Catalogue
	cluster   uint64 // of the etcd whose catalogue kvData shows
	target    *mysql.Config
	term      int64
	taking    bool // both sides may write
	pace      emptyPace
	log       *slog.Logger
	records   map[string]kvdata.Agreed
	seen      map[string]sighting
	told      map[string]string // what is wrong with a database, or "" with all; "" where nothing is
	// report takes what is wrong, "" when nothing is, and whether that is worth telling again.
	report   func(text string, again bool)
	reported string
	looked   bool                  // something was reported
	missed   map[string]int        // looks in a row at which a database could not be done because of others
	reached  cssetcd.Revision      // nothing is decided before the feed shows it
	lacking  bool                  // a privilege was missing over this connection
	done     func(EmptyDifference) // takes what was settled; nil: nobody asks
}

// sighting is what a table said when it was read last.
type sighting struct {
	side    emptychunks.Side
	bad     bool      // it cannot be read
	changed int64     // by the server's clock: when it was written, as far as the server knows
	at      int64     // by the server's clock
	since   time.Time // when it said so first
}

// keepEmpty begins to keep the tables; what it returns ends that, and waits.
func (m *Mirror) keepEmpty(ctx context.Context, s *session) (end func()) {
	if m.cfg.Empty == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	k := m.emptyKeeper(s)
	var running sync.WaitGroup
	running.Go(func() { k.run(ctx) })
	return func() {
		cancel()
		running.Wait() // what is wrong stays so until the next keeper has looked
	}
}

func (m *Mirror) emptyKeeper(s *session) *emptyKeeper {
	return &emptyKeeper{EmptyChunks: *m.cfg.Empty, catalogue: m.cfg.Catalogue, cluster: s.cluster, target: m.cfg.Target,
		term: s.state.Term, taking: s.both != nil, pace: m.emptyPace, log: m.cfg.Logger, told: map[string]string{},
		report: func(text string, again bool) { m.log(m.status.emptyTables(text, again)) }, missed: map[string]int{}}
}

func (k *emptyKeeper) run(ctx context.Context) {
	for {
		err := k.connected(ctx)
		if ctx.Err() != nil || errors.Is(err, cssetcd.ErrClosed) || errors.Is(err, errRegressed) {
			return // the session finds out by itself, and the next one begins with what is so then
		}
		if err != nil {
			if k.missed[""]++; k.missed[""] > 1 { // what passes at once the session tells better
				k.tell("", "the tables of empty chunks are not kept", err)
				k.tellAll()
			}
		}
		if wait.For(ctx, k.pace.failed) != nil {
			return
		}
	}
}

// open connects, and reads what is on record.
func (k *emptyKeeper) open(ctx context.Context) (*kvdata.Empty, error) {
	db, err := kvdata.OpenEmpty(ctx, k.target, k.term)
	if err != nil {
		return nil, err
	}
	if k.records, err = db.Records(ctx); err != nil {
		db.Close()
		return nil, err
	}
	for _, agreed := range k.records {
		k.reached = max(k.reached, agreed.Revision)
	}
	k.seen, k.lacking = map[string]sighting{}, false
	return db, nil
}

// connected works over one connection until something fails.
func (k *emptyKeeper) connected(ctx context.Context) error {
	db, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := ready(ctx, k.Feed, func(cssetcd.Update) error { return nil }); err != nil {
		return err
	}
	for began := time.Now(); !k.lacking || time.Since(began) < k.pace.anew; {
		if err := k.catchUp(ctx); err != nil {
			return err
		}
		if err := k.look(ctx, db); err != nil {
			return err
		}
		k.told[""], k.missed[""] = "", 0
		k.tellAll()
		if err := k.pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// catchUp waits until the feed shows what is on record and what this keeper wrote. A feed that does not is slow, unless
// etcd itself does not have that revision: then it was set back.
func (k *emptyKeeper) catchUp(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, k.pace.catchUp)
	defer cancel()
	for k.Feed.Snapshot().Revision() < k.reached {
		_, err := k.Feed.Next(short)
		if err == nil {
			continue
		}
		if short.Err() == nil || ctx.Err() != nil {
			return err
		}
		_, err = k.catalogue.Snapshot(ctx, k.reached)
		if errors.Is(err, cssetcd.ErrFutureRevision) {
			break
		}
		return fmt.Errorf("the view does not show revision %d yet: %w", k.reached, cmp.Or(err, short.Err()))
	}
	k.reached = 0
	return nil
}

// pause waits for the next look: until it is due, or etcd says something else.
func (k *emptyKeeper) pause(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, k.pace.poll)
	defer cancel()
	for {
		u, err := k.Feed.Next(short)
		switch {
		case err != nil && short.Err() != nil && ctx.Err() == nil:
			return nil
		case err != nil:
			return err
		case u.Regressed:
			return errRegressed
		case concernsEmpty(u):
			return nil
		}
	}
}

// concernsEmpty reports whether an update changes what is known of empty chunks.
func concernsEmpty(u cssetcd.Update) bool {
	return len(u.EmptyChunks) > 0 || slices.ContainsFunc(u.Keys, func(c cssetcd.KeyChange) bool {
		k := csskey.Parse(c.Key)
		return k.Kind == csskey.Database && k.Rest == ""
	})
}

// look compares all, and does what follows.
func (k *emptyKeeper) look(ctx context.Context, db *kvdata.Empty) error {
	changed, have := map[string]int64{}, k.Feed.Snapshot()
	if have.Cluster() != k.cluster {
		return fmt.Errorf("%w: the view shows cluster %x, and kvData one of %x", ErrIdentity, have.Cluster(), k.cluster)
	}
	if err := have.Version(); err != nil { // nothing follows from a catalogue that is not there
		return err
	}
	tables, now, err := db.Tables(ctx)
	if err != nil {
		return err
	}
	names := namesOf(maps.Keys(k.records), have.EmptyChunksKnown())
	for _, t := range tables {
		changed[t.DB] = t.Changed
		if k.taking { // else what others made before etcd said anything is left alone, whatever it is
			names[t.DB] = true
		}
	}
	maps.DeleteFunc(k.told, func(name, _ string) bool { return name != "" && !names[name] })
	maps.DeleteFunc(k.missed, func(name string, _ int) bool { return name != "" && !names[name] })
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := tooLong(name); err != nil {
			k.tell(name, "its name is too long for a table of empty chunks", err)
			continue
		}
		mysql, err := k.inMySQL(ctx, db, name, changed[name], now)
		if err != nil {
			return err
		}
		if mysql.bad {
			continue
		}
		if err := k.settle(ctx, db, name, have, mysql); err != nil {
			return err
		}
	}
	return nil
}

// inMySQL returns what a table says. It reads it where that may have changed since it was read last, and where the
// server does not list it, too: it lists only what the user may see. It is bad when it cannot be read, or is being
// written.
func (k *emptyKeeper) inMySQL(ctx context.Context, db *kvdata.Empty, name string, changed,
	now int64) (sighting, error) {
	const doubt = 2 // seconds: the server's times have no parts of one
	last, known := k.seen[name]
	if known && changed == last.changed && changed < last.at-doubt && now-last.at < k.pace.reread && changed != 0 {
		return last, nil
	}
	s := sighting{changed: changed, at: now, since: time.Now()}
	var err error
	s.side, err = db.Read(ctx, name)
	switch {
	case errors.Is(err, ErrBusy):
		k.miss(name)
		return sighting{bad: true}, nil
	case err != nil && (ctx.Err() != nil || errors.Is(err, ErrUnavailable)):
		return s, err
	case err != nil:
		k.tell(name, "the table of empty chunks is left alone", err)
		s.bad, k.lacking = true, true
	}
	if known && !s.bad && !last.bad && last.side.Equal(s.side) {
		s.since = last.since
	}
	k.seen[name] = s
	return s, nil
}

// miss counts looks at which others were in the way, and tells when they go on to be.
func (k *emptyKeeper) miss(name string) {
	const often = 30
	if k.missed[name]++; k.missed[name] >= often {
		k.tell(name, "the table of empty chunks is not kept", errors.New("others keep it locked, or go on changing it"))
	}
}
