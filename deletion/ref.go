package deletion

// Ref is the use that one query makes of its tables, from [Gate.Admit] to Release. As long as it is not released and
// its czar's registration is not ended, no drop of these tables goes past the point of no return. A registration is
// ended when the czar was silent for too long, or was evicted; MayDispatch refuses before a drop goes on.
//
// It is a small value. It may be copied: all copies are one use, which the first Release of any of them ends. Its
// methods may be called by several goroutines at once, and in any order; what comes after Release, or is asked of the
// zero Ref, is answered like a use that has ended.
type Ref struct {
	gate       *admission
	stub       *stub // nil: it was never admitted
	generation uint64
	n          int     // in used
	_          [8]byte // with 128 bytes it is copied in whole cache lines, which took a tenth of the time on all cores
	used       [inlineUses]use
	more       []use
}

// use is a table as it was when the query was counted on it.
type use struct {
	table  *slot
	aborts uint32
}

// inlineUses is how many tables a query has without an allocation.
const inlineUses = 4

// stub is what all copies of a Ref share. It serves one query after the other, and knows by its generation which one: a
// Ref of an earlier generation was released.
type stub struct {
	state atomicUint64 // the generation, and in the lowest bit whether somebody watches
	watch atomicPointer[watch]
	_     [112]byte // cores do not wait for each other's
}

const watched = 1

// stubs are those of no query.
var stubs = pool{New: func() any { return &stub{} }}

// watch is what a query waits on to be told to end.
type watch struct {
	ref    Ref
	over   chan struct{}
	closed bool
}

// add counts the query on a table. What it is told from before it is counted on, it has been told.
func (r *Ref) add(table *slot) bool {
	u := use{table, table.aborts.Load()}
	if !table.admit() {
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

// begin makes a use of what is counted.
func (r *Ref) begin() {
	r.stub = stubs.Get().(*stub)
	r.generation = r.stub.state.Load() >> 1
}

// Release ends the use. It is called when the results are in, or when the chunk queries that were cancelled are known
// to have ended, and not when cancelling them begins. Each later call does nothing, whoever makes it, and so does that
// of the zero Ref. It closes Done.
func (r Ref) Release() {
	if r.stub == nil {
		return
	}
	for {
		state := r.stub.state.Load()
		if state>>1 != r.generation {
			return
		}
		if !r.stub.state.CompareAndSwap(state, (r.generation+1)<<1) {
			continue // it is watched from now on, or was released
		}
		if state&watched != 0 {
			r.gate.watches.remove(r.stub)
		}
		r.uncount()
		stubs.Put(r.stub)
		return
	}
}

func (r *Ref) released() bool { return r.stub.state.Load()>>1 != r.generation }

// uncount counts the query no more, and says so where somebody waits for that.
func (r *Ref) uncount() {
	awaited := false
	for i := range r.n {
		awaited = r.used[i].table.release() || awaited
	}
	for _, u := range r.more {
		awaited = u.table.release() || awaited
	}
	if awaited || r.gate.closing.Load() {
		r.gate.kick()
	}
}

func (u *use) aborted() bool { return u.table.aborts.Load() != u.aborts }

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

// MayDispatch returns nil when the query may send a chunk query now. It is asked right before each is sent, those that
// are repeated included. It costs some tens of nanoseconds. ErrStale says that etcd has not confirmed this czar for too
// long: ask again in a moment, or give the query up. ErrAborted and ErrClosed say that the query has to end, the second
// because the gate gave up waiting for it in Close. ErrReleased says that it was released, or never admitted, which is
// a mistake of the caller: nothing keeps its tables.
func (r Ref) MayDispatch() error {
	if r.stub == nil {
		return failed(dispatching, "", ErrReleased)
	}
	// The fence first: what was aborted before the fence was moved on is then seen to be. The release last: it counted
	// until then.
	fence := r.gate.fence.Load()
	stopped, aborted := r.gate.stopped.Load(), r.aborted()
	switch {
	case r.released():
		return failed(dispatching, "", ErrReleased)
	case stopped:
		return failed(dispatching, "", ErrClosed)
	case aborted:
		return failed(dispatching, "", ErrAborted)
	case !fence.MayDispatch(r.gate.clock.Now()):
		return r.gate.stale(dispatching)
	}
	return nil
}

// Done returns a channel that is closed when the query has to end: because what it uses is dropped with the policy to
// cancel queries, because this czar's registration was ended meanwhile and what it uses is not READY any more, or
// because Close gave up waiting for it. To be cut off from etcd alone does not close it; MayDispatch then returns
// ErrStale. The query then cancels its chunk queries, waits until they have ended, and calls Release. Release closes
// it, too, whether it was asked for before or after; that of the zero Ref is closed.
func (r Ref) Done() <-chan struct{} {
	if r.stub == nil {
		return ended
	}
	if w := r.watching(); w != nil {
		return w.over
	}
	return r.gate.watches.add(r)
}

// ended is what a query that was released waits on.
var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (r *Ref) watching() *watch {
	if w := r.stub.watch.Load(); w != nil && w.ref.generation == r.generation {
		return w
	}
	return nil
}

// watches are those of the queries that asked to be told.
type watches struct {
	mu  mutex
	all map[*watch]bool
}

func (ws *watches) add(r Ref) <-chan struct{} {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := r.watching(); w != nil {
		return w.over
	}
	if state := r.generation << 1; !r.stub.state.CompareAndSwap(state, state|watched) {
		return ended
	}
	w := &watch{ref: r, over: make(chan struct{})}
	r.stub.watch.Store(w)
	ws.all[w] = true
	ws.tell(w) // it may have been told before anybody asked
	return w.over
}

// remove ends the watch of a query that was released.
func (ws *watches) remove(s *stub) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w := s.watch.Load()
	s.watch.Store(nil)
	delete(ws.all, w)
	w.close()
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
	if w.ref.gate.stopped.Load() || w.ref.aborted() {
		w.close()
	}
}

func (w *watch) close() {
	if !w.closed {
		w.closed = true
		close(w.over)
	}
}
