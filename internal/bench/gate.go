package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
)

var gateAdmit = Benchmark{
	Name:    "gate-admit",
	Summary: "admitting and releasing a query while others write, against reading the clock and counting",
	Run:     measureGateAdmit,
}

// admitting is a czar that admits queries.
type admitting struct {
	*reading
	gate   *deletion.Gate
	tables []*cssetcd.Table
}

const mostTables = 4 // of a query that costs no allocation

func measureGateAdmit(ctx context.Context, r *Rig) ([]Result, error) {
	reading, err := newReading(ctx, r)
	if err != nil {
		return nil, err
	}
	d := &admitting{reading: reading}
	if d.gate, err = r.gate(ctx, d.css, d.view); err != nil {
		return nil, err
	}
	for _, name := range d.names {
		t, err := d.view.Snapshot().Table(name)
		if err != nil {
			return nil, err
		}
		d.tables = append(d.tables, t)
	}
	free, err := d.allocations()
	if err != nil {
		return nil, err
	}
	var turns Turns
	err = beside(ctx, "the writer", d.write, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "gate-admit", d.admits, d.floor)
		return err
	})
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, cores := range []string{"one", "all"} {
		result, err := newResult(map[string]string{"one": "gate-admit", "all": "gate-admit-all-cores"}[cores], readUnit,
			fmt.Sprintf("Gate.Admit and Ref.Release of one table on %s of %d cores, in a catalogue of %d tables, with %d "+
				"changes a second; "+
				"peer: time.Now, an atomic load and two atomic additions", cores, runtime.GOMAXPROCS(0), d.view.Stats().Tables,
				time.Second/writeEvery),
			Within(2), turns.Samples(cores, cores), median)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	results[0].add(fmt.Sprintf("allocations for %d tables, those of an idle etcd in the same process included",
		mostTables), "", free, Within(freeOfReads))
	return results, nil
}

// gate opens a gate that is closed before its view.
func (r *Rig) gate(ctx context.Context, css *cssetcd.Client, view *cssetcd.View) (*deletion.Gate, error) {
	g, err := deletion.OpenGate(ctx, css, view)
	if err != nil {
		return nil, err
	}
	r.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return g.Close(ctx)
	})
	return g, nil
}

// admits is our block.
func (d *admitting) admits(_ context.Context, m *Meter) error {
	return m.Measure(func() error {
		return d.onCores(m, func(first, n int) error {
			for i, at := 0, first%len(d.tables); i < n; i++ {
				ref, err := d.gate.Admit(d.tables[at])
				if err != nil {
					return err
				}
				ref.Release()
				if at++; at == len(d.tables) {
					at = 0
				}
			}
			return nil
		})
	})
}

// floor is the block of the peer: as many words as there are tables, so that both sides share as much among cores.
func (d *admitting) floor(_ context.Context, m *Meter) error {
	var loaded atomic.Int64
	words := make([]atomic.Int64, len(d.tables)*8) // a cache line each, as ours have
	return m.Measure(func() error {
		return d.onCores(m, func(first, n int) error {
			for i, at := 0, first%len(d.tables); i < n; i++ {
				if time.Now().IsZero() || loaded.Load() != 0 {
					return fmt.Errorf("there is no time")
				}
				words[at*8].Add(1)
				words[at*8].Add(-1)
				if at++; at == len(d.tables) {
					at = 0
				}
			}
			return nil
		})
	})
}

// onCores runs batches on one core and then on all.
func (d *admitting) onCores(m *Meter, batch func(first, n int) error) error {
	for i := range d.batches / 4 {
		began := time.Now()
		if err := batch(i, readsInBatch); err != nil {
			return err
		}
		m.Count("one", readUnit, float64(time.Since(began).Nanoseconds())/readsInBatch)
	}
	for i := range d.batches / 4 {
		errs := make([]error, runtime.GOMAXPROCS(0))
		began := time.Now()
		var all sync.WaitGroup
		for core := range errs {
			all.Go(func() { errs[core] = batch(i+core*len(d.tables)/len(errs), readsInBatch) })
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		m.Count("all", readUnit, float64(time.Since(began).Nanoseconds())/readsInBatch)
	}
	return nil
}

// allocations returns how many allocations a query on several tables takes, as the least of some tries.
func (d *admitting) allocations() (float64, error) {
	const queries = 100_000
	tables := d.tables[:min(mostTables, len(d.tables))]
	least := float64(queries)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range queries {
			ref, err := d.gate.Admit(tables...)
			if err != nil {
				return 0, err
			}
			ref.Release()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/queries)
	}
	return least, nil
}
