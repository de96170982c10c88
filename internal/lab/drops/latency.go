package drops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/deletion/coordinator"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/survey"
)

// Latency is about the time that a drop by the protocol takes.
var Latency = rig.Benchmark{
	Name:    "drop-latency",
	Summary: "a drop by the protocol with idle czars, against the agreed delay",
	Run:     measureDropLatency,
}

// protocolled is a catalogue with idle czars and a coordinator.
type protocolled struct {
	css   *cssetcd.Client
	etcd  *clientv3.Client
	drops *deletion.Client
	gates []*deletion.Gate
	view  *cssetcd.View
	round int
}

const agreedDelay = 2 * time.Second

// timing is such that confirmations are seldom, as they are counted apart.
func newProtocolled(ctx context.Context, r *rig.Rig, czars int) (*protocolled, error) {
	d := &protocolled{}
	var err error
	if d.css, err = r.Catalogue(ctx, survey.Sample()); err != nil {
		return nil, err
	}
	d.etcd = d.css.Etcd()
	if d.drops, err = deletion.NewClient(d.css); err != nil {
		return nil, err
	}
	for range czars {
		if d.view, err = r.View(ctx, d.css); err != nil {
			return nil, err
		}
		gate, err := openGate(ctx, r, d.css, d.view)
		if err != nil {
			return nil, err
		}
		d.gates = append(d.gates, gate)
	}
	return d, nil
}

// coordinated runs f beside a coordinator.
func (d *protocolled) coordinated(ctx context.Context, f func(context.Context) error) error {
	c, err := coordinator.New(coordinator.Config{Catalogue: d.css, View: d.view})
	if err != nil {
		return err
	}
	return rig.Beside(ctx, "the coordinator", c.Run, f)
}

// tables makes tables to drop.
func (d *protocolled) tables(ctx context.Context, n int) (names []cssetcd.TableName, err error) {
	for range n {
		d.round++
		t := survey.NewTable()
		t.Name.Table = fmt.Sprintf("%s%d", t.Name.Table, d.round)
		if t.Partitioning != nil && t.Partitioning.DirTable == survey.NewTable().Name.Table {
			t.Partitioning.DirTable = t.Name.Table
		}
		if _, err := d.css.CreateTable(ctx, t); err != nil {
			return nil, err
		}
		names = append(names, t.Name)
	}
	return names, nil
}

func measureDropLatency(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d, err := newProtocolled(ctx, r, r.Sizes.LatencyCzars)
	if err != nil {
		return nil, err
	}
	var turns measure.Turns
	err = d.coordinated(ctx, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "drop-latency", r.Sizes.Rounds, func(ctx context.Context, m *measure.Meter) error {
			names, err := d.tables(ctx, r.Sizes.LatencyDrops)
			if err != nil {
				return err
			}
			return m.Measure(func() error { return d.dropAll(ctx, m, names) })
		}, func(context.Context, *measure.Meter) error { return nil }) // the peer, the delay, is measured in the same drops
		return err
	})
	if err != nil {
		return nil, err
	}
	result, err := measure.NewResult("drop-latency", "ms",
		fmt.Sprintf("from the mark of a table to its removal from the catalogue at a raw watcher, "+
			"with %d idle czars and a delay of %s; peer: from the same mark to the end of the delay's lease, at a raw watcher",
			len(d.gates), agreedDelay),
		measure.Within(1.05), measure.Samples{Ours: turns.Ours["gone"], Peer: turns.Ours["held"]})
	if err != nil {
		return nil, err
	}
	var later []float64
	for _, block := range turns.Ours["later"] {
		later = append(later, block...)
	}
	result.Add("p50 of the time after the end of the delay", "ms", measure.Median(later), measure.Within(100))
	return []measure.Result{result}, nil
}

// dropAll drops tables together and measures each.
func (d *protocolled) dropAll(ctx context.Context, m *measure.Meter, names []cssetcd.TableName) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var errs []error
	for _, n := range names {
		all.Go(func() {
			gone, held, err := d.dropOne(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			m.Add("gone", gone)
			m.Add("held", held)
			m.Add("later", gone-held)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// dropOne returns how long after the mark a table was gone, and its hold.
func (d *protocolled) dropOne(ctx context.Context, n cssetcd.TableName) (gone, held time.Duration, err error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	keyGone := d.deleted(watching, fmt.Sprintf("%s/css/DBS/%s/TABLES/%s", d.css.Prefix(), n.DB, n.Table))
	holdGone := d.deleted(watching, fmt.Sprintf("%s/drop/hold/%s/%s", d.css.Prefix(), n.DB, n.Table))
	began := time.Now()
	drop, err := d.drops.DropTable(ctx, n, deletion.Delay(agreedDelay), deletion.Force())
	if err != nil {
		return 0, 0, err
	}
	if err := drop.Wait(ctx); err != nil {
		return 0, 0, err
	}
	for at, to := range map[<-chan time.Time]*time.Duration{keyGone: &gone, holdGone: &held} {
		select {
		case t := <-at:
			*to = t.Sub(began)
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	return gone, held, nil
}

// deleted tells when a raw watcher sees that a key is deleted.
func (d *protocolled) deleted(ctx context.Context, key string) <-chan time.Time {
	at := make(chan time.Time, 1)
	events := d.etcd.Watch(clientv3.WithRequireLeader(ctx), key, clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-events // it watches
	go func() {
		for resp := range events { // ends with ctx
			if len(resp.Events) > 0 {
				at <- time.Now()
				return
			}
		}
	}()
	return at
}

// openGate opens a gate that is closed before its view.
func openGate(ctx context.Context, r *rig.Rig, css *cssetcd.Client, view *cssetcd.View) (*deletion.Gate, error) {
	g, err := deletion.OpenGate(ctx, css, view)
	if err != nil {
		return nil, err
	}
	r.OnClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return g.Close(ctx)
	})
	return g, nil
}
