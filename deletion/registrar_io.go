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
	"github.com/qserv/css-etcd/internal/wait"
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
func (r *registrar) begin(ctx context.Context, x protocol.CzarEffect) {
	x.Look = r.turnOf(x.Look)
	registration, lease, heartbeat := r.registration, r.lease, r.heartbeat(x)
	switch x.Kind {
	case protocol.CzarRegister:
		r.ask(ctx, r.register)
	case protocol.CzarConfirm:
		r.ask(ctx, func(ctx context.Context) answer { return r.confirm(ctx, x, registration, heartbeat, lease) })
	case protocol.CzarAcknowledge:
		r.acking.waiting = append(r.acking.waiting, protocol.Acknowledgement{Name: x.Name, Mark: x.Mark, ID: x.ID,
			Registered: x.Registered})
	case protocol.CzarLeave:
		r.ask(ctx, func(ctx context.Context) answer { return r.depart(ctx, x, registration) })
	default:
		panic(fmt.Sprintf("deletion: unknown effect %q", x.Kind))
	}
}

// ask asks etcd beside the gate's goroutine, which takes in the answer.
func (r *registrar) ask(ctx context.Context, question func(context.Context) answer) {
	fence := r.czar.Timing.Fence
	// an etcd that is slow still confirms, and one that is silent is asked again in time
	within := max(fence/4, min(fence/2, time.Second))
	r.work.Go(func() {
		inner, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		r.answer(ctx, question(inner))
	})
}

// answer hands the gate's goroutine an answer.
func (r *registrar) answer(ctx context.Context, a answer) {
	select {
	case r.answers <- a:
	case <-ctx.Done():
	}
}

// heartbeat tells people which queries a czar has on what is marked, and what keeps its acknowledgements from landing.
func (r *registrar) heartbeat(x protocol.CzarEffect) protocol.Heartbeat {
	told := r.czar.ToldToEnd()
	return protocol.Heartbeat{
		Seen: r.czar.Seen, Running: r.running(x.Look), Told: r.running(told[:min(len(told), protocol.MaxLooked)]),
		Trouble: protocol.Shortened(r.acking.said),
	}
}

func (r *registrar) running(on []protocol.Name) map[string]int {
	queries := map[string]int{}
	for _, n := range on {
		if running := r.queries.slots.queriesOn(n, r.czar.Entry(n).Incarnation); running > 0 {
			queries[n.String()] = running
		}
	}
	return queries
}

// register registers under a new id. Whether an attempt that failed has landed does not matter: nobody confirms that
// id.
func (r *registrar) register(ctx context.Context) answer {
	id := rand.Text()
	registration, err := edge.ReadRegistrationContext(ctx, r.store)
	if err != nil {
		return keptOut(err)
	}
	lease, err := r.grant(ctx, registration)
	if err != nil {
		return keptOut(err)
	}
	got, err := r.store.Commit(ctx, registration.Register(id, r.name, time.Now(), int64(lease)))
	if err != nil {
		return keptOut(err)
	}
	entered := protocol.CzarEvent{Kind: protocol.CzarEntered, ID: id, At: got.Revision, Timing: &registration.Timing}
	return answer{event: entered, registration: &registration, lease: lease}
}

func keptOut(err error) answer {
	return answer{event: protocol.CzarEvent{Kind: protocol.CzarKeptOut}, err: err}
}

func (r *registrar) grant(ctx context.Context, registration protocol.RegistrationContext) (clientv3.LeaseID, error) {
	lease, _, err := r.store.Grant(ctx, int64(registration.Timing.Alive/time.Second))
	return clientv3.LeaseID(lease), err
}

// confirm sends a proof, and keeps the lease of the czar's life.
func (r *registrar) confirm(ctx context.Context, x protocol.CzarEffect, registration protocol.RegistrationContext,
	heartbeat protocol.Heartbeat, lease clientv3.LeaseID) answer {
	out := answer{event: protocol.CzarEvent{Kind: protocol.CzarUnanswered, ID: x.ID, Sent: x.Sent}}
	got, err := r.store.Commit(ctx, registration.Confirm(x.ID, x.Registered, heartbeat, int64(lease), x.Look))
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		if lease, err = r.grant(ctx, registration); err == nil {
			out.lease = lease
			got, err = r.store.Commit(ctx, registration.Confirm(x.ID, x.Registered, heartbeat, int64(lease), x.Look))
		}
	}
	if errors.Is(err, kv.ErrNoSpace) {
		out.full = err
		got, err = r.store.Commit(ctx, registration.ConfirmByReading(x.ID, x.Registered, x.Look))
	}
	switch {
	case errors.Is(err, kv.ErrGuard):
		out.event.Kind = protocol.CzarRefused
		out.err = errors.New("the registration of this czar was ended: it had not been heard of for too long, an operator " +
			"evicted it, or etcd was restored from a backup")
	case errors.Is(err, kv.ErrOutcomeUnknown): // whether it was accepted makes no difference
		out.err = errors.New("etcd did not answer")
	case err != nil:
		out.err = err
	default:
		out.event.Kind, out.event.Cancel = protocol.CzarConfirmed, registration.ToCancel(got, x.Look)
		r.work.Go(func() { r.keepAlive(lease) })
	}
	return out
}

// keepAlive keeps the lease of the czar's life, off the way of the proof. Should it be gone, the next confirmation gets
// another.
func (r *registrar) keepAlive(lease clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.Background(), edge.ASecond)
	defer cancel()
	if _, err := r.etcd.KeepAliveOnce(ctx, lease); err != nil {
		r.log.Debug("the lease of this czar's life is not kept", "err", err)
	}
}

// turnOf returns as many names as one confirmation can look at, each in its turn.
func (r *registrar) turnOf(names []protocol.Name) []protocol.Name {
	if len(names) <= protocol.MaxLooked {
		return names
	}
	first := r.looked % len(names)
	r.looked += protocol.MaxLooked
	return slices.Concat(names[first:], names[:first])[:protocol.MaxLooked]
}

func (r *registrar) depart(ctx context.Context, x protocol.CzarEffect, in protocol.RegistrationContext) answer {
	out := answer{event: protocol.CzarEvent{Kind: protocol.CzarGone, ID: x.ID}}
	_, err := r.store.Commit(ctx, in.Leave(x.ID, x.Registered))
	if err != nil && !errors.Is(err, kv.ErrGuard) { // refused: it is ending without us
		out.event.Kind, out.err = protocol.CzarLeaveFailed, err
	}
	return out
}

// take takes in an answer.
func (r *registrar) take(ctx context.Context, a answer) {
	if a.acks != nil {
		r.acknowledged(ctx, a)
		return
	}
	if a.err != nil {
		r.troubled(a.err)
	}
	if a.registration != nil {
		r.registration = *a.registration
	}
	// else it is that of a life that is to end
	if a.lease != 0 && (a.event.ID == r.czar.ID || a.event.Kind == protocol.CzarEntered) {
		r.lease = a.lease
	}
	r.step(ctx, a.event)
	switch a.event.Kind {
	case protocol.CzarEntered:
		if r.czar.ID != a.event.ID {
			return // it came too late
		}
		r.log.Info("registered as a czar", "id", a.event.ID, "revision", a.event.At)
		since := max(r.czar.Seen, r.view.Snapshot().Revision())
		r.work.Go(func() { r.readNames(ctx, a.event.ID, since) })
	case protocol.CzarConfirmed:
		r.confirmed(a.full)
	case protocol.CzarRefused:
		r.step(ctx, protocol.CzarEvent{Kind: protocol.CzarTicked}) // to register anew at once: no query is admitted meanwhile
	}
}

func (r *registrar) troubled(err error) {
	if was := r.queries.trouble.Swap(&err); was == nil || (*was).Error() != err.Error() {
		r.log.Warn("this czar has no new proof that it is registered", "err", err)
	}
	if errors.Is(err, kv.ErrUnauthorized) {
		closeOnce(r.refused)
	}
}

func (r *registrar) confirmed(full error) {
	if full != nil && !r.full {
		r.log.Warn("etcd is full: queries go on, but this czar cannot acknowledge drops, nor register anew should it have to",
			"err", full)
	}
	r.full = full != nil
	r.queries.trouble.Store(nil)
	closeOnce(r.ready)
}

// readAgain is the pause between two attempts to read what there is.
const readAgain = 200 * time.Millisecond

// readNames reads what there is of databases and tables after a registration, until that succeeds: see
// [protocol.Czar.Resynced]. The view had shown since before.
func (r *registrar) readNames(ctx context.Context, id string, since protocol.Revision) {
	for {
		have, err := edge.NamesIn(ctx, r.store)
		if err == nil {
			r.answer(ctx, answer{event: protocol.CzarEvent{Kind: protocol.CzarSaw, ID: id, At: have.Revision,
				Observations: protocol.ObservationsIn(have), Whole: true, Since: since}})
			return
		}
		r.answer(ctx, answer{event: protocol.CzarEvent{Kind: protocol.CzarTicked},
			err: fmt.Errorf("the names in the catalogue cannot be read after registering: %w", err)})
		if wait.For(ctx, readAgain) != nil {
			return
		}
	}
}
