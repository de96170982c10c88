package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/history"
)

// Parameters of the log.
const (
	paramName  = "name"
	paramLimit = "limit"
	paramAll   = "all"
)

const (
	usualLog = 100
	longest  = 1000 // entries of an answer
)

// readLog tells who changed what up to what the view shows, from etcd's own history. That can cost etcd a look at all
// that it keeps, so there is one such look at a time.
func (a *API) readLog(w http.ResponseWriter, r *http.Request, q *query) error {
	to := a.View.Snapshot().Revision()
	wanted, err := logQuery(q, to)
	if err != nil {
		return err
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := a.oneLog(ctx, wanted)
	if err != nil {
		return stored(err)
	}
	a.describe(w.Header(), to)
	return answer{body: form.OfLog(found, to)}.write(w, r)
}

func (a *API) oneLog(ctx context.Context, wanted history.Query) (history.Log, error) {
	select {
	case a.logs <- struct{}{}:
		defer func() { <-a.logs }()
		return history.Read(ctx, a.Catalogue, wanted)
	case <-ctx.Done():
		return history.Log{}, ctx.Err()
	}
}

// logQuery reads which part of the history is wanted.
func logQuery(q *query, to cssetcd.Revision) (history.Query, error) {
	limit, given := q.number(paramLimit)
	if !given {
		limit = usualLog
	}
	from, _ := q.number(paramFrom)
	wanted := history.Query{From: cssetcd.Revision(from), To: to, Limit: int(min(limit, longest+1))}
	wanted.Upkeep = q.flag(paramAll)
	if q.err == nil && (limit == 0 || limit > longest) {
		q.fail("limit is %d and must be from 1 to %d", limit, longest)
	}
	if name := q.text(paramName); name != "" && q.err == nil {
		if _, err := deletion.ParseName(name); err != nil {
			return wanted, err
		}
		wanted.DB, wanted.Table, _ = strings.Cut(name, ".")
	}
	return wanted, q.err
}
