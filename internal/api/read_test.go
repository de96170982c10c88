package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/form"
)

func TestReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dbs := decode[[]form.Database](w.get("/v1/databases"))
	require.Len(t, dbs, 1)
	assert.Equal(t, 2, *dbs[0].Tables)
	db := decode[form.Database](w.get("/v1/databases/LSST"))
	assert.Equal(t, 340, db.Striping.Stripes)
	assert.Equal(t, []string{"Filter", "Object"}, names(decode[[]form.Table](w.get("/v1/databases/LSST/tables"))))
	table := decode[form.TableDetails](w.get("/v1/tables/LSST/Object"))
	assert.Equal(t, form.Column{Name: "ra", Type: "DOUBLE"}, table.Columns[1])
	assert.Equal(t, object.Partitioning, table.Value().Partitioning)
	assert.Equal(t, []form.Chunk{{ID: 57, Nodes: []string{"worker-1"}}},
		decode[[]form.Chunk](w.get("/v1/tables/LSST/Object/chunks")))
	assert.Equal(t, 57, decode[form.Chunk](w.get("/v1/tables/LSST/Object/chunks/57")).ID)
	assert.Equal(t, "worker-1", decode[[]form.Node](w.get("/v1/nodes"))[0].Name)
	assert.Equal(t, 5012, decode[form.Node](w.get("/v1/nodes/worker-1")).Port)
	assert.Equal(t, []string{"LSST"}, decode[[]form.Family](w.get("/v1/families"))[0].Databases)
	assert.Equal(t, "READY", *decode[form.Key](w.get("/v1/css/DBS/LSST")).Value)
	assert.Equal(t, "/DBS", decode[[]form.Key](w.get("/v1/css/?below"))[0].Key)
	assert.Greater(t, len(decode[[]form.Key](w.get("/v1/css/?below=all"))), 10)
	assert.Equal(t, "1", decode[map[string]string](w.get("/v1/snapshot"))["/css_meta/version"])
	assert.Len(t, decode[map[string]string](w.get("/v1/snapshot?below=/NODES/worker-1")), 1)
	assert.Empty(t, decode[[]form.Drop](w.get("/v1/drops")))
	assert.Empty(t, decode[[]form.Czar](w.get("/v1/czars")))
	assert.Equal(t, "3.0.3", decode[map[string]any](w.get("/v1/openapi.json"))["openapi"])
	assert.Equal(t, http.StatusOK, w.do(http.MethodHead, "/v1/databases", "").status)
}

func names(tables []form.Table) (all []string) {
	for _, t := range tables {
		all = append(all, t.Table)
	}
	return all
}

// TestReadsOfWhatIsNotThere and of what cannot be.
func TestReadsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"/v1/databases/Nothing":                       "404 no_such_database",
		"/v1/databases/Nothing/tables":                "404 no_such_database",
		"/v1/databases/LSST%2FTABLES":                 "404 no_such_database",
		"/v1/tables/LSST/Nothing":                     "404 no_such_table",
		"/v1/tables/Nothing/Object":                   "404 no_such_table",
		"/v1/tables/LSST/Nothing/chunks":              "404 no_such_table",
		"/v1/tables/LSST/Nothing/chunks/1":            "404 no_such_table",
		"/v1/tables/LSST/Object/chunks/1":             "404 no_such_chunk",
		"/v1/tables/LSST/Object/chunks/057":           "400 invalid",
		"/v1/tables/LSST/Object/chunks/-1":            "400 invalid",
		"/v1/tables/LSST/Object/chunks/1e3":           "400 invalid",
		"/v1/nodes/nothing":                           "404 no_such_node",
		"/v1/nodes/%00%ff%22":                         "404 no_such_node",
		"/v1/css/Nothing":                             "404 no_such_key",
		"/v1/css/":                                    "404 no_such_key",
		"/v1/css/Nothing?below":                       "404 no_such_key",
		"/v1/css/DBS?below=some":                      "400 bad_query",
		"/v1/css/DBS//LSST":                           "400 bad_path",
		"/v1/css/DBS/../NODES":                        "400 bad_path",
		"/v1/css/DBS/%2e%2e/NODES":                    "400 bad_path",
		"/v1/snapshot?below=/Nothing":                 "404 no_such_key",
		"/v1/snapshot?below=DBS":                      "400 bad_query",
		"/v1/snapshot?below=/DBS/":                    "400 bad_query",
		"/v1/databases?revison=1":                     "400 bad_query",
		"/v1/databases?revision=1&revision=2":         "400 bad_query",
		"/v1/databases?revision=-1":                   "400 bad_query",
		"/v1/databases?revision=01":                   "400 bad_query",
		"/v1/databases?revision=99999999999999999999": "400 bad_query",
		"/v1/databases?%zz":                           "400 bad_query",
		"/v1/drops/LSST.Object":                       "404 no_such_drop",
		"/v1/drops/a.b.c":                             "400 invalid_name",
		"/v1/status":                                  "404 no_status",
		"/":                                           "404 no_such_path",
		"/v1":                                         "404 no_such_path",
		"/v2/databases":                               "404 no_such_path",
	} {
		g := w.get(path)
		assert.Equal(t, want, itoa(g.status)+" "+g.code(), path)
	}
	g := w.do(http.MethodDelete, "/v1/families", "")
	assert.Equal(t, "method_not_allowed", g.code())
	assert.Equal(t, "GET, HEAD", g.header.Get("Allow"))
}

// TestTags: what a client has is not sent again, and what has changed is.
func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	paths := []string{"/v1/databases", "/v1/databases/LSST/tables", "/v1/tables/LSST/Filter",
		"/v1/css/DBS/LSST/TABLES/Filter", "/v1/css/DBS?below=all", "/v1/snapshot"}
	tags := map[string]string{}
	for _, path := range paths {
		g := w.get(path)
		tags[path] = g.header.Get("Etag")
		again := w.get(path, "If-None-Match", `"other", W/`+tags[path])
		assert.Equal(t, http.StatusNotModified, again.status, path)
		assert.Empty(t, again.text)
		assert.NotEmpty(t, again.header.Get("Css-Revision"))
	}
	node := w.get("/v1/nodes").header.Get("Etag")
	rev := must(w.css.SetTableStatus(t.Context(), cssetcd.TableName{DB: "LSST", Table: "Filter"}, cssetcd.StatusIgnore))
	w.wait(rev)
	for _, path := range paths {
		g := w.get(path, "If-None-Match", tags[path])
		if path == "/v1/databases" {
			assert.Equal(t, http.StatusNotModified, g.status, "no database is another one")
			continue
		}
		assert.Equal(t, http.StatusOK, g.status, path)
	}
	assert.Equal(t, `"`+itoa(int(rev))+`"`, w.get("/v1/tables/LSST/Filter").header.Get("Etag"))
	assert.Equal(t, http.StatusNotModified, w.get("/v1/nodes", "If-None-Match", node).status,
		"though etcd's revision rose")
}

// TestReadYourWrites: a request that names a revision is answered with what was written there.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 50 {
		name := "DB_" + itoa(i)
		rev := itoa(int(must(w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: name}))))
		switch i % 4 {
		case 0:
			assert.Equal(t, http.StatusOK, w.get("/v1/databases/"+name+"?revision="+rev).status)
		case 1:
			assert.Equal(t, http.StatusOK, w.get("/v1/databases/"+name, "Css-Revision", rev).status)
		case 2:
			assert.Equal(t, http.StatusOK, w.get("/v1/databases/"+name+"?revision=0").status)
		case 3:
			assert.Contains(t, w.get("/v1/snapshot?revision="+rev).text, name)
		}
	}
	assert.Equal(t, "bad_query", w.get("/v1/nodes", "Css-Revision", "x").code())
}

// TestWaitIsBounded: a revision that does not come is said not to have come.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *api.Config) { c.Wait = 1 })
	g := w.get("/v1/nodes?revision=1000000")
	assert.Equal(t, http.StatusGatewayTimeout, g.status)
	assert.Equal(t, "revision_not_reached", g.code())
}

// TestUnreadableThings: the others are listed, and one alone is a fault of the catalogue and not of the client.
func TestUnreadableThings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	put, err := w.etcd.Put(t.Context(), w.css.Prefix()+"/css/NODES/worker-2", "ACTIVE")
	require.NoError(t, err)
	_, err = w.etcd.Put(t.Context(), w.css.Prefix()+"/css/NODES/worker-2/.packed.json", `{"port":"many"}`)
	require.NoError(t, err)
	w.wait(cssetcd.Revision(put.Header.Revision + 1))
	nodes := decode[[]form.Node](w.get("/v1/nodes"))
	require.Len(t, nodes, 2)
	assert.Contains(t, nodes[1].Error, "port")
	g := w.get("/v1/nodes/worker-2")
	assert.Equal(t, http.StatusInternalServerError, g.status)
	assert.Equal(t, "bad_value", g.code())
}

func TestNoCatalogue(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	for _, path := range []string{"/v1/databases", "/v1/snapshot", "/v1/css/?below"} {
		assert.Equal(t, "no_catalogue", w.get(path).code())
	}
	assert.Equal(t, "ok\n", w.get("/readyz").text)
}

// TestContractHasEachRoute, and each path of the contract is one.
func TestContractHasEachRoute(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	routes := map[string][]string{}
	for path, methods := range w.api.Routes() {
		slices.Sort(methods)
		routes[strings.Replace(path, "{key...}", "{key}", 1)] = methods
	}
	documented := map[string][]string{}
	for path, item := range contract().Paths.Map() {
		for method := range item.Operations() {
			documented[path] = append(documented[path], method)
		}
		slices.Sort(documented[path])
	}
	assert.Equal(t, documented, routes)
}

// TestSnapshotIsTheSampleDump: what upstream writes comes out as it went in.
func TestSnapshotIsTheSampleDump(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	sample, err := os.ReadFile(filepath.Join("..", "..", "examples", "catalogue.json"))
	require.NoError(t, err)
	dump, err := cssetcd.ParseDump(strings.NewReader(string(sample)))
	require.NoError(t, err)
	got, err := w.css.Restore(t.Context(), dump)
	require.NoError(t, err)
	w.wait(got.Revision)
	assert.Equal(t, string(sample), w.get("/v1/snapshot").text)
}

// FuzzRequests: whatever comes, the answer keeps the contract.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/v1/databases", "", ""}, {"GET", "/v1/tables/LSST/Object?revision=1", `"1"`, ""},
		{"GET", "/v1/css/DBS/%00?below=all", "*", ""}, {"GET", "/v1/css/a%2f%2fb", "", ""}, {"PUT", "/v1/nodes/w", "", "{}"},
		{"DELETE", "/v1/css/DBS", `"7"`, ""}, {"PATCH", "/v1/databases/LSST", "", `{"status":1e999}`},
		{"POST", "/v1/tables/LSST/Object/chunks", "", `[{"id":-1}]`}, {"\x00", "/", "", ""}, {"OPTIONS", "*", "", ""},
		{"GET", "/v1/drops/a.b%00", "", ""}, {"GET", "/readyz?exclude=etcd&verbose", "", ""}, {"GET", "//evil/..", "", ""},
		{"PUT", "/v1/css/DBS/x/", "", `{"value":"a","value":"b"}`}, {"GET", "/v1/css", "", ""},
		{"CONNECT", "/v1/css", "", ""},
		{"PUT", "/v1/css/DBS/%ff", `W/"1"`, `{"value":"\ud800"}`}, {"DELETE", "/v1/databases/a%2fb?unsafe&at_once", "", ""},
		{"GET", "/v1/snapshot?below=/DBS&below=/x", "", ""}, {"GET", "/v1/snapshot?below=%ff&revision=%00", "", ""},
		{"PUT", "/v1/tables/LSST/T", "", `{"partitioning":{"overlap":1e400}}`}, {"HEAD", "/v1/css/?below=all", "*", ""},
		{"DELETE", "/v1/tables/LSST/T?after=99999999999999999999&delay=-1&policy=%ff", "", ""},
		{"POST", "/v1/drops/a%2fb.c/cancel", "key", ""}, {"DELETE", "/v1/czars/%2f%00", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	a := fuzzed(f)
	f.Fuzz(func(t *testing.T, method, target, match, body string) {
		r, err := http.NewRequest(method, "http://127.0.0.1", strings.NewReader(body))
		if err != nil {
			t.Skip("net/http lets no request have that method")
		}
		if r.URL, err = r.URL.Parse(target); err != nil || r.URL.Path == "/v1/watch" {
			t.Skip("no request can have that target, or its answer does not end")
		}
		r = r.WithContext(t.Context())
		r.Header.Set("If-Match", match)
		r.Header.Set("If-None-Match", match)
		r.Header.Set("Idempotency-Key", match)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+secret)
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, r)
		g := got{t, rec.Code, rec.Header(), rec.Body.String()}
		keepsContract(t, r, body, g)
		if g.status >= 400 && !strings.HasPrefix(r.URL.Path, "/readyz") && !strings.HasPrefix(r.URL.Path, "/healthz") {
			assert.NotEqual(t, "internal", g.code(), g.text)
		}
	})
}
