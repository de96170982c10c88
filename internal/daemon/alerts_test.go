package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/cli"
	"github.com/qserv/css-etcd/internal/event"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

const contrib = "../../contrib/"

// TestAlertsAndPanelsAskForWhatThereIs: a name or a label that the daemon does not tell makes an alert that never
// fires, and nobody notices.
func TestAlertsAndPanelsAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	told := scrapeAll(t)
	asked := 0
	check := func(where, expr string) {
		for _, s := range selectorsOf(expr) {
			asked++
			assert.True(t, slices.ContainsFunc(told[s.name].GetMetric(), s.matches), "%s: nothing is told that %s%v means",
				where, s.name, s.labels)
		}
	}
	for _, a := range alerts(t) {
		check(a.Alert, a.Expr)
	}
	for _, p := range panels(t) {
		for _, e := range p.exprs() {
			check(p.Title, e)
		}
	}
	assert.Greater(t, asked, 30)
}

// TestEveryFigureHasAPanel, but for what only people ask for.
func TestEveryFigureHasAPanel(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{"css_view_confirmed_revision": true, "css_view_waiters": true, "css_view_updates_total": true,
		"css_view_comparisons_total": true, "css_view_state": true}
	for _, p := range panels(t) {
		for _, e := range p.exprs() {
			for _, s := range selectorsOf(e) {
				shown[s.name] = true
			}
		}
	}
	for name := range scrapeAll(t) {
		if strings.HasPrefix(name, "css_") {
			assert.True(t, shown[name], name)
		}
	}
}

// TestEveryAlertHasItsSection of the runbook, and each section its alert.
func TestEveryAlertHasItsSection(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/RUNBOOK.md")
	require.NoError(t, err)
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		assert.NotEmpty(t, a.Annotations["summary"], a.Alert)
		assert.Equal(t, "docs/RUNBOOK.md#"+strings.ToLower(a.Alert), a.Annotations["runbook_url"])
		assert.Contains(t, []string{"critical", "warning"}, a.Labels["severity"], a.Alert)
	}
	assert.Equal(t, names, sections, "in the same order")
}

// TestRulesAreThoseOfPrometheus: its own program reads them, and the queries of the dashboard, and tries the alerts on
// series.
func TestRulesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs promtool, and CI=true forbids skipping it; run `make deps` first: %v", err)
	default:
		t.Skipf("this test needs promtool; `make deps` installs it: %v", err)
	}
	run := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		assert.NoError(t, err, "promtool %v: %s", args, out)
	}
	run("check", "rules", contrib+"prometheus/css-sync.rules.yaml")
	run("test", "rules", contrib+"prometheus/css-sync.rules_test.yaml")

	type rule struct{ Record, Expr string }
	var rules []rule
	for _, p := range panels(t) {
		for _, e := range p.exprs() {
			e = strings.NewReplacer("$__rate_interval", "5m").Replace(e)
			rules = append(rules, rule{fmt.Sprintf("panel:%d", len(rules)), e})
		}
	}
	require.Greater(t, len(rules), 20)
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "panels.yaml")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	run("check", "rules", file)
}

type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile(contrib + "prometheus/css-sync.rules.yaml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alert } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr string }
}

func (p panel) exprs() (all []string) {
	for _, target := range p.Targets {
		all = append(all, target.Expr)
	}
	return all
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile(contrib + "grafana/css-sync.json")
	require.NoError(t, err)
	var file struct{ Panels []panel }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Panels)
	ids := map[int]bool{}
	for _, p := range file.Panels {
		require.False(t, ids[p.ID], "two panels have the id %d", p.ID)
		ids[p.ID] = true
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
	}
	return file.Panels
}

// selector is a name in a query, and what it asks of labels.
type selector struct {
	name   string
	labels [][3]string // name, operator, value
}

var (
	selectors = regexp.MustCompile(`\b((?:css|process|go)_[a-z_]+)\b(?:\{([^}]*)\})?`)
	matchers  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
)

func selectorsOf(expr string) (all []selector) {
	for _, m := range selectors.FindAllStringSubmatch(expr, -1) {
		s := selector{name: m[1]}
		for _, l := range matchers.FindAllStringSubmatch(m[2], -1) {
			if l[1] != "instance" && !strings.HasPrefix(l[3], "$") { // Prometheus adds the first, Grafana knows the other
				s.labels = append(s.labels, [3]string(l[1:]))
			}
		}
		all = append(all, s)
	}
	return all
}

func (s selector) matches(m *dto.Metric) bool {
	for _, want := range s.labels {
		has := ""
		for _, l := range m.GetLabel() {
			if l.GetName() == want[0] {
				has = l.GetValue()
			}
		}
		equal := has == want[2]
		if strings.Contains(want[1], "~") {
			equal = regexp.MustCompile("^(?:" + want[2] + ")$").MatchString(has)
		}
		if equal == strings.HasPrefix(want[1], "!") {
			return false
		}
	}
	return true
}

// scrapeAll returns all that a daemon can tell: it leads one mirror, which has every trouble, and not the other.
func scrapeAll(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	css, err := cssetcd.New(t.Context(), testkit.SharedEtcdClient(), cssetcd.WithPrefix("/"+t.Name()))
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	defer view.Close()
	status := mirror.Status{Phase: mirror.Refused, Since: time.Now()}
	for _, k := range mirror.Kinds() {
		status.Troubles = append(status.Troubles, mirror.NewTrouble(k.Code, "", time.Now()))
	}
	d := &daemon{Program: &cli.Program{}, Config: Config{Version: "1", Targets: []Target{{Name: "a"}, {Name: "b"}}}}
	d.events = event.NewRunner(event.Config{})
	defer d.standing.leads("a", func() mirror.Status { return status })()
	a, err := api.New(api.Config{Catalogue: css, View: view})
	require.NoError(t, err)
	require.NoError(t, a.Register(d.collectors()...))
	var answer *httptest.ResponseRecorder
	for range 2 { // the first request is counted when it has been answered
		answer = httptest.NewRecorder()
		a.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/metrics", nil))
		require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	return families
}
