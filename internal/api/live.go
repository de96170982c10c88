package api

import (
	"context"
	_ "embed" // the contract
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/form"
)

//go:embed openapi.json
var contract []byte

func serveContract(w http.ResponseWriter, r *http.Request, _ *query) error {
	return answer{tag: tagOfBytes(contract), stream: func(w io.Writer) error {
		_, err := w.Write(contract)
		return err
	}}.write(w, r)
}

// readDump sends the catalogue as a dump. Its revision is one at which a watch can begin, which is why it is not simply
// what the view shows.
func (a *API) readDump(w http.ResponseWriter, r *http.Request, q *query) error {
	var since cssetcd.Revision
	s, err := a.snapshot(r, q)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), a.Wait)
		defer cancel()
		s, since, err = a.recent.after(ctx, s)
	}
	if err == nil {
		err = s.Version()
	}
	if err != nil {
		return err
	}
	root := q.text(paramBelow)
	if !isRoot(root) {
		q.fail("below is %.100q; a key begins with a slash, and does not end with one", root)
		return q.err
	}
	if err := stored(checkRoot(s, root)); err != nil {
		return err
	}
	a.describe(w.Header(), s.Revision())
	w.Header().Set(headerEventID, idOf(s))
	return answer{tag: tagOf(since), stream: func(w io.Writer) error { return s.WriteDump(w, root) }}.write(w, r)
}

// isRoot reports whether a text can be what a listing or a watch is below of.
func isRoot(text string) bool {
	return text == "" || text[0] == '/' && text[len(text)-1] != '/'
}

func checkRoot(s *cssetcd.Snapshot, root string) error {
	if _, there := s.Key(root); there || root == "" {
		return nil
	}
	for range s.Below(root) {
		return nil
	}
	return fmt.Errorf("%.200s: %w", root, cssetcd.ErrNoSuchKey)
}

// asking bounds what asks etcd.
func asking(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), longestWrite)
}

func (a *API) readDrops(w http.ResponseWriter, r *http.Request, _ *query) error {
	ctx, cancel := asking(r)
	defer cancel()
	all, err := a.drops.Drops(ctx)
	if err != nil {
		return stored(err)
	}
	return answer{body: form.OfDrops(all)}.write(w, r)
}

func (a *API) readDrop(w http.ResponseWriter, r *http.Request, _ *query) error {
	name, err := deletion.ParseName(r.PathValue("name"))
	if err != nil {
		return err
	}
	ctx, cancel := asking(r)
	defer cancel()
	s, err := a.drops.Status(ctx, name.String())
	if err != nil {
		return stored(err)
	}
	return answer{body: form.OfDrop(s)}.write(w, r)
}

func (a *API) readCzars(w http.ResponseWriter, r *http.Request, _ *query) error {
	ctx, cancel := asking(r)
	defer cancel()
	all, err := a.drops.Czars(ctx)
	if err != nil {
		return stored(err)
	}
	return answer{body: form.OfCzars(all)}.write(w, r)
}

// readStatus tells how all stands, whatever is wrong: the form says it.
func (a *API) readStatus(w http.ResponseWriter, r *http.Request, _ *query) error {
	if a.Status == nil {
		return refuse(http.StatusNotFound, "no_status", "this API has no status")
	}
	ctx, cancel := asking(r)
	defer cancel()
	body, err := a.status.get(ctx, a.Status)
	if err != nil {
		return err
	}
	return answer{body: body}.write(w, r)
}

// shared keeps an answer for a moment, so that what costs many questions is not asked for each client.
type shared struct {
	mu   sync.Mutex
	body any
	at   time.Time
}

// fresh is how long an answer that is shared is used.
const fresh = time.Second

func (s *shared) get(ctx context.Context, ask func(context.Context) (any, error)) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil && time.Since(s.at) < fresh {
		return s.body, nil
	}
	// The answer is for others, too: who leaves does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestWrite)
	defer cancel()
	body, err := ask(ctx)
	if err == nil {
		s.body, s.at = body, time.Now()
	}
	return body, err
}
