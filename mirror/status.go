package mirror

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/mirror/kvdata"
	"github.com/qserv/css-etcd/mirror/plan"
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
	Troubles    []Trouble // the oldest first; none when all is well
	Applied     cssetcd.Revision
	Seen        cssetcd.Revision // the newest revision that the mirror knows of
	Rows        int
	Quarantined int
	Conflicts   int // on record
	Term        int64
	// for how long a change has been known, or could have been, that kvData does not show; 0: none
	Lag time.Duration
}

// statusKeeper keeps the status. It is safe for concurrent use. What it returns has to be logged.
type statusKeeper struct {
	mu      sync.Mutex
	status  Status
	behind  time.Time // since when kvData may not show everything; zero when it does
	others  int       // rows that others wrote and nobody has undone
	journal journal
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
	s.Troubles = slices.Clone(k.journal.open)
	if !k.behind.IsZero() {
		s.Lag = time.Since(k.behind)
	}
	return s
}

// enter begins a phase; a phase that goes on keeps its beginning.
func (k *statusKeeper) enter(p Phase, err error) {
	if k.status.Phase != p {
		k.status.Phase, k.status.Since = p, time.Now()
	}
	k.status.Err = err
	if p != Following && k.behind.IsZero() {
		k.behind = time.Now()
	}
}

func (k *statusKeeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.enter(Stopped, nil)
	k.journal.open = nil
}

// fail notes what keeps the mirror from writing: of such troubles there is one at a time.
func (k *statusKeeper) fail(p Phase, err error) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.enter(p, err)
	code, now := KindOf(err).Code, time.Now()
	out := k.journal.clear(func(t Trouble) bool { return t.Holds && t.Code != code })
	return append(append(out, k.journal.set(now, code, err.Error())...), k.journal.remind(now)...)
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

// follows notes what kvData shows, that being all there is to show.
func (k *statusKeeper) follows(s kvdata.State, seen cssetcd.Revision) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.enter(Following, nil)
	k.shows(s, seen)
	now := time.Now()
	out := k.journal.clear(func(t Trouble) bool {
		return t.Holds || t.Code == Quarantine && s.Quarantined == 0 || t.Code == ForeignWrites && k.others == 0
	})
	if s.Quarantined > 0 {
		out = append(out, k.journal.set(now, Quarantine, fmt.Sprintf("kvData cannot hold %d of the catalogue's keys",
			s.Quarantined))...)
	}
	return append(out, k.journal.remind(now)...)
}

// shows notes what kvData shows.
func (k *statusKeeper) shows(s kvdata.State, seen cssetcd.Revision) {
	k.status.Applied, k.status.Seen, k.status.Term = s.Applied, seen, s.Term
	k.status.Rows, k.status.Quarantined = s.Rows, s.Quarantined
	k.behind = time.Time{}
}

// foreign notes what others wrote and nobody undid.
func (k *statusKeeper) foreign(changes []plan.Difference) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.others = len(changes); k.others == 0 {
		return k.journal.clear(func(t Trouble) bool { return t.Code == ForeignWrites })
	}
	d := changes[0]
	return k.journal.set(time.Now(), ForeignWrites, fmt.Sprintf("others changed %d rows of kvData; the first is %q (%s): "+
		"it holds %.80q, and the mirror left %.80q", k.others, d.Key, d.Kind, d.Have, d.Want))
}

// conflicts notes how many changes of others are on record that etcd did not take.
func (k *statusKeeper) conflicts(n int) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Conflicts = n
	if n == 0 {
		return k.journal.clear(func(t Trouble) bool { return t.Code == Conflicts })
	}
	return k.journal.set(time.Now(), Conflicts, conflictsText(n))
}

// notCompared notes that the rows could not be compared with what the mirror left.
func (k *statusKeeper) notCompared(err error) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.journal.set(time.Now(), NotCompared, err.Error())
}

// emptyTables notes what is wrong with tables of empty chunks; "": nothing. It is told again where it is another thing.
func (k *statusKeeper) emptyTables(text string, another bool) []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	if text == "" {
		return k.journal.clear(func(t Trouble) bool { return t.Code == EmptyTables })
	}
	now := time.Now()
	out := k.journal.set(now, EmptyTables, text)
	if len(out) == 0 && another {
		return k.journal.again(now, EmptyTables)
	}
	return out
}

func (k *statusKeeper) compared() []notice {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.journal.clear(func(t Trouble) bool { return t.Code == NotCompared })
}
