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
)

// Update is what following a span brings: the snapshot after one or more whole revisions.
type Update struct {
	Snapshot *Snapshot
	Cluster  uint64 // id of the cluster that it came from
	// Touched are the paths written or deleted since the update before, repeats included. It is nil after a resync, when
	// only a comparison of the two snapshots tells what changed.
	Touched []Path
	Resync  bool
	// Regressed: etcd's revision went back or the cluster is another one, as after a restore from a backup.
	Regressed bool
	// Asked is when etcd was asked for the state that the snapshot shows; zero when it was not asked but told by itself.
	Asked time.Time
}

// Followed says what is known when following begins.
type Followed struct {
	Snapshot *Snapshot // as loaded; its one span is what is followed
	Cluster  uint64    // id of the cluster that it came from
}

// followTimes are the delays of following. Tests scale them down.
type followTimes struct {
	askEvery    time.Duration // how often etcd is asked for its revision when nobody wants to know
	silence     time.Duration // what says nothing for this long is stalled, with or without an error, and is ended
	minBackoff  time.Duration // after the first failure
	mostBackoff time.Duration // after many
	calm        time.Duration // a watch that lived this long makes the next failure a first one
	resyncPause time.Duration // at least this much between two full loads
}

var usualTimes = followTimes{
	askEvery:    time.Second,
	silence:     8 * time.Second,
	minBackoff:  50 * time.Millisecond,
	mostBackoff: 5 * time.Second,
	calm:        30 * time.Second,
	resyncPause: 200 * time.Millisecond,
}

// Follow keeps calling with what changes in a span after start, until ctx ends, whose error it then returns. Each update shows
// whole revisions: what one transaction wrote appears in one update. When the watch breaks it is resumed where it stood; when
// the history needed for that is gone, the span is loaded anew and the update says so. A watch that falls silent is replaced.
//
// A value sent on ask makes Follow ask etcd for its revision at once; the answer comes as an update, with Asked set, after
// everything up to that revision.
func (s *Etcd) Follow(ctx context.Context, start Followed, ask <-chan struct{}, log *slog.Logger, call func(Update)) error {
	f := &follower{s: s, times: s.times, span: start.Snapshot.Spans()[0], have: start.Snapshot, cluster: start.Cluster, ask: ask, log: log, call: call}
	f.reached.Store(int64(f.have.Revision))
	backoff := f.times.minBackoff
	for {
		began := time.Now()
		err := f.watch(ctx)
		if errors.Is(err, errResync) {
			err = f.load(ctx, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("the watch ended and is started again", "revision", f.have.Revision, "err", err)
		if time.Since(began) > f.times.calm {
			backoff = f.times.minBackoff
		}
		if err := sleep(ctx, backoff/2+mathrand.N(backoff)); err != nil {
			return err
		}
		backoff = min(2*backoff, f.times.mostBackoff)
	}
}

type follower struct {
	s       *Etcd
	times   followTimes
	span    Span
	have    *Snapshot
	cluster uint64
	ask     <-chan struct{}
	log     *slog.Logger
	call    func(Update)

	reached  atomic.Int64 // the revision of have, for the goroutine that asks
	lastLoad time.Time
	open     []answer // those that are ahead of have, oldest first
}

// answer is what etcd said when it was asked for its revision.
type answer struct {
	asked    time.Time
	reached  Revision // what have was at then; a linearizable read cannot find less
	revision Revision
	cluster  uint64
}

var (
	// errResync says that the watch cannot go on from where it stood.
	errResync = errors.New("the span must be loaded anew")
	errSilent = errors.New("etcd fell silent")
)

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
	// A watcher of its own has a stream of its own, on which progress is answered as soon as this one watch is up to date, and
	// can be closed: the client's common one would open a new stream for a request that comes too late, and keep it.
	watcher := clientv3.NewWatcher(f.s.client)
	answers := make(chan answer)
	var asking sync.WaitGroup
	defer func() {
		stop()
		_ = watcher.Close() // says why the stream ended, which is known
		asking.Wait()
	}()
	f.open = nil
	asking.Go(func() { f.keepAsking(ctx, watcher, answers) })
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
		case r, ok := <-responses:
			if !ok {
				return cmp.Or(context.Cause(ctx), errors.New("etcd's client closed the watch"))
			}
			dog.pause()
			if err := f.response(r); err != nil {
				return err
			}
			dog.heard()
		}
	}
}

// keepAsking asks etcd for its revision, at once, at intervals and when told to. It is asked by a linearizable read: the watch
// may be on a member that lags behind, and on an etcd where nothing is written it answers no question about its progress. Of
// that it is reminded when etcd is ahead, since what is written elsewhere brings no event.
func (f *follower) keepAsking(ctx context.Context, watcher clientv3.Watcher, answers chan<- answer) {
	ticker := time.NewTicker(f.times.askEvery)
	defer ticker.Stop()
	for {
		a, err := f.question(ctx)
		if err != nil {
			f.log.Debug("etcd did not tell its revision", "err", err)
		} else {
			select {
			case answers <- a:
			case <-ctx.Done():
			}
			if a.revision > Revision(f.reached.Load()) {
				_ = watcher.RequestProgress(ctx) // fails with the watch only
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.ask:
		case <-ticker.C:
		}
	}
}

func (f *follower) question(ctx context.Context) (answer, error) {
	// The next one may go to another member.
	ctx, cancel := context.WithTimeout(ctx, f.times.silence/2)
	defer cancel()
	a := answer{asked: time.Now(), reached: Revision(f.reached.Load())}
	resp, err := f.s.client.Get(ctx, f.s.EtcdKey(f.span.From), clientv3.WithCountOnly())
	if err != nil {
		return answer{}, err
	}
	a.revision, a.cluster = Revision(resp.Header.Revision), resp.Header.ClusterId
	return a, nil
}

// answered notes an answer, which stays open until the snapshot has reached it.
func (f *follower) answered(a answer) error {
	switch {
	case a.cluster != f.cluster:
		return fmt.Errorf("%w: the cluster is %x and was %x", errResync, a.cluster, f.cluster)
	case a.revision < a.reached:
		return fmt.Errorf("%w: etcd is at revision %d and was at %d", errResync, a.revision, a.reached)
	}
	f.open = append(f.open, a)
	return nil
}

// response handles one answer of the watch. A response never splits a revision, so it becomes one update.
func (f *follower) response(r clientv3.WatchResponse) error {
	switch {
	case r.CompactRevision != 0:
		return fmt.Errorf("%w: history up to revision %d has been compacted", errResync, r.CompactRevision)
	case r.Err() != nil:
		return r.Err()
	case r.Header.ClusterId != f.cluster:
		return fmt.Errorf("%w: the cluster is %x and was %x", errResync, r.Header.ClusterId, f.cluster)
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
			return fmt.Errorf("%w: an event of revision %d came after revision %d", errResync, rev, at)
		}
		at = rev
		p := f.s.path(e.Kv.Key)
		if e.Type == clientv3.EventTypeDelete {
			if !b.Delete(p) {
				return fmt.Errorf("%w: %s was deleted and not known", errResync, p)
			}
		} else {
			if b.At(p).Exists() != !e.IsCreate() {
				return fmt.Errorf("%w: an event on %s was lost", errResync, p)
			}
			b.Put(p, Entry{Value: string(e.Kv.Value), Create: Revision(e.Kv.CreateRevision), Mod: rev})
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
	f.reached.Store(int64(f.have.Revision))
	for len(f.open) > 0 && f.open[0].revision <= f.have.Revision {
		u.Asked = f.open[0].asked
		f.open = f.open[1:]
	}
	f.call(u)
}

// load reads the span anew after the trouble that why tells.
func (f *follower) load(ctx context.Context, why error) error {
	if err := sleep(ctx, f.times.resyncPause-time.Since(f.lastLoad)); err != nil {
		return err
	}
	ctx, dog, stop := f.watchdog(ctx)
	defer stop()
	f.lastLoad = time.Now()
	s, cluster, err := f.s.load(ctx, 0, f.span, dog.heard)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	u := Update{Snapshot: s, Resync: true}
	u.Regressed = cluster != f.cluster || s.Revision < f.have.Revision
	f.cluster = cluster
	f.open = []answer{{asked: f.lastLoad, revision: s.Revision}}
	f.publish(u)
	return fmt.Errorf("loaded anew at revision %d: %w", s.Revision, why)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
