// Package agent lets a czar that is not written in Go have a view and a gate: it answers on a socket beside the czar
// what package deletion answers in a process. docs/AGENT.md is its manual, openapi.json its contract.
package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/api"
)

// Config says what an agent answers from.
type Config struct {
	Catalogue *cssetcd.Client
	View      *cssetcd.View  // of the same catalogue
	Gate      *deletion.Gate // with the same view
	// TTL is for how long a query lives of which nobody says a word.
	TTL time.Duration
	// Hold is for how long the tables of a query are kept that ended without a word, since parts of it may run.
	Hold    time.Duration
	Queries int // that may be there at once; 0: 100,000
	Log     *slog.Logger
}

const defaultQueries = 100_000

// Agent is an [http.Handler]. Time passes for its queries while Run runs.
type Agent struct {
	Config
	api      *api.API
	watching sync.WaitGroup // those who wait for a query to be told to end
	leaving  context.Context
	leave    context.CancelFunc

	mu       sync.Mutex
	ledger   *ledger[*query]
	sessions map[string]*session
}

// query is one that was admitted.
type query struct {
	ref     deletion.Ref
	session string
	over    chan struct{} // closed when it has to end
	told    bool
}

// New returns an agent.
func New(config Config) (*Agent, error) {
	if config.Queries == 0 {
		config.Queries = defaultQueries
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{Config: config, ledger: newLedger[*query](config.TTL, config.Hold), sessions: map[string]*session{}}
	a.leaving, a.leave = context.WithCancel(context.Background())
	var err error
	a.api, err = api.New(api.Config{
		Catalogue: config.Catalogue, View: config.View, Log: config.Log,
		Access: api.Access{AnyHost: true, NoWrite: "css-sync serve takes writes, with a token; an agent takes none"},
		Checks: []api.Check{{Name: "gate", Ask: config.Gate.Healthy}}, More: a.routes(),
	})
	if err != nil {
		return nil, err
	}
	count := func(name, help string, of func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			a.mu.Lock()
			defer a.mu.Unlock()
			return float64(of())
		})
	}
	return a, a.api.Register(
		count("css_agent_queries", "Number of queries whose tables are kept.", func() int { return len(a.ledger.queries) }),
		count("css_agent_sessions", "Number of sessions of the czar.", func() int { return len(a.sessions) }))
}

// ServeHTTP implements [http.Handler].
func (a *Agent) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.api.ServeHTTP(w, r) }

// Run lets time pass until ctx ends, and returns then when nothing of the agent runs. By then the gate has to be
// closed.
func (a *Agent) Run(ctx context.Context) {
	var kept sync.WaitGroup
	kept.Go(func() { _ = a.api.Run(ctx) }) // ends with its context
	tick := time.NewTicker(min(time.Second, a.TTL/4))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			a.pass()
		}
	}
	a.watching.Wait() // by then each query has been told
	a.leave()
	kept.Wait()
}

// pass ends what has expired, and lets go what has been kept for long enough.
func (a *Agent) pass() {
	a.mu.Lock()
	ended, over := a.ledger.pass(time.Now())
	for _, token := range ended {
		a.tell(token, expired.problem())
	}
	a.mu.Unlock()
	for _, q := range over {
		q.ref.Release()
	}
	if len(ended)+len(over) > 0 {
		a.Log.Warn("queries of the czar that were never released", "expired", len(ended), "let_go", len(over))
	}
}

// tell tells a query that it has to end: whoever waits for that, and its session. The lock is held.
func (a *Agent) tell(token string, why error) {
	q, ok := a.ledger.queries[token]
	if !ok || q.keeps.told {
		return
	}
	q.keeps.told = true
	close(q.keeps.over)
	if s, ok := a.sessions[q.session]; ok {
		s.tell(ended{Token: token, Problem: api.ProblemOf(why)})
	}
}

// admit begins a query on tables.
func (a *Agent) admit(session string, tables []*cssetcd.Table) (token string, err error) {
	a.mu.Lock()
	full := len(a.ledger.queries) >= a.Queries
	a.mu.Unlock()
	if full {
		return "", api.Refuse(http.StatusServiceUnavailable, "too_many_queries",
			"%d queries were not released, which is as many as there may be", a.Queries)
	}
	ref, err := a.Gate.Admit(tables...)
	if err != nil {
		return "", err
	}
	q := &query{ref: ref, session: session, over: make(chan struct{})}
	token = rand.Text()
	a.mu.Lock()
	added := a.ledger.add(token, session, q, time.Now())
	a.mu.Unlock()
	if !added {
		ref.Release() // nobody was told of it
		return "", noSession()
	}
	a.watching.Go(func() { // until it is released, or the gate is closed
		<-ref.Done()
		a.mu.Lock()
		defer a.mu.Unlock()
		if err := ref.MayDispatch(); !errors.Is(err, deletion.ErrReleased) {
			a.tell(token, err)
		}
	})
	return token, nil
}

// ask returns a query that may go on, or why it may not.
func (a *Agent) ask(token string) (*query, error) {
	a.mu.Lock()
	q, e := a.ledger.ask(token, time.Now())
	a.mu.Unlock()
	if e != running {
		return q, e.problem()
	}
	err := q.ref.MayDispatch()
	if errors.Is(err, deletion.ErrReleased) { // at this moment
		err = unknown.problem()
	}
	return q, err
}

// release lets the tables of a query go, of which nothing runs any more.
func (a *Agent) release(token string) error {
	a.mu.Lock()
	q, ok := a.ledger.take(token)
	a.mu.Unlock()
	if !ok {
		return unknown.problem()
	}
	q.ref.Release()
	return nil
}

// problem says why a query may not go on.
func (e end) problem() error {
	switch e {
	case expired:
		return api.Refuse(http.StatusConflict, "query_expired", "nobody asked about it for too long, and it has to end")
	case left:
		return api.Refuse(http.StatusConflict, "session_ended", "its session has ended, and the query with it")
	default:
		return api.Refuse(http.StatusNotFound, "unknown_token",
			"there is no such query: it was released, or this agent was started after it was admitted")
	}
}

func noSession() error {
	return api.Refuse(http.StatusNotFound, "unknown_session", "there is no such session: its connection has ended, or "+
		"this agent was started after it; POST /v1/sessions begins one")
}
