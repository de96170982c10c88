package event

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qserv/css-etcd/internal/command"
)

// Config says whom to tell, and how.
type Config struct {
	Commands []string // programs; each gets every event
	Daemon   string
	Prefix   string
	Within   time.Duration // may one of them run; 0: a minute
	Queue    int           // events that may wait; 0: 64
	Log      *slog.Logger
}

// Runner runs the programs, one after the other, in the order of events. Who tells it something never waits.
type Runner struct {
	Config
	queue  chan Event
	events *prometheus.CounterVec
}

// What becomes of telling a program of an event.
const (
	told   = "told"
	failed = "failed"
	lost   = "lost"
)

// NewRunner returns one that runs with Run.
func NewRunner(config Config) *Runner {
	if config.Within == 0 {
		config.Within = time.Minute
	}
	if config.Queue == 0 {
		config.Queue = 64
	}
	r := &Runner{Config: config, queue: make(chan Event, config.Queue),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "css_sync_events_total",
			Help: "Number of times that a program was to be told of an event, by what became of it."}, []string{"outcome"})}
	for _, outcome := range []string{told, failed, lost} {
		r.events.WithLabelValues(outcome)
	}
	return r
}

// Collector tells what became of events.
func (r *Runner) Collector() prometheus.Collector { return r.events }

// Tell tells of something. Where too much waits to be told, it is lost, which the log says.
func (r *Runner) Tell(e Event) {
	e.Time, e.Daemon, e.Prefix = time.Now().UTC().Truncate(time.Millisecond), r.Daemon, r.Prefix
	select {
	case r.queue <- e:
	default:
		r.lose(e, "the programs that are told take too long")
	}
}

func (r *Runner) lose(e Event, why string) {
	r.events.WithLabelValues(lost).Add(float64(len(r.Commands)))
	r.Log.Warn("nobody is told of an event", "event", e.Event, "mirror", e.Mirror, "name", e.Name, "because", why)
}

// Run runs the programs until ctx ends, which kills the one that runs.
func (r *Runner) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			r.give(ctx)
			return ctx.Err()
		case e := <-r.queue:
			r.pass(ctx, e)
		}
	}
}

// give gives up what waits.
func (r *Runner) give(ctx context.Context) {
	for {
		select {
		case e := <-r.queue:
			r.lose(e, context.Cause(ctx).Error())
		default:
			return
		}
	}
}

func (r *Runner) pass(ctx context.Context, e Event) {
	document, err := json.Marshal(e)
	for _, path := range r.Commands {
		if err == nil {
			err = command.Run(ctx, path, nil, r.Within, append(document, '\n'))
		}
		if err != nil {
			r.events.WithLabelValues(failed).Inc()
			r.Log.Warn("a program was told of an event, and failed", "event", e.Event, "mirror", e.Mirror, "name", e.Name,
				"err", err)
			err = nil
			continue
		}
		r.events.WithLabelValues(told).Inc()
	}
}
