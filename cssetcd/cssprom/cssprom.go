// Package cssprom shows Prometheus how a [cssetcd.View] does. It is a package of its own so that programs which measure
// otherwise, or not at all, do not depend on Prometheus.
//
//	registry.MustRegister(cssprom.NewCollector(view))
//
// A process with several views tells them apart by a label:
//
//	prometheus.WrapRegistererWith(prometheus.Labels{"qserv": "dev"}, registry).MustRegister(cssprom.NewCollector(view))
//
// # Alerts
//
// css_view_staleness_seconds stays below some seconds while etcd answers, and grows while it does not; the catalogue in
// memory stays readable. It is what to alert on. css_view_inconsistencies_total should stay 0: each is a difference
// from etcd that the view found in itself, and mended. css_view_regressions_total counts that etcd was restored from a
// backup or replaced.
package cssprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qserv/css-etcd/cssetcd"
)

// Source is what a collector asks: a [*cssetcd.View].
type Source interface{ Stats() cssetcd.Stats }

// Collector is a [prometheus.Collector] of one view. Each collection asks the view once, so that its figures belong
// together. It asks nothing of etcd, and goes on to work after the view is closed.
type Collector struct {
	view    Source
	metrics []metric
	state   *prometheus.Desc
}

// metric is one figure of Stats.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(cssetcd.Stats) float64
}

// phases are all that css_view_state has a series for.
var phases = []cssetcd.Phase{cssetcd.Live, cssetcd.Stale, cssetcd.Resyncing, cssetcd.Closed}

// NewCollector returns a collector of a view. It registers it nowhere.
func NewCollector(view Source) *Collector {
	return &Collector{
		view:    view,
		metrics: append(gauges(), counters()...),
		state: prometheus.NewDesc("css_view_state",
			"What the view is about: 1 for the phase that it is in, 0 for the others.", []string{"phase"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.state
	for _, m := range c.metrics {
		out <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	stats := c.view.Stats()
	for _, phase := range phases {
		in := 0.0
		if stats.Condition.Phase == phase {
			in = 1
		}
		out <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, in, string(phase))
	}
	for _, m := range c.metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(stats))
	}
}

func gauges() []metric {
	gauge := func(name, help string, value func(cssetcd.Stats) float64) metric {
		return metric{prometheus.NewDesc("css_view_"+name, help, nil, nil), prometheus.GaugeValue, value}
	}
	return []metric{
		gauge("revision", "Revision of etcd that the view shows.",
			func(s cssetcd.Stats) float64 { return float64(s.Revision) }),
		gauge("confirmed_revision", "Revision at which the view was last known to show all that etcd had.",
			func(s cssetcd.Stats) float64 { return float64(s.Confirmed.Revision) }),
		gauge("staleness_seconds",
			"Seconds since etcd was asked for the newest state that the view is known to show: how old the view may be.",
			func(s cssetcd.Stats) float64 { return s.Staleness.Seconds() }),
		gauge("keys", "Number of CSS keys in the view.",
			func(s cssetcd.Stats) float64 { return float64(s.Keys) }),
		gauge("databases", "Number of databases in the view, whatever their status.",
			func(s cssetcd.Stats) float64 { return float64(s.Databases) }),
		gauge("tables", "Number of tables in the view, whatever their status.",
			func(s cssetcd.Stats) float64 { return float64(s.Tables) }),
		gauge("nodes", "Number of nodes in the view, whatever their state.",
			func(s cssetcd.Stats) float64 { return float64(s.Nodes) }),
		gauge("waiters", "Number of calls that wait for the view to move on.",
			func(s cssetcd.Stats) float64 { return float64(s.Waiters) }),
	}
}

func counters() []metric {
	counter := func(name, help string, value func(cssetcd.Counts) uint64) metric {
		return metric{
			prometheus.NewDesc("css_view_"+name+"_total", help, nil, nil), prometheus.CounterValue,
			func(s cssetcd.Stats) float64 { return float64(value(s.Counts)) },
		}
	}
	return []metric{
		counter("updates", "Number of snapshots that differed from the one before.",
			func(c cssetcd.Counts) uint64 { return c.Updates }),
		counter("changes", "Number of keys written or deleted, as told by etcd.",
			func(c cssetcd.Counts) uint64 { return c.Changes }),
		counter("troubles", "Number of times that the connection to etcd or a load of the catalogue failed.",
			func(c cssetcd.Counts) uint64 { return c.Troubles }),
		counter("loads", "Number of times that the catalogue was loaded anew, the first load not included.",
			func(c cssetcd.Counts) uint64 { return c.Loads }),
		counter("regressions", "Number of times that etcd went back to an older revision or was another cluster.",
			func(c cssetcd.Counts) uint64 { return c.Regressions }),
		counter("comparisons", "Number of times that the whole view was compared with etcd and found equal.",
			func(c cssetcd.Counts) uint64 { return c.Comparisons }),
		counter("inconsistencies", "Number of times that the view was compared with etcd, found different and loaded anew.",
			func(c cssetcd.Counts) uint64 { return c.Inconsistencies }),
	}
}
