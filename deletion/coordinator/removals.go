package coordinator

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// removals carry out the removal of data off the coordinator's way.
type removals struct {
	dropper Dropper
	work    sync.WaitGroup
	mu      sync.Mutex
	all     map[protocol.Revision]*entry // by mark
	active  map[*entry]bool              // those that are running
	waiting queue
}

// queue are drops, as facts of a revision show them, for whose data there was no room.
type queue struct {
	lead  *leadership
	at    protocol.Revision
	drops []protocol.Action
}

// entry is the removal of one drop, and how its attempt is ended.
type entry struct {
	removal
	end context.CancelFunc // nil: none is running
}

func (r *removals) init(d Dropper) {
	r.dropper, r.all, r.active = d, map[protocol.Revision]*entry{}, map[*entry]bool{}
}

func (r *removals) wait() { r.work.Wait() }

// of returns what is known of a drop. Of one that is new nothing has been wanted yet.
func (r *removals) of(a protocol.Action) *entry {
	m := r.all[a.Mark]
	if m == nil {
		m = &entry{removal: removal{retry: a.Intent.Retry}}
		r.all[a.Mark] = m
	}
	return m
}

// advance begins what is due of the drops that facts of a revision show past the point of no return, for as long as
// there is room, and returns the troubles of attempts that are running which their intents do not tell yet.
func (r *removals) advance(c *Coordinator, lead *leadership, at protocol.Revision,
	drops []protocol.Action) (untold []told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.waiting = queue{lead: lead, at: at}
	for _, a := range inTurn(drops, func(a protocol.Action) removal { return r.of(a).removal }) {
		m := r.of(a)
		errand := m.due(at, a.Intent.Retry, now)
		switch {
		case errand == endDue:
			m.end()
		case errand == nothingDue:
		case !room(r.running(), now):
			r.waiting.drops = append(r.waiting.drops, a)
		default:
			r.begin(c, lead, m, a, errand, now)
		}
		if text := protocol.Shortened(m.told(now)); at >= m.settled && text != a.Intent.Trouble {
			untold = append(untold, told{a, text})
		}
	}
	return untold
}

func (r *removals) running() (all []removal) {
	for m := range r.active {
		all = append(all, m.removal)
	}
	return all
}

// next begins what was waiting for room, without another look at everything.
func (r *removals) next(c *Coordinator) {
	now := time.Now()
	for w := &r.waiting; len(w.drops) > 0 && w.lead.ctx.Err() == nil && room(r.running(), now); w.drops = w.drops[1:] {
		a := w.drops[0]
		m := r.of(a)
		if errand := m.due(w.at, a.Intent.Retry, now); errand == attemptDue || errand == freeingDue {
			r.begin(c, w.lead, m, a, errand, now)
		}
	}
}

// told is a trouble that is to be noted in an intent, or "" where none is any more.
type told struct {
	protocol.Action
	text string
}

// begin begins an attempt.
func (r *removals) begin(c *Coordinator, lead *leadership, m *entry, a protocol.Action, e errand, now time.Time) {
	ctx, cancel := context.WithCancel(lead.ctx)
	m.removal, m.end = m.begun(a.Intent.Retry, now), cancel
	r.active[m] = true
	r.work.Go(func() {
		defer cancel()
		var err error
		if e == attemptDue {
			err = r.dropper.Drop(ctx, c.jobOf(a, func(trouble string) { r.tell(c, m, trouble) }))
		}
		outcome, at := c.conclude(ctx, lead, a, err)
		r.mu.Lock()
		m.removal, m.end = m.ended(outcome, at, time.Now()), nil
		delete(r.active, m)
		r.next(c)
		r.mu.Unlock()
		c.wake()
	})
}

// tell takes in the trouble of an attempt.
func (r *removals) tell(c *Coordinator, m *entry, trouble string) {
	r.mu.Lock()
	changed := m.running && m.trouble != trouble
	if changed {
		m.trouble = trouble
	}
	r.mu.Unlock()
	if changed {
		c.wake()
	}
}

// forget forgets the removals of drops that have ended, and ends attempts for those that somebody gave up.
func (r *removals) forget(f protocol.Facts) {
	known := map[protocol.Revision]bool{}
	for _, d := range f.Drops {
		known[d.Mark] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.all, func(mark protocol.Revision, m *entry) bool {
		if known[mark] || f.At < m.settled {
			return false
		}
		if m.running {
			m.end()
		}
		return !m.running
	})
}

// reset forgets what facts showed before etcd went back.
func (r *removals) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = queue{}
	for _, m := range r.all {
		m.settled, m.removed = 0, false
	}
}
