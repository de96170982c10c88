package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query is what stands behind the question mark of a request. Reading it collects the first fault, so that handlers ask
// once.
type query struct {
	values url.Values
	err    error
}

// newQuery checks that each parameter is one that the route takes, and is given once: a mistyped condition must not be
// passed over.
func newQuery(r *http.Request, takes []string) *query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.fail("the query cannot be read: %v", err)
		return q
	}
	for name, given := range values {
		switch {
		case !slices.Contains(takes, name):
			q.fail("the parameter %.100q means nothing here", name)
			if p, ok := q.err.(*problem); ok && len(takes) > 0 {
				_ = p.hinted("it takes %s", strings.Join(takes, ", "))
			}
		case len(given) > 1:
			q.fail("the parameter %s is given %d times", name, len(given))
		}
	}
	return q
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = refuse(http.StatusBadRequest, "bad_query", format, args...)
	}
}

// given reports whether a parameter is there, empty or not.
func (q *query) given(name string) bool { return q.values.Has(name) }

// text returns a parameter, "" when it is not there.
func (q *query) text(name string) string { return q.values.Get(name) }

// number returns a parameter that is a number from 0; ok is false when it is not there.
func (q *query) number(name string) (n int64, ok bool) {
	if !q.values.Has(name) {
		return 0, false
	}
	n, ok = parseNumber(q.values.Get(name))
	if !ok {
		q.fail("%s is %.100q and must be a number from 0", name, q.values.Get(name))
	}
	return n, ok
}

// parseNumber reads a number from 0 in the one way to write it.
func parseNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == text
}

// flag returns a parameter that says yes or no; no without it, and yes without a value.
func (q *query) flag(name string) bool {
	switch v := q.values.Get(name); {
	case !q.values.Has(name), v == "false":
		return false
	case v == "true", v == "":
		return true
	default:
		q.fail("%s is %.100q and must be true or false", name, v)
		return false
	}
}
