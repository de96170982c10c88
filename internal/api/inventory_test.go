package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/inventory"
)

// publishes has a worker serve chunks of LSST until stop is called.
func (w *world) publishes(worker, chunks string) (stop func()) {
	w.Helper()
	p, err := inventory.NewPublisher(w.css, worker)
	require.NoError(w, err)
	require.NoError(w, p.Set("LSST", chunkset.MustParse(chunks)))
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx) // ends with its context
	}()
	_, err = p.Wait(w.Context())
	require.NoError(w, err)
	stop = func() {
		cancel()
		<-done
	}
	w.Cleanup(stop)
	return stop
}

// TestInventory: what workers serve, and which nodes hold a chunk and serve it, at this moment.
func TestInventory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.css.AddChunk(t.Context(), object.Name, 7, "worker-1"))
	w.wait(must(w.css.AddChunk(t.Context(), object.Name, 9, "worker-1")))
	holders := func() map[int][]string {
		all := map[int][]string{}
		for _, c := range decode[[]form.Chunk](w.get("/v1/tables/LSST/Object/holders")) {
			all[c.ID] = c.Nodes
		}
		return all
	}
	before := holders()
	require.Contains(t, before, 7)
	assert.Empty(t, before[7])
	assert.Empty(t, decode[[]form.Worker](w.get("/v1/inventory")))
	g := w.get("/v1/inventory/worker-1")
	assert.Equal(t, "404 no_such_worker", itoa(g.status)+" "+g.code())

	stop := w.publishes("worker-1", "7-8")
	require.Eventually(t, func() bool { return len(holders()[7]) == 1 }, 10*time.Second, time.Millisecond)
	assert.Equal(t, []string{"worker-1"}, holders()[7])
	assert.Empty(t, holders()[9])
	one := decode[form.Worker](w.get("/v1/inventory/worker-1"))
	assert.True(t, one.Alive)
	require.Len(t, one.Databases, 1)
	assert.Equal(t, "7-8", one.Databases[0].Chunks.String())
	assert.Equal(t, []form.Worker{one}, decode[[]form.Worker](w.get("/v1/inventory")))
	g = w.get("/v1/tables/LSST/Object/holders/7")
	assert.Equal(t, form.Chunk{ID: 7, Nodes: []string{"worker-1"}}, decode[form.Chunk](g))
	assert.Regexp(t, `^\d\.\d{3}$`, g.header.Get("Css-Workers-Staleness"))
	assert.Equal(t, http.StatusNotModified, w.get("/v1/tables/LSST/Object/holders/7", "If-None-Match",
		g.header.Get("Etag")).status)
	assert.Equal(t, []string{}, decode[form.Chunk](w.get("/v1/tables/LSST/Object/holders/9")).Nodes)
	for path, want := range map[string]string{
		"/v1/tables/LSST/Object/holders/12345": "404 no_such_chunk", "/v1/tables/LSST/Object/holders/x": "400 invalid",
		"/v1/tables/LSST/None/holders": "404 no_such_table", "/v1/gaps?database=None": "404 no_such_database",
		"/v1/inventory?database=LSST": "400 bad_query",
	} {
		g := w.get(path)
		assert.Equal(t, want, itoa(g.status)+" "+g.code(), path)
	}
	found := false
	for _, gap := range decode[[]form.Gap](w.get("/v1/gaps?database=LSST")) {
		if gap.Worker == "worker-1" {
			found = true
			assert.True(t, gap.Alive)
			assert.Equal(t, "8", gap.Extra.String())
			assert.True(t, gap.Missing.Contains(9))
		}
	}
	assert.True(t, found)

	stop()
	require.Eventually(t, func() bool { return len(holders()[7]) == 0 }, 10*time.Second, time.Millisecond)
}

// TestInventoryOfAClosedAPI is not opened any more.
func TestInventoryOfAClosedAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := api.New(api.Config{Catalogue: w.css, View: w.view})
	require.NoError(t, err)
	server := httptest.NewServer(a)
	defer server.Close()
	assert.Equal(t, http.StatusOK, w.doAt(server, http.MethodGet, "/v1/inventory", "").status)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, a.Run(ended), context.Canceled)
	g := w.doAt(server, http.MethodGet, "/v1/inventory", "")
	assert.Equal(t, "503 closed", itoa(g.status)+" "+g.code())
}
