package api

import (
	"context"
	"net/http"

	"github.com/qserv/css-etcd/internal/cli"
)

// usualRecords is how many records of a kind are told of a mirror.
const usualRecords = 100

// readMirror tells what a mirror has on record: what it cannot show, what others wrote, and what etcd did not take.
func (a *API) readMirror(w http.ResponseWriter, r *http.Request, q *query) error {
	limit, given := q.number(paramLimit)
	switch {
	case q.err != nil:
		return q.err
	case !given:
		limit = usualRecords
	case limit == 0 || limit > longest:
		q.fail("limit is %d and must be from 1 to %d", limit, longest)
		return q.err
	}
	name := r.PathValue("mirror")
	if a.Mirror == nil {
		return noMirror(name)
	}
	ctx, cancel := asking(r)
	defer cancel()
	body, err := a.Mirror(ctx, name, int(limit))
	switch {
	case err != nil:
		p := refuse(http.StatusServiceUnavailable, "mysql_unavailable", "%s", cli.Sentence(err))
		p.again = again
		return p
	case body == nil:
		return noMirror(name)
	}
	return answer{body: body}.write(w, r)
}

func noMirror(name string) error {
	return refuse(http.StatusNotFound, "no_such_mirror", "this daemon keeps no mirror %.100q", name).
		hinted("GET /v1/status lists the mirrors, and which daemon keeps each")
}

// readAccess tells what the bearer of the request may do.
func (a *API) readAccess(w http.ResponseWriter, r *http.Request, _ *query) error {
	return answer{body: a.Access.told(r)}.write(w, r)
}

// MirrorReader reads what a mirror has on record, at most limit of each kind; nil for a mirror that it does not know.
type MirrorReader func(ctx context.Context, name string, limit int) (any, error)
