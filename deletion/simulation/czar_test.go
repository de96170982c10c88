package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
)

// czar is one process: what the protocol knows, and all that carries it out.
type czar struct {
	process
	state        protocol.Czar
	registration protocol.RegistrationContext
	useCounts    map[protocol.Use]protocol.UseCount // one for each incarnation of a name
	queries      []*query                           // those that are counted
	view         view
	lease        int64
	ids          int
	drained      []protocol.CzarEvent // to be told when all effects of a step are carried out

	another   bool                         // the step is one that another etcd led to
	blockedAt map[protocol.Use]kv.Revision // what the czar knew then, for the oracle
}

func (w *world) startCzar(name string) {
	c := &czar{process: w.newProcess(name), useCounts: map[protocol.Use]protocol.UseCount{}}
	c.state = protocol.Czar{Timing: timing, Rules: w.rules}
	w.czars = append(w.czars, c)
	c.lookSoon()
	w.after(&c.process, w.between(0, timing.Confirm/2), c.tick)
	w.after(&c.process, w.between(0, w.options.every), c.queryLoop)
}

// tick lets the czar do what is due. It begins when its view shows the catalogue, and the view is asked where it lags.
func (c *czar) tick() {
	if !c.view.loaded {
		c.w.after(&c.process, timing.Confirm/8, c.tick)
		return
	}
	if !c.state.Resynced() {
		c.lookSoon()
		if c.state.ID != "" {
			c.readNames()
		}
	}
	if c.state.Leaving && c.state.MayLeave(len(c.queries)) {
		c.feed(protocol.CzarEvent{Kind: protocol.CzarEmpty})
	}
	c.feed(protocol.CzarEvent{Kind: protocol.CzarTicked})
	if c.state.Leaving && c.state.ID == "" && len(c.queries) == 0 {
		c.w.tell("%s ends in order", c.name)
		c.dead = true
		return
	}
	c.w.after(&c.process, c.local(c.w.between(timing.Confirm, timing.Confirm*11/10)), c.tick)
}

// feed tells the czar what happened and carries out what it does about it.
func (c *czar) feed(e protocol.CzarEvent) {
	e.Now = c.clock()
	c.w.oracle.before(c, e)
	effects := c.state.Step(e)
	c.w.oracle.after(c, e)
	for _, f := range effects {
		c.carryOut(f)
	}
	c.tellDrained()
}

func (c *czar) carryOut(f protocol.CzarEffect) {
	u := protocol.Use{Name: f.Name, Incarnation: f.Incarnation}
	switch f.Kind {
	case protocol.CzarBlock:
		c.w.oracle.blocked(c, f)
		c.useCounts[u] = c.useCounts[u].Block()
		c.looksDrained(u)
	case protocol.CzarOpen:
		c.w.oracle.opened(c, f)
		c.useCounts[u] = c.useCounts[u].Open()
	case protocol.CzarAbort:
		c.abort(u)
	case protocol.CzarRegister:
		c.register()
	case protocol.CzarConfirm:
		c.confirm(f)
	case protocol.CzarAcknowledge:
		c.acknowledge(f)
	case protocol.CzarLeave:
		c.leave(f)
	}
}

// looksDrained prepares to tell that no query on a blocked incarnation is counted.
func (c *czar) looksDrained(u protocol.Use) {
	if count := c.useCounts[u]; count.Blocked() && count.Queries() == 0 {
		c.drained = append(c.drained, protocol.CzarEvent{Kind: protocol.CzarDrained, Name: u.Name,
			Incarnation: u.Incarnation})
		if c.state.Entry(u.Name).Incarnation != u.Incarnation {
			delete(c.useCounts, u) // as a czar does that is to run for long
		}
	}
}

// tellDrained tells what was prepared, now or later: what is told late has to be true still.
func (c *czar) tellDrained() {
	told := c.drained
	c.drained = nil
	for _, d := range told {
		tell := func() {
			count := c.useCounts[protocol.Use{Name: d.Name, Incarnation: d.Incarnation}]
			if count.Blocked() && count.Queries() == 0 {
				c.feed(d)
			}
		}
		if c.w.chance(0.8) {
			tell()
		} else {
			c.w.after(&c.process, c.w.latency(), tell)
		}
	}
}

func (c *czar) register() {
	kept := func() { c.feed(protocol.CzarEvent{Kind: protocol.CzarKeptOut}) }
	var registration protocol.RegistrationContext
	var err error
	c.send(func() {
		registration, err = protocol.ReadRegistrationContext(c.w.etcd.read(protocol.RegistrationContextReads()...))
	}, func(heard bool) {
		if !heard || err != nil {
			kept()
			return
		}
		registration.Rules = c.w.rules
		c.enter(registration, kept)
	})
}

func (c *czar) enter(registration protocol.RegistrationContext, kept func()) {
	c.ids++
	id := fmt.Sprintf("%s-%d", c.name, c.ids)
	var got *kv.Snapshot
	var err error
	var lease int64
	c.send(func() {
		lease = c.w.etcd.grant(registration.Timing.Alive)
		got, err = c.w.etcd.commit("register "+id, c.w.ofCzar(registration.Register(id, c.name, time.Unix(0, 0), lease)))
	}, func(heard bool) {
		if !heard || err != nil {
			kept()
			return
		}
		c.registration, c.lease, c.state.Timing = registration, lease, registration.Timing
		c.forgetCounts()
		c.feed(protocol.CzarEvent{Kind: protocol.CzarEntered, ID: id, At: got.Revision})
		c.lookSoon()
		c.readNames()
	})
}

// ofCzar is a transaction of a czar, less the guard of the history where that rule is taken away.
func (w *world) ofCzar(c kv.Change) kv.Change {
	if w.without&protocol.CzarNeedsHistory != 0 {
		c.Guards = slices.DeleteFunc(c.Guards, func(g kv.Guard) bool { return g.Path == csskey.History })
	}
	return c
}

// forgetCounts is what a count for each registration would do.
func (c *czar) forgetCounts() {
	if c.w.without&protocol.CountOutlivesRegistration == 0 {
		return
	}
	for u, count := range c.useCounts {
		for ; count.Queries() > 0; count = count.Release() {
		}
		c.useCounts[u] = count
	}
	for _, q := range c.queries {
		q.counted = nil
	}
}

func (c *czar) confirm(f protocol.CzarEffect) {
	registration, lease, e := c.registration, c.lease, &c.w.etcd
	var got *kv.Snapshot
	var err error
	var told []protocol.Cancelling
	c.send(func() {
		if !e.renew(lease) {
			lease = e.grant(registration.Timing.Alive)
		}
		got, err = e.commit("confirm "+f.ID, c.w.ofCzar(registration.Confirm(f.ID, f.Registered, protocol.Heartbeat{}, lease,
			f.Look)))
		if errors.Is(err, errNoSpace) {
			got, err = e.commit("confirm by reading "+f.ID, c.w.ofCzar(registration.ConfirmByReading(f.ID, f.Registered,
				f.Look)))
			c.w.counts.Full++
		}
		if err == nil {
			told = registration.ToCancel(got, f.Look)
			c.w.oracle.cancels(c.w, told)
		}
	}, func(heard bool) {
		answer := protocol.CzarEvent{Kind: protocol.CzarUnanswered, ID: f.ID, Sent: f.Sent}
		switch {
		case !heard:
		case err == nil:
			if f.ID == c.state.ID { // else it is that of a life that is to end
				c.lease = lease
			}
			answer.Kind, answer.Cancel = protocol.CzarConfirmed, told
		case errors.Is(err, kv.ErrGuard):
			answer.Kind = protocol.CzarRefused
			c.w.tell("%s has lost its registration %s", c.name, f.ID)
			c.w.counts.Lost++
		}
		c.feed(answer)
		if answer.Kind == protocol.CzarRefused && c.w.chance(0.5) {
			c.feed(protocol.CzarEvent{Kind: protocol.CzarTicked})
		}
	})
}

func (c *czar) acknowledge(f protocol.CzarEffect) {
	registration := c.registration
	a := protocol.Acknowledgement{Name: f.Name, Mark: f.Mark, ID: f.ID, Registered: f.Registered}
	var err error
	c.send(func() {
		_, err = c.w.etcd.commit(fmt.Sprintf("acknowledge %s at %d by %s", a.Name, a.Mark, a.ID),
			c.w.ofCzar(registration.Acknowledge(a)))
	}, func(heard bool) {
		kind := protocol.CzarAcked
		if !heard || err != nil {
			kind = protocol.CzarAckFailed
		}
		c.feed(protocol.CzarEvent{Kind: kind, ID: a.ID, Name: a.Name, Mark: a.Mark})
	})
}

func (c *czar) leave(f protocol.CzarEffect) {
	registration := c.registration
	var err error
	c.send(func() {
		_, err = c.w.etcd.commit("leave "+f.ID, c.w.ofCzar(registration.Leave(f.ID, f.Registered)))
	}, func(heard bool) {
		kind := protocol.CzarGone
		if !heard || err != nil {
			kind = protocol.CzarLeaveFailed
		}
		c.feed(protocol.CzarEvent{Kind: kind, ID: f.ID})
	})
}

// crash ends the process: its connections are closed and it does nothing any more.
func (c *czar) crash() {
	c.w.tell("%s crashes", c.name)
	c.dead = true
}

// release counts a query no more.
func (c *czar) release(q *query) {
	c.queries = slices.DeleteFunc(c.queries, func(other *query) bool { return other == q })
	for _, u := range q.counted {
		if c.useCounts[u].Queries() > 0 {
			c.useCounts[u] = c.useCounts[u].Release()
			c.looksDrained(u)
		}
	}
	q.counted = nil
	c.tellDrained()
}
