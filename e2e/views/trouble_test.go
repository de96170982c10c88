package views_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/wait"
)

// viewsPlan is how hard a run of the views is.
type viewsPlan struct {
	lasts                                    time.Duration
	keys, databases, views                   int
	pace                                     time.Duration // between two writes of one writer
	compact, check, trouble, restart, losing time.Duration // between two of each
	longest                                  time.Duration // that a connection is silent
	quota                                    int64
}

// TestViewsUnderTrouble: while members are killed, connections break and fall silent, and history is compacted, views
// stay equal to etcd, never go back in time and never show part of a transaction (V1, V2, V3, V5).
func TestViewsUnderTrouble(t *testing.T) {
	testkit.Long(t, "it takes a quarter of a minute of trouble")
	runViews(t, viewsPlan{
		lasts: 12 * time.Second, keys: 3000, databases: 10, views: 4, pace: 5 * time.Millisecond,
		compact: time.Second, check: 3 * time.Second, trouble: 300 * time.Millisecond, restart: 3 * time.Second,
		losing:  3 * time.Second,
		longest: 500 * time.Millisecond,
	})
}

func TestSoakViews(t *testing.T) {
	testkit.Soak(t)
	lasts := testkit.SoakTime(t, time.Hour)
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // ten views of a million keys are ten times as large as any program's
	runViews(t, viewsPlan{
		lasts: lasts, keys: 1_000_000, databases: 500, views: 10, pace: 20 * time.Millisecond,
		compact: 10 * time.Second, check: time.Minute, trouble: 5 * time.Second, restart: 40 * time.Second,
		losing:  2 * time.Minute,
		longest: 12 * time.Second, quota: 8 << 30,
	})
}

// atLeast is how often what has to happen. Troubles of a connection wait for each other, and for a member that is
// killed.
func (p viewsPlan) atLeast() map[string]int {
	least := map[string]int{}
	for what, pause := range map[string]time.Duration{
		"writes": 20 * p.pace, "compactions": 3 * p.compact, "troubles of a connection": 10 * p.trouble,
		"kills of a member": 4 * p.restart, "losses of history": 4 * p.losing, "checks of all views": 4 * p.check,
	} {
		least[what] = max(1, int(p.lasts/pause))
	}
	return least
}

// enough reports whether all has happened as often as it has to.
func (r *viewsRun) enough() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	enough := true
	for what, least := range r.plan.atLeast() {
		enough = enough && r.did[what] >= least
	}
	return enough
}

// viewsRun is a run of that.
type viewsRun struct {
	t       *testing.T
	plan    viewsPlan
	members *testkit.Members
	etcd    *clientv3.Client // of all members, past the proxies
	client  *cssetcd.Client
	proxies []*proxy.Proxy
	views   []*watched

	gate  sync.RWMutex // held for writing while nothing may change, and for reading by what changes
	calm  sync.Mutex   // held by the one trouble at a time, and by who needs a while without
	mu    sync.Mutex
	did   map[string]int
	heaps []uint64
}

func runViews(t *testing.T, plan viewsPlan) {
	began := time.Now()
	r := &viewsRun{t: t, plan: plan, members: testkit.StartMembers(t, 3, plan.quota), did: map[string]int{}}
	goroutines := runtime.NumGoroutine()
	t.Run("run", func(t *testing.T) { // whose cleaning up is over when it ends
		r.t = t
		r.open()
		t.Logf("%d keys in %d databases, %d views, after %v", r.views[0].view.Snapshot().Len(), plan.databases, plan.views,
			time.Since(began).Round(time.Millisecond))
		r.run()
		r.report(began)
	})
	goroutines++ // that which looks
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, time.Minute, 10*time.Millisecond,
		"goroutines are left")
}

func (r *viewsRun) open() {
	t, ctx := r.t, context.Background()
	r.etcd = r.members.Client()
	t.Cleanup(func() { _ = r.etcd.Close() })
	var err error
	r.client, err = cssetcd.New(ctx, r.etcd)
	require.NoError(t, err)
	testkit.OK(t)(r.client.AddNode(ctx, cssetcd.Node{Name: "worker-0", Type: "worker", Host: "w", Port: 5012}))
	r.fill(ctx)
	var through []string
	for _, endpoint := range r.members.Endpoints() {
		u, err := url.Parse(endpoint)
		require.NoError(t, err)
		p, err := proxy.Start("tcp", u.Host)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, p.Close()) })
		r.proxies, through = append(r.proxies, p), append(through, "http://"+p.Addr())
	}
	for i := range r.plan.views {
		endpoints := through
		if i%3 == 0 { // some know one member only
			endpoints = through[i%len(through):][:1]
		}
		etcd, err := testkit.Dial(endpoints...)
		require.NoError(t, err)
		t.Cleanup(func() { _ = etcd.Close() })
		r.views = append(r.views, watch(t, etcd, cssetcd.CompareEvery(r.plan.check/3)))
	}
}

const tablesEach = 12

// chunksEach is how many chunks each table has, for there to be the keys that are wanted.
func (p viewsPlan) chunksEach() int { return max(1, (p.keys/(p.databases*tablesEach)-3)/2) }

func (p viewsPlan) table(i int) (key string, puts map[string]string) {
	key = fmt.Sprintf("/qserv/css/DBS/db%03d/TABLES/Object%02d", i/tablesEach, i%tablesEach)
	puts = map[string]string{key: "READY", key + "/schema": soakSchemas[i%tablesEach],
		key + "/sharedScan/.packed.json": `{"scanRating":"1"} `}
	for c := range p.chunksEach() {
		chunk := fmt.Sprintf("%s/CHUNKS/%d", key, c)
		puts[chunk], puts[chunk+"/REPLICAS/1/.packed.json"] = "", `{"nodeName":"worker-0"} `
	}
	return key, puts
}

var soakSchemas = func() (all [tablesEach]string) {
	for i := range all {
		var b strings.Builder
		b.WriteString("(objectId BIGINT NOT NULL")
		for c := range 50 {
			fmt.Fprintf(&b, ", measured_%02d_%03d DOUBLE NULL", i, c)
		}
		all[i] = b.String() + ")"
	}
	return all
}()

// fill writes the catalogue with a few workers.
func (r *viewsRun) fill(ctx context.Context) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= r.plan.databases*tablesEach {
					return
				}
				_, puts := r.plan.table(i)
				if i%tablesEach == 0 {
					puts[fmt.Sprintf("/qserv/css/DBS/db%03d", i/tablesEach)] = "READY"
				}
				if !assert.NoError(r.t, r.put(ctx, puts)) {
					return
				}
			}
		})
	}
	workers.Wait()
}

// put writes keys in as few transactions as it takes.
func (r *viewsRun) put(ctx context.Context, values map[string]string) error {
	var ops []clientv3.Op
	var errs error
	flush := func() {
		_, err := r.etcd.Txn(ctx).Then(ops...).Commit()
		errs = errors.Join(errs, err)
		ops = ops[:0]
	}
	for key, value := range values {
		if ops = append(ops, clientv3.OpPut(key, value)); len(ops) == 120 {
			flush()
		}
	}
	if len(ops) > 0 {
		flush()
	}
	return errs
}

// run makes trouble until the time is over, and checks from time to time.
func (r *viewsRun) run() {
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	every := func(pause time.Duration, what string, do func(context.Context, int)) {
		all.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-ctx.Done():
					return
				case <-time.After(pause/2 + rand.N(pause)):
				}
				r.gate.RLock()
				do(ctx, i)
				r.gate.RUnlock()
				r.count(what)
			}
		})
	}
	for range 3 {
		every(r.plan.pace, "writes", r.write)
	}
	counted := 0
	every(r.plan.pace, "counts", func(context.Context, int) {
		counted++
		assert.NoError(r.t, count(context.Background(), r.etcd, counted))
	})
	var seen int64
	every(r.plan.compact, "compactions", func(ctx context.Context, _ int) { seen = r.compact(ctx, seen) })
	every(r.plan.trouble, "troubles of a connection", r.disturb)
	every(r.plan.restart, "kills of a member", func(context.Context, int) { r.restart(rand.IntN(3)) })
	every(r.plan.losing, "losses of history", func(ctx context.Context, _ int) { r.loseHistory(ctx) })
	end := time.Now().Add(r.plan.lasts)
	limit := end.Add(r.plan.lasts + 3*time.Minute) // a busy machine takes longer until enough has happened
	for !r.t.Failed() && (time.Now().Before(end) || time.Now().Before(limit) && !r.enough()) {
		time.Sleep(r.plan.check)
		r.calm.Lock() // a load of a million keys does not come through when connections break all the time
		r.views[rand.IntN(len(r.views))].equals(r.t, r.client)
		r.calm.Unlock()
		r.check()
	}
	stop()
	all.Wait()
	r.check()
}

func (r *viewsRun) count(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.did[what]++
}

// write changes something. What fails while etcd is in trouble has happened or not; the views must show what etcd says.
func (r *viewsRun) write(ctx context.Context, i int) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	key, puts := r.plan.table(rand.IntN(r.plan.databases * tablesEach))
	switch i % 50 {
	case 10: // a table goes in one revision
		_, _ = r.etcd.Txn(ctx).Then(clientv3.OpDelete(key), clientv3.OpDelete(key+"/", clientv3.WithPrefix())).Commit()
	case 20:
		_ = r.put(ctx, puts)
	default:
		chunk := fmt.Sprintf("%s/CHUNKS/%d", key, rand.IntN(r.plan.chunksEach()))
		_, _ = r.etcd.Txn(ctx).Then(clientv3.OpPut(key, fmt.Sprint(i)), clientv3.OpPut(chunk, fmt.Sprint(i))).Commit()
	}
	var together []clientv3.Op
	for _, key := range togetherKeys {
		together = append(together, clientv3.OpPut("/qserv/css"+key, fmt.Sprint(i)))
	}
	_, _ = r.etcd.Txn(ctx).Then(together...).Commit()
}

// compact discards the history before the last compaction, so that who is not in trouble finds what it needs.
func (r *viewsRun) compact(ctx context.Context, before int64) (now int64) {
	resp, err := r.etcd.Get(ctx, "none")
	if err != nil {
		return before
	}
	if before > 0 {
		_, _ = r.etcd.Compact(ctx, before)
	}
	return resp.Header.Revision
}

func (r *viewsRun) disturb(ctx context.Context, i int) {
	r.calm.Lock()
	defer r.calm.Unlock()
	p := r.proxies[rand.IntN(len(r.proxies))]
	silent := func(d proxy.Direction) {
		p.Pause(d)
		_ = wait.For(ctx, rand.N(r.plan.longest))
		p.Resume()
	}
	switch i % 5 {
	case 0:
		silent(proxy.Both)
	case 1:
		silent(proxy.ToClient)
	case 2:
		p.Down()
		_ = wait.For(ctx, rand.N(r.plan.longest))
		p.Up()
	default:
		p.Cut()
	}
}

func (r *viewsRun) restart(i int) {
	r.calm.Lock()
	defer r.calm.Unlock()
	r.members.Kill(i)
	r.members.Start(i)
	r.members.AwaitServing(i)
}

// loseHistory compacts all that the views have not seen, while nothing reaches them, and lets them load.
func (r *viewsRun) loseHistory(ctx context.Context) {
	r.calm.Lock()
	defer r.calm.Unlock()
	for _, p := range r.proxies {
		p.Down()
	}
	for i := range 3 {
		r.write(ctx, 20+10*i)
	}
	if resp, err := r.etcd.Get(ctx, "none"); err == nil {
		_, _ = r.etcd.Compact(ctx, resp.Header.Revision)
	}
	for _, p := range r.proxies {
		p.Up()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for i, w := range r.views {
		_, err := w.view.WaitLatest(ctx)
		assert.NoError(r.t, err, "view %d", i)
	}
}

// check compares all views with etcd while nothing changes.
func (r *viewsRun) check() {
	t := r.t
	r.gate.Lock()
	defer r.gate.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for i, w := range r.views {
		_, err := w.view.WaitLatest(ctx)
		require.NoError(t, err, "view %d", i)
	}
	want, err := r.client.Snapshot(ctx, 0)
	require.NoError(t, err)
	for i, w := range r.views {
		require.Empty(t, differences(want, w.view.Snapshot()), "view %d differs from etcd", i)
		c := w.view.Stats().Counts
		require.Zero(t, c.Regressions+c.Inconsistencies, "view %d", i)
	}
	r.count("checks of all views")
	want = nil
	for range 3 { // what a first collection finalizes, a later one frees
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.heaps = append(r.heaps, m.HeapAlloc)
	if n := len(r.heaps); n%10 == 1 {
		t.Logf("check %d: %d keys, live heap %d MB", n, r.views[0].view.Stats().Keys, m.HeapAlloc>>20)
	}
}

// report says what ran, and fails when it was too little.
func (r *viewsRun) report(began time.Time) {
	t := r.t
	var sum cssetcd.Counts
	updates := int64(0)
	for _, w := range r.views {
		c := w.view.Stats().Counts
		sum.Changes += c.Changes
		sum.Loads += c.Loads
		sum.Troubles += c.Troubles
		sum.Comparisons += c.Comparisons
		updates += w.updates.Load()
	}
	t.Logf("%v: %v; the views took %d changes in %d updates, were in trouble %d times, loaded anew %d times and found "+
		"themselves equal to etcd %d times",
		time.Since(began).Round(time.Second), r.did, sum.Changes, updates, sum.Troubles, sum.Loads, sum.Comparisons)
	quarter := max(1, len(r.heaps)/4)
	first, last := average(r.heaps[:quarter]), average(r.heaps[len(r.heaps)-quarter:])
	t.Logf("live heap %d MB in the first quarter, %d MB in the last", first>>20, last>>20)
	assert.Less(t, last, first+first/10+30<<20, "the heap grows")
	for what, least := range r.plan.atLeast() {
		assert.GreaterOrEqual(t, r.did[what], least, "%s", what)
	}
	assert.Positive(t, sum.Loads, "no view lost its history")
	assert.Positive(t, sum.Comparisons, "no view compared itself")
	assert.Positive(t, updates)
}

func average(all []uint64) (mean uint64) {
	for _, n := range all {
		mean += n / uint64(len(all))
	}
	return mean
}
