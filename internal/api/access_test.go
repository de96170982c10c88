package api_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/internal/api"
)

func tokens(c *api.Config) {
	c.Access.Tokens = append(c.Access.Tokens, api.Token{Name: "tester", Hash: sha256.Sum256([]byte(secret))})
}

// ask sends a request under a name, past any client that would mend it.
func (w *world) ask(a *api.API, method, path, host string, headers ...string) got {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://"+host+path, http.NoBody)
	require.NoError(w, err)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, r)
	g := got{w.T, rec.Code, rec.Header(), rec.Body.String()}
	keepsContract(w.T, r, "", g)
	return g
}

// TestForeignPagesAreRefused: a name that leads here but is none of this machine's, and what a page elsewhere sends.
func TestForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string]int{
		"127.0.0.1:2382": 200, "localhost:2382": 200, "LOCALHOST": 200, "[::1]:2382": 200, "10.1.2.3": 200,
		"evil.example.org": 403, "localhost.evil.example.org:2382": 403, "127.0.0.1.evil.example.org": 403,
		"css-sync.qserv.svc:2382": 403,
	} {
		assert.Equal(t, want, w.ask(w.api, "GET", "/v1/nodes", host).status, host)
	}
	named, _ := w.serve(func(c *api.Config) { c.Access.Hosts = []string{"css-sync.qserv.svc"} })
	assert.Equal(t, 200, w.ask(named, "GET", "/v1/nodes", "css-sync.qserv.svc:2382").status)
	assert.Equal(t, "foreign_host", w.ask(named, "GET", "/v1/nodes", "other.qserv.svc:2382").code())
	for _, path := range []string{"/livez", "/metrics", "/v1/openapi.json"} {
		assert.Equal(t, "foreign_host", w.ask(w.api, "GET", path, "evil.example.org").code(), path)
	}
	assert.Equal(t, "foreign_origin", w.ask(w.api, "DELETE", "/v1/nodes/worker-1", "localhost:2382", "Origin",
		"http://evil.example.org").code())
	assert.Equal(t, "foreign_origin", w.ask(w.api, "DELETE", "/v1/nodes/worker-1", "localhost:2382", "Sec-Fetch-Site",
		"cross-site").code())
}

// TestReadsElsewhereTakeAToken where the daemon is told so.
func TestReadsElsewhereTakeAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	closed, _ := w.serve(func(c *api.Config) { c.Access.TokenReads = true })
	assert.Equal(t, "reads_disabled", w.ask(closed, "GET", "/v1/nodes", "10.0.0.1").code())
	a, _ := w.serve(func(c *api.Config) { c.Access.TokenReads = true }, tokens)
	g := w.ask(a, "GET", "/v1/nodes", "10.0.0.1")
	assert.Equal(t, "token_missing", g.code())
	assert.Equal(t, http.StatusUnauthorized, g.status)
	assert.Equal(t, "Bearer", g.header.Get("Www-Authenticate"))
	for _, wrong := range []string{"Basic " + secret, "Bearer", "Bearer x", "Bearer " + secret + "x", secret} {
		assert.Equal(t, 401, w.ask(a, "GET", "/v1/nodes", "10.0.0.1", "Authorization", wrong).status, wrong)
	}
	assert.Equal(t, 200, w.ask(a, "GET", "/v1/nodes", "10.0.0.1", "Authorization", "bearer "+secret).status)
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		assert.Equal(t, 200, w.ask(a, "GET", path, "10.0.0.1").status, path)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var ill error
	w := newWorld(t, func(c *api.Config) {
		c.Checks = []api.Check{{Name: "mirror default", Ask: func() error { return ill }}}
	})
	assert.Equal(t, "ok\n", w.get("/readyz").text)
	assert.Equal(t, "[+]etcd ok\n[+]mirror default ok\nok\n", w.get("/healthz?verbose").text)
	ill = errors.New("lag 45s")
	g := w.get("/readyz")
	assert.Equal(t, http.StatusServiceUnavailable, g.status)
	assert.Equal(t, "[+]etcd ok\n[-]mirror default: lag 45s\nnot ready\n", g.text)
	assert.Equal(t, 200, w.get("/readyz?exclude=mirror").status)
	assert.Equal(t, 200, w.get("/readyz?exclude=etcd,mirror%20default").status)
	assert.Equal(t, 503, w.get("/readyz?exclude=etcd").status)
	assert.Equal(t, "[+]process ok\nok\n", w.get("/livez?verbose").text)
	w.view.Close()
	assert.Contains(t, w.get("/readyz").text, "[-]etcd: ")
	assert.Equal(t, 200, w.get("/v1/nodes").status, "what it knows it tells")
	assert.Equal(t, 200, w.get("/livez").status)

	starting := httptest.NewServer(api.Starting(api.Access{}, nil))
	defer starting.Close()
	assert.Equal(t, 200, w.doAt(starting, "GET", "/livez", "").status)
	assert.Equal(t, 503, w.doAt(starting, "GET", "/readyz", "").status)
	g = w.doAt(starting, "GET", "/v1/nodes", "")
	assert.Equal(t, "starting", g.code())
	assert.Equal(t, "1", g.header.Get("Retry-After"))
}

// TestMetrics can be read by Prometheus, and none has a label for each key.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("/v1/nodes/nothing")
	w.do("BREW", "/v1/nodes", "")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(w.get("/metrics").text))
	require.NoError(t, err)
	for _, name := range []string{"css_view_revision", "css_sync_drops", "css_sync_czars", "css_sync_drops_readable",
		"css_sync_http_watchers", "css_sync_http_requests_total"} {
		assert.Contains(t, families, name)
	}
	assert.NotContains(t, families, "css_sync_http_requests_total{BREW}")
	for name, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				assert.Contains(t, []string{"phase", "state", "method", "code"}, l.GetName(), name)
				assert.NotEqual(t, "BREW", l.GetValue())
			}
		}
	}
}
