package catalogue

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/form"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// WatchFanout is about many who watch over HTTP.
var WatchFanout = rig.Benchmark{
	Name:    "watch-fanout",
	Summary: "from a change in etcd until many watchers over HTTP have it, against as many plain watches of etcd",
	Run:     measureWatchFanout,
}

func measureWatchFanout(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	s := family.Shape{Prefix: cssetcd.DefaultPrefix, Databases: max(1, r.Sizes.SpreadKeys/300), Keys: r.Sizes.SpreadKeys}
	css, err := r.Family(ctx, s)
	if err != nil {
		return nil, err
	}
	view, err := r.View(ctx, css)
	if err != nil {
		return nil, err
	}
	from, err := newAnswering(ctx, r, css, view)
	if err != nil {
		return nil, err
	}
	p := &propagating{etcd: css.Etcd(), css: css, table: s.Tables()[0], observers: r.Sizes.FanoutWatchers,
		changes: r.Sizes.FanoutEvents}
	turns, err := r.Turns(ctx, "watch-fanout", r.Sizes.Rounds,
		func(ctx context.Context, m *measure.Meter) error {
			return p.measure(ctx, m, func(ctx context.Context, ready func(), seen func(string)) error {
				return p.events(ctx, from, ready, seen)
			})
		},
		func(ctx context.Context, m *measure.Meter) error { return p.measure(ctx, m, p.watch) })
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("the median from the begin of a Put until %d clients of GET /v1/watch, each on a connection "+
		"of its own, have read the event, %d changes in a block, one at a time, in a catalogue of %d keys; peer: until "+
		"as many plain watches of the catalogue, each on a stream of its own, have it", p.observers, p.changes, s.Keys)
	return turns.MedianAndP99("watch-fanout", versus, measure.Within(1), measure.Within(1), "delay")
}

// events is an observer over HTTP.
func (p *propagating) events(ctx context.Context, from *answering, ready func(), seen func(string)) error {
	resp, err := from.get(ctx, "/v1/watch")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	ready()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var event struct{ Changes []form.Change }
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return err
		}
		for _, c := range event.Changes {
			if c.Key == p.key() {
				seen(*c.New)
			}
		}
	}
}
