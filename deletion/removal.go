package deletion

import (
	"maps"
	"sync"
	"time"

	"github.com/qserv/css-etcd/deletion/protocol"
)

// removals are the removals of data that this process has begun, or waits to begin again.
type removals struct {
	dropper Dropper
	work    sync.WaitGroup
	mu      sync.Mutex
	all     map[protocol.Revision]*removal // by mark
	running int
}

// mostRemovals is how many drops have their data removed at the same time.
const mostRemovals = 8

type removal struct {
	running bool
	failed  int
	retry   int       // of the intent, at the last attempt: an operator may want another one at once
	next    time.Time // not before
}

func (r *removals) init(d Dropper) { r.dropper, r.all = d, map[protocol.Revision]*removal{} }

func (r *removals) wait() { r.work.Wait() }

// begin begins an attempt where none runs and its time has come.
func (r *removals) begin(c *Coordinator, lead *leadership, a protocol.Action) {
	if !r.due(a) {
		return
	}
	r.work.Go(func() {
		err := r.dropper.Drop(lead.ctx, jobOf(a))
		if err == nil {
			err = c.finish(lead.ctx, lead, a)
		} else if lead.ctx.Err() == nil {
			c.cfg.Logger.Warn("the data of what was dropped could not be removed; it is tried again", "name", a.Name.String(), "err", err)
			c.noteFailure(lead.ctx, lead, a, err)
		}
		r.ended(a, err)
		c.wake()
	})
}

func (r *removals) due(a protocol.Action) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.all[a.Mark]
	if m == nil {
		m = &removal{retry: a.Intent.Retry}
		r.all[a.Mark] = m
	}
	if m.running || r.running == mostRemovals || time.Now().Before(m.next) && m.retry == a.Intent.Retry {
		return false
	}
	m.running, m.retry = true, a.Intent.Retry
	r.running++
	return true
}

func (r *removals) ended(a protocol.Action, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.all[a.Mark]
	m.running = false
	r.running--
	if err != nil {
		m.next = time.Now().Add(min(firstPause<<min(m.failed, 10), longestPause))
		m.failed++
	}
}

// forget forgets the removals of drops that have ended.
func (r *removals) forget(f protocol.Facts) {
	known := map[protocol.Revision]bool{}
	for _, d := range f.Drops {
		known[d.Mark] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.all, func(mark protocol.Revision, m *removal) bool { return !known[mark] && !m.running })
}
