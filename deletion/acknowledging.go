package deletion

import (
	"context"
	"log/slog"
	"slices"

	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// acking are the acknowledgements of a gate that wait for a transaction. It belongs to the gate's goroutine.
type acking struct {
	waiting []protocol.Acknowledgement
	running bool   // a transaction is on its way
	said    string // the last trouble, which is logged once
}

// maxAcks is how many acknowledgements a transaction has, as etcd bounds the keys that it looks at and writes.
const maxAcks = 40

// next takes out what one transaction acknowledges. One is on its way at a time: what is due meanwhile goes together
// then. What a registration that is over had to say nobody needs to hear.
func (a *acking) next(id string) (batch []protocol.Acknowledgement) {
	if a.running {
		return nil
	}
	for len(a.waiting) > 0 && len(batch) < maxAcks {
		if a.waiting[0].ID == id {
			batch = append(batch, a.waiting[0])
		}
		a.waiting = a.waiting[1:]
	}
	a.running = len(batch) > 0
	return batch
}

// sendAcknowledgements sends what waits, as much as fits.
func (r *registrar) sendAcknowledgements(ctx context.Context) {
	all, registration := r.acking.next(r.czar.ID), r.registration
	if len(all) == 0 {
		return
	}
	r.ask(ctx, func(ctx context.Context) answer {
		landed, err := edge.Acknowledge(ctx, r.store, registration, all)
		return answer{acks: all, landed: landed, err: err}
	})
}

// acknowledged takes in what came of a transaction of acknowledgements.
func (r *registrar) acknowledged(ctx context.Context, a answer) {
	r.acking.running = false
	r.acking.tell(r.log, a.err)
	for _, each := range a.acks {
		kind := protocol.CzarAckFailed
		if slices.Contains(a.landed, each) {
			kind = protocol.CzarAcked
		}
		r.step(ctx, protocol.CzarEvent{Kind: kind, Name: each.Name, Mark: each.Mark, ID: each.ID})
	}
}

// tell logs why acknowledgements do not land, once: drops wait for them.
func (a *acking) tell(log *slog.Logger, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != a.said {
		log.Warn("drops wait for this czar, whose acknowledgements do not reach etcd; they are sent again", "err", err)
	}
	a.said = text
}
