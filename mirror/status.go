package mirror

import (
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
)

// Phase says what a mirror is doing.
type Phase string

// The phases. The texts are a stable contract.
const (
	Starting  Phase = "starting"  // it has not shown anything yet
	Following Phase = "following" // kvData shows the catalogue, or will in a moment
	Waiting   Phase = "waiting"   // something failed and will be tried again
	Refused   Phase = "refused"   // as Waiting, but it needs someone to do something
	Stopped   Phase = "stopped"   // Run has returned
)

// Status is how a mirror stands. It is a value of its moment.
type Status struct {
	Phase       Phase
	Since       time.Time // when the phase began
	Err         error     // why it is waiting or refused; nil else
	Applied     cssetcd.Revision
	Seen        cssetcd.Revision // the newest revision that the mirror knows of
	Rows        int
	Quarantined int
	Term        int64
	// for how long a change has been known, or could have been, that kvData does not show; 0: none
	Lag time.Duration
}

// statusKeeper keeps the status. It is safe for concurrent use.
type statusKeeper struct {
	mu     sync.Mutex
	status Status
	behind time.Time // since when kvData may not show everything; zero when it does
}

func newStatusKeeper() *statusKeeper {
	now := time.Now()
	return &statusKeeper{status: Status{Phase: Starting, Since: now}, behind: now}
}

// Status returns how the mirror stands.
func (k *statusKeeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	if !k.behind.IsZero() {
		s.Lag = time.Since(k.behind)
	}
	return s
}

// enter begins a phase; a phase that goes on keeps its beginning. It reports whether the phase is a new one.
func (k *statusKeeper) enter(p Phase, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := k.status.Phase != p
	if changed {
		k.status.Phase, k.status.Since = p, time.Now()
	}
	k.status.Err = err
	if p != Following && k.behind.IsZero() {
		k.behind = time.Now()
	}
	return changed
}

// saw notes a change of the catalogue that kvData does not show yet.
func (k *statusKeeper) saw(at cssetcd.Revision) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Seen = at
	if k.behind.IsZero() {
		k.behind = time.Now()
	}
}

// shows notes what kvData shows, that being all there is to show.
func (k *statusKeeper) shows(s State, seen cssetcd.Revision) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Applied, k.status.Seen, k.status.Term = s.Applied, seen, s.Term
	k.status.Rows, k.status.Quarantined = s.Rows, s.Quarantined
	k.behind = time.Time{}
}
