// Package api answers programs in any language over HTTP: it reads the catalogue from a view, tells of its changes as
// they happen, and writes what a client of the catalogue can. docs/HTTP.md is its manual, openapi.json its contract.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/kv"
)

// Config says what an API answers from. Catalogue and View are needed.
type Config struct {
	Catalogue *cssetcd.Client
	View      *cssetcd.View // of the same catalogue
	// Status returns how all stands, for GET /v1/status; nil: there is no such thing.
	Status func(context.Context) (any, error)
	// Mirror reads what a mirror has on record, for GET /v1/mirrors/{mirror}; nil: there is no mirror.
	Mirror MirrorReader
	Page   http.Handler // answers at / and below /page/, to whom may not read, too; nil: nothing does
	Checks []Check      // of what belongs to being ready, beside the view
	Access Access
	// Wait is for how long a request waits for the view to show the revision that it names; 0: 10 s.
	Wait time.Duration
	// Slowest is for how long a client may take to take what it is sent, each time; 0: 30 s.
	Slowest  time.Duration
	Watchers int // that may be there at once; 0: 4096
	Log      *slog.Logger
	More     []Route // of who serves more
}

const (
	defaultWait     = 10 * time.Second
	defaultSlowest  = 30 * time.Second
	defaultWatchers = 4096
	// longestWrite is how long a write, or what asks etcd, may take.
	longestWrite = 30 * time.Second
)

// API is an [http.Handler]. What clients watch is kept while Run runs.
type API struct {
	Config
	drops   *deletion.Client
	store   *kv.Etcd // of the notes of writes
	hands   map[string]hand
	mux     *http.ServeMux
	metrics *metrics
	recent  *recent
	workers *workers
	once    *leases
	status  shared
	logs    chan struct{} // room for those who read etcd's history
	seats   seats
	texts   texts
}

// New returns an API. It fails with ErrInvalid for a catalogue on a file, and when something is missing.
func New(config Config) (*API, error) {
	if config.Catalogue == nil || config.View == nil {
		return nil, fmt.Errorf("%w: an API needs a catalogue and a view of it", cssetcd.ErrInvalid)
	}
	drops, err := deletion.NewClient(config.Catalogue)
	if err != nil {
		return nil, err
	}
	if config.Wait == 0 {
		config.Wait = defaultWait
	}
	if config.Slowest == 0 {
		config.Slowest = defaultSlowest
	}
	if config.Watchers == 0 {
		config.Watchers = defaultWatchers
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{Config: config, drops: drops, metrics: newMetrics(config.View, drops),
		logs: make(chan struct{}, 1)}
	a.recent, a.workers = newRecent(config.View), newWorkers(config.Catalogue)
	a.once = &leases{etcd: config.Catalogue.Etcd()}
	if a.store, err = kv.NewEtcd(config.Catalogue.Etcd(), config.Catalogue.Prefix()); err != nil {
		return nil, err
	}
	if a.hands, err = handsOf(config, drops); err != nil {
		return nil, err
	}
	a.mux = a.newMux()
	return a, nil
}

// newMux registers the routes, and for each path a refusal of the methods that it does not take.
func (a *API) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, r := range a.extended() {
		mux.Handle(r.method+" "+r.path, a.serve(r))
		methods[r.path] = append(methods[r.path], r.method)
		if r.method == http.MethodGet {
			methods[r.path] = append(methods[r.path], http.MethodHead)
		}
	}
	for path, takes := range methods {
		allow := strings.Join(takes, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			writeProblem(w, refuse(http.StatusMethodNotAllowed, "method_not_allowed", "%s takes %s, and not %.20q", path, allow,
				r.Method))
		})
	}
	if a.Page != nil {
		mux.Handle("GET /{$}", a.Page)
		mux.Handle("GET /page/", a.Page)
	}
	nowhere := func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, refuse(http.StatusNotFound, "no_such_path", "there is nothing at this path").
			hinted("GET /v1/openapi.json lists what there is"))
	}
	mux.HandleFunc("/", nowhere)
	for path := range methods { // the multiplexer would send the client to the root of the rest
		if root, rest, ok := strings.Cut(path, "/{"); ok && strings.HasSuffix(rest, "...}") && !strings.Contains(rest, "/") {
			mux.HandleFunc(root, nowhere)
		}
	}
	return mux
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	counted := &countingWriter{ResponseWriter: w, c: http.NewResponseController(w), slowest: a.Slowest}
	defer a.metrics.count(r, counted)
	if err := a.Access.admit(r); err != nil {
		a.fail(counted, r, err)
		return
	}
	if clean := path.Clean("/" + r.URL.Path); r.URL.Path != clean && r.URL.Path != clean+"/" {
		// the multiplexer would send the client elsewhere, and a key with such a part is none of a catalogue
		a.fail(counted, r, refuse(http.StatusBadRequest, "bad_path", "the path has an empty part, . or .."))
		return
	}
	a.mux.ServeHTTP(counted, r)
}

// serve makes a handler of a route.
func (a *API) serve(t route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := newQuery(r, t.query)
		err := q.err
		if err == nil {
			err = a.Access.permit(w, r, t.needs)
		}
		if err == nil {
			err = t.handle(w, r, q)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status == http.StatusInternalServerError && !errors.As(err, new(storedError)) {
		a.Log.Error("a request over HTTP failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	writeProblem(w, p)
}
