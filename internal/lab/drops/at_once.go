package drops

import (
	"context"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/lab/family"
	"github.com/qserv/css-etcd/internal/lab/measure"
	"github.com/qserv/css-etcd/internal/lab/rig"
	"github.com/qserv/css-etcd/internal/wait"
)

// AtOnce is about many drops at once.
var AtOnce = rig.Benchmark{
	Name:    "drops-at-once",
	Summary: "dropping many tables at once with idle czars, against dropping a tenth of them",
	Run:     measureDropsAtOnce,
}

// atOnce is a catalogue in which many tables are dropped at once. One of its czars has a process of its own.
type atOnce struct {
	*protocolled
	czar *czarProcess
	made int
}

const (
	atOnceDB = "AtOnce"
	markers  = 16 // who mark tables at the same time
)

// course is what dropping a number of tables at once took.
type course struct {
	took      time.Duration // from the first mark to the last point of no return
	processor time.Duration // of a czar
	writes    float64       // to etcd for a drop, all in all
	kept      float64       // what a czar's heap holds in the end, against with the tables
}

func measureDropsAtOnce(ctx context.Context, r *rig.Rig) ([]measure.Result, error) {
	d, err := newAtOnce(ctx, r)
	if err != nil {
		return nil, err
	}
	var few, many course
	err = d.coordinated(ctx, func(ctx context.Context) error {
		if _, err := d.drop(ctx, max(r.Sizes.AtOnce/100, 1)); err != nil { // the first ones are slower
			return err
		}
		if few, err = d.drop(ctx, max(r.Sizes.AtOnce/10, 1)); err != nil {
			return err
		}
		r.Progress(fmt.Sprintf("drops-at-once: %d: %s, a czar %s", r.Sizes.AtOnce/10, few.took, few.processor))
		measured := measure.Meter{Profile: r.ProfileOf("drops-at-once", 1)}
		err = measured.Measure(func() (err error) { many, err = d.drop(ctx, r.Sizes.AtOnce); return err })
		r.Progress(fmt.Sprintf("drops-at-once: %d: %s, a czar %s", r.Sizes.AtOnce, many.took, many.processor))
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.results(r.Sizes.AtOnce, few, many)
}

func newAtOnce(ctx context.Context, r *rig.Rig) (*atOnce, error) {
	p, err := newProtocolled(ctx, r, r.Sizes.AtOnceCzars-1)
	if err != nil {
		return nil, err
	}
	d := &atOnce{protocolled: p}
	if d.czar, err = startCzar(ctx, r, d.etcd.Endpoints()[0]); err != nil {
		return nil, err
	}
	_, err = d.css.CreateDatabase(ctx, cssetcd.Database{Name: atOnceDB})
	return d, err
}

func (d *atOnce) results(n int, few, many course) ([]measure.Result, error) {
	const growth = 12 // of ten times as many: O(n log n), and a little for chance
	time, err := measure.NewResult("drops-at-once", "s",
		fmt.Sprintf("from the first mark of %d tables, by %d clients at a time, to the last point of no return at a raw "+
			"watcher, "+
			"with %d idle czars and no agreed delay; peer: the same for %d tables", n, markers, len(d.gates)+1, n/10),
		measure.Within(growth), one(many.took.Seconds(), few.took.Seconds()))
	if err != nil {
		return nil, err
	}
	time.Add("writes to etcd for a drop, of "+fmt.Sprint(n), "", many.writes, measure.Within(30))
	processor, err := measure.NewResult("drops-at-once-czar", "s",
		"processor time of one of these czars, which has a process of its own; peer: the same for the fewer tables",
		measure.Within(growth), one(many.processor.Seconds(), few.processor.Seconds()))
	if err != nil {
		return nil, err
	}
	processor.Add(fmt.Sprintf("processor time for %d", n/10), "s", few.processor.Seconds(), measure.Within(0.2))
	processor.Add(fmt.Sprintf("what its memory holds after %d drops, against while the tables were there", n), "",
		many.kept, measure.Within(1))
	return []measure.Result{time, processor}, nil
}

func one(ours, peer float64) measure.Samples {
	return measure.Samples{Ours: [][]float64{{ours}}, Peer: [][]float64{{peer}}}
}

// drop makes tables, drops them all at once, and waits until nothing is left of the drops.
func (d *atOnce) drop(ctx context.Context, n int) (c course, err error) {
	names, at, err := d.tables(ctx, n)
	if err != nil {
		return c, err
	}
	begun, err := d.czar.spent(at)
	if err != nil {
		return c, err
	}
	first, err := d.written(ctx)
	if err != nil {
		return c, err
	}
	began, last, err := d.dropAll(ctx, names)
	if err != nil {
		return c, err
	}
	executed, err := d.czar.spent(last.at)
	if err != nil {
		return c, err
	}
	if err := d.ended(ctx); err != nil {
		return c, err
	}
	end, err := d.written(ctx)
	if err != nil {
		return c, err
	}
	after, err := d.idle(ctx)
	c.took, c.processor = last.when.Sub(began), executed.Processor-begun.Processor
	c.writes = float64(end.since(first)) / float64(n)
	c.kept = float64(after.Heap) / float64(begun.Heap)
	return c, err
}

// idle returns what the czar has spent when it shows all that there is.
func (d *atOnce) idle(ctx context.Context) (spent, error) {
	got, err := d.etcd.Get(ctx, d.css.Prefix(), clientv3.WithCountOnly())
	if err != nil {
		return spent{}, err
	}
	return d.czar.spent(cssetcd.Revision(got.Header.Revision))
}

// tables writes tables by plain transactions. They have a name and a schema: what else they had would be for the
// catalogue to drop.
func (d *atOnce) tables(ctx context.Context, n int) (names []cssetcd.TableName, at cssetcd.Revision, err error) {
	const inTxn = family.PutsInTxn / 3
	for len(names) < n {
		var puts []clientv3.Op
		for range min(inTxn, n-len(names)) {
			d.made++
			name := cssetcd.TableName{DB: atOnceDB, Table: fmt.Sprintf("Visit_%07d", d.made)}
			key := "/DBS/" + name.DB + "/TABLES/" + name.Table
			puts = append(puts, clientv3.OpPut(d.css.Prefix()+"/css"+key, string(cssetcd.StatusReady)),
				clientv3.OpPut(d.css.Prefix()+"/css"+key+"/schema", "(id BIGINT)"),
				clientv3.OpPut(d.css.Prefix()+"/fold"+strings.ToLower(key), key))
			names = append(names, name)
		}
		made, err := d.etcd.Txn(ctx).Then(puts...).Commit()
		if err != nil {
			return nil, 0, err
		}
		at = cssetcd.Revision(made.Header.Revision)
	}
	return names, at, nil
}

// moment is when something was seen, and the revision of it.
type moment struct {
	when time.Time
	at   cssetcd.Revision
}

// dropAll marks tables and returns when the first was about to be marked and when the last was gone.
func (d *atOnce) dropAll(ctx context.Context, names []cssetcd.TableName) (began time.Time, last moment, err error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	events := d.etcd.Watch(clientv3.WithRequireLeader(watching), d.css.Prefix()+"/css/DBS/"+atOnceDB+"/TABLES/",
		clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify())
	<-events // it watches
	began = time.Now()
	marking, ctx := errgroup.WithContext(ctx)
	marking.SetLimit(markers)
	for _, n := range names {
		marking.Go(func() error {
			_, err := d.drops.DropTable(ctx, n, deletion.Delay(0), deletion.Force())
			return err
		})
	}
	if err := marking.Wait(); err != nil {
		return began, last, err
	}
	for gone := 0; gone < len(names); {
		response, open := <-events
		if !open || response.Err() != nil {
			return began, last, fmt.Errorf("the watch ended: %w", response.Err())
		}
		for _, e := range response.Events {
			if !strings.HasSuffix(string(e.Kv.Key), "/schema") {
				gone++
			}
		}
		last = moment{time.Now(), cssetcd.Revision(response.Header.Revision)}
	}
	return began, last, nil
}

// ended waits until no drop is left.
func (d *atOnce) ended(ctx context.Context) error {
	for {
		left, err := d.etcd.Get(ctx, d.css.Prefix()+"/drop/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil || left.Count == 0 {
			return err
		}
		if err := wait.For(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
