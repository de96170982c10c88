package kv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/internal/wait"
)

// Update is what following a span brings: the snapshot after one or more whole revisions, or a word on how the
// following does.
type Update struct {
	Snapshot *Snapshot
	Cluster  uint64 // id of the cluster that it came from
	// Touched are the paths written or deleted since the update before; all that differ, after a resync. Repeats are
	// possible.
	Touched []Path
	Resync  bool // the span was loaded anew
	// Regressed: etcd's revision went back or the cluster is another one, as after a restore from a backup.
	Regressed bool
	// Asked is when etcd was asked for the state that the snapshot shows; zero when it was not asked but told by
	// itself.
	Asked time.Time
	// Trouble is why the watch ended. Snapshot is what is known until an update without trouble comes. It is an
	// ErrResync when the span has to be loaded anew, and ErrInconsistent, too, when a comparison made that necessary,
	// or ErrWentBack.
	Trouble error
	// Compared: the snapshot was found to be what etcd holds at its revision.
	Compared bool
}

// Followed says what is known when following begins, and what is wanted.
type Followed struct {
	Snapshot *Snapshot // as loaded; its one span is what is followed
	Cluster  uint64    // id of the cluster that it came from
	// CompareEvery is how often the snapshot is compared with etcd, whole and at one revision; 0: every 5 minutes,
	// negative: never. Large spans are compared less often, so that it takes no more than a hundredth of the time.
	CompareEvery time.Duration
}

// followTimes are the delays of following. Tests scale them down.
type followTimes struct {
	askEvery    time.Duration // how often etcd is asked for its revision when nobody wants to know
	silence     time.Duration // what says nothing for this long is stalled, with or without an error, and is ended
	minBackoff  time.Duration // after the first failure
	mostBackoff time.Duration // after many
	calm        time.Duration // a watch that lived this long makes the next failure a first one
	// at least this much between two full loads, and four times what the first took; up to this much before one
	resyncPause time.Duration
	compare     time.Duration // between two comparisons with etcd
	compareRest int           // and at least this many times what the last one took; a tenth of that when it failed
}

var usualTimes = followTimes{
	askEvery:    time.Second,
	silence:     8 * time.Second,
	minBackoff:  50 * time.Millisecond,
	mostBackoff: 5 * time.Second,
	calm:        30 * time.Second,
	resyncPause: 200 * time.Millisecond,
	compare:     5 * time.Minute,
	compareRest: 100,
}

// Follow keeps calling with what changes in a span after start, until ctx ends, whose error it then returns. Each
// update shows whole revisions: what one transaction wrote appears in one update. When the watch breaks it is resumed
// where it stood; when the history needed for that is gone, or a comparison with etcd shows a difference, the span is
// loaded anew and the update has the exact difference. A watch that falls silent is replaced.
//
// A value sent on ask makes Follow ask etcd for its revision at once; the answer comes as an update, with Asked set,
// after everything up to that revision.
func (s *Etcd) Follow(ctx context.Context, start Followed, ask <-chan struct{}, log *slog.Logger,
	call func(Update)) error {
	f := newFollower(s, start, ask, log, call)
	backoff := f.times.minBackoff
	for {
		began := time.Now()
		err := f.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if closed := s.closed(); closed != nil {
			return closed
		}
		if err == nil {
			continue // loaded: each moment without a watch is one in which its history may be compacted
		}
		f.trouble(err)
		if time.Since(began) > f.times.calm {
			backoff = f.times.minBackoff
		}
		if err := wait.For(ctx, backoff/2+mathrand.N(backoff)); err != nil {
			return err
		}
		backoff = min(2*backoff, f.times.mostBackoff)
	}
}

// once watches until something goes wrong. When that cannot be gone on from, it loads anew and returns nil; a load that
// failed is made up for first.
func (f *follower) once(ctx context.Context) error {
	if !f.lost {
		err := f.watch(ctx)
		if !errors.Is(err, ErrResync) || ctx.Err() != nil {
			return err
		}
		f.lost = true
		f.trouble(err)
		f.spread()
	}
	err := f.load(ctx)
	f.lost = err != nil
	return err
}

type follower struct {
	s       *Etcd
	times   followTimes
	span    Span
	have    *Snapshot
	cluster uint64
	values  interner
	ask     <-chan struct{}
	log     *slog.Logger
	call    func(Update)

	shown   atomic.Pointer[Snapshot] // have, for the goroutines that ask and compare
	open    []answer                 // those that are ahead of have, oldest first
	lost    bool                     // the watch cannot go on from have
	back    bool                     // etcd was seen to have gone back, however far it has grown since
	resync  time.Time                // when the next full load may begin
	compare time.Time                // when the next comparison is due
}

func newFollower(s *Etcd, start Followed, ask <-chan struct{}, log *slog.Logger, call func(Update)) *follower {
	f := &follower{
		s: s, times: s.times, span: start.Snapshot.Spans()[0], have: start.Snapshot, cluster: start.Cluster,
		values: newInterner(start.Snapshot), ask: ask, log: log, call: call,
	}
	f.times.compare = cmp.Or(start.CompareEvery, f.times.compare)
	f.compare = time.Now().Add(jitter(f.times.compare))
	f.shown.Store(f.have)
	return f
}

var (
	// ErrResync says that the watch cannot go on from where it stood.
	ErrResync = errors.New("the span must be loaded anew")
	// ErrWentBack says that etcd's revision fell, or that it is another cluster: what is shown may be of a history that
	// is gone.
	ErrWentBack = errors.New("etcd went back or is another cluster")
)

var (
	errSilent      = errors.New("etcd fell silent")
	errWatchClosed = errors.New("etcd's client closed the watch")
)

// trouble tells why the watch ended.
func (f *follower) trouble(err error) {
	f.log.Warn("the watch ended and is started again", "revision", f.have.Revision, "err", err)
	f.call(Update{Snapshot: f.have, Cluster: f.cluster, Touched: []Path{}, Trouble: err})
}

// watchdog ends a context that has not been kept alive for a while.
type watchdog struct {
	timer *time.Timer
	limit time.Duration
}

func (f *follower) watchdog(ctx context.Context) (context.Context, watchdog, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := f.times.silence
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %s", errSilent, limit)) })
	return ctx, watchdog{timer, limit}, func() {
		timer.Stop()
		cancel(nil)
	}
}

func (w watchdog) heard() { w.timer.Reset(w.limit) }

// pause is for the time in which an update is passed on: that is not etcd's.
func (w watchdog) pause() { w.timer.Stop() }

// watch follows until something goes wrong.
func (f *follower) watch(ctx context.Context) error {
	ctx, dog, stop := f.watchdog(clientv3.WithRequireLeader(ctx))
	// A watcher of its own has a stream of its own, on which progress is answered as soon as this one watch is up to
	// date, and can be closed: the client's common one would open a new stream for a request that comes too late, and
	// keep it.
	watcher := clientv3.NewWatcher(f.s.client)
	answers, comparisons := make(chan answer), make(chan error)
	var beside sync.WaitGroup
	defer func() {
		stop()
		_ = watcher.Close() // says why the stream ended, which is known
		beside.Wait()
	}()
	f.open = nil
	beside.Go(func() { f.keepAsking(ctx, watcher, answers) })
	beside.Go(func() { f.keepComparing(ctx, comparisons) })
	opts := append(f.s.rangeEnd(f.span), clientv3.WithRev(int64(f.have.Revision)+1), clientv3.WithCreatedNotify())
	// No fragments: the server builds them in quadratic time.
	responses := watcher.Watch(ctx, f.s.EtcdKey(f.span.From), opts...)
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case a := <-answers:
			if err := f.answered(a); err != nil {
				return err
			}
			if a.revision > f.have.Revision {
				continue // that is the watch's to tell
			}
			dog.pause()
			f.publish(Update{Snapshot: f.have, Touched: []Path{}})
			dog.heard()
		case err := <-comparisons:
			if err != nil {
				return err
			}
			f.publish(Update{Snapshot: f.have, Touched: []Path{}, Compared: true})
		case r, ok := <-responses:
			if !ok {
				return cmp.Or(context.Cause(ctx), errWatchClosed)
			}
			dog.pause()
			if err := f.response(r); err != nil {
				return err
			}
			dog.heard()
		}
	}
}

// response handles one answer of the watch. A response never splits a revision, so it becomes one update.
func (f *follower) response(r clientv3.WatchResponse) error {
	switch {
	case r.CompactRevision != 0:
		return fmt.Errorf("%w: history up to revision %d has been compacted", ErrResync, r.CompactRevision)
	case r.Err() != nil:
		return watchError(r.Err())
	case r.Header.ClusterId != f.cluster:
		return fmt.Errorf("%w: %w: the cluster is %x and was %x", ErrResync, ErrWentBack, r.Header.ClusterId, f.cluster)
	case r.Created:
		return nil // its header may be ahead of what the watch has still to send, and behind on a member that lags
	case r.IsProgressNotify():
		if at := Revision(r.Header.Revision); at > f.have.Revision {
			f.publish(Update{Snapshot: f.have.WithRevision(at), Touched: []Path{}})
		}
		return nil
	}
	return f.events(r.Events)
}

func (f *follower) events(events []*clientv3.Event) error {
	b := f.have.Edit()
	at := f.have.Revision
	touched := make([]Path, 0, len(events))
	for _, e := range events {
		rev := Revision(e.Kv.ModRevision)
		if rev <= f.have.Revision || rev < at {
			return fmt.Errorf("%w: an event of revision %d came after revision %d", ErrResync, rev, at)
		}
		at = rev
		p := f.s.path(e.Kv.Key)
		if e.Type == clientv3.EventTypeDelete {
			old, was := b.Delete(p)
			if !was {
				return fmt.Errorf("%w: %s was deleted and not known", ErrResync, p)
			}
			f.values.release(old.Value)
		} else {
			now := f.values.entry(e.Kv)
			old, was := b.Put(p, now)
			if was != !e.IsCreate() || was && old.Create != now.Create {
				return fmt.Errorf("%w: an event on %s was lost", ErrResync, p)
			}
			f.values.release(old.Value)
		}
		touched = append(touched, p)
	}
	f.publish(Update{Snapshot: b.Snapshot(at), Touched: touched})
	return nil
}

// publish passes an update on, with the newest of the questions that it answers.
func (f *follower) publish(u Update) {
	u.Cluster = f.cluster
	f.have = u.Snapshot
	f.shown.Store(f.have)
	for len(f.open) > 0 && f.open[0].revision <= f.have.Revision {
		u.Asked = f.open[0].asked
		f.open = f.open[1:]
	}
	f.call(u)
}

// loadKey is about what a key costs etcd in a load.
const loadKey = 2 * time.Microsecond

// spread puts the next load off for a moment of its own choice: many followers may have lost their history at the same
// moment.
func (f *follower) spread() {
	within := max(f.times.resyncPause, 4*loadKey*time.Duration(f.have.Len()))
	if begin := time.Now().Add(mathrand.N(within)); begin.After(f.resync) {
		f.resync = begin
	}
}

// load reads the span anew. Loads are spread out, so that many followers that lost their history at the same moment, by
// a compaction for instance, do not keep etcd from its work.
func (f *follower) load(ctx context.Context) error {
	if err := wait.For(ctx, time.Until(f.resync)); err != nil {
		return err
	}
	ctx, dog, stop := f.watchdog(ctx)
	defer stop()
	began := time.Now()
	defer func() { f.resync = time.Now().Add(jitter(max(f.times.resyncPause, 4*time.Since(began)))) }()
	s, cluster, values, err := f.s.load(ctx, 0, f.span, dog.heard)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrResync, errors.Join(err, context.Cause(ctx)))
	}
	u := Update{Snapshot: s, Resync: true, Touched: paths(Diff(f.have, s))}
	u.Regressed = f.back || cluster != f.cluster || s.Revision < f.have.Revision
	f.cluster, f.values, f.back = cluster, values, false
	f.open = []answer{{asked: began, revision: s.Revision}}
	f.publish(u)
	f.log.Info("loaded anew", "revision", s.Revision, "changes", len(u.Touched), "regressed", u.Regressed, "took",
		time.Since(began))
	return nil
}

func paths(deltas []Delta) []Path {
	out := make([]Path, len(deltas))
	for i, d := range deltas {
		out[i] = d.Path
	}
	return out
}

// jitter keeps many followers from doing the same at the same time: between three and five quarters of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return d
	}
	return d - d/4 + mathrand.N(d/2+1)
}
