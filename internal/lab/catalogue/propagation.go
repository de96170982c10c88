package catalogue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Propagation is about how soon a view shows a change.
var Propagation = rig.Benchmark{
	Name:    "propagation-vs-watch",
	Summary: "from a change in etcd until every view shows it, against the same number of plain watches",
	Run: func(ctx context.Context, r *rig.Rig) (results []measure.Result, err error) {
		s := family.Shape{Prefix: cssetcd.DefaultPrefix, Databases: max(1, r.Sizes.SpreadKeys/300), Keys: r.Sizes.SpreadKeys}
		css, err := r.Family(ctx, s)
		if err != nil {
			return nil, err
		}
		for i, n := range r.Sizes.SpreadViews {
			name := "propagation-vs-watch"
			if i > 0 {
				name += fmt.Sprintf("-%d", n)
			}
			more, err := measurePropagation(ctx, r, name, css, s, n, r.Sizes.SpreadEvents[i])
			if err != nil {
				return results, err
			}
			results = append(results, more...)
		}
		return results, nil
	},
}

// propagating is a catalogue that changes before many observers.
type propagating struct {
	etcd      *clientv3.Client
	css       *cssetcd.Client
	table     cssetcd.TableName
	observers int
	changes   int // in a block
	value     int // counts, so that every value is new
}

func measurePropagation(ctx context.Context, r *rig.Rig, name string, css *cssetcd.Client, s family.Shape,
	observers, changes int) ([]measure.Result, error) {
	p := &propagating{etcd: css.Etcd(), css: css, table: s.Tables()[0], observers: observers, changes: changes}
	turns, err := r.Turns(ctx, name, r.Sizes.Rounds,
		func(ctx context.Context, m *measure.Meter) error { return p.measure(ctx, m, p.view) },
		func(ctx context.Context, m *measure.Meter) error { return p.measure(ctx, m, p.watch) })
	if err != nil {
		return nil, err
	}
	versus := fmt.Sprintf("the median from the begin of a Put until subscribers of %d views have the snapshot that "+
		"shows it, %d changes in a block, "+
		"one at a time, in a catalogue of %d keys; peer: until as many plain watches of the catalogue, each on a stream "+
		"of its own, have the event",
		observers, changes, s.Keys)
	return turns.MedianAndP99(name, versus, measure.Within(1.1), measure.Within(1.5), "delay")
}

// sighting is an observer's word that a value is there.
type sighting struct {
	value string
	at    time.Time
	err   error
}

// observer tells of every value of a key from the call of ready on, until ctx ends.
type observer func(ctx context.Context, ready func(), seen func(value string)) error

// measure makes changes before a number of observers and waits for all of them each time.
func (p *propagating) measure(ctx context.Context, m *measure.Meter, observe observer) error {
	watching, stop := context.WithCancel(ctx)
	sightings := make(chan sighting, p.observers) // one change at a time: nobody waits to tell
	var ready, ended sync.WaitGroup
	ready.Add(p.observers)
	for range p.observers {
		ended.Go(func() {
			once := sync.OnceFunc(ready.Done)
			defer once()
			err := observe(watching, once, func(value string) { sightings <- sighting{value: value, at: time.Now()} })
			if watching.Err() == nil {
				sightings <- sighting{err: fmt.Errorf("an observer ended: %w", err)}
			}
		})
	}
	defer ended.Wait()
	defer stop()
	ready.Wait()
	return m.Measure(func() error {
		for range p.changes {
			time.Sleep(rest)
			if err := p.change(ctx, m, sightings); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *propagating) change(ctx context.Context, m *measure.Meter, sightings <-chan sighting) error {
	p.value++
	value := fmt.Sprintf("(objectId BIGINT NOT NULL, version%d INT)", p.value)
	began := time.Now()
	if _, err := p.etcd.Put(ctx, p.etcdKey(), value); err != nil {
		return err
	}
	for range p.observers {
		select {
		case s := <-sightings:
			if s.err != nil {
				return s.err
			}
			if s.value != value {
				return fmt.Errorf("an observer saw %q instead of %q", s.value, value)
			}
			m.Add("delay", s.at.Sub(began))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *propagating) key() string {
	return "/DBS/" + p.table.DB + "/TABLES/" + p.table.Table + "/schema"
}

func (p *propagating) etcdKey() string { return p.css.Prefix() + "/css" + p.key() }

// view is our observer.
func (p *propagating) view(ctx context.Context, ready func(), seen func(string)) error {
	v, err := cssetcd.OpenView(ctx, p.css)
	if err != nil {
		return err
	}
	defer v.Close()
	updates := v.Subscribe()
	ready()
	for {
		u, err := updates.Next(ctx)
		if err != nil {
			return err
		}
		for _, k := range u.Keys {
			if k.Key == p.key() {
				seen(k.New.Value)
			}
		}
	}
}

// watch is the peer's observer.
func (p *propagating) watch(ctx context.Context, ready func(), seen func(string)) (err error) {
	watcher := clientv3.NewWatcher(p.etcd)
	defer func() { err = errors.Join(err, watcher.Close()) }()
	below := p.css.Prefix() + "/css/"
	events := watcher.Watch(clientv3.WithRequireLeader(ctx), below, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events // it watches, or never will
	ready()
	for response := range events {
		if err := response.Err(); err != nil {
			return err
		}
		for _, event := range response.Events {
			if strings.HasSuffix(string(event.Kv.Key), p.key()) {
				seen(string(event.Kv.Value))
			}
		}
	}
	return ctx.Err()
}
