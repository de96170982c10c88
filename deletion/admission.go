package deletion

import (
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
	trouble atomicPointer[trouble]
	clock   edge.Clock
	_       [64]byte // what follows is written while queries read what is above
	watches watches
	kicks   signal // a query has ended that somebody waits for
}

// trouble is why the gate has no proof, if it has none.
type trouble struct{ err error }

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
