package daemon

import (
	"maps"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/api"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/mirror"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// TestManualHasEachMetric, and no other; those of an agent it has, too.
func TestManualHasEachMetric(t *testing.T) {
	t.Parallel()
	css, err := cssetcd.New(t.Context(), testkit.SharedEtcdClient(), cssetcd.WithPrefix("/"+t.Name()))
	require.NoError(t, err)
	view, err := cssetcd.OpenView(t.Context(), css)
	require.NoError(t, err)
	t.Cleanup(view.Close)
	d := &daemon{Config: Config{Targets: []Target{{Name: "default"}}}}
	t.Cleanup(d.standing.leads("default", func() mirror.Status {
		trouble := mirror.Trouble{Code: mirror.Kinds()[0].Code, Since: time.Now()}
		return mirror.Status{Phase: mirror.Following, Troubles: []mirror.Trouble{trouble}}
	}))
	a, err := api.New(api.Config{Catalogue: css, View: view})
	require.NoError(t, err)
	require.NoError(t, a.Register(d.collectors()...))
	var text string
	for range 2 { // a request is counted after it
		rec := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://localhost/metrics", nil)
		a.ServeHTTP(rec, r)
		text = rec.Body.String()
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	have := map[string]bool{}
	for name := range families {
		if strings.HasPrefix(name, "css_") {
			have[name] = true
		}
	}
	manual, err := os.ReadFile("../../docs/HTTP.md")
	require.NoError(t, err)
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("`(css_[a-z_]+)`").FindAllStringSubmatch(string(manual), -1) {
		if !strings.HasPrefix(m[1], "css_agent_") { // TestAgentMetrics
			told[m[1]] = true
		}
	}
	assert.Equal(t, slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(told)))
}
