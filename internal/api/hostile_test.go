package api_test

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/testkit"
)

// raw sends a request with a token as it is written, past any client that would mend it or follow where it is sent.
func (w *world) raw(method, target, body string, headers ...string) got {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://127.0.0.1"+target, strings.NewReader(body))
	require.NoError(w, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+secret)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	g := got{w.T, rec.Code, rec.Header(), rec.Body.String()}
	keepsContract(w.T, r, body, g)
	return g
}

// TestHostileRequests: each is refused with a problem that says why, and none is led elsewhere.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	w := writable(t)
	long := strings.Repeat("a", 50_000)
	for _, c := range []struct{ method, target, body, want string }{
		{"GET", "/v1/css", "", "no_such_path"},
		{"PUT", "/v1/css", `{"value":"x"}`, "no_such_path"},
		{"CONNECT", "/v1/css", "", "no_such_path"},
		{"GET", "//v1/nodes", "", "bad_path"},
		{"GET", "/v1//nodes", "", "bad_path"},
		{"GET", "/v1/tables/%2e%2e/nodes", "", "bad_path"},
		{"GET", "/v1/tables/LSST%2FTABLES/Object", "", "no_such_table"},
		{"GET", "/v1/css/%00", "", "no_such_key"},
		{"GET", "/v1/css/%ff", "", "no_such_key"},
		{"GET", "/v1/css/" + long, "", "no_such_key"},
		{"PUT", "/v1/css/DBS/LSST/" + long, `{"value":"x"}`, "invalid"},
		{"GET", "/v1/nodes?revision=1&revision=2", "", "bad_query"},
		{"GET", "/v1/nodes?revision=%ff", "", "bad_query"},
		{"GET", "/v1/nodes?%zz", "", "bad_query"},
		{"GET", "/v1/nodes?a;b", "", "bad_query"},
		{"GET", "/v1/watch?from=1-", "", "bad_query"},
		{"GET", "/v1/watch?from=-1", "", "bad_query"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"a","value":"b"}`, "bad_body"},
		{"PUT", "/v1/databases/E", `{"striping":{"stripes":1},"striping":{"sub_stripes":2}}`, "bad_body"},
		{"POST", "/v1/tables/LSST/Object/chunks", `[{"id":1,"id":2,"nodes":["worker-1"]}]`, "bad_body"},
		{"POST", "/v1/tables/LSST/Object/chunks", strings.Repeat("[", 100_000), "bad_body"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"\ud800"}`, "bad_body"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"\udc00\ud800"}`, "bad_body"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"\ud83d\u0041"}`, "bad_body"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"\\\udc00"}`, "bad_body"},
		{"PUT", "/v1/css/DBS/LSST/s", `{"value":"x"} x`, "bad_body"},
		{"OPTIONS", "/v1/nodes", "", "method_not_allowed"},
		{"TRACE", "/v1/nodes", "", "method_not_allowed"},
	} {
		g := w.raw(c.method, c.target, c.body)
		assert.Equal(t, c.want, g.code(), "%s %.100s %.100s", c.method, c.target, c.body)
		assert.Less(t, len(g.text), 2000, "it repeats what was sent")
	}
	assert.Equal(t, "bad_condition", w.raw("PUT", "/v1/css/DBS/LSST", `{"value":"x"}`, "If-None-Match", "*").code(),
		"it would be written over")
	assert.Equal(t, "READY", *decode[form.Key](w.get("/v1/css/DBS/LSST?revision=0")).Value)
	w.wrote("PUT", "/v1/css/DBS/LSST/s", `{"value":"\\ud800 \u00e9 \\\\udc00"}`)
	assert.Equal(t, `\ud800 é \\udc00`, *decode[form.Key](w.get("/v1/css/DBS/LSST/s")).Value)
}

// TestIdempotencyKeysOfOthers: two who do not know of each other may use the same key.
func TestIdempotencyKeysOfOthers(t *testing.T) {
	t.Parallel()
	const other = "another-secret-of-some-length"
	w := newWorld(t, tokens, func(c *api.Config) {
		c.Access.Tokens = append(c.Access.Tokens, api.Token{Name: "other", Hash: sha256.Sum256([]byte(other))})
	})
	const inactive = `{"state":"INACTIVE"}`
	first := w.wrote("PATCH", "/v1/nodes/worker-1", inactive, "Idempotency-Key", "1")
	w.wrote("PATCH", "/v1/nodes/worker-1", `{"state":"ACTIVE"}`)
	g := w.do("PATCH", "/v1/nodes/worker-1", inactive, "Idempotency-Key", "1", "Authorization", "Bearer "+other)
	assert.Greater(t, decode[form.Result](g).Revision, first)
	assert.Equal(t, cssetcd.NodeInactive, decode[form.Node](w.get("/v1/nodes/worker-1?revision=0")).State)
}

// TestSlowReaders: an answer that nobody takes ends.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 60_000)
	for i := range 100 { // more than sockets hold
		w.wait(must(w.css.Raw().Put(t.Context(), fmt.Sprint("/DBS/LSST/note", i), fmt.Sprint(i, long))))
	}
	slow, _ := w.serve(func(c *api.Config) { c.Slowest = 50 * time.Millisecond })
	ended := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slow.ServeHTTP(w, r)
		ended <- struct{}{}
	}))
	t.Cleanup(server.Close)
	for _, path := range []string{"/v1/snapshot", "/v1/css/?below=all", "/v1/watch?from=1"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		require.NoError(t, err)
		if path == "/v1/watch?from=1" { // it is told much after it stopped reading
			for i := range 200 {
				must(w.css.Raw().Put(t.Context(), "/DBS/LSST/note", fmt.Sprint(i, long)))
			}
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatal(path, " goes on for ever")
		}
	}
}

// TestFromNamesItsCluster: a revision of another cluster is none of this one, however near.
func TestFromNamesItsCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.get("/v1/snapshot")
	id := g.header.Get("Css-Event-Id")
	assert.Regexp(t, "^"+g.header.Get("Css-Revision")+"-[0-9a-f]+$", id)
	rev := w.setStatus("A")
	s := w.watch("/v1/watch?from=" + id)
	assert.Equal(t, id, s.resp.Header.Get("Css-Event-Id"))
	e := s.next()
	assert.Equal(t, rev, e.data.Revision)
	assert.Equal(t, "reset", w.watch("/v1/watch?from="+g.header.Get("Css-Revision")+"-1").next().kind)
	assert.Equal(t, "reset", w.watch("/v1/watch?from=1000000000-1").next().kind, "and it is not waited for")
}

// TestWatchOverOutages: who watches stays while etcd is away and is told the rest when it is back, and when it comes
// back from a backup is told that, and what is different.
func TestWatchOverOutages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := testkit.Etcd(t, embedetcd.Options{Dir: dir})
	etcd := testkit.ClientOf(t, server)
	w := worldOn(t, etcd)
	all, below := w.watch("/v1/watch"), w.watch("/v1/watch?below=/NODES")
	f := &follower{w: w}
	f.load(1)
	require.NoError(t, server.Stop())
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))
	require.NoError(t, server.Restart(t.Context()))
	for i := range 50 {
		must(w.css.Raw().Put(t.Context(), "/DBS/LSST/note", fmt.Sprint(i)))
	}
	lost := w.setStatus("LOST")
	for f.rev < lost {
		f.take(all.next())
	}
	require.NoError(t, server.Stop())
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.CopyFS(dir, os.DirFS(backup)))
	require.NoError(t, server.Restart(t.Context()))

	e := all.next()
	assert.Equal(t, "change", e.kind)
	assert.True(t, e.data.Regressed)
	assert.Less(t, e.data.Revision, lost)
	f.take(e)
	assert.True(t, below.next().data.Regressed, "whatever it watches")
	rev := w.setStatus("NEW")
	for f.rev < rev {
		f.take(all.next())
	}
	want := map[string]string{}
	for key, e := range w.view.Snapshot().Below("") {
		want[key] = e.Value
	}
	assert.Equal(t, want, f.keys)
	assert.Equal(t, "reset", w.watch("/v1/watch?from=3").next().kind, "it was not known by then")
}
