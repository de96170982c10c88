package coordinator

import (
	"context"
	"errors"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/kv"
)

// conclude writes down what an attempt came to, and from which revision on facts show it.
func (c *Coordinator) conclude(ctx context.Context, lead *leadership, a protocol.Action, err error) (outcome,
	protocol.Revision) {
	log := c.cfg.Logger.With("name", a.Name.String())
	switch {
	case err != nil && ctx.Err() != nil:
		return attemptEnded, 0
	case err != nil:
		log.Warn("the data of what was dropped could not be removed; it is tried again", "err", err)
		return attemptFailed, c.noteFailure(lead, a, err)
	}
	at, err := c.finish(lead, a)
	switch {
	case err == nil:
		return nameFreed, at
	case lead.ctx.Err() != nil:
		return freeingLate, 0
	case errors.Is(err, kv.ErrGuard): // an operator, or another coordinator, has written to it meanwhile
		lead.term.Look()
		return freeingLate, 0
	}
	log.Warn("the data of what was dropped are removed, but the name is not free yet; it is tried again", "err", err)
	return freeingFailed, 0
}

// finish frees the name of a drop whose data are removed, and returns the revision from which on that shows.
func (c *Coordinator) finish(lead *leadership, a protocol.Action) (protocol.Revision, error) {
	ctx, cancel := context.WithTimeout(lead.ctx, readLimit)
	defer cancel()
	have, err := c.store.Fetch(ctx, 0, append(protocol.SpellingReads(a.Name), kv.Key(a.Name.Intent()))...)
	if err != nil {
		return 0, err
	}
	a, still := protocol.Renewed(a, have)
	if !still { // somebody gave it up
		return have.Revision, nil
	}
	now, err := c.store.Commit(ctx, lead.Removed(a, have))
	if err != nil {
		return 0, err
	}
	if c.cfg.Done != nil {
		c.cfg.Done(a.Name.String(), a.Mark)
	}
	return now.Revision, nil
}

// noteFailure writes down why data could not be removed, and returns the revision from which on that shows; 0 where it
// is not known to.
func (c *Coordinator) noteFailure(lead *leadership, a protocol.Action, why error) protocol.Revision {
	at, err := c.noteIn(lead, a, func(a protocol.Action) kv.Change { return lead.Failed(a, why) })
	if err != nil {
		c.cfg.Logger.Warn("the reason of a failed drop could not be noted", "name", a.Name.String(), "err", err)
	}
	return at
}

// noteTrouble writes down what an attempt that goes on has trouble with.
func (c *Coordinator) noteTrouble(lead *leadership, t told) {
	if t.text != "" {
		c.cfg.Logger.Warn("removing the data of what was dropped takes long", "name", t.Name.String(), "because", t.text)
	}
	if _, err := c.noteIn(lead, t.Action, func(a protocol.Action) kv.Change {
		return lead.Troubled(a,
			t.text)
	}); err != nil {
		c.cfg.Logger.Debug("the trouble of a removal could not be noted", "name", t.Name.String(), "err", err)
	}
}

// noteIn changes the intent of a drop as it is now.
func (c *Coordinator) noteIn(lead *leadership, a protocol.Action,
	change func(protocol.Action) kv.Change) (protocol.Revision, error) {
	ctx, cancel := context.WithTimeout(lead.ctx, readLimit)
	defer cancel()
	have, err := c.store.Fetch(ctx, 0, kv.Key(a.Name.Intent()))
	if err != nil {
		return 0, err
	}
	a, still := protocol.Renewed(a, have)
	if !still {
		return have.Revision, nil
	}
	now, err := c.store.Commit(ctx, change(a))
	if errors.Is(err, kv.ErrGuard) {
		lead.term.Look()
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return now.Revision, nil
}
