package kv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"
)

// Update is what following a span brings: the snapshot after one or more whole revisions.
type Update struct {
	Snapshot *Snapshot
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

const (
	askEvery    = time.Second            // how often etcd is asked for its revision when nothing happens
	silence     = 8 * time.Second        // an answer overdue by this ends the watch: it is stalled, with or without an error
	minBackoff  = 50 * time.Millisecond  // after the first failure
	mostBackoff = 5 * time.Second        // after many
	calm        = 30 * time.Second       // a watch that lived this long makes the next failure a first one
	resyncPause = 200 * time.Millisecond // at least this much between two full loads
)

// Follow keeps calling with what changes in a span after start, until ctx ends, whose error it then returns. Each update shows
// whole revisions: what one transaction wrote appears in one update. When the watch breaks it is resumed where it stood; when
// the history needed for that is gone, the span is loaded anew and the update says so. A watch that falls silent is replaced.
//
// A value sent on ask makes Follow ask etcd for its revision at once; the answer comes as an update, with Asked set, after
// everything up to that revision.
func (s *Etcd) Follow(ctx context.Context, start Followed, ask <-chan struct{}, log *slog.Logger, call func(Update)) error {
	f := &follower{s: s, span: start.Snapshot.Spans()[0], have: start.Snapshot, cluster: start.Cluster, ask: ask, log: log, call: call}
	backoff := minBackoff
	for {
		began := time.Now()
		err := f.watch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log.Warn("the watch ended and is started again", "revision", f.have.Revision, "err", err)
		if time.Since(began) > calm {
			backoff = minBackoff
		}
		if err := sleep(ctx, backoff/2+mathrand.N(backoff)); err != nil {
			return err
		}
		backoff = min(2*backoff, mostBackoff)
	}
}

type follower struct {
	s       *Etcd
	span    Span
	have    *Snapshot
	cluster uint64
	ask     <-chan struct{}
	log     *slog.Logger
	call    func(Update)

	lastLoad time.Time
	asked    time.Time // when the oldest unanswered question was sent; zero when none is open
}

// errResync says that the watch cannot go on from where it stood.
var errResync = errors.New("the span must be loaded anew")

// watch follows until something goes wrong. It loads first when it cannot resume.
func (f *follower) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A stream of its own: progress is answered only when all watches of a stream are up to date. The same context must
	// carry the questions, since etcd's client finds the stream by the metadata.
	ctx = metadata.AppendToOutgoingContext(clientv3.WithRequireLeader(ctx), "css-view", rand.Text())
	opts := append(f.s.rangeEnd(f.span), clientv3.WithRev(int64(f.have.Revision)+1), clientv3.WithCreatedNotify())
	// No fragments: the server builds them in quadratic time.
	responses := f.s.client.Watch(ctx, f.s.EtcdKey(f.span.From), opts...)
	f.asked = time.Time{}
	heard := time.Now()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.ask:
			f.question(ctx)
		case <-ticker.C:
			if time.Since(heard) > silence {
				return fmt.Errorf("etcd has not answered for %s", time.Since(heard).Round(time.Second))
			}
			f.question(ctx)
		case r, ok := <-responses:
			if !ok {
				return errors.New("etcd's client closed the watch")
			}
			heard = time.Now()
			err := f.response(r)
			if errors.Is(err, errResync) {
				return f.load(ctx, err)
			}
			if err != nil {
				return err
			}
		}
	}
}

// question asks etcd for its revision. It must not hold up the loop when the stream is down.
func (f *follower) question(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, askEvery/2)
	defer cancel()
	now := time.Now()
	if f.s.client.RequestProgress(ctx) == nil && f.asked.IsZero() {
		f.asked = now
	}
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
	case Revision(r.Header.Revision) < f.have.Revision:
		return fmt.Errorf("%w: etcd is at revision %d and was at %d", errResync, r.Header.Revision, f.have.Revision)
	case r.Created:
		return nil // its header may be ahead of what the watch has still to send
	case r.IsProgressNotify():
		u := Update{Snapshot: f.have, Touched: []Path{}, Asked: f.asked}
		f.asked = time.Time{}
		if at := Revision(r.Header.Revision); at > f.have.Revision {
			u.Snapshot = f.have.WithRevision(at)
		}
		f.publish(u)
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

func (f *follower) publish(u Update) {
	f.have = u.Snapshot
	f.call(u)
}

// load reads the span anew after the trouble that why tells.
func (f *follower) load(ctx context.Context, why error) error {
	if err := sleep(ctx, resyncPause-time.Since(f.lastLoad)); err != nil {
		return err
	}
	f.lastLoad = time.Now()
	s, cluster, err := f.s.Load(ctx, 0, f.span)
	if err != nil {
		return err
	}
	u := Update{Snapshot: s, Resync: true, Asked: f.lastLoad}
	u.Regressed = cluster != f.cluster || s.Revision < f.have.Revision
	f.cluster = cluster
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
