package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/form"
)

// The headers of what is read from the view. A request may carry the first, too: what is read then shows that revision
// at least.
const (
	headerRevision  = "Css-Revision"
	headerStaleness = "Css-Staleness"
)

// reader answers from a snapshot. It is a pure function of that and the request.
type reader func(s *cssetcd.Snapshot, r *http.Request, q *query) (answer, error)

// read makes a handler of a reader. A view that is stale answers, too, and says how old it is.
func (a *API) read(h reader) handler {
	return func(w http.ResponseWriter, r *http.Request, q *query) error {
		s, err := a.snapshot(r, q)
		if err == nil {
			err = s.Version()
		}
		if err != nil {
			return err
		}
		got, err := h(s, r, q)
		if err == nil {
			err = q.err
		}
		if err != nil {
			return err
		}
		a.describe(w.Header(), s.Revision())
		return got.write(w, r)
	}
}

// describe sets the headers of what is read at a revision.
func (a *API) describe(h http.Header, rev cssetcd.Revision) {
	h.Set(headerRevision, strconv.FormatInt(int64(rev), 10))
	h.Set(headerStaleness, inSeconds(a.View.Staleness()))
}

// inSeconds is a duration in a header.
func inSeconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// snapshot returns what the view shows, when that is as new as the request asks for.
func (a *API) snapshot(r *http.Request, q *query) (*cssetcd.Snapshot, error) {
	wanted, ok := q.number(paramRevision)
	if given := r.Header.Get(headerRevision); !ok && given != "" {
		if wanted, ok = parseNumber(given); !ok {
			q.fail("%s is %.100q and must be a number from 0", headerRevision, given)
		}
	}
	switch {
	case q.err != nil:
		return nil, q.err
	case !ok:
		return a.View.Snapshot(), nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.Wait)
	defer cancel()
	return a.waitFor(ctx, cssetcd.Revision(wanted))
}

// waitFor waits until the view shows a revision.
func (a *API) waitFor(ctx context.Context, rev cssetcd.Revision) (*cssetcd.Snapshot, error) {
	s, err := a.View.WaitRevision(ctx, rev)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, refuse(http.StatusGatewayTimeout, "revision_not_reached",
			"the daemon did not see revision %d within %s; it shows %d", rev, a.Wait, a.View.Snapshot().Revision())
	}
	return s, err
}

func readDatabases(s *cssetcd.Snapshot, _ *http.Request, _ *query) (answer, error) {
	return list(s.Databases(), func(db *cssetcd.Database) form.Database {
		f, n := form.OfDatabase(db), 0
		for range s.Tables(db.Name) {
			n++
		}
		f.Tables = &n
		return f
	}, func(name, reason string) form.Database { return form.Database{Name: name, Error: reason} })
}

func readDatabase(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	db, err := s.Database(r.PathValue("db"))
	if err != nil {
		return answer{}, stored(err)
	}
	return answer{body: form.OfDatabase(db), tag: tagOf(db.Modified)}, nil
}

func readTables(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	db := r.PathValue("db")
	if _, err := s.Database(db); errors.Is(err, cssetcd.ErrNoSuchDB) {
		return answer{}, err
	}
	return list(s.Tables(db), form.OfTable, func(name, reason string) form.Table {
		n, _ := cssetcd.ParseTableName(name)
		return form.Table{Database: n.DB, Table: n.Table, Error: reason}
	})
}

func tableOf(r *http.Request) cssetcd.TableName {
	return cssetcd.TableName{DB: r.PathValue("db"), Table: r.PathValue("table")}
}

// readTable reads what czars ask for most.
func (a *API) readTable(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	t, err := s.Table(tableOf(r))
	if err != nil {
		return answer{}, stored(err)
	}
	text, err := a.texts.get(t, func() ([]byte, error) {
		columns, err := s.Columns(t.Name)
		reason := ""
		if err != nil {
			_, reason = unreadable(err)
		}
		return encode(form.OfDetails(t, columns, reason))
	})
	return answer{text: text, tag: tagOf(t.Modified)}, err
}

func readChunks(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	n := tableOf(r)
	if _, err := s.Table(n); errors.Is(err, cssetcd.ErrNoSuchTable) {
		return answer{}, err
	}
	forms := []form.Chunk{}
	for c, err := range s.Chunks(n) {
		f := form.OfChunk(c)
		if err != nil {
			f.Error = cli.Sentence(err)
		}
		forms = append(forms, f)
	}
	return answer{body: forms}, nil
}

// chunkOf reads the id of a chunk from the path.
func chunkOf(r *http.Request) (int, error) {
	id, ok := parseNumber(r.PathValue("id"))
	if !ok || id != int64(int32(id)) {
		return 0, refuse(http.StatusBadRequest, "invalid", "%.100q is not the id of a chunk, which is a number",
			r.PathValue("id"))
	}
	return int(id), nil
}

func readChunk(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	id, err := chunkOf(r)
	if err != nil {
		return answer{}, err
	}
	c, err := s.Chunk(tableOf(r), id)
	return answer{body: form.OfChunk(c)}, stored(err)
}

func readNodes(s *cssetcd.Snapshot, _ *http.Request, _ *query) (answer, error) {
	return list(s.Nodes(), form.OfNode, func(name, reason string) form.Node {
		return form.Node{Name: name, Error: reason}
	})
}

func readNode(s *cssetcd.Snapshot, r *http.Request, _ *query) (answer, error) {
	n, err := s.Node(r.PathValue("node"))
	if err != nil {
		return answer{}, stored(err)
	}
	return answer{body: form.OfNode(n), tag: tagOf(n.Modified)}, nil
}

func readFamilies(s *cssetcd.Snapshot, _ *http.Request, _ *query) (answer, error) {
	return answer{body: form.OfFamilies(s.Families())}, nil
}

// keyOf reads a CSS key from the path; the root is "".
func keyOf(r *http.Request) string {
	return strings.TrimSuffix("/"+r.PathValue("key"), "/")
}

// readKey reads one key, or with below the keys that lie below it.
func readKey(s *cssetcd.Snapshot, r *http.Request, q *query) (answer, error) {
	key := keyOf(r)
	if !q.given(paramBelow) {
		e, ok := s.Key(key)
		if !ok {
			return answer{}, fmt.Errorf("%s: %w", r.PathValue("key"), cssetcd.ErrNoSuchKey)
		}
		return answer{body: form.OfKey(key, e), tag: tagOf(e.Mod)}, nil
	}
	all := q.text(paramBelow) == "all"
	if !all && q.text(paramBelow) != "" {
		q.fail("below is %.100q; it takes no value, or all", q.text(paramBelow))
		return answer{}, q.err
	}
	keys := form.OfKeys(s.Below(key), key, all)
	if _, there := s.Key(key); len(keys) == 0 && !there {
		return answer{}, fmt.Errorf("%s: %w", r.PathValue("key"), cssetcd.ErrNoSuchKey)
	}
	return answer{body: keys}, nil
}

// list makes a listing: of each thing its form, of one that cannot be read the form that failed makes of its name and
// the reason.
func list[T, F any](all iter.Seq2[T, error], show func(T) F, failed func(name, reason string) F) (answer, error) {
	forms := []F{} // and not null in JSON
	for thing, err := range all {
		if err != nil {
			forms = append(forms, failed(unreadable(err)))
			continue
		}
		forms = append(forms, show(thing))
	}
	return answer{body: forms}, nil
}

// unreadable splits the error of one thing in a listing into the name of the thing and what is wrong with it.
func unreadable(err error) (name, reason string) {
	if e, ok := errors.AsType[*cssetcd.Error](err); ok {
		return e.Object, cli.Sentence(e.Err)
	}
	return "?", cli.Sentence(err)
}
