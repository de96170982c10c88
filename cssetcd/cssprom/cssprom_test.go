package cssprom_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/cssprom"
	"github.com/qserv/css-etcd/cssetcd/csstest"
)

func TestMain(m *testing.M) { csstest.Main(m) }

// fixed is a source with one answer.
type fixed cssetcd.Stats

func (f fixed) Stats() cssetcd.Stats { return cssetcd.Stats(f) }

// scrape returns what a collector tells: values by name, with the phase behind the name where there is one.
func scrape(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() // one of them is absent
		}
	}
	return values
}

// told is what a collector has to tell of stats.
func told(s cssetcd.Stats) map[string]float64 {
	values := map[string]float64{
		"css_view_state live": 0, "css_view_state stale": 0, "css_view_state resyncing": 0, "css_view_state closed": 0,
		"css_view_revision":              float64(s.Revision),
		"css_view_confirmed_revision":    float64(s.Confirmed.Revision),
		"css_view_staleness_seconds":     s.Staleness.Seconds(),
		"css_view_keys":                  float64(s.Keys),
		"css_view_databases":             float64(s.Databases),
		"css_view_tables":                float64(s.Tables),
		"css_view_nodes":                 float64(s.Nodes),
		"css_view_waiters":               float64(s.Waiters),
		"css_view_updates_total":         float64(s.Counts.Updates),
		"css_view_changes_total":         float64(s.Counts.Changes),
		"css_view_troubles_total":        float64(s.Counts.Troubles),
		"css_view_loads_total":           float64(s.Counts.Loads),
		"css_view_regressions_total":     float64(s.Counts.Regressions),
		"css_view_comparisons_total":     float64(s.Counts.Comparisons),
		"css_view_inconsistencies_total": float64(s.Counts.Inconsistencies),
	}
	values["css_view_state "+string(s.Condition.Phase)] = 1
	return values
}

// distinct has another value in every field, so that none can stand for another.
func distinct(phase cssetcd.Phase) cssetcd.Stats {
	return cssetcd.Stats{
		Condition: cssetcd.Condition{Phase: phase}, Revision: 101, Confirmed: cssetcd.Confirmation{Revision: 102},
		Staleness: 1500 * time.Millisecond, Keys: 103, Databases: 104, Tables: 105, Nodes: 106, Waiters: 107,
		Counts: cssetcd.Counts{Updates: 108, Changes: 109, Troubles: 110, Loads: 111, Regressions: 112, Comparisons: 113,
			Inconsistencies: 114},
	}
}

func TestEveryFigureOfAViewIsTold(t *testing.T) {
	for _, phase := range []cssetcd.Phase{cssetcd.Live, cssetcd.Stale, cssetcd.Resyncing, cssetcd.Closed} {
		assert.Equal(t, told(distinct(phase)), scrape(t, cssprom.NewCollector(fixed(distinct(phase)))), phase)
	}
}

func TestPrometheusFindsNoFaultWithTheMetrics(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(cssprom.NewCollector(fixed(distinct(cssetcd.Live))))
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	assert.Empty(t, problems)
}

func TestFiguresAreThoseOfTheView(t *testing.T) {
	client := csstest.New(t)
	_, err := client.CreateDatabase(t.Context(), cssetcd.Database{Name: "lsst"})
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), client, cssetcd.CompareEvery(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(view.Close)
	collector := cssprom.NewCollector(view)
	rev, err := client.CreateTable(t.Context(), cssetcd.Table{Name: cssetcd.TableName{DB: "lsst", Table: "Filter"},
		Schema: "(id INT)"})
	require.NoError(t, err)
	_, err = view.WaitRevision(t.Context(), rev)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return view.Stats().Counts.Comparisons > 0 }, 20*time.Second, time.Millisecond)

	live := scrape(t, collector)
	assert.Equal(t, 1.0, live["css_view_state live"])
	assert.Equal(t, 1.0, live["css_view_databases"])
	assert.Equal(t, 1.0, live["css_view_tables"])
	assert.Positive(t, live["css_view_updates_total"])
	assert.Positive(t, live["css_view_comparisons_total"])
	assert.GreaterOrEqual(t, live["css_view_revision"], float64(rev))

	view.Close() // from here on nothing but the age changes
	want := told(view.Stats())
	got := scrape(t, collector)
	assert.Equal(t, 1.0, got["css_view_state closed"])
	assert.GreaterOrEqual(t, got["css_view_staleness_seconds"], want["css_view_staleness_seconds"])
	assert.LessOrEqual(t, got["css_view_staleness_seconds"], view.Staleness().Seconds())
	delete(got, "css_view_staleness_seconds")
	delete(want, "css_view_staleness_seconds")
	assert.Equal(t, want, got)
}

func TestTwoViewsShareARegistryByALabel(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"a", "b"} {
		prometheus.WrapRegistererWith(prometheus.Labels{"qserv": name},
			registry).MustRegister(cssprom.NewCollector(fixed(distinct(cssetcd.Live))))
	}
	n, err := testutil.GatherAndCount(registry, "css_view_revision")
	require.NoError(t, err)
	assert.Equal(t, 2, n)
}

// TestTheLibraryDoesWithoutPrometheus: that is why this package is one of its own.
func TestTheLibraryDoesWithoutPrometheus(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/qserv/css-etcd/cssetcd")
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	require.NoError(t, err, messages.String())
	require.Contains(t, string(out), "go.etcd.io/etcd/client/v3")
	for dep := range strings.Lines(string(out)) {
		assert.False(t, strings.HasPrefix(dep, "github.com/prometheus/"), "cssetcd imports %s", dep)
	}
}
