package deletion

import (
	"sync"
	"sync/atomic"

	"github.com/qserv/css-etcd/deletion/protocol"
)

// Ref is the use that one query makes of its tables, from [Gate.Admit] to Release. As long as it is not released, no drop of these tables goes
// past the point of no return, as far as this czar is concerned. It must not be copied. MayDispatch and Done may be called by several
// goroutines; Release is called when nothing of the query runs any more.
type Ref struct {
	gate     *Gate
	turn     int
	used     [inlineUses]use
	more     []use
	n        int // in used
	released uint32
	watched  uint32 // 1: watch is set
	watch    *watch
}

// use is a table and its database, as they were when the query was counted on both.
type use struct {
	table, db             *slot
	tableAborts, dbAborts uint32
}

// inlineUses is how many tables a query has without an allocation.
const inlineUses = 4

// watch is what a query waits on to be told to end.
type watch struct {
	ref    *Ref
	abort  chan struct{}
	closed bool
}

// add counts the query on a table and its database, or on neither. What it is told from before it is counted on, it has been told.
func (r *Ref) add(table, db *slot) bool {
	u := use{table, db, table.aborts.Load(), db.aborts.Load()}
	if !table.admit() {
		return false
	}
	if !db.admit() {
		r.gate.release(table)
		return false
	}
	if r.n < inlineUses {
		r.used[r.n] = u
		r.n++
	} else {
		r.more = append(r.more, u)
	}
	return true
}

// Release ends the use. It is called when the results are in, or when the chunk queries that were cancelled are known to have ended,
// and not when cancelling them begins. Calling it again does nothing.
func (r *Ref) Release() {
	if r.gate == nil || !atomic.CompareAndSwapUint32(&r.released, 0, 1) {
		return
	}
	if w := r.watching(); w != nil {
		r.gate.watches.remove(w)
	}
	r.uncount()
}

func (r *Ref) uncount() {
	for i := range r.n {
		r.gate.release(r.used[i].table)
		r.gate.release(r.used[i].db)
	}
	for _, u := range r.more {
		r.gate.release(u.table)
		r.gate.release(u.db)
	}
	if r.gate.closing.Load() {
		r.gate.kick()
	}
}

// release counts a query no more, and says so where somebody waits for it.
func (g *Gate) release(s *slot) {
	if s.release() {
		g.kick()
	}
}

func (u *use) aborted() bool {
	return u.table.aborts.Load() != u.tableAborts || u.db.aborts.Load() != u.dbAborts
}

// aborted reports whether the query was told to end.
func (r *Ref) aborted() bool {
	for i := range r.n {
		if r.used[i].aborted() {
			return true
		}
	}
	for i := range r.more {
		if r.more[i].aborted() {
			return true
		}
	}
	return false
}

// MayDispatch returns nil when the query may send a chunk query now. It is asked right before each is sent, those that are repeated
// included. It costs some tens of nanoseconds. ErrStale says that etcd has not confirmed this czar for too long: ask again in a moment, or give the query
// up. ErrAborted and ErrClosed say that the query has to end, the second because the gate gave up waiting for it in Close.
func (r *Ref) MayDispatch() error {
	if r.gate == nil {
		return failed(dispatching, "", ErrClosed) // it was never admitted
	}
	// The fence first: what was aborted before the fence was moved on is then seen to be.
	fence := r.gate.fence.Load()
	switch {
	case r.gate.stopped.Load():
		return failed(dispatching, "", ErrClosed)
	case r.aborted():
		return ErrAborted
	case !fence.MayDispatch(r.turn, r.gate.clock.now()):
		return r.gate.stale(dispatching)
	}
	return nil
}

// Done returns a channel that is closed when the query has to end: because what it uses is dropped with the policy to cancel queries, because
// this czar's registration was ended meanwhile and what it uses is not READY any more, or because Close gave up waiting for it. To be cut off from etcd alone does
// not close it; MayDispatch then returns ErrStale. The query then cancels its chunk queries, waits until they have ended, and calls
// Release.
func (r *Ref) Done() <-chan struct{} {
	if w := r.watching(); w != nil {
		return w.abort
	}
	if atomic.LoadUint32(&r.released) == 1 {
		return ended
	}
	return r.gate.watches.add(r).abort
}

// ended is what a query that was released waits on.
var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (r *Ref) watching() *watch {
	if atomic.LoadUint32(&r.watched) == 0 {
		return nil
	}
	return r.watch
}

// watches are those of the queries that asked to be told.
type watches struct {
	mu  sync.Mutex
	all map[*watch]bool
}

func (ws *watches) add(r *Ref) *watch {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := r.watching(); w != nil {
		return w
	}
	w := &watch{ref: r, abort: make(chan struct{})}
	r.watch = w
	atomic.StoreUint32(&r.watched, 1)
	ws.all[w] = true
	ws.tell(w) // it may have been told before anybody asked
	return w
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

// tellAll ends what is to end.
func (ws *watches) tellAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		ws.tell(w)
	}
}

func (ws *watches) tell(w *watch) {
	if !w.closed && w.ref.aborted() {
		w.closed = true
		close(w.abort)
	}
}

// abort tells queries to end: those on one incarnation, or without a name all on anything that is blocked.
func (g *Gate) abort(n protocol.Name, incarnation protocol.Revision) {
	for key, s := range g.slots.waiting {
		if n == "" || s.name == n && key.incarnation == incarnation {
			s.aborts.Add(1)
		}
	}
	g.watches.tellAll()
}
