package agent

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/qserv/css-etcd/deletion"
)

// HeaderSession is the header in which a client finds the name of its session.
const HeaderSession = "Css-Session"

// slowest is how long a czar may take to take what it is told.
const slowest = 30 * time.Second

// session is a connection of the czar that stays open for as long as the czar lives. On it the czar is told which of
// its queries have to end.
type session struct {
	mu     sync.Mutex
	events []ended
	wake   chan struct{} // there are events
}

// ended is what a czar is told of a query that has to end.
type ended struct {
	Token   string `json:"token"`
	Problem any    `json:"problem"`
}

// begun is what a czar is told first.
type begun struct {
	Session string  `json:"session"`
	TTL     float64 `json:"query_ttl_seconds"`
	Hold    float64 `json:"hold_seconds"`
}

func (s *session) tell(e ended) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

func (s *session) take() []ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.events
	s.events = nil
	return events
}

// serveSession keeps a session until its connection ends. The kernel ends the connections of a process that dies, in
// whatever way it does, and a socket of this machine loses none of them.
func (a *Agent) serveSession(w http.ResponseWriter, r *http.Request) error {
	if a.leaving.Err() != nil {
		return deletion.ErrClosed
	}
	id, s := rand.Text(), &session{wake: make(chan struct{}, 1)}
	a.mu.Lock()
	a.ledger.open(id)
	a.sessions[id] = s
	a.mu.Unlock()
	defer a.end(id)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set(HeaderSession, id)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	send := func(event string, form any) error {
		text, err := json.Marshal(form)
		if err != nil {
			return err
		}
		_ = c.SetWriteDeadline(time.Now().Add(slowest))
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
		return c.Flush()
	}
	w.WriteHeader(http.StatusOK)
	err := send("session", begun{id, a.TTL.Seconds(), a.Hold.Seconds()})
	for err == nil { // and no word in between: a czar that is stopped for a while is not gone
		select {
		case <-s.wake:
			err = sendAll(s.take(), send)
		case <-r.Context().Done():
			return nil
		case <-a.leaving.Done():
			_ = sendAll(s.take(), send) // the connection ends with it
			return nil
		}
	}
	return nil // it was answered
}

func sendAll(all []ended, send func(string, any) error) error {
	for _, e := range all {
		if err := send("ended", e); err != nil {
			return err
		}
	}
	return nil
}

// end ends a session and its queries.
func (a *Agent) end(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	tokens := a.ledger.leave(id, time.Now())
	delete(a.sessions, id)
	for _, token := range tokens {
		a.tell(token, left.problem())
	}
	if len(tokens) > 0 && a.leaving.Err() == nil {
		a.Log.Warn("a session of the czar ended with queries; their tables are kept for a while", "queries", len(tokens),
			"for", a.Hold)
	}
}
