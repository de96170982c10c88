package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/cssetcd/cssprom"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/form"
)

// metrics are what Prometheus is told, on a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec
	watchers prometheus.Gauge
	resets   prometheus.Counter
}

func newMetrics(view *cssetcd.View, drops *deletion.Client) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "css_sync_http_requests_total",
			Help: "Number of requests over HTTP that were answered, by the status of the answer."}, []string{"method", "code"}),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "css_sync_http_watchers",
			Help: "Number of clients that watch the catalogue over HTTP."}),
		resets: prometheus.NewCounter(prometheus.CounterOpts{Name: "css_sync_http_watch_resets_total",
			Help: "Number of times that a client that watches was told to read the catalogue anew."}),
	}
	m.registry.MustRegister(m.requests, m.watchers, m.resets, cssprom.NewCollector(view), dropCollector{drops})
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// Register adds metrics of the daemon to those of the API.
func (a *API) Register(more ...prometheus.Collector) error {
	for _, c := range more {
		if err := a.metrics.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request, _ *query) error {
	m.handler.ServeHTTP(w, r)
	return nil
}

// count counts a request that was answered. A method that HTTP does not have is one label, whatever it is.
func (m *metrics) count(r *http.Request, w *countingWriter) {
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, strconv.Itoa(max(w.status, http.StatusOK))).Inc()
}

// countingWriter notes the status of an answer, and ends one that its client does not take: what it holds is bounded by
// time.
type countingWriter struct {
	http.ResponseWriter
	c       *http.ResponseController
	slowest time.Duration
	status  int
}

func (w *countingWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// pace is how much a client has to take in the time that it has.
const pace = 64 << 10

func (w *countingWriter) Write(all []byte) (written int, err error) {
	for first := true; first || len(all) > 0; first = false {
		part := all[:min(len(all), pace)]
		_ = w.c.SetWriteDeadline(time.Now().Add(w.slowest)) // where that cannot be set, nothing is slow
		n, err := w.ResponseWriter.Write(part)
		if written += n; err != nil {
			return written, err
		}
		all = all[len(part):]
	}
	return written, nil
}

// Unwrap is for [http.ResponseController].
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// dropCollector tells of drops and czars. Each collection asks etcd once, for a short while: an etcd that is away is
// told by css_sync_drops_readable.
type dropCollector struct{ drops *deletion.Client }

const collectFor = 2 * time.Second

var (
	descReadable = prometheus.NewDesc("css_sync_drops_readable", "Whether etcd could be asked for drops and czars.", nil,
		nil)
	descDrops = prometheus.NewDesc("css_sync_drops", "Number of drops that have not ended, by their phase.",
		[]string{"phase"}, nil)
	descOldest = prometheus.NewDesc("css_sync_drop_age_seconds", "Age of the oldest drop that has not ended.", nil, nil)
	descCzars  = prometheus.NewDesc("css_sync_czars", "Number of registered czars, by their state.", []string{"state"},
		nil)
)

// Describe implements [prometheus.Collector].
func (dropCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReadable, descDrops, descOldest, descCzars} {
		out <- d
	}
}

// Collect implements [prometheus.Collector].
func (c dropCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectFor)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	drops, err := c.drops.Drops(ctx)
	if err != nil {
		gauge(descReadable, 0)
		return
	}
	czars, err := c.drops.Czars(ctx)
	if err != nil {
		gauge(descReadable, 0)
		return
	}
	gauge(descReadable, 1)
	phases, oldest := map[string]int{}, int64(0)
	for _, d := range form.OfDrops(drops) {
		phases[d.Phase]++
		if d.AgeSeconds != nil {
			oldest = max(oldest, *d.AgeSeconds)
		}
	}
	for _, phase := range form.Phases {
		gauge(descDrops, float64(phases[phase]), phase)
	}
	gauge(descOldest, float64(oldest))
	states := map[string]int{}
	for _, z := range form.OfCzars(czars) {
		states[z.State]++
	}
	for _, state := range []string{form.Alive, form.Silent, form.Ending} {
		gauge(descCzars, float64(states[state]), state)
	}
}
