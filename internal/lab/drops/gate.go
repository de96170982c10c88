package drops

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Admit is about the queries of a gate.
var Admit = rig.Benchmark{
	Name:    "gate-admit",
	Summary: "admitting and releasing a query while others write, against reading the clock and counting",
	Run:     measureGateAdmit,
}

// admitting is a czar that admits queries.
type admitting struct {
	*rig.Busy
	batches int // in a block
	gate    *deletion.Gate
	tables  []*cssetcd.Table
}

const mostTables = 4 // of a query that costs no allocation

func measureGateAdmit(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	busy, err := r.Busy(ctx)
	if err != nil {
		return nil, err
	}
	d := &admitting{Busy: busy, batches: r.Sizes.ReadBatches / 4}
	if d.gate, err = openGate(ctx, r, d.CSS, d.View); err != nil {
		return nil, err
	}
	for _, name := range d.Names {
		t, err := d.View.Snapshot().Table(name)
		if err != nil {
			return nil, err
		}
		d.tables = append(d.tables, t)
	}
	const queries = 100_000
	few := d.tables[:min(mostTables, len(d.tables))]
	free, err := rig.Allocations(queries, func() error {
		for range queries {
			ref, err := d.gate.Admit(few...)
			if err != nil {
				return err
			}
			ref.Release()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var turns measure.Turns
	err = rig.Beside(ctx, "the writer", d.Write, func(ctx context.Context) error {
		turns, err = r.Turns(ctx, "gate-admit", r.Sizes.Rounds, d.admits, d.floor)
		return err
	})
	if err != nil {
		return nil, err
	}
	var results []measure.Result
	for _, figure := range []struct{ name, cores string }{{"gate-admit", "one"}, {"gate-admit-all-cores", "all"}} {
		result, err := turns.Figure(figure.name, measure.Nanoseconds,
			fmt.Sprintf("Gate.Admit and Ref.Release of one table on %s of %d cores, in a catalogue of %d tables, with %d "+
				"changes a second; peer: time.Now, an atomic load and two atomic additions",
				figure.cores, runtime.GOMAXPROCS(0), d.View.Stats().Tables, time.Second/rig.WriteEvery),
			measure.Within(2), figure.cores)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	results[0].Add(fmt.Sprintf("allocations for %d tables, those of an idle etcd in the same process included",
		mostTables), "", free, measure.Within(rig.FreeOfReads))
	return results, nil
}

// admits is our block.
func (d *admitting) admits(_ context.Context, m *measure.Meter) error {
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
func (d *admitting) floor(_ context.Context, m *measure.Meter) error {
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
func (d *admitting) onCores(m *measure.Meter, batch func(first, n int) error) error {
	for i := range d.batches {
		began := time.Now()
		if err := batch(i, rig.Batch); err != nil {
			return err
		}
		m.Each("one", rig.Batch, began)
	}
	for i := range d.batches {
		errs := make([]error, runtime.GOMAXPROCS(0))
		began := time.Now()
		var all sync.WaitGroup
		for core := range errs {
			all.Go(func() { errs[core] = batch(i+core*len(d.tables)/len(errs), rig.Batch) })
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		m.Each("all", rig.Batch, began)
	}
	return nil
}
