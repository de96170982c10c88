package api

import (
	"context"
	"slices"
	"sync"

	"github.com/qserv/css-etcd/cssetcd"
)

// recent is what has happened to the catalogue lately: the steps that the view went, as watchers are told of them,
// each written once for all. It holds what fits into a bound, however slow a watcher is: one that is slower than that,
// or was away for longer, has to read the catalogue anew.
type recent struct {
	view     *cssetcd.View
	maxBytes int
	maxSteps int

	mu      sync.Mutex
	base    era     // before the first of the steps
	steps   []*step // the oldest first
	first   int     // number of the first of the steps; they are numbered in the order in which they came
	bytes   int     // of the steps
	newest  *cssetcd.Snapshot
	changed chan struct{} // closed when there is a step more, or the newest revision rose
	stepped chan struct{} // closed when the steps are others: those who watch sleep while only the revision rises
}

// era is a time in which the catalogue did not change, from one revision to another. The zero era is of no revision.
type era struct{ from, to cssetcd.Revision }

func (e era) has(rev cssetcd.Revision) bool { return rev > 0 && e.from <= rev && rev <= e.to }

const (
	recentBytes = 32 << 20
	recentSteps = 4096
)

func newRecent(view *cssetcd.View) *recent {
	return &recent{view: view, maxBytes: recentBytes, maxSteps: recentSteps, newest: view.Snapshot(),
		base: eraOf(view.Snapshot()), changed: make(chan struct{}), stepped: make(chan struct{})}
}

func eraOf(s *cssetcd.Snapshot) era { return era{s.Revision(), s.Revision()} }

// Run keeps what clients watch, until ctx ends or the view is closed. It runs once.
func (a *API) Run(ctx context.Context) error {
	defer a.workers.close()
	changes := a.View.Subscribe()
	a.recent.begin(changes.Snapshot())
	for {
		u, err := changes.Next(ctx)
		if err != nil {
			return err
		}
		if err := a.recent.add(u); err != nil {
			return err
		}
	}
}

// begin forgets all, and begins with a snapshot.
func (r *recent) begin(s *cssetcd.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == r.newest {
		return
	}
	r.first += len(r.steps) + 1 // who waits for the next step has missed something
	r.steps, r.bytes, r.base = nil, 0, eraOf(s)
	r.advance(s)
	r.wake()
}

// add takes an update of the view in.
func (r *recent) add(u cssetcd.Update) error {
	var next *step
	if len(u.Keys)+len(u.EmptyChunks) > 0 || u.Regressed {
		var err error
		if next, err = newStep(u); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.advance(u.To)
	if next == nil {
		*r.last() = era{r.last().from, u.To.Revision()}
		return nil
	}
	if u.Regressed { // revisions from before mean something else now
		r.forget(len(r.steps))
		r.base = era{}
	}
	defer r.wake()
	r.steps = append(r.steps, next)
	r.bytes += next.size()
	for r.bytes > r.maxBytes || len(r.steps) > r.maxSteps {
		r.forget(1)
	}
	return nil
}

// last returns the era that goes on.
func (r *recent) last() *era {
	if len(r.steps) == 0 {
		return &r.base
	}
	return &r.steps[len(r.steps)-1].era
}

// forget leaves the oldest steps to be collected.
func (r *recent) forget(n int) {
	for _, s := range r.steps[:n] {
		r.bytes -= s.size()
		r.base = s.era
	}
	r.steps = slices.Delete(r.steps, 0, n)
	r.first += n
}

func (r *recent) advance(s *cssetcd.Snapshot) {
	r.newest = s
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recent) wake() {
	close(r.stepped)
	r.stepped = make(chan struct{})
}

// after returns the newest snapshot at which a watch can begin, when that is no older than s, and the revision at which
// the catalogue became what it shows: etcd's revision rises with what has nothing to do with it, too.
func (r *recent) after(ctx context.Context, s *cssetcd.Snapshot) (*cssetcd.Snapshot, cssetcd.Revision, error) {
	for {
		r.mu.Lock()
		newest, since, changed := r.newest, r.last().from, r.changed
		r.mu.Unlock()
		if newest.Revision() >= s.Revision() {
			return newest, since, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// find returns the number of the first step that somebody has to be told of who knows the catalogue at a revision; ok
// is false when that is not known any more.
func (r *recent) find(rev cssetcd.Revision) (number int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.steps) - 1; i >= 0; i-- {
		if r.steps[i].era.has(rev) {
			return r.first + i + 1, true
		}
	}
	return r.first, r.base.has(rev)
}

// at returns the step of a number, nil when it is yet to come: stepped is closed when it may be there. It is not ok
// when the step is forgotten.
func (r *recent) at(number int) (s *step, newest *cssetcd.Snapshot, stepped <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := number - r.first; 0 <= i && i < len(r.steps) {
		s = r.steps[i]
	}
	return s, r.newest, r.stepped, number >= r.first
}

// next returns the number of the next step, and the snapshot that it will be a difference to.
func (r *recent) next() (int, *cssetcd.Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first + len(r.steps), r.newest
}
