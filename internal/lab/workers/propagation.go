package workers

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/chunkset"
	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/inventory"
)

// Propagation is about how soon a czar knows what a worker serves.
var Propagation = rig.Benchmark{
	Name:    "inventory-propagation",
	Summary: "from what a worker says until a czar knows it, against a plain put and watch of the same bytes",
	Run: func(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
		etcd, err := r.Etcd(ctx)
		if err != nil {
			return nil, err
		}
		css, err := cssetcd.New(ctx, etcd, cssetcd.WithPrefix("/inventory-propagation"))
		if err != nil {
			return nil, err
		}
		p := propagating{css: css, changes: r.Sizes.InventoryEvents}
		turns, err := r.Turns(ctx, "inventory-propagation", r.Sizes.Rounds, p.ours, p.peer)
		if err != nil {
			return nil, err
		}
		versus := fmt.Sprintf("the median from Set of a publisher with %d chunks until a view has it, one at a time; "+
			"peer: from Put of the same text on a lease until a watch has it", servedChunks)
		return turns.MedianAndP99("inventory-propagation", versus, measure.Within(1.2), measure.Within(2), "delay")
	},
}

// servedChunks is how many chunks a worker has in Qserv's own words.
const servedChunks = 1000

// rest is between two changes.
const rest = time.Millisecond

type propagating struct {
	css     *cssetcd.Client
	changes int // in a block
}

// set is another one for each number, of which no id follows another.
func set(number int) (chunkset.Set, error) {
	ids := []int{1_000_000 + number}
	for i := range servedChunks {
		ids = append(ids, 3*i)
	}
	return chunkset.Of(ids...)
}

func (p propagating) ours(ctx context.Context, m *measure.Meter) (err error) {
	view, err := inventory.OpenView(ctx, p.css)
	if err != nil {
		return err
	}
	defer view.Close()
	publisher, err := inventory.NewPublisher(p.css, "worker-1")
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(running) }()
	defer func() {
		stop()
		if e := <-ended; !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}()
	rev, err := publisher.Wait(ctx)
	if err != nil {
		return err
	}
	have, err := view.WaitRevision(ctx, rev)
	if err != nil {
		return err
	}
	return m.Measure(func() error {
		for n := range p.changes {
			time.Sleep(rest)
			s, err := set(n)
			if err != nil {
				return err
			}
			began := time.Now()
			if err := publisher.Set("LSST", s); err != nil {
				return err
			}
			if have, err = view.Next(ctx, have); err != nil {
				return err
			}
			m.Add("delay", time.Since(began))
			if !have.Serves("worker-1", "LSST", 1_000_000+n) {
				return fmt.Errorf("change %d is not in what the view shows", n)
			}
		}
		return nil
	})
}

func (p propagating) peer(ctx context.Context, m *measure.Meter) (err error) {
	etcd := p.css.Etcd()
	lease, err := etcd.Grant(ctx, 600)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer stop()
	watcher := clientv3.NewWatcher(etcd)
	defer func() { err = errors.Join(err, watcher.Close()) }()
	const key = "/inventory-propagation/peer/worker-1/LSST"
	events := watcher.Watch(watching, "/inventory-propagation/peer/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events // it watches, or never will
	return m.Measure(func() error {
		for n := range p.changes {
			time.Sleep(rest)
			s, err := set(n)
			if err != nil {
				return err
			}
			began := time.Now()
			text := s.String()
			if _, err := etcd.Put(ctx, key, text, clientv3.WithLease(lease.ID)); err != nil {
				return err
			}
			got, ok := <-events
			if !ok || len(got.Events) != 1 || string(got.Events[0].Kv.Value) != text {
				return fmt.Errorf("the watch did not show change %d: %w", n, got.Err())
			}
			m.Add("delay", time.Since(began))
		}
		return nil
	})
}
