package agent

import "time"

// ledger is the list of the queries of a czar, and of the sessions that they belong to. It knows no clock and does no
// I/O: R is what keeps the tables of a query, and who owns the ledger lets go of what it hands out. Times given to it
// never go back.
//
// The life of a query: it is running from add on. It ends when its session is left, or when ttl passes without a word
// of it; from then on nothing may be dispatched. What was dispatched before may run on a worker for a while, so its
// tables are kept for as long again as those of a czar that died: for hold. Only take, which is the czar's word that
// nothing of it runs, lets go of them at once.
type ledger[R any] struct {
	ttl, hold time.Duration
	sessions  map[string]bool
	queries   map[string]*entry[R]
}

type entry[R any] struct {
	keeps   R
	session string
	end     end
	due     time.Time // of one that is running, when it expires; of one that has ended, when its tables are let go
}

// end is why a query may dispatch nothing any more.
type end int

const (
	running end = iota
	unknown     // it was never admitted here, or is over
	expired     // nobody asked about it for too long
	left        // its session has ended
)

func newLedger[R any](ttl, hold time.Duration) *ledger[R] {
	return &ledger[R]{ttl: ttl, hold: hold, sessions: map[string]bool{}, queries: map[string]*entry[R]{}}
}

// open begins a session.
func (l *ledger[R]) open(session string) { l.sessions[session] = true }

// leave ends a session, and returns the queries that end with it.
func (l *ledger[R]) leave(session string, now time.Time) (ended []string) {
	delete(l.sessions, session)
	for token, q := range l.queries {
		if q.session == session && q.endAt(now) == running {
			q.end, q.due = left, now.Add(l.hold)
			ended = append(ended, token)
		}
	}
	return ended
}

// add begins a query, unless its session has ended.
func (l *ledger[R]) add(token, session string, keeps R, now time.Time) bool {
	if !l.sessions[session] {
		return false
	}
	l.queries[token] = &entry[R]{keeps: keeps, session: session, due: now.Add(l.ttl)}
	return true
}

// ask returns what keeps the tables of a query, and whether it may go on. That it asks is a word of it.
func (l *ledger[R]) ask(token string, now time.Time) (keeps R, e end) {
	q, ok := l.queries[token]
	if !ok {
		return keeps, unknown
	}
	if e = q.endAt(now); e == running {
		q.due = now.Add(l.ttl)
	}
	return q.keeps, e
}

// take removes a query of which nothing runs any more. Its tables are to be let go.
func (l *ledger[R]) take(token string) (keeps R, ok bool) {
	q, ok := l.queries[token]
	if !ok {
		return keeps, false
	}
	delete(l.queries, token)
	return q.keeps, true
}

// pass returns the queries that have expired, and removes those whose time is over: their tables are to be let go.
func (l *ledger[R]) pass(now time.Time) (ended []string, over []R) {
	for token, q := range l.queries {
		if q.end == running && q.endAt(now) == expired {
			q.end, q.due = expired, q.due.Add(l.hold)
			ended = append(ended, token)
		}
		if q.end != running && !now.Before(q.due) {
			delete(l.queries, token)
			over = append(over, q.keeps)
		}
	}
	return ended, over
}

// endAt returns whether a query has ended. It expires at its moment, and not when somebody notices.
func (q *entry[R]) endAt(now time.Time) end {
	if q.end == running && !now.Before(q.due) {
		return expired
	}
	return q.end
}
