package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory"
)

// headerWorkers says for how many seconds etcd has not confirmed which workers are alive.
const headerWorkers = "Css-Workers-Staleness"

// workers is a view of what workers serve. It is opened when somebody asks first: most daemons are never asked.
type workers struct {
	catalogue *cssetcd.Client
	turn      chan struct{} // holds one who may look at the rest
	view      *inventory.View
	closed    bool
}

func newWorkers(catalogue *cssetcd.Client) *workers {
	return &workers{catalogue: catalogue, turn: make(chan struct{}, 1)}
}

// open returns the view.
func (w *workers) open(ctx context.Context) (_ *inventory.View, err error) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if w.closed {
		return nil, cssetcd.ErrClosed
	}
	if w.view == nil {
		w.view, err = inventory.OpenView(ctx, w.catalogue)
	}
	return w.view, err
}

// close ends it for good.
func (w *workers) close() {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	w.closed = true
	if w.view != nil {
		w.view.Close()
	}
}

// now returns what workers serve, and says how old that is.
func (a *API) now(w http.ResponseWriter, r *http.Request) (*inventory.State, error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.Wait)
	defer cancel()
	v, err := a.workers.open(ctx)
	if err != nil {
		return nil, err
	}
	w.Header().Set(headerWorkers, inSeconds(v.Staleness()))
	return v.State(), nil
}

// held makes a handler that answers from what is placed and what is served.
func (a *API) held(h func(*cssetcd.Snapshot, *inventory.State, *http.Request, *query) (answer, error)) handler {
	return func(w http.ResponseWriter, r *http.Request, q *query) error {
		return a.read(func(s *cssetcd.Snapshot, r *http.Request, q *query) (answer, error) {
			now, err := a.now(w, r) // after the wait for a revision: who died in it is not alive
			if err != nil {
				return answer{}, err
			}
			return h(s, now, r, q)
		})(w, r, q)
	}
}

// readWorkers lists the workers that are alive.
func readWorkers(_ *cssetcd.Snapshot, now *inventory.State, _ *http.Request, _ *query) (answer, error) {
	all := []form.Worker{}
	for _, name := range now.Workers() {
		all = append(all, form.OfWorker(now, name, cli.Sentence))
	}
	return answer{body: all}, nil
}

func readWorker(_ *cssetcd.Snapshot, now *inventory.State, r *http.Request, _ *query) (answer, error) {
	name := r.PathValue("worker")
	if _, err := now.Process(name); err != nil {
		return answer{}, err
	}
	return answer{body: form.OfWorker(now, name, cli.Sentence)}, nil
}

// readGaps lists where what is served is not what is placed.
func readGaps(s *cssetcd.Snapshot, now *inventory.State, _ *http.Request, q *query) (answer, error) {
	db := q.text(paramDatabase)
	if q.given(paramDatabase) {
		if _, err := s.Database(db); err != nil {
			return answer{}, stored(err)
		}
	}
	gaps, err := inventory.Gaps(s, now)
	if err != nil {
		return answer{}, stored(fmt.Errorf("what is placed cannot all be read: %w", err))
	}
	all := []form.Gap{}
	for _, g := range gaps {
		if !q.given(paramDatabase) || g.DB == db {
			all = append(all, form.OfGap(g, cli.Sentence))
		}
	}
	return answer{body: all}, nil
}

// readHolders lists for each chunk of a table the nodes that hold it and serve it now.
func readHolders(s *cssetcd.Snapshot, now *inventory.State, r *http.Request, _ *query) (answer, error) {
	table := tableOf(r)
	placed, err := s.Placement(table)
	if err != nil {
		return answer{}, stored(err)
	}
	all := []form.Chunk{}
	for id := range placed.IDs().All() {
		f := form.Chunk{ID: id}
		if f.Nodes, err = inventory.Holders(s, now, table, id); err != nil {
			f.Error = cli.Sentence(err)
		}
		f.Nodes = append([]string{}, f.Nodes...) // and not null
		all = append(all, f)
	}
	return answer{body: all}, nil
}

func readHolder(s *cssetcd.Snapshot, now *inventory.State, r *http.Request, _ *query) (answer, error) {
	id, err := chunkOf(r)
	if err != nil {
		return answer{}, err
	}
	nodes, err := inventory.Holders(s, now, tableOf(r), id)
	return answer{body: form.Chunk{ID: id, Nodes: append([]string{}, nodes...)}}, stored(err)
}
