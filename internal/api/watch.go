package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
)

const (
	paramFrom    = "from"
	headerLastID = "Last-Event-ID"
	// headerEventID is the id that an event would have that led to what is read.
	headerEventID = "Css-Event-Id"
	heartbeat     = 15 * time.Second
)

// seats are for those who watch. Each holds a connection, and nothing that grows.
type seats struct{ taken atomic.Int64 }

func (s *seats) take(most int) bool {
	if s.taken.Add(1) > int64(most) {
		s.leave()
		return false
	}
	return true
}

func (s *seats) leave() { s.taken.Add(-1) }

// watcher is a client that watches.
type watcher struct {
	root    string // it is told of what is at or below this key
	number  int    // of the step that comes next for it
	missed  bool   // what it knows is not what that step is a difference to
	rev     cssetcd.Revision
	id      string        // of what it knows
	unsent  bool          // something waits to be flushed
	slowest time.Duration // that it may take to take what it is sent
	until   time.Time     // it has time for that
	w       http.ResponseWriter
	c       *http.ResponseController
}

// watch tells a client of the steps of the catalogue until it leaves.
func (a *API) watch(w http.ResponseWriter, r *http.Request, q *query) error {
	one := &watcher{root: q.text(paramBelow), w: unpaced(w), c: http.NewResponseController(w),
		slowest: a.Slowest}
	if !isRoot(one.root) {
		q.fail("below is %.100q; a key begins with a slash, and does not end with one", one.root)
		return q.err
	}
	if !a.seats.take(a.Watchers) {
		return refuse(http.StatusServiceUnavailable, "too_many_watchers",
			"%d clients watch, which is as many as there may be", a.Watchers)
	}
	defer a.seats.leave()
	if err := a.place(r, q, one); err != nil {
		return err
	}
	a.metrics.watchers.Inc()
	defer a.metrics.watchers.Dec()
	_ = one.c.SetReadDeadline(time.Time{}) // its request was read; where that cannot be set, it was not bounded
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for a proxy that would hold events back
	h.Set(headerRevision, strconv.FormatInt(int64(one.rev), 10))
	h.Set(headerEventID, one.id)
	w.WriteHeader(http.StatusOK)
	_ = a.tell(r.Context(), one) // it ends with the client, or with the daemon
	return nil
}

// place finds out where a watcher begins: after what it knows, or with what there is now.
func (a *API) place(r *http.Request, q *query, one *watcher) error {
	known, cluster, err := knownBy(r, q)
	if err != nil {
		return err
	}
	var newest *cssetcd.Snapshot
	if one.number, newest = a.recent.next(); known == 0 {
		one.rev, one.id = newest.Revision(), idOf(newest)
		return nil
	}
	one.rev, one.missed, one.id = known, true, eventID(known, newest.Cluster())
	if cluster != "" && cluster != clusterText(newest) {
		return nil
	}
	if known > newest.Revision() { // it was told by another daemon that is ahead
		if err := a.reach(r.Context(), known); errors.Is(err, cssetcd.ErrRegressed) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if number, ok := a.recent.find(known); ok {
		one.number, one.missed = number, false
	}
	return nil
}

// reach waits until a watch can begin at a revision.
func (a *API) reach(ctx context.Context, rev cssetcd.Revision) error {
	ctx, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	s, err := a.waitFor(ctx, rev)
	if err == nil {
		_, _, err = a.recent.after(ctx, s)
	}
	return err
}

// knownBy returns the revision of what a client knows, and of which cluster, where it says so; 0 when it knows nothing.
// Both are the id of an event, or of a dump: a revision without its cluster means something else after etcd was
// restored.
// What it received last counts more than what it asked for, since a browser asks the same again.
func knownBy(r *http.Request, q *query) (rev cssetcd.Revision, cluster string, err error) {
	name, id := headerLastID, r.Header.Get(headerLastID)
	if id == "" {
		if name, id = paramFrom, q.text(paramFrom); !q.given(paramFrom) {
			return 0, "", nil
		}
	}
	text, cluster, both := strings.Cut(id, "-")
	n, ok := parseNumber(text)
	if !ok || both && cluster == "" || n == 0 && name == headerLastID {
		return 0, "", refuse(http.StatusBadRequest, "bad_query", "%s is %.100q, which is no revision and the id of no event",
			name, id)
	}
	return cssetcd.Revision(n), cluster, nil
}

// tell sends what happens until ctx ends or the client takes no more.
func (a *API) tell(ctx context.Context, one *watcher) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if err := one.send([]byte(": css-etcd\n\n")); err != nil { // so that it knows that it is heard
		return err
	}
	for due := false; ; {
		s, newest, stepped, ok := a.recent.at(one.number)
		if one.missed || !ok {
			one.missed = false
			a.metrics.resets.Inc()
			one.number, newest = a.recent.next()
			if err := one.send(resetEvent(newest)); err != nil {
				return err
			}
			continue
		}
		if s != nil { // and no more of them: what a slow client holds is one
			one.number++
			if err := one.sendStep(s); err != nil {
				return err
			}
			continue
		}
		if due { // with the id, for one whose keys do not change while the catalogue does
			due = false
			if err := one.send(fmt.Appendf(nil, ": %s\nid: %s\n\n", heartbeat, idOf(newest))); err != nil {
				return err
			}
		}
		if err := one.flush(); err != nil {
			return err
		}
		select {
		case <-stepped:
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			due = true
		}
	}
}

// send sends an event; small ones wait for others until flush.
func (one *watcher) send(event []byte) error {
	one.hurry()
	one.unsent = true
	_, err := one.w.Write(event)
	return err
}

// sendStep sends what a step is for the watcher, if that is anything.
func (one *watcher) sendStep(s *step) error {
	one.hurry()
	told, err := s.tell(one.w, one.root)
	one.unsent = one.unsent || told
	return err
}

// hurry gives the client time to take an event. It does not begin anew with each part of it: the steps that those hold
// who are slow are those of so much time.
func (one *watcher) hurry() {
	if now := time.Now(); one.until.Sub(now) < one.slowest/2 {
		one.until = now.Add(one.slowest)
		_ = one.c.SetWriteDeadline(one.until) // where that cannot be set, the connection ends it
	}
}

// unpaced returns what a writer of answers writes to, for who bounds the time itself.
func unpaced(w http.ResponseWriter) http.ResponseWriter {
	if counting, ok := w.(*countingWriter); ok {
		return counting.ResponseWriter
	}
	return w
}

// flush waits until the client's connection has taken what was sent.
func (one *watcher) flush() error {
	if !one.unsent {
		return nil
	}
	one.unsent = false
	return one.c.Flush()
}

// resetEvent tells a client that what it missed is not known any more, and what to do.
func resetEvent(newest *cssetcd.Snapshot) []byte {
	text, err := json.Marshal(map[string]any{"revision": newest.Revision(),
		"do": fmt.Sprintf("read GET /v1/snapshot?revision=%d anew; then go on with the events here, without those whose "+
			"revision is not above that of what you read", newest.Revision())})
	if err != nil {
		panic(err) // a number and a text
	}
	return fmt.Appendf(nil, "id: %s\nevent: reset\ndata: %s\n\n", idOf(newest), text)
}

func idOf(s *cssetcd.Snapshot) string { return eventID(s.Revision(), s.Cluster()) }

func clusterText(s *cssetcd.Snapshot) string { return strconv.FormatUint(s.Cluster(), 16) }
