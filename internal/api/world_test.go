package api_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// world is a catalogue, and an API of it behind a server.
type world struct {
	*testing.T
	etcd   *clientv3.Client // one for all tests; each has a prefix of its own
	css    *cssetcd.Client
	view   *cssetcd.View
	api    *api.API
	server *httptest.Server
}

// newWorld returns one with a small catalogue.
func newWorld(t *testing.T, change ...func(*api.Config)) *world {
	t.Helper()
	return emptyWorld(t, change...).filled()
}

// worldOn is newWorld on an etcd of its own.
func worldOn(t *testing.T, etcd *clientv3.Client, change ...func(*api.Config)) *world {
	t.Helper()
	return emptyWorldOn(t, etcd, change...).filled()
}

func (w *world) filled() *world {
	w.Helper()
	t := w.T
	w.wait(must(w.css.AddNode(t.Context(), cssetcd.Node{Name: "worker-1", Host: "w1.example.org", Port: 5012})))
	w.wait(must(w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: "LSST",
		Striping: &cssetcd.Striping{Stripes: 340, SubStripes: 3, Overlap: 0.01667}})))
	w.wait(must(w.css.CreateTable(t.Context(), object)))
	w.wait(must(w.css.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "LSST", Table: "Filter"},
		Schema: "(id INT)"})))
	w.wait(must(w.css.AddChunk(t.Context(), object.Name, 57, "worker-1")))
	return w
}

var object = cssetcd.Table{
	Name: cssetcd.TableName{DB: "LSST", Table: "Object"}, Schema: "(objectId BIGINT, ra DOUBLE, decl DOUBLE)",
	Partitioning: &cssetcd.Partitioning{DirDB: "LSST", DirTable: "Object", DirColumn: "objectId", LatColumn: "decl",
		LonColumn: "ra", Overlap: 0.02, SubChunks: true},
	SharedScan: &cssetcd.SharedScan{Rating: 1},
}

func emptyWorld(t *testing.T, change ...func(*api.Config)) *world {
	t.Helper()
	return emptyWorldOn(t, testkit.SharedEtcdClient(), change...)
}

func emptyWorldOn(t *testing.T, etcd *clientv3.Client, change ...func(*api.Config)) *world {
	t.Helper()
	w := &world{T: t, etcd: etcd}
	prefix := "/" + strings.NewReplacer("/", "_", "#", "_").Replace(t.Name())
	var err error
	w.css, err = cssetcd.New(t.Context(), w.etcd, cssetcd.WithPrefix(prefix))
	require.NoError(t, err)
	w.view, err = cssetcd.OpenView(t.Context(), w.css)
	require.NoError(t, err)
	t.Cleanup(w.view.Close)
	w.api, w.server = w.serve(change...)
	return w
}

// serve starts an API of the catalogue behind a server.
func (w *world) serve(change ...func(*api.Config)) (*api.API, *httptest.Server) {
	w.Helper()
	config := api.Config{Catalogue: w.css, View: w.view}
	for _, c := range change {
		c(&config)
	}
	a, err := api.New(config)
	require.NoError(w, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) }) // ends with its context
	server := httptest.NewUnstartedServer(a)
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && s == http.StateNew { // so that a slow client is met early
			_ = tcp.SetWriteBuffer(4096)
		}
	}
	server.Start()
	w.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		cancel()
		running.Wait()
	})
	return a, server
}

func must(rev cssetcd.Revision, err error) cssetcd.Revision {
	if err != nil {
		panic(err)
	}
	return rev
}

// wait waits until the view shows a revision.
func (w *world) wait(rev cssetcd.Revision) {
	w.Helper()
	_, err := w.view.WaitRevision(w.Context(), rev)
	require.NoError(w, err)
}

// got is an answer.
type got struct {
	*testing.T
	status int
	header http.Header
	text   string
}

// code returns the code of a problem.
func (g got) code() string {
	g.Helper()
	var p struct{ Code, Message string }
	require.NoError(g, json.Unmarshal([]byte(g.text), &p), g.text)
	assert.NotEmpty(g, p.Message)
	return p.Code
}

func decode[T any](g got) (v T) {
	g.Helper()
	require.Less(g, g.status, 300, g.text)
	require.NoError(g, json.Unmarshal([]byte(g.text), &v), g.text)
	return v
}

// do sends a request, and holds it and its answer against the contract. Headers come as name and value.
func (w *world) do(method, path, body string, headers ...string) got {
	w.Helper()
	return w.doAt(w.server, method, path, body, headers...)
}

func (w *world) doAt(server *httptest.Server, method, path, body string, headers ...string) got {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, server.URL+path, strings.NewReader(body))
	require.NoError(w, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := server.Client().Do(r)
	require.NoError(w, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w, err)
	g := got{w.T, resp.StatusCode, resp.Header, string(text)}
	keepsContract(w.T, r, body, g)
	return g
}

func (w *world) get(path string, headers ...string) got {
	w.Helper()
	return w.do(http.MethodGet, path, "", headers...)
}

// contract is openapi.json.
var contract = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.json")
	if err != nil {
		panic(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		panic(err)
	}
	return doc
})

// contractMux finds what the contract says of a request.
var contractMux = sync.OnceValue(func() *http.ServeMux {
	mux := http.NewServeMux()
	for path := range contract().Paths.Map() {
		mux.Handle(strings.Replace(path, "{key}", "{key...}", 1), http.NotFoundHandler())
	}
	return mux
})

// keepsContract checks that an answer is one that the contract has, and that what was accepted is a request that it
// has.
func keepsContract(t *testing.T, r *http.Request, body string, g got) {
	t.Helper()
	_, pattern := contractMux().Handler(r)
	path := strings.Replace(pattern, "{key...}", "{key}", 1)
	item := contract().Paths.Value(path)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if item == nil || item.GetOperation(method) == nil {
		assert.Contains(t, []int{400, 403, 404, 405}, g.status, "%s %s", r.Method, r.URL)
		assert.NotEmpty(t, g.code())
		return
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: pathParams(r, pattern), QueryParams: r.URL.Query(),
		Route: &routers.Route{Spec: contract(), Path: path, PathItem: item, Method: method,
			Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true},
	}
	if g.status < 400 {
		r.Body = io.NopCloser(strings.NewReader(body))
		assert.NoError(t, openapi3filter.ValidateRequest(t.Context(), input), "%s %s %s", r.Method, r.URL, body)
	}
	if r.Method == http.MethodHead {
		return
	}
	assert.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: g.status, Header: g.header, Options: input.Options,
		Body: io.NopCloser(bytes.NewReader([]byte(g.text))),
	}), "%s %s: %d %.2000s", r.Method, r.URL, g.status, g.text)
}

func pathParams(r *http.Request, pattern string) map[string]string {
	params := map[string]string{}
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
		for part := range strings.SplitSeq(pattern, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				name = strings.TrimSuffix(strings.TrimSuffix(name, "}"), "...")
				params[name] = cmp.Or(r.PathValue(name), "/") // the root of all keys has no name in a path
			}
		}
	})
	mux.ServeHTTP(httptest.NewRecorder(), r.Clone(r.Context()))
	return params
}

func itoa(n int) string { return strconv.Itoa(n) }

// secret is a token that may write.
const secret = "a-secret-of-some-length"

// fuzzed returns an API of a catalogue for a fuzz target.
func fuzzed(f *testing.F) *api.API {
	f.Helper()
	css, err := cssetcd.New(f.Context(), testkit.SharedEtcdClient(), cssetcd.WithPrefix("/fuzzed"))
	require.NoError(f, err)
	view, err := cssetcd.OpenView(f.Context(), css)
	require.NoError(f, err)
	f.Cleanup(view.Close)
	a, err := api.New(api.Config{Catalogue: css, View: view, Wait: 1,
		Access: api.Access{Tokens: api.Tokens{{Name: "fuzz", Hash: sha256.Sum256([]byte(secret))}}}})
	require.NoError(f, err)
	return a
}

const (
	patience = time.Minute
	tick     = 10 * time.Millisecond
)
