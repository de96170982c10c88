package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/qserv/css-etcd/internal/form"
)

// TestEmptyChunks: they are said, changed and forgotten, and what is wrong changes nothing.
func TestEmptyChunks(t *testing.T) {
	t.Parallel()
	const path = "/v1/databases/LSST/empty-chunks"
	w := writable(t)
	refused := func(method, body string, want string) {
		t.Helper()
		g := w.write(method, path, body)
		assert.Equal(t, want, itoa(g.status)+" "+g.code(), "%s %s: %s", method, body, g.text)
	}
	known := func(want string) {
		t.Helper()
		assert.Equal(t, want, decode[form.EmptyChunks](w.get(path)).Chunks.String())
	}
	unknown := func() {
		t.Helper()
		g := w.get(path)
		assert.Equal(t, "404 empty_chunks_unknown", itoa(g.status)+" "+g.code())
	}
	unknown()
	refused(http.MethodPatch, `{"add":"1"}`, "404 empty_chunks_unknown")
	w.wrote("PUT", path, `{"chunks":"0-311,313"}`)
	known("0-311,313")
	w.wrote("PATCH", path, `{"add":"400","remove":"0-9"}`)
	known("10-311,313,400")
	for body, want := range map[string]string{
		``: "400 bad_body", `{}`: "400 bad_body", `{"chunks":null}`: "400 bad_body", `{"chunks":[1]}`: "400 bad_body",
		`{"chunks":"1, 2"}`: "400 bad_body", `{"chunks":"5-1"}`: "400 bad_body", `{"chunks":"1","more":"2"}`: "400 bad_body",
	} {
		refused(http.MethodPut, body, want)
	}
	for _, body := range []string{`{}`, `{"add":"1","remove":"0-3"}`, `{"add":"x"}`, `{"add":""}`} {
		refused(http.MethodPatch, body, "400 bad_body")
	}
	known("10-311,313,400")
	read := w.get(path)
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		body := map[string]string{"PUT": `{"chunks":"1"}`, "PATCH": `{"add":"1"}`}[method]
		g := w.write(method, path, body, "If-Match", `"1"`)
		assert.Equal(t, "412 revision_mismatch", itoa(g.status)+" "+g.code(), method)
	}
	w.wrote("PATCH", path, `{"add":"1"}`, "If-Match", read.header.Get("ETag"))
	known("1,10-311,313,400")
	w.wrote("PUT", path, `{"chunks":""}`)
	known("")
	assert.Len(t, decode[[]form.EmptyChunks](w.get("/v1/empty-chunks")), 1)
	assert.Len(t, decode[[]form.EmptyChunks](w.get("/v1/empty-chunks?database=LSST")), 1)
	assert.Empty(t, decode[[]form.EmptyChunks](w.get("/v1/empty-chunks?database=lsst")))
	assert.Contains(t, w.get("/v1/snapshot").text, `css_empty\/LSST`)
	w.wrote("DELETE", path, "")
	unknown()
	assert.False(t, decode[form.Result](w.write("DELETE", path, "")).Changed)
	g := w.write("PUT", "/v1/databases/Nothing/empty-chunks", `{"chunks":"1"}`)
	assert.Equal(t, "404 no_such_database", itoa(g.status)+" "+g.code())
}
