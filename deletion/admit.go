package deletion

import (
	"errors"
	"fmt"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion/internal/edge"
	"github.com/qserv/css-etcd/deletion/internal/protocol"
)

// admission is the side of a gate that queries use. They read it without a lock; only the registrar writes, but for the
// counts.
type admission struct {
	slots   slots
	latest  func() *cssetcd.Snapshot // that of the view
	fence   atomicPointer[protocol.Fence]
	seen    atomicPointer[cssetcd.Snapshot] // what is blocked is blocked as of this one, or a later one
	closing atomicBool                      // no query is admitted
	stopped atomicBool                      // none goes on
	trouble atomicPointer[error]            // why the gate has no new proof; nil when it has
	clock   edge.Clock
	_       [64]byte // what follows is written while queries read what is above
	watches watches
	kicks   signal // a query has ended that somebody waits for
}

// kick has the registrar look at what queries have ended.
func (a *admission) kick() { a.kicks.give() }

// abort tells queries to end: those on one incarnation, or without a name all on anything that is blocked.
func (a *admission) abort(n protocol.Name, incarnation protocol.Revision) {
	for u, used := range a.slots.waiting {
		if n != "" && (u.Name != n || u.Incarnation != incarnation) {
			continue
		}
		for _, t := range used {
			t.aborts.Add(1)
		}
	}
	a.watches.tellAll()
}

// Admit counts a query on the tables that it was planned with, and on their databases: on all or on none. It costs no
// I/O and no allocation for up to four tables. It returns ErrGone, ErrDropPending, ErrNotReady, ErrStale, which can be
// tried again, and ErrClosed; of these the first that it finds, in the order of the tables. Without an error, Release
// has to be called; with one there is nothing to release, and the Ref is the zero Ref.
//
// The tables are those that a snapshot of the gate's view shows, or a read of its client: what counts is the name and
// the incarnation. A table that is nil or without an incarnation, as one that was made by hand, is ErrInvalid. One of
// another catalogue, or of a file, is refused like one that is gone or not there yet, unless name and incarnation
// happen to be those of a table here: within one cluster that cannot be, and of another cluster's nobody can tell. A
// table that is named twice is counted twice, and one Release releases both. Without tables a query is admitted while
// this czar has a proof; it holds nothing up, and Close does not wait for it.
func (g *Gate) Admit(tables ...*cssetcd.Table) (r Ref, err error) {
	r.gate = &g.admission
	seen := g.seen.Load() // before the count: what it shows is blocked then
	for _, t := range tables {
		if !g.count(&r, t) {
			r.uncount()
			return Ref{}, g.refusal(t)
		}
	}
	// The fence after the count: what ended meanwhile is blocked, or has been told.
	fence := g.fence.Load()
	switch {
	case g.closing.Load():
		r.uncount()
		return Ref{}, failed(admitting, "", ErrClosed)
	case !fence.Admits(g.clock.Now()):
		r.uncount()
		return Ref{}, g.stale(admitting)
	}
	// What was blocked since it was counted, and whose queries were told to end, it has to know before it begins.
	if r.aborted() {
		r.uncount()
		return Ref{}, failed(admitting, "", fmt.Errorf("%w: what it uses changed at this moment", ErrStale))
	}
	// What the view shows and the gate has not blocked yet is looked at here.
	if now := g.latest(); now != seen {
		for _, t := range tables {
			if err := refusalIn(now, t); err != nil {
				r.uncount()
				return Ref{}, err
			}
		}
	}
	r.begin()
	return r, nil
}

// count counts a query on a table.
func (a *admission) count(r *Ref, t *cssetcd.Table) bool {
	if t == nil {
		return false
	}
	s := a.slots.index.find(slotKey{t.Name, t.Incarnation})
	return s != nil && r.add(s)
}

// refusal says why a query on a table is not admitted.
func (a *admission) refusal(t *cssetcd.Table) error {
	if t == nil {
		return failed(admitting, "", fmt.Errorf("%w: a table is nil", cssetcd.ErrInvalid))
	}
	err := errUnseen
	switch {
	case t.Incarnation <= 0:
		err = fmt.Errorf("%w: the table has no incarnation, so it was not read from etcd", cssetcd.ErrInvalid)
	case a.closing.Load():
		err = ErrClosed
	default:
		if shown := refusalIn(a.latest(), t); shown != nil {
			return shown
		}
	}
	return failed(admittingOn, t.Name.String(), err)
}

var errUnseen = fmt.Errorf("%w: it was planned with what this gate has not seen yet", ErrStale)

// refusalIn says what is wrong with a table and its database, as a snapshot shows them; nil for nothing.
func refusalIn(s *cssetcd.Snapshot, t *cssetcd.Table) error {
	name := t.Name.String()
	db, err := s.Database(t.Name.DB)
	if err != nil {
		return failed(admittingOn, name, fmt.Errorf("%w, with its database", ErrGone))
	}
	now, err := s.Table(t.Name)
	switch {
	case errors.Is(err, cssetcd.ErrNotFound):
		return failed(admittingOn, name, ErrGone)
	case err != nil:
		return failed(admittingOn, name, err)
	case now.Incarnation > t.Incarnation:
		return failed(admittingOn, name, fmt.Errorf("%w, and another one has its name", ErrGone))
	case now.Incarnation < t.Incarnation:
		return failed(admittingOn, name, errUnseen)
	}
	if err := refusalOf(now.Status); err != nil {
		return failed(admittingOn, name, err)
	}
	if err := refusalOf(db.Status); err != nil {
		return failed(admittingOn, name, fmt.Errorf("its database: %w", err))
	}
	return nil
}

func refusalOf(s cssetcd.Status) error {
	switch s.State() {
	case cssetcd.StateReady:
		return nil
	case cssetcd.StatePendingDrop:
		return &pendingError{s}
	}
	return fmt.Errorf("%w: it has the status %s", ErrNotReady, s)
}

// pendingError is an ErrDropPending of something that is there and marked.
type pendingError struct{ status cssetcd.Status }

func (e *pendingError) Error() string {
	return fmt.Sprintf("it is marked to be dropped, and no query begins on it: its status is %s", e.status)
}

func (e *pendingError) Unwrap() error { return ErrDropPending }

// stale says why there is no proof that lasts.
func (a *admission) stale(op string) error {
	if a.closing.Load() {
		return failed(op, "", ErrClosed)
	}
	fence := a.fence.Load()
	length := fence.Carried.Length
	if fence.Proof.Valid {
		length = fence.Proof.Length
	}
	err := fmt.Errorf("%w: etcd has not confirmed that this czar is registered within the last %s", ErrStale, length)
	if why := a.why(); why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return failed(op, "", err)
}

// why returns why there is no new proof; nil when there is one.
func (a *admission) why() error {
	if t := a.trouble.Load(); t != nil {
		return *t
	}
	return nil
}

// What is done at a gate, for errors.
const (
	admitting   = "admit a query"
	admittingOn = "admit a query on"
	dispatching = "dispatch a chunk query"
	checking    = "check the gate"
)
