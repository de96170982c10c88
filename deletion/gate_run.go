package deletion

import (
	"context"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// run is the goroutine that the czar's state belongs to. It ends with ctx, when all that it began has ended.
func (g *Gate) run(ctx context.Context) {
	defer close(g.done)
	defer g.work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := g.view.Subscribe()
	first := changes.Snapshot()
	g.look(ctx, protocol.CzarEvent{Kind: protocol.CzarSaw, Observations: edge.Whole(first)}, first)
	g.work.Go(func() { g.follow(ctx, changes) })
	interval := g.czar.Timing.Confirm / 4
	tick := time.NewTicker(interval)
	defer tick.Stop()
	g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked})
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-g.updates:
			g.saw(ctx, u)
		case a := <-g.answers:
			g.take(ctx, a)
		case <-g.kicks:
			g.drain(ctx)
		case <-tick.C:
			g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked})
			g.drain(ctx)
		}
		g.sendAcknowledgements(ctx)
		g.leave(ctx)
		if now := g.czar.Timing.Confirm / 4; now != interval { // registered anew with other settings
			interval = now
			tick.Reset(interval)
		}
	}
}

// follow passes on what the view shows. A gate whose view is closed has no eyes, and drops would wait for it for ever: it closes.
func (g *Gate) follow(ctx context.Context, changes *cssetcd.Subscription) {
	for {
		u, err := changes.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				g.log.Error("the gate closes because its view was closed before it", "err", err)
				g.closing.Store(true)
				g.kick()
			}
			return
		}
		select {
		case g.updates <- u:
		case <-ctx.Done():
			return
		}
	}
}

// saw takes in an update of the view.
func (g *Gate) saw(ctx context.Context, u cssetcd.Update) {
	e := protocol.CzarEvent{Kind: protocol.CzarSaw}
	if u.Regressed {
		g.log.Warn("etcd went back, or is another one: no query is admitted until this czar has registered anew", "revision", u.To.Revision())
		e.Kind, e.Observations = protocol.CzarSawAnother, edge.Whole(u.To)
	} else {
		var healed bool
		if e.Observations, healed = edge.Changed(u); healed {
			e.Observations, e.Whole, e.Since = edge.Whole(u.To), true, u.From.Revision() // what was missed may be what another history says
		}
	}
	g.look(ctx, e, u.To)
}

// look takes in what a snapshot shows. Only when all that is to be blocked is, queries may take it for seen.
func (g *Gate) look(ctx context.Context, e protocol.CzarEvent, s *cssetcd.Snapshot) {
	e.At = s.Revision()
	g.step(ctx, e)
	g.seen.Store(s)
	g.drain(ctx)
}

// step takes in an event and does what follows from it.
func (g *Gate) step(ctx context.Context, e protocol.CzarEvent) {
	if e.Now == (protocol.Time{}) {
		e.Now = g.clock.Now()
	}
	effects := g.czar.Step(e)
	if g.trace != nil {
		g.trace(CzarStep{e, effects})
	}
	// A proof that is gone is gone before anything else happens; one that is new counts only after what it must not bring back is ended.
	lost := g.czar.ID == ""
	if lost {
		g.publish()
	}
	var drained []protocol.CzarEvent
	for _, x := range effects {
		switch x.Kind {
		case protocol.CzarBlock:
			if g.slots.block(x.Name, x.Incarnation) {
				drained = append(drained, protocol.CzarEvent{Kind: protocol.CzarDrained, Name: x.Name, Incarnation: x.Incarnation})
				if g.czar.Entry(x.Name).Incarnation != x.Incarnation {
					g.slots.forget(x.Name, x.Incarnation)
				}
			}
		case protocol.CzarOpen:
			g.slots.open(x.Name, x.Incarnation)
		case protocol.CzarAbort:
			g.abort(x.Name, x.Incarnation)
		default:
			g.act(ctx, x)
		}
	}
	if !lost {
		g.publish()
	}
	for _, d := range drained {
		if g.czar.Entry(d.Name).Incarnation == d.Incarnation {
			g.step(ctx, d)
		}
	}
}

// publish lets queries see until when they may act.
func (g *Gate) publish() {
	fence := g.czar.Fence()
	if *g.fence.Load() != fence {
		g.fence.Store(&fence)
	}
}

// drain tells of what was waited for and is not used any more.
func (g *Gate) drain(ctx context.Context) {
	for _, w := range g.slots.drained() {
		if g.czar.Entry(w.name).Incarnation != w.incarnation {
			g.slots.forget(w.name, w.incarnation)
			continue
		}
		g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarDrained, Name: w.name, Incarnation: w.incarnation})
	}
}

// leave goes on with the end of a gate that is closing.
func (g *Gate) leave(ctx context.Context) {
	if !g.closing.Load() {
		return
	}
	if g.slots.total() > 0 {
		return // they may go on, and need a registration for it
	}
	if !g.czar.Leaving {
		g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarAskedToGo})
	}
	switch {
	case g.czar.ID != "":
		g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarEmpty})
	case !g.czar.Entering(): // else there will be a registration to leave
		g.isGone()
	}
}

func (g *Gate) isGone() {
	select {
	case <-g.gone:
	default:
		close(g.gone)
	}
}
