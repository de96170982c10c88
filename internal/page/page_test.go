package page_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/daemon"
	"github.com/qserv/css-etcd/internal/page"
	"github.com/qserv/css-etcd/internal/report"
	"github.com/qserv/css-etcd/internal/status"
	"github.com/qserv/css-etcd/mirror"
)

// TestFilesAreServedUnderAPolicy that lets in nothing from outside.
func TestFilesAreServedUnderAPolicy(t *testing.T) {
	t.Parallel()
	ask := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost"+path, http.NoBody)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		rec := httptest.NewRecorder()
		page.Handler().ServeHTTP(rec, r)
		assert.Equal(t, "nosniff", rec.Header().Get("X-Content-Type-Options"), path)
		policy := rec.Header().Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
			"img-src 'self' data:", "frame-ancestors 'none'", "base-uri 'none'"} {
			assert.Contains(t, policy+";", part+";", path)
		}
		assert.NotContains(t, policy, "unsafe")
		return rec
	}
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/page/base.css": "text/css; charset=utf-8",
		"/page/main.js": "text/javascript; charset=utf-8", "/page/icon.svg": "image/svg+xml"} {
		rec := ask("GET", path)
		assert.Equal(t, 200, rec.Code, path)
		assert.Equal(t, kind, rec.Header().Get("Content-Type"), path)
		tag := rec.Header().Get("Etag")
		assert.Equal(t, 304, ask("GET", path, "If-None-Match", tag).Code, path)
		assert.Equal(t, 200, ask("GET", path, "If-None-Match", `"other"`).Code, path)
		assert.Equal(t, 405, ask("POST", path).Code, path)
		assert.Equal(t, 200, ask("HEAD", path).Code, path)
	}
	for _, path := range []string{"/page/", "/page/index.html", "/page/none.js", "/page/../page.go", "/other"} {
		assert.Equal(t, 404, ask("GET", path).Code, path)
	}
}

// TestFilesKeepTheRules: no markup made of texts, nothing from outside, no style or script in a document, and short.
func TestFilesKeepTheRules(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|` +
		`localStorage|https?://|[ "]style="|<style|<script>|\bon[a-z]+="|@import|url\(`)
	space := regexp.MustCompile(`"http://www\.w3\.org/2000/svg"`) // a name, which nobody asks for
	n := 0
	require.NoError(t, filepath.WalkDir("assets", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		n++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			assert.Empty(t, forbidden.FindString(space.ReplaceAllString(line, "")), "%s:%d", path, i+1)
			if !strings.Contains(line, "const unseen") {
				assert.LessOrEqual(t, len([]rune(line)), 120, "%s:%d", path, i+1)
			}
		}
		assert.Less(t, strings.Count(string(text), "\n"), 400, path)
		return nil
	}))
	assert.Greater(t, n, 10)
}

// watched is a world with something of everything on the page.
func watched(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.fill()
	chunks := survey()
	for part := range 1 + len(chunks)/mostAtOnce {
		end := min(mostAtOnce*(part+1), len(chunks))
		w.wait(w.css.AddChunks(t.Context(), object, chunks[mostAtOnce*part:end]...))
	}
	behind, lag, same := cssetcd.Revision(4), int64(3), true
	none, now, zero := cssetcd.Revision(0), time.Now(), int64(0)
	well := daemon.Report{Mirror: "default", Owner: "daemon-1", Phase: mirror.Following, Since: now}
	w.mirrors = []status.Mirror{
		{OK: true, Server: "czar-0.example.org:3306", Name: "default", Owner: "daemon-1", AppliedRevision: 100, Rows: 4711,
			LagRevisions: &none, LagSeconds: &zero, SameCatalogue: &same, Updated: &now, Daemon: &well, Leader: "daemon-1",
			StandingBy: []string{"daemon-2"}, Writers: mirror.BothSides, Captured: true, Troubles: []mirror.Trouble{}},
		{OK: true, Server: "czar-1.example.org:3306", Name: "second", AppliedRevision: 96, Rows: 4700,
			LagRevisions: &behind, LagSeconds: &lag, SameCatalogue: &same, Updated: &now, Leader: "daemon-1",
			StandingBy: []string{}, Quarantined: 1, Conflicts: 1, Foreign: 1,
			Troubles: []mirror.Trouble{
				mirror.NewTrouble(mirror.Quarantine, "kvData cannot hold 1 of the catalogue's keys", now),
			}},
	}
	wrote := "PRIVATE"
	w.records = report.Records{
		Quarantine: []report.QuarantinedSince{{Quarantined: report.Quarantined{Key: "/DBS/lsst", Reason: "case_clash",
			Detail: "kvData does not tell it from /DBS/LSST"}, Since: now}},
		Foreign: []report.Foreign{{Seen: now, Difference: report.Difference{Kind: "extra", Key: "/DBS/scratch",
			Have: "READY"}}},
		ForeignTotal: 1, ConflictsTotal: 1,
		Conflicts: report.Conflicts{{ID: 1, Seen: now, Key: "/DBS/LSST/releaseStatus", Wrote: &wrote, Writer: "qsmaster@%",
			Explanation: "etcd was changed meanwhile"}},
	}
	w.czar("czar-0", object)
	w.czar("czar-1", cssetcd.TableName{DB: "gaia_dr3", Table: "Source"})
	w.drop("gaia_dr3.Source", deletion.Delay(10*time.Minute), deletion.By("alice"))
	w.drop("gaia_dr3.Filter", deletion.After(2*time.Hour), deletion.By("bob"))
	return w
}

// TestPageTellsHowAllStands, and goes on to tell it: what changes is there without anybody asking.
func TestPageTellsHowAllStands(t *testing.T) {
	w := watched(t)
	o := open(t, w.server, desktop)
	o.awaitText("#mirror-list", "3 s, 4 revisions behind")
	o.awaitText("#mirror-list", "up to date")
	o.awaitText("#alarm-list", "kvData cannot hold 1 of")
	assert.NotContains(t, ask[string](o, `document.querySelector("#mirror-list").textContent`), "undefined")
	o.await(`document.querySelectorAll(".plot .line").length === 2`)
	o.awaitText("#czar-list", "czar-0")
	o.awaitText("#drop-list", "gaia_dr3.Source")
	o.awaitText("#drop-list", "czar-1: ")
	o.awaitText("#drop-list", "09:5")
	o.awaitText("#drop-list", "by alice")
	o.awaitText("#change-list", "drop of gaia_dr3.Source begun")
	for _, text := range []string{"/DBS/lsst", "/DBS/scratch", "etcd was changed meanwhile", "qsmaster@%"} {
		o.awaitText("#record-list", text)
	}
	o.awaitText("#sum-list", "12")
	assert.Zero(t, ask[int](o, `document.querySelectorAll("#drop-list button, #czar-list button").length`), "no token")

	was := ask[string](o, `document.querySelector("[data-until]").textContent`)
	o.await(fmt.Sprintf(`document.querySelector("[data-until]").textContent < %q`, was))
	w.wait(w.css.CreateDatabase(t.Context(), cssetcd.Database{Name: "Newest"}))
	o.awaitText("#tree", "Newest")
	o.awaitText("#change-list", "database Newest created")
	w.wait(w.css.DropDatabase(t.Context(), "Newest", cssetcd.Unsafe()))
	o.await(`!document.querySelector("#tree").textContent.includes("Newest")`)
	w.mu.Lock()
	w.mirrors[1].Troubles = []mirror.Trouble{}
	w.mu.Unlock()
	o.awaitText("#alarm-list", "All is well.")
}
