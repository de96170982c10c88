package drops

import (
	"context"
	"fmt"
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
)

// Writes is about its writes to etcd.
var Writes = rig.Benchmark{
	Name:    "etcd-writes",
	Summary: "what the protocol writes to etcd for a drop, against one write a czar",
	Run:     measureEtcdWrites,
}

// written is what etcd's log holds at a moment.
type written struct {
	all     int64 // entries: transactions, refused ones included, and leases that begin or end
	proving int64 // how many of them are confirmations
	at      time.Time
}

// since counts what was written after an earlier moment, confirmations apart.
func (w written) since(earlier written) int64 {
	return w.all - earlier.all - (w.proving - earlier.proving)
}

func measureEtcdWrites(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d, err := newProtocolled(ctx, r, r.Sizes.WritingCzars)
	if err != nil {
		return nil, err
	}
	var turns measure.Turns
	var perQuery, perConfirm float64
	err = d.coordinated(ctx, func(ctx context.Context) error {
		if perQuery, perConfirm, err = d.idle(ctx, r.Sizes.WritingTime); err != nil {
			return err
		}
		turns, err = r.Turns(ctx, "etcd-writes", r.Sizes.Rounds, func(ctx context.Context, m *measure.Meter) error {
			for range r.Sizes.WritingDrops {
				if err := d.countDrop(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}, func(_ context.Context, m *measure.Meter) error {
			m.Count("czars", "writes", float64(len(d.gates)))
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	result, err := measure.NewResult("etcd-writes", "writes",
		fmt.Sprintf("entries of etcd's log for a drop with %d czars, their confirmations apart; "+
			"peer: one for each czar", len(d.gates)), measure.Within(1.5), turns.Samples("drop", "czars"))
	if err != nil {
		return nil, err
	}
	result.Add("writes for a query", "", perQuery, measure.Within(0))
	result.Add("writes of an idle czar in the time of a confirmation, c", "", perConfirm, measure.Within(1.1))
	return []measure.Result{result}, nil
}

// idle counts what is written while nothing is dropped: by queries, and by czars. Leases that end and elections are
// written down, too, so that of some windows of time the least is what queries write.
func (d *protocolled) idle(ctx context.Context, during time.Duration) (perQuery, perConfirm float64, err error) {
	const windows = 4
	first, err := d.written(ctx)
	if err != nil {
		return 0, 0, err
	}
	last, perQuery := first, math.Inf(1)
	for range windows {
		queries, err := d.queries(during / windows)
		if err != nil {
			return 0, 0, err
		}
		now, err := d.written(ctx)
		if err != nil {
			return 0, 0, err
		}
		perQuery = min(perQuery, float64(now.since(last))/float64(queries))
		last = now
	}
	confirms := last.at.Sub(first.at).Seconds() / deletion.DefaultTiming.Confirm.Seconds() * float64(len(d.gates))
	// one more each may fall into the time
	return perQuery, float64(last.all-first.all) / (confirms + float64(len(d.gates))), nil
}

// queries runs queries for a while and returns how many.
func (d *protocolled) queries(during time.Duration) (n int, err error) {
	var t *cssetcd.Table
	for db := range d.view.Snapshot().Databases() {
		for found := range d.view.Snapshot().Tables(db.Name) {
			t = found
		}
	}
	for began := time.Now(); time.Since(began) < during; n++ {
		ref, err := d.gates[n%len(d.gates)].Admit(t)
		if err != nil {
			return n, err
		}
		ref.Release()
		if n%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return n, nil
}

// countDrop counts what is written for one drop, from before its mark until its name is free.
func (d *protocolled) countDrop(ctx context.Context, m *measure.Meter) error {
	names, err := d.tables(ctx, 1)
	if err != nil {
		return err
	}
	before, err := d.written(ctx)
	if err != nil {
		return err
	}
	drop, err := d.drops.DropTable(ctx, names[0], deletion.Delay(agreedDelay), deletion.Force())
	if err != nil {
		return err
	}
	if err := drop.Wait(ctx); err != nil {
		return err
	}
	after, err := d.written(ctx)
	if err != nil {
		return err
	}
	m.Count("drop", "writes", float64(after.since(before)))
	return nil
}

// written counts the entries of etcd's log and the confirmations among them.
func (d *protocolled) written(ctx context.Context) (written, error) {
	status, err := d.etcd.Status(ctx, d.etcd.Endpoints()[0])
	if err != nil {
		return written{}, err
	}
	w := written{all: int64(status.RaftAppliedIndex), at: time.Now()}
	alive, err := d.etcd.Get(ctx, d.css.Prefix()+"/alive/", clientv3.WithPrefix())
	if err != nil {
		return written{}, err
	}
	for _, kv := range alive.Kvs {
		w.proving += kv.Version
	}
	return w, nil
}
