package agent

import (
	_ "embed" // the contract
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

//go:embed openapi.json
var contract []byte

const (
	paramWait   = "wait"
	defaultWait = 30 * time.Second
	longestWait = 10 * time.Minute
	mostTables  = 1000 // of a query
)

func (a *Agent) routes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/v1/sessions", Handle: a.serveSession},
		{Method: http.MethodPost, Path: "/v1/queries", Handle: a.serveAdmit},
		{Method: http.MethodPost, Path: "/v1/queries/{token}/may-dispatch", Handle: a.serveMayDispatch},
		{Method: http.MethodGet, Path: "/v1/queries/{token}/may-dispatch", Handle: a.serveMayDispatch},
		{Method: http.MethodGet, Path: "/v1/queries/{token}/aborted", Query: []string{paramWait}, Handle: a.serveAborted},
		{Method: http.MethodDelete, Path: "/v1/queries/{token}", Handle: a.serveRelease},
		{Method: http.MethodGet, Path: "/v1/agent/openapi.json", Handle: serveContract},
	}
}

// wanted is what a czar wants to be admitted.
type wanted struct {
	Session string   `json:"session"`
	Tables  []string `json:"tables"`
	// Incarnations are those that the query was planned with, in the order of the tables; 0: whichever there is.
	Incarnations []cssetcd.Revision `json:"incarnations"`
}

// admitted is a query that was admitted, and what it is planned with.
type admitted struct {
	Token     string              `json:"token"`
	Revision  cssetcd.Revision    `json:"revision"`
	Tables    []form.TableDetails `json:"tables"`    // in the order of the request
	Databases []form.Database     `json:"databases"` // of these tables, once each
}

func (a *Agent) serveAdmit(w http.ResponseWriter, r *http.Request) error {
	want, err := api.ReadForm[wanted](w, r)
	if err != nil {
		return err
	}
	s := a.View.Snapshot()
	if err := s.Version(); err != nil {
		return err
	}
	tables, err := want.find(s)
	if err != nil {
		return err
	}
	answer := admitted{Revision: s.Revision(), Databases: []form.Database{}}
	if err := answer.describe(s, tables); err != nil {
		return err
	}
	if answer.Token, err = a.admit(want.Session, tables); err != nil {
		return err
	}
	return api.WriteForm(w, http.StatusCreated, answer)
}

// find finds the tables of a query in a snapshot.
func (q wanted) find(s *cssetcd.Snapshot) (tables []*cssetcd.Table, err error) {
	refuse := func(format string, args ...any) error {
		return api.Refuse(http.StatusBadRequest, "invalid", format, args...)
	}
	switch {
	case len(q.Tables) == 0 || len(q.Tables) > mostTables:
		return nil, refuse("a query names 1 to %d tables, and not %d", mostTables, len(q.Tables))
	case len(q.Incarnations) != 0 && len(q.Incarnations) != len(q.Tables):
		return nil, refuse("there are %d incarnations of %d tables: one for each, or none", len(q.Incarnations),
			len(q.Tables))
	}
	for i, text := range q.Tables {
		name, err := cssetcd.ParseTableName(text)
		if err != nil {
			return nil, err
		}
		t, err := s.Table(name)
		if err != nil {
			return nil, api.Stored(err)
		}
		if len(q.Incarnations) > 0 && q.Incarnations[i] != 0 {
			if err := sameLife(t, q.Incarnations[i]); err != nil {
				return nil, err
			}
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// sameLife refuses a table that is another one than a query was planned with.
func sameLife(t *cssetcd.Table, planned cssetcd.Revision) error {
	switch {
	case t.Incarnation > planned:
		return fmt.Errorf("%s: %w, and another one has its name", t.Name, deletion.ErrGone)
	case t.Incarnation < planned:
		return fmt.Errorf("%s: %w: the agent does not see yet what it was planned with", t.Name, deletion.ErrStale)
	}
	return nil
}

// describe adds what a query on tables is planned with.
func (f *admitted) describe(s *cssetcd.Snapshot, tables []*cssetcd.Table) error {
	there := map[string]bool{}
	for _, t := range tables {
		columns, err := s.Columns(t.Name)
		reason := ""
		if err != nil {
			reason = cli.Sentence(err)
		}
		f.Tables = append(f.Tables, form.OfDetails(t, columns, reason))
		if there[t.Name.DB] {
			continue
		}
		there[t.Name.DB] = true
		db, err := s.Database(t.Name.DB)
		if err != nil {
			return api.Stored(err)
		}
		f.Databases = append(f.Databases, form.OfDatabase(db))
	}
	return nil
}

func (a *Agent) serveMayDispatch(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.ask(r.PathValue("token")); err != nil {
		return err
	}
	return done(w)
}

func (a *Agent) serveRelease(w http.ResponseWriter, r *http.Request) error {
	if err := a.release(r.PathValue("token")); err != nil {
		return err
	}
	return done(w)
}

func done(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// serveAborted waits until a query has to end, and says why; or for as long as the czar wants to wait. A query that
// etcd cannot confirm at the moment has not to end.
func (a *Agent) serveAborted(w http.ResponseWriter, r *http.Request) error {
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	token := r.PathValue("token")
	q, err := a.ask(token)
	if err != nil && !errors.Is(err, deletion.ErrStale) {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	timer := time.NewTimer(min(wait, a.TTL/2)) // that somebody waits is a word of the query
	defer timer.Stop()
	select {
	case <-q.over:
		_, err = a.ask(token)
		return err
	case <-q.ref.Done(): // it was released, or has to end at this moment
		_, err = a.ask(token)
		return err
	case <-timer.C:
	case <-r.Context().Done():
	case <-a.leaving.Done():
	}
	if _, err = a.ask(token); err == nil || errors.Is(err, deletion.ErrStale) {
		return done(w)
	}
	return err
}

func waitOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get(paramWait)
	if text == "" {
		return defaultWait, nil
	}
	n, err := strconv.Atoi(text)
	if err == nil && n >= 0 && n <= int(longestWait.Seconds()) {
		return time.Duration(n) * time.Second, nil
	}
	return 0, api.Refuse(http.StatusBadRequest, "bad_query", "wait is %.100q and must be seconds from 0 to %d", text,
		int(longestWait.Seconds()))
}

func serveContract(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(contract)
	return nil
}
