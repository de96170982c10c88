package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/agent"
	"github.com/qserv/css-etcd/internal/embedetcd"
	"github.com/qserv/css-etcd/internal/testkit"
)

// TestDropWaitsForAQuery: the answer has what the query is planned with, and its table is there until it is released.
func TestDropWaitsForAQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, _, _ := w.session()
	g := w.do(http.MethodPost, "/v1/queries", query(session, []string{object, source}))
	require.Equal(t, http.StatusCreated, g.status, g.text)
	var a struct {
		Token    string
		Revision cssetcd.Revision
		Tables   []struct {
			Table       string
			Incarnation cssetcd.Revision  `json:"created_revision"`
			Columns     []json.RawMessage `json:"columns"`
		}
		Databases []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(g.text), &a))
	assert.Len(t, a.Token, 26, "128 bits")
	assert.Equal(t, w.view.Snapshot().Revision(), a.Revision)
	require.Len(t, a.Tables, 2)
	assert.Equal(t, []string{"Object", "Source"}, []string{a.Tables[0].Table, a.Tables[1].Table})
	assert.Len(t, a.Tables[0].Columns, 1)
	require.Len(t, a.Databases, 1)

	d := w.drop(object)
	w.awaitHeld(object)
	assert.Equal(t, "drop_pending", w.do(http.MethodPost, "/v1/queries", query(session, []string{object})).code())
	other := w.admit(session, source)
	assert.Equal(t, http.StatusNoContent, w.mayDispatch(a.Token).status, "it runs on")
	assert.Equal(t, http.StatusNoContent, w.release(a.Token).status)
	w.ends(d)
	assert.Equal(t, "unknown_token", w.mayDispatch(a.Token).code())
	assert.Equal(t, "unknown_token", w.release(a.Token).code())

	rev := w.create(object)
	_, err := w.view.WaitRevision(t.Context(), rev)
	require.NoError(t, err)
	planned := query(session, []string{source, object}, 0, a.Tables[0].Incarnation)
	assert.Equal(t, "gone", w.do(http.MethodPost, "/v1/queries", planned).code(), "another one has its name")
	later := query(session, []string{object}, rev+1000)
	assert.Equal(t, "stale", w.do(http.MethodPost, "/v1/queries", later).code())
	assert.Equal(t, http.StatusNoContent, w.release(other).status)
}

// TestQueriesEndWithTheirSession: what they sent may run for a while, and so their tables are kept; those of another
// session go on.
func TestQueriesEndWithTheirSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, _, end := w.session()
	second, _, _ := w.session()
	token, other := w.admit(session, object), w.admit(second, source)
	end()
	assert.Equal(t, "session_ended", w.do(http.MethodGet, "/v1/queries/"+token+"/aborted", "").code(), "it is told")
	assert.Equal(t, "session_ended", w.mayDispatch(token).code())
	assert.Equal(t, "unknown_session", w.do(http.MethodPost, "/v1/queries", query(session, []string{object})).code())
	assert.Equal(t, http.StatusNoContent, w.mayDispatch(other).status)
	d := w.drop(object)
	w.awaitHeld(object)
	assert.Equal(t, http.StatusNoContent, w.release(token).status, "who knows that nothing runs need not wait")
	w.ends(d)
}

// TestHoldEnds: a czar that died does not keep its tables for ever.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *agent.Config) { c.Hold, c.TTL = time.Second, time.Minute })
	session, _, end := w.session()
	token := w.admit(session, object)
	end()
	w.ends(w.drop(object))
	assert.Equal(t, "unknown_token", w.mayDispatch(token).code())
}

// TestSilentQueryExpires, and is told so.
func TestSilentQueryExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *agent.Config) { c.TTL = time.Second })
	session, events, _ := w.session()
	token := w.admit(session, object)
	var told struct {
		Token   string
		Problem struct{ Code string }
	}
	w.event(events, "ended", &told)
	assert.Equal(t, token, told.Token)
	assert.Equal(t, "query_expired", told.Problem.Code)
	assert.Equal(t, "query_expired", w.mayDispatch(token).code())
	w.drop(object)
	w.awaitHeld(object)
}

// TestCancelledQueryIsTold, whichever way it waits, and its tables are kept until it is released.
func TestCancelledQueryIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, events, _ := w.session()
	token, other := w.admit(session, object), w.admit(session, source)
	var waiting sync.WaitGroup
	var answer got
	waiting.Go(func() { answer = w.do(http.MethodGet, "/v1/queries/"+token+"/aborted?wait=60", "") })
	d := w.drop(object, deletion.WithPolicy(deletion.Cancel))
	waiting.Wait()
	assert.Equal(t, "aborted", answer.code())
	var told struct{ Token string }
	w.event(events, "ended", &told)
	assert.Equal(t, token, told.Token)
	assert.Equal(t, "aborted", w.mayDispatch(token).code())
	assert.Equal(t, http.StatusNoContent, w.mayDispatch(other).status)
	w.awaitHeld(object)
	assert.Equal(t, http.StatusNoContent, w.release(token).status)
	w.ends(d)
	assert.Equal(t, http.StatusNoContent, w.do(http.MethodGet, "/v1/queries/"+other+"/aborted?wait=0", "").status)
}

// TestReleaseEndsWaiting for the end of a query.
func TestReleaseEndsWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, _, _ := w.session()
	token := w.admit(session, object)
	var waiting sync.WaitGroup
	var answer got
	waiting.Go(func() { answer = w.do(http.MethodGet, "/v1/queries/"+token+"/aborted?wait=60", "") })
	w.release(token)
	waiting.Wait()
	assert.Equal(t, "unknown_token", answer.code())
}

// TestClosingGate: queries that run go on, none begins, and what has not ended then is told.
func TestClosingGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	session, events, _ := w.session()
	token := w.admit(session, object)
	closing, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var closed sync.WaitGroup
	closed.Go(func() { assert.Error(t, w.gate.Close(closing)) })
	require.Eventually(t, func() bool {
		g := w.do(http.MethodPost, "/v1/queries", query(session, []string{source}))
		if g.status == http.StatusCreated {
			return false
		}
		return assert.Equal(t, "closed", g.code())
	}, patience, time.Millisecond)
	assert.Equal(t, http.StatusNoContent, w.mayDispatch(token).status)
	giveUp()
	closed.Wait()
	assert.Equal(t, "closed", w.mayDispatch(token).code())
	var told struct{ Problem struct{ Code string } }
	w.event(events, "ended", &told)
	assert.Equal(t, "closed", told.Problem.Code)
}

// TestEtcdIsAway: nothing is dispatched then, and no query has to end for it; it goes on when etcd is back.
func TestEtcdIsAway(t *testing.T) {
	t.Parallel()
	server := testkit.Etcd(t, embedetcd.Options{})
	etcd := testkit.ClientOf(t, server)
	w := worldOn(t, etcd, deletion.Timing{Confirm: 100 * time.Millisecond, Fence: 3 * time.Second, Wait: time.Minute,
		Alive: 2 * time.Minute})
	session, _, _ := w.session()
	token := w.admit(session, object)
	require.NoError(t, server.Stop())
	await := func(want int) (last got) {
		require.Eventually(t, func() bool {
			last = w.mayDispatch(token)
			return last.status == want
		}, patience, 20*time.Millisecond)
		return last
	}
	assert.Equal(t, "stale", await(http.StatusServiceUnavailable).code())
	assert.Equal(t, "stale", w.do(http.MethodPost, "/v1/queries", query(session, []string{object})).code())
	assert.Equal(t, http.StatusNoContent, w.do(http.MethodGet, "/v1/queries/"+token+"/aborted?wait=0", "").status)
	assert.Equal(t, http.StatusServiceUnavailable, w.do(http.MethodGet, "/readyz", "").status)
	require.NoError(t, server.Restart(t.Context()))
	await(http.StatusNoContent)
}

// TestRefusals of what a czar does wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *agent.Config) { c.Queries = 1 })
	session, _, _ := w.session()
	for body, code := range map[string]string{
		"":                                            "bad_body",
		`{"tables":["LSST.Object"]}`:                  "unknown_session",
		query("x", []string{object}):                  "unknown_session",
		query(session, nil):                           "bad_body",
		query(session, []string{}):                    "invalid",
		query(session, []string{"x"}):                 "invalid_name",
		query(session, []string{"A.B"}):               "no_such_table",
		query(session, []string{object, "LSST.None"}): "no_such_table",
		query(session, []string{object}, 1, 2):        "invalid",
		query(session, make([]string, 1001)):          "invalid",
		`{"session":"s","tables":[],"frob":1}`:        "bad_body",
	} {
		assert.Equal(t, code, w.do(http.MethodPost, "/v1/queries", body).code(), body)
	}
	token := w.admit(session, object)
	assert.Equal(t, "too_many_queries", w.do(http.MethodPost, "/v1/queries", query(session, []string{object})).code())
	for _, wait := range []string{"x", "-1", "601", "9999999999999"} {
		assert.Equal(t, "bad_query", w.do(http.MethodGet, "/v1/queries/"+token+"/aborted?wait="+wait, "").code(), wait)
	}
	assert.Equal(t, "unknown_token", w.do(http.MethodGet, "/v1/queries/x/aborted", "").code())
	assert.Equal(t, http.StatusMethodNotAllowed, w.do(http.MethodPut, "/v1/queries", "").status)
	assert.Equal(t, "writes_disabled", w.do(http.MethodDelete, "/v1/tables/LSST/Object", "").code())
	assert.Equal(t, http.StatusOK, w.do(http.MethodGet, "/v1/tables/LSST/Object", "").status)
	assert.Contains(t, w.do(http.MethodGet, "/readyz?verbose", "").text, "[+]gate ok")
	assert.Contains(t, w.do(http.MethodGet, "/metrics", "").text, "css_agent_queries 1\n")
}

// TestAgentTakesNoWrites, and says who does.
func TestAgentTakesNoWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.do(http.MethodDelete, "/v1/nodes/n", "")
	assert.Equal(t, "writes_disabled", g.code())
	assert.Contains(t, g.text, "css-sync serve takes writes")
	assert.NotContains(t, g.text, "--http-token-file")
}

// TestAgentMetrics are in the manual, and no others.
func TestAgentMetrics(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/HTTP.md")
	require.NoError(t, err)
	names := func(text string) []string {
		found := regexp.MustCompile("css_agent_[a-z_]+").FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	have := names(newWorld(t).do(http.MethodGet, "/metrics", "").text)
	assert.Len(t, have, 2)
	assert.Equal(t, have, names(string(manual)))
}

// TestManyAtOnce: queries come and go while sessions end, and nothing is counted twice or left over.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *agent.Config) { c.Hold = time.Millisecond; c.TTL = 10 * time.Second })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				session, _, end := w.session()
				first, second := w.admit(session, object, source), w.admit(session, object)
				all.Go(func() { w.release(first) })
				end()
				code := w.mayDispatch(second).code()
				assert.True(t, slices.Contains([]string{"", "session_ended", "unknown_token"}, code), code)
			}
		})
	}
	all.Wait()
	w.ends(w.drop(object))
	assert.Contains(t, w.do(http.MethodGet, "/metrics", "").text, "css_agent_queries 0\n")
}

// TestContractHasEachRoute, and each path of the contract is one.
func TestContractHasEachRoute(t *testing.T) {
	t.Parallel()
	documented := map[string][]string{}
	for path, item := range contract().Paths.Map() {
		for method := range item.Operations() {
			documented[path] = append(documented[path], method)
		}
		slices.Sort(documented[path])
	}
	assert.Equal(t, documented, agent.Routes())
	w := newWorld(t)
	assert.Equal(t, fmt.Sprint(http.StatusOK), fmt.Sprint(w.do(http.MethodGet, "/v1/agent/openapi.json", "").status))
}
