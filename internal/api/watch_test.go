package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/testkit"
)

// stream is a watch as a client has it.
type stream struct {
	*testing.T
	resp  *http.Response
	lines *bufio.Reader
	end   context.CancelFunc
}

// event is a server-sent event.
type event struct {
	id, kind string
	data     struct {
		From      cssetcd.Revision
		Revision  cssetcd.Revision
		Regressed bool
		Changes   []form.Change
		Do        string
	}
}

func (w *world) watch(path string, headers ...string) *stream {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	w.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+path, http.NoBody)
	require.NoError(w, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.server.Client().Do(r)
	require.NoError(w, err)
	require.Equal(w, http.StatusOK, resp.StatusCode)
	w.Cleanup(func() { _ = resp.Body.Close() })
	return &stream{w.T, resp, bufio.NewReader(resp.Body), cancel}
}

// next returns the next event.
func (s *stream) next() (e event) {
	s.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		require.NoError(s, err)
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.kind = value
		case "data":
			require.NoError(s, json.Unmarshal([]byte(value), &e.data))
		case "":
			if e.kind != "" {
				return e
			}
		}
	}
}

func (w *world) setStatus(status cssetcd.Status) cssetcd.Revision {
	w.Helper()
	rev := must(w.css.SetTableStatus(w.Context(), cssetcd.TableName{DB: "LSST", Table: "Filter"}, status))
	w.wait(rev)
	return rev
}

func TestWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all, below := w.watch("/v1/watch"), w.watch("/v1/watch?below=/NODES")
	assert.Equal(t, "text/event-stream", all.resp.Header.Get("Content-Type"))
	rev := w.setStatus(cssetcd.StatusIgnore)
	e := all.next()
	assert.Equal(t, "change", e.kind)
	assert.Equal(t, rev, e.data.Revision)
	ready, ignore := "READY", "DO_NOT_USE"
	assert.Equal(t, []form.Change{{Revision: rev, Key: "/DBS/LSST/TABLES/Filter", Old: &ready, New: &ignore}},
		e.data.Changes)
	node := must(w.css.SetNodeState(t.Context(), "worker-1", cssetcd.NodeInactive))
	assert.Equal(t, node, all.next().data.Revision)
	assert.Equal(t, node, below.next().data.Revision, "and nothing before")
	gone := must(w.css.DropTable(t.Context(), cssetcd.TableName{DB: "LSST", Table: "Filter"}))
	e = all.next()
	assert.Equal(t, gone, e.data.Revision)
	assert.Nil(t, e.data.Changes[0].New)
	assert.Len(t, e.data.Changes, 2, "the table and its schema, in one")
}

// TestWatchResumes after what the client knows, be it by the id of an event or by the revision of a snapshot.
func TestWatchResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	start := w.get("/v1/snapshot").header.Get("Css-Revision")
	first, second := w.setStatus("A"), w.setStatus("B")
	s := w.watch("/v1/watch?from=" + start)
	assert.Equal(t, start, s.resp.Header.Get("Css-Revision"))
	e := s.next()
	assert.Equal(t, first, e.data.Revision)
	s.end()
	for _, headers := range [][]string{{"Last-Event-ID", e.id}, {"Last-Event-ID", itoa(int(first))}} {
		assert.Equal(t, second, w.watch("/v1/watch?from="+start, headers...).next().data.Revision, headers)
	}
	reset := w.watch("/v1/watch", "Last-Event-ID", itoa(int(first))+"-abc").next()
	assert.Equal(t, "reset", reset.kind, "revisions of another cluster mean something else")
	assert.Equal(t, "reset", w.watch("/v1/watch?from=1").next().kind)
	for _, path := range []string{"/v1/watch?from=x", "/v1/watch?below=NODES", "/v1/watch?below=/NODES/"} {
		assert.Equal(t, "bad_query", w.get(path).code())
	}
	assert.Equal(t, "bad_query", w.get("/v1/watch", "Last-Event-ID", "x").code())
}

// TestWatchOfTheFuture: another daemon may be ahead of this one.
func TestWatchOfTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rev := must(w.css.SetTableStatus(t.Context(), object.Name, "A")) // which the view may not show yet
	s := w.watch(fmt.Sprint("/v1/watch?from=", rev))
	next := must(w.css.SetTableStatus(t.Context(), object.Name, "B"))
	assert.Equal(t, next, s.next().data.Revision)
	impatient, server := w.serve(func(c *api.Config) { c.Wait = 1 })
	_ = impatient
	assert.Equal(t, "revision_not_reached", w.doAt(server, "GET", "/v1/watch?from=1000000000", "").code())
}

// follower is a client that keeps the catalogue as docs/HTTP.md says.
type follower struct {
	w    *world
	rev  cssetcd.Revision
	keys map[string]string
}

func (f *follower) load(rev cssetcd.Revision) {
	f.w.Helper()
	g := f.w.get(fmt.Sprint("/v1/snapshot?revision=", rev))
	f.keys = decode[map[string]string](g)
	n, _ := fmt.Sscan(g.header.Get("Css-Revision"), &f.rev)
	require.Equal(f.w, 1, n)
}

func (f *follower) take(e event) {
	f.w.Helper()
	switch {
	case e.kind == "reset":
		f.load(e.data.Revision)
	case e.data.Revision <= f.rev && !e.data.Regressed:
	default:
		require.False(f.w, e.data.From < f.rev && f.rev < e.data.Revision, "it would have to be read anew")
		for _, c := range e.data.Changes {
			if delete(f.keys, c.Key); c.New != nil {
				f.keys[c.Key] = *c.New
			}
		}
		f.rev = e.data.Revision
	}
}

// TestFollowersAgree: whoever keeps the catalogue by its events has what etcd has, also one for whom too much happened,
// and one that begins while much does.
func TestFollowersAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.Bound(20, 1<<20) // less than happens
	begin := func() (*follower, *stream) {
		f := &follower{w: w}
		f.load(1)
		return f, w.watch(fmt.Sprint("/v1/watch?from=", f.rev))
	}
	early, earlyStream := begin()
	const writes = 300
	var late *follower
	var lateStream *stream
	for i := range writes {
		name := fmt.Sprintf("DB_%d", i%7)
		if _, err := w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: name}); err != nil {
			must(w.css.DropDatabase(t.Context(), name))
		}
		if i == writes/2 {
			late, lateStream = begin()
		}
	}
	last := must(w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: "Last"}))
	w.wait(last)
	want := map[string]string{}
	for key, e := range w.view.Snapshot().Below("") {
		want[key] = e.Value
	}
	for f, s := range maps.All(map[*follower]*stream{early: earlyStream, late: lateStream}) {
		for f.rev < last {
			f.take(s.next())
		}
		assert.Equal(t, want, f.keys)
	}
}

// TestSlowWatcherHoldsNothingUp: one that takes nothing is told to read anew, and what is kept for it does not grow.
func TestSlowWatcherHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.Bound(8, 4<<20)
	slow, quick := w.watch("/v1/watch?below=/DBS"), w.watch("/v1/watch")
	long := strings.Repeat("x", 60_000)
	var last cssetcd.Revision
	for i := range 60 { // more than sockets hold
		last = must(w.css.Raw().Put(t.Context(), "/DBS/LSST/note", fmt.Sprint(i, long)))
		for e := quick.next(); e.data.Revision < last && e.kind != "reset"; e = quick.next() {
		}
	}
	assert.LessOrEqual(t, w.api.Kept(), 4<<20)
	resets := 0
	for seen := cssetcd.Revision(0); seen < last; {
		e := slow.next()
		if seen = e.data.Revision; e.kind == "reset" {
			resets++
		}
	}
	assert.Equal(t, 1, resets)
}

// TestWatchOverCompaction: a view that has to load anew tells the exact difference.
func TestWatchOverCompaction(t *testing.T) {
	t.Parallel()
	w := worldOn(t, testkit.EtcdClient(t))
	s := w.watch("/v1/watch")
	rev := w.setStatus("A")
	_, err := w.etcd.Compact(t.Context(), int64(rev), clientv3.WithCompactPhysical())
	require.NoError(t, err)
	assert.Equal(t, rev, s.next().data.Revision)
	assert.Equal(t, w.setStatus("B"), s.next().data.Revision)
}

func TestTooManyWatchers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *api.Config) { c.Watchers = 2 })
	first, second := w.watch("/v1/watch"), w.watch("/v1/watch")
	g := w.get("/v1/watch")
	assert.Equal(t, "too_many_watchers", g.code())
	assert.Equal(t, "1", g.header.Get("Retry-After"))
	rev := w.setStatus("A")
	assert.Equal(t, rev, first.next().data.Revision)
	assert.Equal(t, rev, second.next().data.Revision)
	first.end()
	_, _ = io.Copy(io.Discard, first.resp.Body)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"/v1/watch", http.NoBody)
		require.NoError(t, err)
		resp, err := w.server.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, patience, tick, "its seat is free")
}

// still returns an API of a world that takes in nothing by itself.
func (w *world) still() (*api.API, *httptest.Server) {
	w.Helper()
	a, err := api.New(api.Config{Catalogue: w.css, View: w.view, Wait: 100 * time.Millisecond})
	require.NoError(w, err)
	server := httptest.NewServer(a)
	w.Cleanup(server.Close)
	return a, server
}

// TestASnapshotIsOneAWatchCanBeginAt, not simply what the view shows: between two steps a watch would tell of changes
// that it has, and leave out others.
func TestASnapshotIsOneAWatchCanBeginAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, server := w.still()
	changes := w.view.Subscribe()
	rev := w.setStatus("A")
	assert.Equal(t, "timeout", w.doAt(server, "GET", "/v1/snapshot", "").code())
	u, err := changes.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, a.Take(u))
	g := w.doAt(server, "GET", fmt.Sprint("/v1/snapshot?revision=", rev), "")
	assert.Equal(t, http.StatusOK, g.status)
	var shown cssetcd.Revision
	_, err = fmt.Sscan(g.header.Get("Css-Revision"), &shown)
	require.NoError(t, err)
	assert.True(t, a.Knows(shown))
}

// TestRevisionsOfBeforeAreForgotten when etcd goes back: they mean something else from then on.
func TestRevisionsOfBeforeAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.view.Snapshot()
	a, _ := w.still()
	changes := w.view.Subscribe()
	w.setStatus("A")
	u, err := changes.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, a.Take(u))
	assert.True(t, a.Knows(before.Revision()))
	assert.True(t, a.Knows(u.To.Revision()))
	assert.False(t, a.Knows(u.To.Revision()+1))
	back := cssetcd.Update{From: u.To, To: before, Regressed: true, Keys: []cssetcd.KeyChange{{Key: u.Keys[0].Key,
		Old: u.Keys[0].New, New: u.Keys[0].Old}}}
	require.NoError(t, a.Take(back))
	assert.True(t, a.Knows(before.Revision()), "what it is now")
	assert.False(t, a.Knows(u.To.Revision()))
}
