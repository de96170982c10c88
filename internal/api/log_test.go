package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/form"
)

// TestLog tells what the catalogue's writers did, and goes on from where it ended.
func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := decode[form.Log](w.get("/v1/log"))
	require.Len(t, log.Entries, 6, "the version, too")
	assert.True(t, log.Complete)
	assert.Equal(t, w.view.Snapshot().Revision(), log.Revision)
	for i, e := range log.Entries[1:] {
		assert.Less(t, e.Revision, log.Entries[i].Revision, "the newest first")
	}
	assert.Contains(t, log.Entries[1].Changes[0], "table LSST.Filter created")

	part := decode[form.Log](w.get("/v1/log?limit=1"))
	assert.Equal(t, log.Entries[:1], part.Entries)
	assert.False(t, part.Complete)
	assert.Equal(t, log.Entries[1:2], decode[form.Log](w.get("/v1/log?name=LSST.Filter")).Entries)
	assert.Len(t, decode[form.Log](w.get("/v1/log?name=LSST")).Entries, 4)

	next := "/v1/log?from=" + itoa(int(log.Revision)+1)
	assert.Empty(t, decode[form.Log](w.get(next)).Entries)
	w.wait(must(w.css.DeleteChunk(t.Context(), object.Name, 57)))
	assert.Len(t, decode[form.Log](w.get(next)).Entries, 1)
	assert.Greater(t, len(decode[form.Log](w.get("/v1/log?name=LSST.Object")).Entries), 1)

	for _, bad := range []string{"limit=0", "limit=1001", "limit=-1", "limit=x", "from=x", "all=maybe", "to=3"} {
		assert.Equal(t, "bad_query", w.get("/v1/log?"+bad).code(), bad)
	}
	assert.Equal(t, "invalid_name", w.get("/v1/log?name=a.b.c").code())
}

// TestRecordsOfAMirror come from whoever keeps it.
func TestRecordsOfAMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Equal(t, "no_such_mirror", w.get("/v1/mirrors/default").code())
	_, server := w.serve(func(c *api.Config) {
		c.Mirror = func(_ context.Context, name string, limit int) (any, error) {
			switch name {
			case "default":
				return map[string]any{"quarantine": []any{}, "foreign": []any{}, "foreign_total": limit, "conflicts": []any{},
					"conflicts_total": 0}, nil
			case "broken":
				return nil, errors.New("gone")
			}
			return nil, nil
		}
	})
	get := func(path string) got { return w.doAt(server, "GET", path, "") }
	assert.Equal(t, 100, decode[struct {
		Limit int `json:"foreign_total"`
	}](get("/v1/mirrors/default")).Limit)
	assert.Contains(t, get("/v1/mirrors/default?limit=7").text, `"foreign_total":7`)
	assert.Equal(t, "bad_query", get("/v1/mirrors/default?limit=0").code())
	assert.Equal(t, "bad_query", get("/v1/mirrors/default?limit=x").code())
	assert.Equal(t, "no_such_mirror", get("/v1/mirrors/other").code())
	assert.Equal(t, "mysql_unavailable", get("/v1/mirrors/broken").code())
}

// TestAccessIsTold to whoever asks, and says nothing of tokens but whether the one at hand counts.
func TestAccessIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type told struct {
		Reads, Writes bool
		Token         string
		Bearer        *string
	}
	assert.Equal(t, told{Reads: true, Token: "missing"}, decode[told](w.get("/v1/access")))
	_, closed := w.serve(tokens, func(c *api.Config) { c.Access.TokenReads = true })
	ask := func(headers ...string) told {
		return decode[told](w.doAt(closed, "GET", "/v1/access", "", headers...))
	}
	assert.Equal(t, told{Token: "missing"}, ask())
	assert.Equal(t, told{Token: "wrong"}, ask("Authorization", "Bearer something-else-altogether"))
	name := "tester"
	assert.Equal(t, told{Reads: true, Writes: true, Token: "accepted", Bearer: &name},
		ask("Authorization", "Bearer "+secret))
}

// TestPageStandsAtTheRoot, also for who may not read, and while the daemon waits for etcd; and not where there is none.
func TestPageStandsAtTheRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.Equal(t, "no_such_path", w.get("/").code())
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("page " + r.URL.Path)) })
	a, _ := w.serve(tokens, func(c *api.Config) { c.Access.TokenReads, c.Page = true, page })
	for _, handler := range []http.Handler{a, api.Starting(api.Access{}, page)} {
		assert.Equal(t, "page /", w.show(handler, "/", "localhost"))
		assert.Equal(t, "page /page/x.js", w.show(handler, "/page/x.js", "localhost"))
		assert.Contains(t, w.show(handler, "/", "evil.example.org"), "foreign_host")
	}
	assert.Contains(t, w.show(a, "/pages", "localhost"), "no_such_path")
}

// show returns what a handler answers, which need not be of the API.
func (w *world) show(handler http.Handler, path, host string) string {
	w.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://"+host+path, http.NoBody)
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, r)
	return rec.Body.String()
}
