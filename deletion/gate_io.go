package deletion

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// answer is what came of something that the czar began.
type answer struct {
	event        protocol.CzarEvent
	acks         []protocol.Acknowledgement    // instead of an event: these were sent
	landed       []protocol.Acknowledgement    // those of them that landed
	err          error                         // why it failed, for people
	registration *protocol.RegistrationContext // of a registration
	lease        clientv3.LeaseID              // 0: as before
	full         error                         // that etcd is full, and the proof was had by reading
}

// begin begins what an effect wants of etcd. The answer comes as an event.
func (g *Gate) begin(ctx context.Context, x protocol.CzarEffect) {
	x.Look = g.turnOf(x.Look)
	registration, lease, heartbeat := g.registration, g.lease, g.heartbeat(x)
	switch x.Kind {
	case protocol.CzarRegister:
		g.ask(ctx, g.register)
	case protocol.CzarConfirm:
		g.ask(ctx, func(ctx context.Context) answer { return g.confirm(ctx, x, registration, heartbeat, lease) })
	case protocol.CzarAcknowledge:
		g.acking.waiting = append(g.acking.waiting, protocol.Acknowledgement{Name: x.Name, Mark: x.Mark, ID: x.ID, Registered: x.Registered})
	case protocol.CzarLeave:
		g.ask(ctx, func(ctx context.Context) answer { return g.depart(ctx, x, registration) })
	default:
		panic(fmt.Sprintf("deletion: unknown effect %q", x.Kind))
	}
}

// ask asks etcd beside the gate's goroutine, which takes in the answer.
func (g *Gate) ask(ctx context.Context, question func(context.Context) answer) {
	fence := g.czar.Timing.Fence
	within := max(fence/4, min(fence/2, time.Second)) // an etcd that is slow still confirms, and one that is silent is asked again in time
	g.work.Go(func() {
		inner, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		select {
		case g.answers <- question(inner):
		case <-ctx.Done():
		}
	})
}

// heartbeat tells people which queries a czar has on what is marked, and what keeps its acknowledgements from landing.
func (g *Gate) heartbeat(x protocol.CzarEffect) protocol.Heartbeat {
	told := g.czar.ToldToEnd()
	return protocol.Heartbeat{
		Seen: g.czar.Seen, Running: g.running(x.Look), Told: g.running(told[:min(len(told), protocol.MaxLooked)]), Trouble: protocol.Shortened(g.acking.said),
	}
}

func (g *Gate) running(on []protocol.Name) map[string]int {
	queries := map[string]int{}
	for _, n := range on {
		if running := g.slots.queriesOn(n, g.czar.Entry(n).Incarnation); running > 0 {
			queries[n.String()] = running
		}
	}
	return queries
}

// register registers under a new id. Whether an attempt that failed has landed does not matter: nobody confirms that id.
func (g *Gate) register(ctx context.Context) answer {
	out := answer{event: protocol.CzarEvent{Kind: protocol.CzarKeptOut}}
	registration, err := edge.ReadRegistrationContext(ctx, g.store)
	if err != nil {
		out.err = err
		return out
	}
	lease, err := g.grant(ctx, registration)
	if err != nil {
		out.err = err
		return out
	}
	id := rand.Text()
	got, err := g.store.Commit(ctx, registration.Register(id, g.name, time.Now(), int64(lease)))
	if err != nil {
		out.err = err
		return out
	}
	out.event = protocol.CzarEvent{Kind: protocol.CzarEntered, ID: id, At: got.Revision, Timing: &registration.Timing}
	out.registration, out.lease = &registration, lease
	return out
}

func (g *Gate) grant(ctx context.Context, registration protocol.RegistrationContext) (clientv3.LeaseID, error) {
	lease, _, err := g.store.Grant(ctx, int64(registration.Timing.Alive/time.Second))
	return clientv3.LeaseID(lease), err
}

// confirm sends a proof, and keeps the lease of the czar's life.
func (g *Gate) confirm(ctx context.Context, x protocol.CzarEffect, registration protocol.RegistrationContext, heartbeat protocol.Heartbeat, lease clientv3.LeaseID) answer {
	out := answer{event: protocol.CzarEvent{Kind: protocol.CzarUnanswered, ID: x.ID, Sent: x.Sent}}
	look := x.Look
	got, err := g.store.Commit(ctx, registration.Confirm(x.ID, x.Registered, heartbeat, int64(lease), look))
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		if lease, err = g.grant(ctx, registration); err == nil {
			out.lease = lease
			got, err = g.store.Commit(ctx, registration.Confirm(x.ID, x.Registered, heartbeat, int64(lease), look))
		}
	}
	if errors.Is(err, kv.ErrNoSpace) {
		out.full = err
		got, err = g.store.Commit(ctx, registration.ConfirmByReading(x.ID, x.Registered, look))
	}
	switch {
	case errors.Is(err, kv.ErrGuard):
		out.event.Kind = protocol.CzarRefused
		out.err = errors.New("the registration of this czar was ended: it had not been heard of for too long, an operator evicted it, or etcd was restored from a backup")
		return out
	case errors.Is(err, kv.ErrOutcomeUnknown): // whether it was accepted makes no difference
		out.err = errors.New("etcd did not answer")
		return out
	case err != nil:
		out.err = err
		return out
	}
	out.event.Kind, out.event.Cancel = protocol.CzarConfirmed, registration.ToCancel(got, look)
	g.work.Go(func() { g.keepAlive(lease) })
	return out
}

// keepAlive keeps the lease of the czar's life, off the way of the proof. Should it be gone, the next confirmation gets another.
func (g *Gate) keepAlive(lease clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.Background(), aSecond)
	defer cancel()
	if _, err := g.etcd.KeepAliveOnce(ctx, lease); err != nil {
		g.log.Debug("the lease of this czar's life is not kept", "err", err)
	}
}

// turnOf returns as many names as one confirmation can look at, each in its turn.
func (g *Gate) turnOf(names []protocol.Name) []protocol.Name {
	if len(names) <= protocol.MaxLooked {
		return names
	}
	first := g.looked % len(names)
	g.looked += protocol.MaxLooked
	return slices.Concat(names[first:], names[:first])[:protocol.MaxLooked]
}

func (g *Gate) depart(ctx context.Context, x protocol.CzarEffect, registration protocol.RegistrationContext) answer {
	out := answer{event: protocol.CzarEvent{Kind: protocol.CzarGone, ID: x.ID}}
	_, err := g.store.Commit(ctx, registration.Leave(x.ID, x.Registered))
	if err != nil && !errors.Is(err, kv.ErrGuard) { // refused: it is ending without us
		out.event.Kind, out.err = protocol.CzarLeaveFailed, err
	}
	return out
}

// take takes in an answer.
func (g *Gate) take(ctx context.Context, a answer) {
	if a.acks != nil {
		g.acknowledged(ctx, a)
		return
	}
	if a.err != nil {
		g.troubled(a.err)
	}
	if a.registration != nil {
		g.registration = *a.registration
	}
	if a.lease != 0 && (a.event.ID == g.czar.ID || a.event.Kind == protocol.CzarEntered) { // else it is that of a life that is to end
		g.lease = a.lease
	}
	g.step(ctx, a.event)
	switch a.event.Kind {
	case protocol.CzarEntered:
		if g.czar.ID != a.event.ID {
			return // it came too late
		}
		g.log.Info("registered as a czar", "id", a.event.ID, "revision", a.event.At)
		since := max(g.czar.Seen, g.view.Snapshot().Revision())
		g.work.Go(func() { g.readNames(ctx, a.event.ID, since) })
	case protocol.CzarConfirmed:
		g.confirmed(a.full)
	case protocol.CzarRefused:
		g.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked}) // to register anew at once: no query is admitted meanwhile
	}
}

func (g *Gate) troubled(err error) {
	if was := g.trouble.Swap(&trouble{err}); was == nil || was.err == nil || was.err.Error() != err.Error() {
		g.log.Warn("this czar has no new proof that it is registered", "err", err)
	}
}

func (g *Gate) confirmed(full error) {
	if full != nil && !g.full {
		g.log.Warn("etcd is full: queries go on, but this czar cannot acknowledge drops, nor register anew should it have to", "err", full)
	}
	g.full = full != nil
	g.trouble.Store(nil)
	select {
	case <-g.ready:
	default:
		close(g.ready)
	}
}
