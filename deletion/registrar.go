package deletion

import (
	"context"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// registrar keeps a czar registered and tells the queries what follows from the catalogue. What it holds belongs to its
// goroutine, run, but for the channels.
type registrar struct {
	queries *admission
	view    *cssetcd.View
	etcd    *clientv3.Client
	store   *kv.Etcd
	gateConfig

	act          func(context.Context, protocol.CzarEffect) // what an effect wants of etcd
	czar         protocol.Czar
	registration protocol.RegistrationContext
	lease        clientv3.LeaseID
	looked       int  // drops that confirmations have looked at
	full         bool // the last proof was had by reading, because etcd is full
	acking       acking
	answers      chan answer
	updates      chan cssetcd.Update
	work         sync.WaitGroup
	ready        chan struct{} // closed when the first proof was accepted
	refused      chan struct{} // closed when etcd has refused the czar access
	gone         chan struct{} // closed when the registration of a closing gate is deleted
	done         chan struct{} // closed when nothing of the gate runs any more
}

// run is the goroutine that the czar's state belongs to. It ends with ctx, when all that it began has ended.
func (r *registrar) run(ctx context.Context) {
	defer close(r.done)
	defer r.work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := r.view.Subscribe()
	first := changes.Snapshot()
	r.look(ctx, protocol.CzarEvent{Kind: protocol.CzarSaw, Observations: edge.Whole(first)}, first)
	r.work.Go(func() { r.follow(ctx, changes) })
	interval := r.czar.Timing.Confirm / 4
	tick := time.NewTicker(interval)
	defer tick.Stop()
	r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked})
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-r.updates:
			r.saw(ctx, u)
		case a := <-r.answers:
			r.take(ctx, a)
		case <-r.queries.kicks:
			r.drain(ctx)
		case <-tick.C:
			r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked})
			r.drain(ctx)
		}
		r.sendAcknowledgements(ctx)
		r.leave(ctx)
		if now := r.czar.Timing.Confirm / 4; now != interval { // registered anew with other settings
			interval = now
			tick.Reset(interval)
		}
	}
}

// follow passes on what the view shows. A gate whose view is closed has no eyes, and drops would wait for it for ever:
// it closes.
func (r *registrar) follow(ctx context.Context, changes *cssetcd.Subscription) {
	for {
		u, err := changes.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error("the gate closes because its view was closed before it", "err", err)
				r.queries.closing.Store(true)
				r.queries.kick()
			}
			return
		}
		select {
		case r.updates <- u:
		case <-ctx.Done():
			return
		}
	}
}

// saw takes in an update of the view.
func (r *registrar) saw(ctx context.Context, u cssetcd.Update) {
	e := protocol.CzarEvent{Kind: protocol.CzarSaw}
	if u.Regressed {
		r.log.Warn("etcd went back, or is another one: no query is admitted until this czar has registered anew", "revision",
			u.To.Revision())
		e.Kind, e.Observations = protocol.CzarSawAnother, edge.Whole(u.To)
	} else {
		var healed bool
		if e.Observations, healed = edge.Changed(u); healed {
			// what was missed may be what another history says
			e.Observations, e.Whole, e.Since = edge.Whole(u.To), true, u.From.Revision()
		}
	}
	r.look(ctx, e, u.To)
}

// look takes in what a snapshot shows. Only when all that is to be blocked is, queries may take it for seen.
func (r *registrar) look(ctx context.Context, e protocol.CzarEvent, s *cssetcd.Snapshot) {
	e.At = s.Revision()
	r.step(ctx, e)
	r.queries.seen.Store(s)
	r.drain(ctx)
}

// step takes in an event and does what follows from it.
func (r *registrar) step(ctx context.Context, e protocol.CzarEvent) {
	if e.Now == (protocol.Time{}) {
		e.Now = r.queries.clock.Now()
	}
	effects := r.czar.Step(e)
	r.trace(CzarStep{e, effects})
	// A proof that is gone is gone before anything else happens; one that is new counts only after what it must not bring
	// back is ended.
	lost := r.czar.ID == ""
	if lost {
		r.publish()
	}
	var drained []protocol.CzarEvent
	for _, x := range effects {
		switch x.Kind {
		case protocol.CzarBlock:
			if r.queries.slots.block(x.Name, x.Incarnation) {
				drained = append(drained, protocol.CzarEvent{Kind: protocol.CzarDrained, Name: x.Name, Incarnation: x.Incarnation})
				if r.czar.Entry(x.Name).Incarnation != x.Incarnation {
					r.queries.slots.forget(x.Name, x.Incarnation)
				}
			}
		case protocol.CzarOpen:
			r.queries.slots.open(x.Name, x.Incarnation)
		case protocol.CzarAbort:
			r.queries.abort(x.Name, x.Incarnation)
		default:
			r.act(ctx, x)
		}
	}
	if !lost {
		r.publish()
	}
	for _, d := range drained {
		if r.czar.Entry(d.Name).Incarnation == d.Incarnation {
			r.step(ctx, d)
		}
	}
}

// publish lets queries see until when they may act.
func (r *registrar) publish() {
	fence := r.czar.Fence()
	if *r.queries.fence.Load() != fence {
		r.queries.fence.Store(&fence)
	}
}

// drain tells of what was waited for and is not used any more.
func (r *registrar) drain(ctx context.Context) {
	for _, u := range r.queries.slots.drained() {
		if r.czar.Entry(u.Name).Incarnation != u.Incarnation {
			r.queries.slots.forget(u.Name, u.Incarnation)
			continue
		}
		r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarDrained, Name: u.Name, Incarnation: u.Incarnation})
	}
}

// leave goes on with the end of a gate that is closing.
func (r *registrar) leave(ctx context.Context) {
	if !r.queries.closing.Load() || r.queries.slots.total() > 0 {
		return // queries that run may go on, and need a registration for it
	}
	if !r.czar.Leaving {
		r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarAskedToGo})
	}
	switch {
	case r.czar.ID != "":
		r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarEmpty})
	case !r.czar.Entering(): // else there will be a registration to leave
		closeOnce(r.gone)
	}
}

// closeOnce closes what only the gate's goroutine closes.
func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}
