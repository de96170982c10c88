package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/qserv/css-etcd/internal/cli"
)

// Parameters of the checks of health.
const (
	paramVerbose = "verbose"
	paramExclude = "exclude"
)

// Check is something that belongs to being ready.
type Check struct {
	Name string // "mirror default"
	// Ask returns nil when all is well, and otherwise what is not. It waits for nothing.
	Ask func() error
}

// mostStale is how old a view may be that is ready to answer.
const mostStale = 10 * time.Second

// live tells that the process answers. A daemon that waits for etcd is alive: to start it anew would not help.
func live(w http.ResponseWriter, _ *http.Request, q *query) error {
	verbose := q.given(paramVerbose)
	return writeHealth(w, []string{"[+]process ok"}, false, verbose)
}

// ready tells whether the daemon does what it is for.
func (a *API) ready(w http.ResponseWriter, r *http.Request, q *query) error {
	checks := append([]Check{{"etcd", func() error { return a.View.Healthy(mostStale) }}}, a.Checks...)
	lines, failed := askAll(checks, strings.Split(q.text(paramExclude), ","))
	return writeHealth(w, lines, failed, q.given(paramVerbose))
}

// askAll asks the checks but for those that are excluded, by their name or its first word, and returns a line for each.
func askAll(checks []Check, exclude []string) (lines []string, failed bool) {
	for _, c := range checks {
		kind, _, _ := strings.Cut(c.Name, " ")
		if slices.Contains(exclude, c.Name) || slices.Contains(exclude, kind) {
			lines = append(lines, "[+]"+c.Name+" excluded")
			continue
		}
		if err := c.Ask(); err != nil {
			failed = true
			lines = append(lines, "[-]"+c.Name+": "+strings.ReplaceAll(cli.Sentence(err), "\n", " "))
			continue
		}
		lines = append(lines, "[+]"+c.Name+" ok")
	}
	return lines, failed
}

// writeHealth writes the lines where one of them tells of a fault, or somebody wants to see them.
func writeHealth(w http.ResponseWriter, lines []string, failed, verbose bool) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	status, last := http.StatusOK, "ok"
	if failed {
		status, last = http.StatusServiceUnavailable, "not ready"
	}
	w.WriteHeader(status)
	if verbose || failed {
		_, _ = fmt.Fprintln(w, strings.Join(lines, "\n"))
	}
	_, _ = fmt.Fprintln(w, last) // the client may be gone
	return nil
}

// Starting answers while there is no API: the process lives, and waits for etcd. The page says so, if there is one.
func Starting(access Access, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := access.admit(r); err != nil {
			writeProblem(w, problemOf(err))
			return
		}
		if page != nil && (r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/page/")) {
			page.ServeHTTP(w, r)
			return
		}
		switch r.URL.Path {
		case "/livez":
			_ = live(w, r, &query{values: r.URL.Query()})
		case "/readyz", "/healthz":
			_ = writeHealth(w, []string{"[-]etcd: the daemon waits for it"}, true, true)
		default:
			writeProblem(w, refuse(http.StatusServiceUnavailable, "starting", "the daemon waits for etcd"))
		}
	})
}
