package agent_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
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
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/agent"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/unixsocket"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	patience = time.Minute
	object   = "LSST.Object"
	source   = "LSST.Source"
)

// steady has no czar taken for dead on a machine that stalls.
var steady = deletion.Timing{Confirm: 100 * time.Millisecond, Fence: 20 * time.Second, Wait: 25 * time.Second,
	Alive: 30 * time.Second}

// world is a catalogue, a coordinator of its drops, and an agent on a socket.
type world struct {
	*testing.T
	css    *cssetcd.Client
	drops  *deletion.Client
	view   *cssetcd.View
	gate   *deletion.Gate
	socket string
	client *http.Client
}

// newWorld returns one with two tables. Whoever says nothing has queries that live for ever.
func newWorld(t *testing.T, change ...func(*agent.Config)) *world {
	t.Helper()
	return worldOn(t, testkit.SharedEtcdClient(), steady, change...)
}

func worldOn(t *testing.T, etcd *clientv3.Client, timing deletion.Timing, change ...func(*agent.Config)) *world {
	t.Helper()
	w := &world{T: t, socket: filepath.Join(t.TempDir(), "s")}
	ctx := t.Context()
	var err error
	w.css, err = cssetcd.New(ctx, etcd, cssetcd.WithPrefix("/"+t.Name()))
	require.NoError(t, err)
	w.drops, err = deletion.NewClient(w.css)
	require.NoError(t, err)
	testkit.OK(t)(w.drops.SetTiming(ctx, timing))
	testkit.OK(t)(w.css.CreateDatabase(ctx, cssetcd.Database{Name: "LSST"}))
	w.create(object)
	w.create(source)
	w.view, err = cssetcd.OpenView(ctx, w.css)
	require.NoError(t, err)
	t.Cleanup(w.view.Close)
	made, err := coordinator.New(coordinator.Config{Catalogue: w.css, View: w.view})
	require.NoError(t, err)
	running, end := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = made.Run(running) }) // ends with its context
	t.Cleanup(func() { end(); all.Wait() })
	w.gate, err = deletion.OpenGate(ctx, w.css, w.view, deletion.CzarName("the czar"))
	require.NoError(t, err)
	config := agent.Config{Catalogue: w.css, View: w.view, Gate: w.gate, TTL: time.Hour, Hold: time.Hour}
	for _, c := range change {
		c(&config)
	}
	w.serve(config)
	return w
}

func (w *world) serve(config agent.Config) {
	w.Helper()
	a, err := agent.New(config)
	require.NoError(w, err)
	l, err := unixsocket.Listen(w.socket, 0o660)
	require.NoError(w, err)
	server := &http.Server{Handler: a}
	ctx, end := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { a.Run(ctx) })
	all.Go(func() { _ = server.Serve(l) }) // ends with Close
	w.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.socket)
		}}}
	w.Cleanup(func() {
		leaving, cancel := context.WithCancel(context.Background())
		cancel() // queries that a test leaves are not waited for
		_ = w.gate.Close(leaving)
		end()
		w.client.CloseIdleConnections()
		assert.NoError(w, server.Close())
		all.Wait()
	})
}

// create creates a table.
func (w *world) create(name string) cssetcd.Revision {
	w.Helper()
	n, err := cssetcd.ParseTableName(name)
	require.NoError(w, err)
	rev, err := w.css.CreateTable(w.Context(), cssetcd.Table{Name: n, Schema: "(id BIGINT)"})
	require.NoError(w, err)
	return rev
}

// drop begins to drop a table, and returns when the view shows it.
func (w *world) drop(name string, opts ...deletion.Option) *deletion.Drop {
	w.Helper()
	n, err := cssetcd.ParseTableName(name)
	require.NoError(w, err)
	d, err := w.drops.DropTable(w.Context(), n, opts...)
	require.NoError(w, err)
	_, err = w.view.WaitRevision(w.Context(), d.Mark())
	require.NoError(w, err)
	return d
}

// ends waits until a drop has ended.
func (w *world) ends(d *deletion.Drop) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	require.NoError(w, d.Wait(ctx))
}

// awaitHeld waits until a drop waits for nothing but the czar.
func (w *world) awaitHeld(name string) {
	w.Helper()
	require.Eventually(w, func() bool {
		s, err := w.drops.Status(w.Context(), name)
		return err == nil && len(s.Waiting) == 1 && s.Waiting[0].Name == "the czar" &&
			s.Waiting[0].Why == "1 query is running on it"
	}, patience, 10*time.Millisecond)
}

// session begins a session. Its connection lasts until end is called.
func (w *world) session() (id string, events *bufio.Reader, end func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/v1/sessions", nil)
	require.NoError(w, err)
	got, err := w.client.Do(r)
	require.NoError(w, err)
	require.Equal(w, http.StatusOK, got.StatusCode)
	w.Cleanup(func() { cancel(); _ = got.Body.Close() })
	events = bufio.NewReader(got.Body)
	var first struct{ Session string }
	w.event(events, "session", &first)
	id = got.Header.Get(agent.HeaderSession)
	require.NotEmpty(w, id)
	require.Equal(w, id, first.Session)
	return id, events, cancel
}

// event reads the next event of a session, which is of a kind and a form that the contract has.
func (w *world) event(events *bufio.Reader, kind string, into any) {
	w.Helper()
	lines := make([]string, 3)
	for i := range lines {
		var err error
		lines[i], err = events.ReadString('\n')
		require.NoError(w, err)
	}
	require.Equal(w, "event: "+kind+"\n", lines[0])
	data, ok := strings.CutPrefix(lines[1], "data: ")
	require.True(w, ok)
	require.Equal(w, "\n", lines[2])
	var raw any
	require.NoError(w, json.Unmarshal([]byte(data), &raw))
	schema := map[string]string{"session": "Session", "ended": "Ended"}[kind]
	require.NoError(w, contract().Components.Schemas[schema].Value.VisitJSON(raw))
	require.NoError(w, json.Unmarshal([]byte(data), into))
}

// got is an answer.
type got struct {
	status int
	text   string
}

// code is that of a problem; "" of an answer that is none.
func (g got) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(g.text), &p)
	return p.Code
}

// do sends a request, and holds it and its answer against the contract.
func (w *world) do(method, path, body string) got {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://agent"+path, strings.NewReader(body))
	require.NoError(w, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := w.client.Do(r)
	require.NoError(w, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(w, err)
	g := got{answer.StatusCode, string(text)}
	keepsContract(w.T, r, body, answer.Header, g)
	return g
}

// admit admits a query on tables and returns its token.
func (w *world) admit(session string, tables ...string) string {
	w.Helper()
	g := w.do(http.MethodPost, "/v1/queries", query(session, tables))
	require.Equal(w, http.StatusCreated, g.status, g.text)
	var a struct{ Token string }
	require.NoError(w, json.Unmarshal([]byte(g.text), &a))
	return a.Token
}

// query is the body of a request.
func query(session string, tables []string, incarnations ...cssetcd.Revision) string {
	form := map[string]any{"session": session, "tables": tables}
	if incarnations != nil {
		form["incarnations"] = incarnations
	}
	text, err := json.Marshal(form)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (w *world) mayDispatch(token string) got {
	w.Helper()
	return w.do(http.MethodPost, "/v1/queries/"+token+"/may-dispatch", "")
}

func (w *world) release(token string) got {
	w.Helper()
	return w.do(http.MethodDelete, "/v1/queries/"+token, "")
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

// keepsContract checks that an answer is one that the contract has, and that what was accepted is a request that it
// has.
func keepsContract(t *testing.T, r *http.Request, body string, header http.Header, g got) {
	t.Helper()
	for path, item := range contract().Paths.Map() {
		match := regexp.MustCompile("^" + strings.Replace(path, "{token}", "([^/]*)", 1) + "$").FindStringSubmatch(r.URL.Path)
		if match == nil || item.GetOperation(r.Method) == nil {
			continue
		}
		input := &openapi3filter.RequestValidationInput{
			Request: r, QueryParams: r.URL.Query(), PathParams: map[string]string{"token": match[len(match)-1]},
			Route: &routers.Route{Spec: contract(), Path: path, PathItem: item, Method: r.Method,
				Operation: item.GetOperation(r.Method)},
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
				IncludeResponseStatus: true},
		}
		if g.status < 400 {
			r.Body = io.NopCloser(strings.NewReader(body))
			assert.NoError(t, openapi3filter.ValidateRequest(t.Context(), input), "%s %s %s", r.Method, r.URL, body)
		}
		assert.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: g.status, Header: header, Options: input.Options,
			Body: io.NopCloser(bytes.NewReader([]byte(g.text))),
		}), "%s %s: %d %.2000s", r.Method, r.URL, g.status, g.text)
	}
}
