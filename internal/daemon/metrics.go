package daemon

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/qserv/css-etcd/mirror"
)

// collectors are the metrics of the daemon, beside those of the API.
func (d *daemon) collectors() []prometheus.Collector {
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "css_sync_build_info",
		Help:        "What this is: 1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": d.Version, "goversion": runtime.Version()}})
	build.Set(1)
	all := []prometheus.Collector{build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
	if len(d.Targets) > 0 {
		all = append(all, newMirrorCollector(d))
	}
	if d.events != nil {
		all = append(all, d.events.Collector())
	}
	return all
}

// mirrorCollector tells how the mirrors stand: all that of those that this process leads, and of the others only that
// it does not.
type mirrorCollector struct {
	daemon  *daemon
	leader  *prometheus.Desc
	state   *prometheus.Desc
	trouble *prometheus.Desc
	figures []mirrorFigure
}

type mirrorFigure struct {
	desc  *prometheus.Desc
	value func(mirror.Status) float64
}

// phases are all that css_sync_mirror_state has a series for.
var phases = []mirror.Phase{mirror.Starting, mirror.Following, mirror.Waiting, mirror.Refused, mirror.Stopped}

func newMirrorCollector(d *daemon) *mirrorCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("css_sync_mirror_"+name, help, append([]string{"mirror"}, labels...), nil)
	}
	figure := func(name, help string, value func(mirror.Status) float64) mirrorFigure {
		return mirrorFigure{desc(name, help), value}
	}
	return &mirrorCollector{
		daemon: d,
		leader: desc("leader", "Whether this process keeps the mirror: of all daemons one does."),
		state:  desc("state", "What the mirror is doing: 1 for the phase that it is in, 0 for the others.", "state"),
		trouble: desc("trouble", "1 for each trouble that the mirror has; the codes are those of css-sync status.",
			"code"),
		figures: []mirrorFigure{
			figure("applied_revision", "Revision of etcd that kvData shows.",
				func(s mirror.Status) float64 { return float64(s.Applied) }),
			figure("lag_revisions", "How many revisions kvData is behind what the mirror knows of.",
				func(s mirror.Status) float64 { return float64(max(s.Seen-s.Applied, 0)) }),
			figure("lag_seconds", "For how long a change has been known that kvData does not show.",
				func(s mirror.Status) float64 { return s.Lag.Seconds() }),
			figure("rows", "Number of rows of kvData.", func(s mirror.Status) float64 { return float64(s.Rows) }),
			figure("quarantined_keys", "Number of keys that kvData cannot hold.",
				func(s mirror.Status) float64 { return float64(s.Quarantined) }),
		},
	}
}

// Describe implements [prometheus.Collector].
func (c *mirrorCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.leader, c.state, c.trouble} {
		out <- d
	}
	for _, f := range c.figures {
		out <- f.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *mirrorCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, t := range c.daemon.Targets {
		s, leads := c.daemon.standing.of(t.Name)
		if !leads {
			gauge(c.leader, 0, t.Name)
			continue
		}
		gauge(c.leader, 1, t.Name)
		for _, phase := range phases {
			in := 0.0
			if s.Phase == phase {
				in = 1
			}
			gauge(c.state, in, t.Name, string(phase))
		}
		for _, trouble := range s.Troubles {
			gauge(c.trouble, 1, t.Name, string(trouble.Code))
		}
		for _, f := range c.figures {
			gauge(f.desc, f.value(s), t.Name)
		}
	}
}
