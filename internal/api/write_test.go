package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
)

// writable is a world in which w.write may write.
func writable(t *testing.T) *world {
	t.Helper()
	return newWorld(t, tokens)
}

func (w *world) write(method, path, body string, headers ...string) got {
	w.Helper()
	return w.do(method, path, body, append(headers, "Authorization", "Bearer "+secret)...)
}

// wrote is write of what must change something, and waits until reads show it.
func (w *world) wrote(method, path, body string, headers ...string) cssetcd.Revision {
	w.Helper()
	g := w.write(method, path, body, headers...)
	r := decode[form.Result](g)
	assert.True(w, r.Changed, path)
	assert.Equal(w, itoa(int(r.Revision)), g.header.Get("Css-Revision"))
	w.wait(r.Revision)
	return r.Revision
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// TestWrites does each of them once, and reads what it did.
func TestWrites(t *testing.T) {
	t.Parallel()
	w := writable(t)
	// What is read can be written under another name, as it is.
	db := decode[form.Database](w.get("/v1/databases/LSST"))
	db.Name = ""
	w.wrote("PUT", "/v1/databases/Copy", asJSON(t, db))
	assert.Equal(t, 3, decode[form.Database](w.get("/v1/databases/Copy")).Striping.SubStripes)
	table := decode[form.TableDetails](w.get("/v1/tables/LSST/Object"))
	table.Database, table.Partitioning.DirDB = "Copy", "Copy"
	w.wrote("PUT", "/v1/tables/Copy/Object", asJSON(t, table))
	assert.Equal(t, table.Columns, decode[form.TableDetails](w.get("/v1/tables/Copy/Object")).Columns)
	w.wrote("PUT", "/v1/databases/Like?like=LSST", "")
	w.wrote("PATCH", "/v1/databases/Like", `{"status":"DO_NOT_USE"}`)
	assert.Equal(t, cssetcd.StatusIgnore, decode[form.Database](w.get("/v1/databases/Like")).Status)

	w.wrote("PATCH", "/v1/tables/Copy/Object", `{"status":"DO_NOT_USE",
		"schema":"(objectId BIGINT, ra DOUBLE, decl DOUBLE, m INT)", "shared_scan":{"lock_in_mem":true,"scan_rating":3}}`)
	table = decode[form.TableDetails](w.get("/v1/tables/Copy/Object"))
	assert.Equal(t, cssetcd.StatusIgnore, table.Status)
	assert.Len(t, table.Columns, 4)
	assert.Equal(t, &form.SharedScan{LockInMem: true, Rating: 3}, table.SharedScan)

	w.wrote("PUT", "/v1/nodes/worker-2", `{"host":"w2.example.org","port":5012}`)
	w.wrote("PATCH", "/v1/nodes/worker-2", `{"state":"INACTIVE"}`)
	assert.Equal(t, cssetcd.NodeInactive, decode[form.Node](w.get("/v1/nodes/worker-2")).State)
	w.wrote("PUT", "/v1/tables/Copy/Object/chunks/7", `{"nodes":["worker-2"]}`)
	const chunks = "/v1/tables/Copy/Object/chunks"
	w.wrote("POST", chunks, `[{"id":8,"nodes":["worker-1","worker-2"]},{"id":9,"nodes":["worker-1"]}]`)
	assert.False(t, decode[form.Result](w.write("POST", chunks, `[{"id":9,"nodes":["worker-1"]}]`)).Changed)
	w.wrote("DELETE", "/v1/tables/Copy/Object/chunks/8", "")
	assert.Len(t, decode[[]form.Chunk](w.get("/v1/tables/Copy/Object/chunks")), 2)
	assert.Equal(t, "node_in_use", w.write("DELETE", "/v1/nodes/worker-2", "").code())

	w.wrote("PUT", "/v1/css/DBS/Like/note/deep", `{"value":"text"}`)
	assert.Equal(t, "keys_below", w.write("DELETE", "/v1/css/DBS/Like/note", "").code())
	w.wrote("DELETE", "/v1/css/DBS/Like/note?recursive", "")
	w.wrote("DELETE", "/v1/databases/Like?at_once=true", "")
	assert.False(t, decode[form.Result](w.write("DELETE", "/v1/databases/Like?at_once&if_exists", "")).Changed)
	w.wrote("DELETE", "/v1/tables/Copy/Object?unsafe=true", "")
	w.wrote("DELETE", "/v1/nodes/worker-2", "")
}

// TestDropsOverHTTP begins, shows, cancels, and tells who wanted it.
func TestDropsOverHTTP(t *testing.T) {
	t.Parallel()
	w := writable(t)
	rev := w.wrote("DELETE", "/v1/tables/LSST/Filter?delay=60&policy=cancel", "")
	d := decode[form.Drop](w.get("/v1/drops/LSST.Filter"))
	assert.Equal(t, rev, d.Mark)
	assert.Equal(t, "tester", d.By)
	commit, err := w.etcd.Get(t.Context(), w.css.Prefix()+"/commit")
	require.NoError(t, err)
	assert.Contains(t, string(commit.Kvs[0].Value), "tester", "css-sync log names who wrote")
	assert.Len(t, decode[[]form.Drop](w.get("/v1/drops")), 1)
	assert.Equal(t, "drop_pending", w.write("DELETE", "/v1/tables/LSST/Filter", "").code())
	assert.Equal(t, "too_early", w.write("POST", "/v1/drops/LSST.Filter/retry", "").code())
	assert.Equal(t, "too_early", w.write("POST", "/v1/drops/LSST.Filter/abandon", "").code())
	w.wrote("POST", "/v1/drops/LSST.Filter/cancel", "")
	assert.Equal(t, "no_such_drop", w.write("POST", "/v1/drops/LSST.Filter/cancel", "").code())
	assert.Equal(t, cssetcd.StatusReady, decode[form.Table](w.get("/v1/tables/LSST/Filter?revision=0")).Status)
	later := w.wrote("DELETE", "/v1/databases/LSST?after=60", "")
	assert.Positive(t, later)
	assert.Equal(t, "requested", decode[form.Drop](w.get("/v1/drops/LSST")).Phase)
	for query, code := range map[string]string{"after=1": "invalid", "delay=x": "bad_query", "policy=none": "invalid",
		"at_once&after=5": "bad_query", "if_exists": "bad_condition", "after=9999999999999": "invalid"} {
		assert.Equal(t, code, w.write("DELETE", "/v1/tables/LSST/Filter?"+query, "").code(), query)
	}
	assert.Equal(t, "bad_condition", w.write("DELETE", "/v1/tables/LSST/Filter", "", "If-Match", `"1"`).code())
	assert.Equal(t, "no_such_czar", w.write("DELETE", "/v1/czars/nobody", "").code())
	_, err = w.etcd.Put(t.Context(), w.css.Prefix()+"/czar/x", "{}")
	require.NoError(t, err)
	g := w.write("DELETE", "/v1/nodes/nothing", "")
	assert.Equal(t, "no_such_node", g.code())
	assert.Equal(t, "czars_registered", w.write("DELETE", "/v1/css/NODES?recursive", "").code())
}

// TestWritesAreRefused: whatever is not understood changes nothing.
func TestWritesAreRefused(t *testing.T) {
	t.Parallel()
	w := writable(t)
	before := w.view.Snapshot()
	for _, c := range []struct{ method, path, body, want string }{
		{"PUT", "/v1/databases/D", "", "bad_body"},
		{"PUT", "/v1/databases/D", "null", "bad_body"},
		{"PUT", "/v1/databases/D", "[]", "bad_body"},
		{"PUT", "/v1/databases/D", "{}{}", "bad_body"},
		{"PUT", "/v1/databases/D", `{"nme":"D"}`, "bad_body"},
		{"PUT", "/v1/databases/D", `{"STATUS":"READY"}`, "bad_body"},
		{"PUT", "/v1/databases/D", `{"status":null}`, "bad_body"},
		{"PUT", "/v1/databases/D", `{"name":"E"}`, "bad_body"},
		{"PUT", "/v1/databases/D", `{"striping":{"stripes":1.5}}`, "bad_body"},
		{"PUT", "/v1/databases/D", `{"striping":{"stripes":[{}]}}`, "bad_body"},
		{"PUT", "/v1/databases/D", "{\"status\":\"\xff\"}", "bad_body"},
		{"PUT", "/v1/databases/D?like=LSST", "{}", "bad_body"},
		{"PUT", "/v1/databases/D?like=Nothing", "", "no_such_database"},
		{"PUT", "/v1/databases/D?if_not_exists=perhaps", "{}", "bad_query"},
		{"PUT", "/v1/databases/LSST", "{}", "database_exists"},
		{"PUT", "/v1/databases/lsst", "{}", "database_exists"},
		{"PUT", "/v1/databases/a.b", "{}", "invalid_name"},
		{"PUT", "/v1/databases/%00", "{}", "invalid_name"},
		{"PATCH", "/v1/databases/LSST", `{"status":"REDY"}`, "bad_body"},
		{"PATCH", "/v1/databases/LSST?if_status=REDY", `{"status":"READY"}`, "status_mismatch"},
		{"PATCH", "/v1/tables/LSST/Object", "{}", "bad_body"},
		{"PATCH", "/v1/tables/LSST/Nothing", `{"schema":"(a INT)"}`, "no_such_table"},
		{"PATCH", "/v1/tables/LSST/Filter", `{"schema":"(a INT, A INT)"}`, "duplicate_column"},
		{"PUT", "/v1/tables/LSST/T", `{"schema":"(a INT)","shared_scan":{"scan_rating":1}}`, "invalid"},
		{"PUT", "/v1/tables/LSST/T", `{"database":"Other"}`, "bad_body"},
		{"PUT", "/v1/tables/LSST/T", `{"schema":"(id INT)","partitioning":{"director_database":"LSST","director_table":"No",
			"director_column":"id"}}`, "unqueryable"},
		{"DELETE", "/v1/tables/LSST/a.b", "", "invalid_name"},
		{"DELETE", "/v1/databases/LSST.Object", "", "invalid_name"},
		{"DELETE", "/v1/databases/LSST", "{}", "bad_body"},
		{"PUT", "/v1/tables/LSST/Object/chunks/7", `{"nodes":["nobody"]}`, "no_such_node"},
		{"PUT", "/v1/tables/LSST/Object/chunks/99999999999", `{"nodes":["worker-1"]}`, "invalid"},
		{"POST", "/v1/tables/LSST/Object/chunks", `[{"id":1,"nodes":null}]`, "bad_body"},
		{"POST", "/v1/tables/LSST/Object/chunks", `[null]`, "bad_body"},
		{"PATCH", "/v1/nodes/worker-1", `{}`, "bad_body"},
		{"PUT", "/v1/css/css_meta/version", `{"value":"2"}`, "bad_value"},
		{"PUT", "/v1/css/DBS/LSST/x", `{"value":"a\u0000"}`, "bad_value"},
		{"PUT", "/v1/css/", `{"value":""}`, "invalid"},
		{"DELETE", "/v1/css/", "", "invalid"},
		{"PUT", "/v1/css/DBS/LSST/x", `{"value":"` + strings.Repeat("x", 70_000) + `"}`, "bad_value"},
		{"PUT", "/v1/css/DBS/LSST/x", `{"value":"` + strings.Repeat("x", 5<<20) + `"}`, "body_too_large"},
	} {
		assert.Equal(t, c.want, w.write(c.method, c.path, c.body).code(), "%s %s %.100s", c.method, c.path, c.body)
	}
	assert.Equal(t, "not_json", w.write("PATCH", "/v1/nodes/worker-1", `{"state":"INACTIVE"}`, "Content-Type",
		"text/plain").code())
	for _, match := range []string{"*", "1", `W/"1"`, `"h1"`, `"01"`, `"-1"`, `"1", "2"`, ""} {
		assert.Equal(t, "bad_if_match", w.write("DELETE", "/v1/nodes/worker-1", "", "If-Match", match).code(), match)
	}
	assert.Equal(t, "bad_if_match", w.write("PUT", "/v1/nodes/n", "{}", "If-Match", `"1"`).code())
	for _, key := range []string{"", "\u00e9", strings.Repeat("x", 256)} {
		assert.Equal(t, "bad_idempotency_key", w.write("PUT", "/v1/nodes/n", "{}", "Idempotency-Key", key).code())
	}
	assert.Equal(t, "token_missing", w.do("DELETE", "/v1/nodes/worker-1", "").code())
	assert.Equal(t, "token_wrong", w.do("DELETE", "/v1/nodes/worker-1", "", "Authorization", "Bearer x").code())
	now, err := w.view.WaitLatest(t.Context())
	require.NoError(t, err)
	assert.Equal(t, before.Len(), now.Len())
	for key, e := range before.Below("") {
		have, _ := now.Key(key)
		assert.Equal(t, e, have, key)
	}
}

// TestWritesNeedAFileOfTokens, and are refused without one with what to set.
func TestWritesNeedAFileOfTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.write("DELETE", "/v1/nodes/worker-1", "")
	assert.Equal(t, "writes_disabled", g.code())
	assert.Contains(t, g.text, "--http-token-file")
}

// TestIfMatchLetsOneWin of those who read the same.
func TestIfMatchLetsOneWin(t *testing.T) {
	t.Parallel()
	w := writable(t)
	for round := range 5 {
		tag := w.get("/v1/tables/LSST/Filter").header.Get("Etag")
		codes := make([]int, 8)
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() {
				codes[i] = w.write("PATCH", "/v1/tables/LSST/Filter", fmt.Sprintf(`{"schema":"(c%d_%d INT)"}`, round, i),
					"If-Match", tag).status
			})
		}
		wg.Wait()
		won := 0
		for _, code := range codes {
			if code == http.StatusOK {
				won++
			} else {
				assert.Equal(t, http.StatusPreconditionFailed, code)
			}
		}
		assert.Equal(t, 1, won)
		assert.Equal(t, http.StatusOK, w.get("/v1/tables/LSST/Filter?revision=0").status)
	}
	assert.Equal(t, "revision_mismatch", w.write("PUT", "/v1/css/DBS/LSST", `{"value":"x"}`, "If-Match", `"0"`).code())
	w.wrote("PUT", "/v1/css/DBS/LSST/new", `{"value":"x"}`, "If-Match", `"0"`)
}

// TestIdempotencyKey: what is repeated is done once, by either daemon, at one moment and later, and answered alike;
// another request with the key is refused; what failed may be tried again.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	w := writable(t)
	_, other := w.serve(tokens)
	first, second := *w, *w
	second.server = other
	both := []*world{&first, &second}
	const body = `{"state":"INACTIVE"}`
	answers := make([]string, 10)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = both[i%2].write("PATCH", "/v1/nodes/worker-1", body, "Idempotency-Key", "race").text
		})
	}
	wg.Wait()
	for _, text := range answers {
		assert.Equal(t, answers[0], text)
	}
	r := form.Result{}
	require.NoError(t, json.Unmarshal([]byte(answers[0]), &r))
	w.wait(r.Revision)
	n, err := w.css.Node(t.Context(), "worker-1")
	require.NoError(t, err)
	assert.Equal(t, r.Revision, n.Modified, "it was written once")

	// Others have written since: a repetition must not undo that.
	w.wrote("PATCH", "/v1/nodes/worker-1", `{"state":"ACTIVE"}`)
	third, server := w.serve(tokens)
	_ = third
	anew := *w
	anew.server = server // a daemon that was started anew
	assert.Equal(t, answers[0], anew.write("PATCH", "/v1/nodes/worker-1", body, "Idempotency-Key", "race").text)
	assert.Equal(t, cssetcd.NodeActive, decode[form.Node](w.get("/v1/nodes/worker-1?revision=0")).State)

	for _, g := range []got{
		w.write("PATCH", "/v1/nodes/worker-1", `{"state":"ACTIVE"}`, "Idempotency-Key", "race"),
		w.write("PATCH", "/v1/nodes/worker-1?if_status=ACTIVE", body, "Idempotency-Key", "race"),
		w.write("PATCH", "/v1/nodes/worker-1", body, "Idempotency-Key", "race", "If-Match", `"1"`),
		w.write("DELETE", "/v1/nodes/worker-1", "", "Idempotency-Key", "race"),
	} {
		assert.Equal(t, http.StatusUnprocessableEntity, g.status)
		assert.Equal(t, "idempotency_key_reused", g.code())
	}

	assert.Equal(t, "no_such_node", w.write("DELETE", "/v1/nodes/n", "", "Idempotency-Key", "failed").code())
	w.wrote("PUT", "/v1/nodes/n", `{"host":"h","port":1}`)
	w.wrote("DELETE", "/v1/nodes/n", "", "Idempotency-Key", "failed")
	assert.True(t, decode[form.Result](w.write("DELETE", "/v1/nodes/n", "", "Idempotency-Key", "failed")).Changed)
}

// TestIdempotencyKeyOfEachWrite: a repetition of any of them is answered as the first.
func TestIdempotencyKeyOfEachWrite(t *testing.T) {
	t.Parallel()
	w := writable(t)
	for i, c := range [][3]string{
		{"PUT", "/v1/databases/D", "{}"},
		{"PUT", "/v1/databases/D?if_not_exists", `{"status":"READY"}`},
		{"PUT", "/v1/tables/D/T", `{"schema":"(a INT)"}`},
		{"PATCH", "/v1/tables/D/T", `{"schema":"(b INT)","status":"READY"}`},
		{"PUT", "/v1/tables/LSST/Object/chunks/8", `{"nodes":["worker-1"]}`},
		{"DELETE", "/v1/tables/LSST/Object/chunks/8", ""},
		{"DELETE", "/v1/tables/D/T?delay=60", ""},
		{"POST", "/v1/drops/D.T/cancel", ""},
		{"DELETE", "/v1/tables/D/T?after=60", ""},
		{"POST", "/v1/drops/D.T/cancel", ""},
		{"DELETE", "/v1/tables/D/T?at_once", ""},
		{"DELETE", "/v1/databases/D?at_once", ""},
		{"DELETE", "/v1/databases/D?at_once&if_exists", ""},
		{"PUT", "/v1/css/DBS/LSST/x", `{"value":"1"}`},
		{"DELETE", "/v1/css/DBS/LSST/x", ""},
	} {
		key := fmt.Sprint("write-", i)
		first := w.write(c[0], c[1], c[2], "Idempotency-Key", key)
		require.Equal(t, http.StatusOK, first.status, "%v %s", c, first.text)
		again := w.write(c[0], c[1], c[2], "Idempotency-Key", key)
		assert.Equal(t, first.text, again.text, c)
		assert.Equal(t, !strings.Contains(c[1], "if_"), decode[form.Result](first).Changed, c)
	}
	leases, err := w.etcd.Leases(t.Context())
	require.NoError(t, err)
	assert.Less(t, len(leases.Leases), 15, "one for many")
}

// TestNothingIsRemembered, too: a database that was there when it was asked for is not made when it is gone.
func TestNothingIsRemembered(t *testing.T) {
	t.Parallel()
	w := writable(t)
	ask := func() form.Result {
		return decode[form.Result](w.write("PUT", "/v1/databases/LSST?if_not_exists", "{}", "Idempotency-Key", "nothing"))
	}
	assert.False(t, ask().Changed)
	w.wrote("DELETE", "/v1/databases/LSST?at_once", "")
	assert.False(t, ask().Changed)
	assert.Equal(t, 404, w.get("/v1/databases/LSST?revision=0").status)
}

// TestIdempotencyKeyOfManyTransactions: what takes several is carried out whole, and once.
func TestIdempotencyKeyOfManyTransactions(t *testing.T) {
	t.Parallel()
	w := writable(t)
	var chunks []form.Chunk
	for i := range 200 {
		chunks = append(chunks, form.Chunk{ID: 1000 + i, Nodes: []string{"worker-1"}})
	}
	body := asJSON(t, chunks)
	ask := func() form.Result {
		return decode[form.Result](w.write("POST", "/v1/tables/LSST/Object/chunks", body, "Idempotency-Key", "many"))
	}
	count := func() int { return len(decode[[]form.Chunk](w.get("/v1/tables/LSST/Object/chunks?revision=0"))) }
	first := ask()
	assert.True(t, first.Changed)
	assert.Equal(t, 201, count())
	w.wrote("DELETE", "/v1/tables/LSST/Object/chunks/1007", "")
	assert.Equal(t, first, ask())
	assert.Equal(t, 200, count(), "a repetition does not bring back what was deleted since")

	// One that was cut off after a part of it does the rest.
	w.wrote("POST", "/v1/tables/LSST/Object/chunks", asJSON(t, []form.Chunk{{ID: 5000, Nodes: []string{"worker-1"}}}))
	rest := []form.Chunk{{ID: 5000, Nodes: []string{"worker-1"}}, {ID: 5001, Nodes: []string{"worker-1"}}}
	w.wrote("POST", "/v1/tables/LSST/Object/chunks", asJSON(t, rest), "Idempotency-Key", "rest")
	assert.Equal(t, 202, count())
	again := w.write("POST", "/v1/tables/LSST/Object/chunks", asJSON(t, rest), "Idempotency-Key", "none")
	assert.False(t, decode[form.Result](again).Changed)
	assert.Equal(t, again.text, w.write("POST", "/v1/tables/LSST/Object/chunks", asJSON(t, rest), "Idempotency-Key",
		"none").text)
}
