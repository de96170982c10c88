package cssetcd_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/csskey"
	"github.com/qserv/css-etcd/internal/kv"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/wait"
)

// TestMillionReads (V1): the keys that each transaction writes together are equal in every snapshot, over connections
// that break all the time and over full loads.
func TestMillionReads(t *testing.T) {
	const readers, keys, cuts, loads, writes = 2, 4, 12, 2, 50
	least := int64(testkit.Steps(200_000, 1_000_000))
	if underRace { // which watches each read, and takes ten times as long for it
		least /= 20
	}
	w := newTapped(t)
	v := w.open(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var reads, wrote, seen atomic.Int64
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			var last cssetcd.Revision
			lastValue := ""
			for ctx.Err() == nil {
				for range 200 {
					s := v.Snapshot()
					first, _ := s.Key("/all/0")
					for k := 1; k < keys; k++ {
						if e, _ := s.Key(allKeys[k]); e.Value != first.Value || e.Mod != first.Mod {
							assert.Equal(t, first, e, "revision %d shows a part of a transaction", s.Revision())
							return
						}
					}
					if s.Revision() < last {
						assert.GreaterOrEqual(t, s.Revision(), last)
						return
					}
					if first.Value != lastValue {
						seen.Add(1)
					}
					last, lastValue = s.Revision(), first.Value
				}
				reads.Add(200)
				_ = wait.For(ctx, time.Millisecond) // the writer and etcd need the processor, too
			}
		})
	}
	all.Go(func() {
		for ; ctx.Err() == nil; wrote.Add(1) {
			var ops []clientv3.Op
			for k := range keys {
				ops = append(ops, clientv3.OpPut(etcdKey(w.client, allKeys[k]), fmt.Sprint(wrote.Load())))
			}
			_, err := w.etcd.Txn(ctx).Then(ops...).Commit()
			assert.True(t, err == nil || ctx.Err() != nil, "%v", err)
		}
	})
	for i := range loads { // each makes the pause before the next longer
		for range cuts / loads {
			w.proxy.Cut()
			must(v.WaitLatest(soon(t)))(t)
		}
		w.proxy.Down()
		w.compacted(t)
		w.proxy.Up()
		require.Eventually(t, func() bool { return v.Stats().Counts.Loads > uint64(i) }, time.Minute, time.Millisecond)
	}
	require.Eventually(t, func() bool { return reads.Load() >= least && wrote.Load() >= writes && seen.Load() >= writes },
		2*time.Minute, time.Millisecond)
	stop()
	all.Wait()
	t.Logf("%d reads of %d keys over %d transactions, of which they saw %d changes; %d cuts, %d full loads", reads.Load(),
		keys, wrote.Load(), seen.Load(), cuts, loads)
}

var allKeys = []string{"/all/0", "/all/1", "/all/2", "/all/3"}

// TestSlowSubscriberCostsNothing (V2): however much changes while a subscriber does not ask, no memory grows, and what
// it is told in the end is the exact difference. Nobody waits for it, since the writer's calls return.
func TestSlowSubscriberCostsNothing(t *testing.T) {
	const keys, each = 2000, 50
	most := 1_000_000
	if underRace {
		most = 200_000
	}
	key := func(i int) kv.Path { return kv.Path(fmt.Sprintf("css/k/%04d", i)) }
	b := kv.NewSnapshot(0, csskey.Catalogue).Edit()
	for i := range keys {
		b.Put(key(i), kv.Entry{Value: "first", Create: 1, Mod: 1})
	}
	now := b.Snapshot(1)
	v, tell := cssetcd.ViewByHand(now)
	defer v.Close()
	first := now
	sub := v.Subscribe()
	r := rand.New(rand.NewPCG(7, 8))
	change := func(n int) {
		for ; n > 0; n -= each {
			b, at := now.Edit(), now.Revision+1
			touched := make([]kv.Path, 0, each)
			for range each {
				p := key(r.IntN(keys))
				if r.IntN(10) == 0 {
					b.Delete(p)
				} else {
					b.Put(p, kv.Entry{Value: fmt.Sprint(at), Create: at, Mod: at})
				}
				touched = append(touched, p)
			}
			now = b.Snapshot(at)
			tell(kv.Update{Snapshot: now, Touched: touched})
		}
	}
	change(most * 2 / 5) // so that what is bounded is full
	before := liveHeap()
	change(most * 3 / 5)
	after := liveHeap()
	t.Logf("%d changes; live heap %d KB, then %d KB", most, before>>10, after>>10)
	assert.Less(t, int64(after)-int64(before), int64(2<<20))
	_, touches := v.Remembered()
	assert.LessOrEqual(t, touches, 1<<16)
	u := must(sub.Next(t.Context()))(t)
	var got []kv.Delta
	for _, k := range u.Keys {
		got = append(got, kv.Delta{Path: kv.Path("css" + k.Key), Old: k.Old, New: k.New})
	}
	assert.Equal(t, kv.Diff(first, now), got)
	runtime.KeepAlive(sub)
}

// TestViewsLeaveNothing (V10): hundreds of views opened and closed, and hundreds of waits that ended, leave no
// goroutine and no file.
func TestViewsLeaveNothing(t *testing.T) {
	times := testkit.Steps(250, 1_000)
	c := newCatalogue(t)
	use := func(n int) {
		var all sync.WaitGroup
		var next atomic.Int64
		for range 8 {
			all.Go(func() {
				for next.Add(1) <= int64(n) {
					v, err := cssetcd.OpenView(t.Context(), c)
					if !assert.NoError(t, err) {
						return
					}
					v.Close()
				}
			})
		}
		all.Wait()
	}
	use(8) // connections are made once
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	use(times)
	v := openView(t, c)
	var waits sync.WaitGroup
	for i := range times {
		waits.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer cancel()
			var err error
			switch sub := v.Subscribe(); i % 3 {
			case 0:
				_, err = v.WaitRevision(ctx, 1<<50)
			case 1:
				for err == nil {
					_, err = v.WaitLatest(ctx)
				}
			default:
				for err == nil {
					_, err = sub.Next(ctx)
				}
			}
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	waits.Wait()
	assert.Zero(t, v.Stats().Waiters)
	v.Close()
	goroutines++ // that which looks
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, time.Minute, 10*time.Millisecond,
		"goroutines are left")
	require.Eventually(t, func() bool { return openFiles(t) <= files }, time.Minute, 10*time.Millisecond,
		"files are left open")
}

func openFiles(t testing.TB) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("what is open cannot be told here: %v", err)
	}
	return len(all)
}

// TestFiftyViewsRecover (V10): they all lose their history at one moment. All show etcd's state again, and their loads
// do not come in one heap.
func TestFiftyViewsRecover(t *testing.T) {
	t.Parallel()
	const views, keys = 50, 4000
	w := newTapped(t)
	many := map[string]string{}
	for i := range keys {
		many[fmt.Sprintf("/many/%05d", i)] = "x"
	}
	putTo(t, w.etcd, w.client, many)
	all := []*cssetcd.View{w.open(t)}
	for range views - 1 { // on the connection of the first, so that all notice at once
		all = append(all, openView(t, all[0].Client()))
	}
	opened := len(w.loads())
	assert.Equal(t, views, opened)
	w.proxy.Down()
	rev := w.compacted(t)
	w.proxy.Up()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, v := range all {
		s := must(v.WaitRevision(ctx, rev))(t)
		assert.EqualValues(t, 1, v.Stats().Counts.Loads)
		assert.Greater(t, s.Len(), keys)
	}
	loads := w.loads()[opened:]
	require.GreaterOrEqual(t, len(loads), views, "one that a busy machine broke off is begun again")
	first, last := loads[0], loads[0]
	for _, at := range loads {
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	t.Logf("%d loads of %d keys began within %v", views, keys, last.Sub(first))
	assert.Greater(t, last.Sub(first), 100*time.Millisecond)
}

// TestViewHealsWhatDiffers (V5): a load that arrived wrong is found by a comparison; the view and its subscribers get
// the exact difference, and it is counted.
func TestViewHealsWhatDiffers(t *testing.T) {
	t.Parallel()
	w := newTapped(t)
	w.onPart(spoilPart(t, w.client))
	v := w.open(t, cssetcd.CompareEvery(20*time.Millisecond))
	sub := v.Subscribe()
	w.onPart(func(*etcdserverpb.RangeStreamResponse) {})
	assert.Equal(t, []string{
		"/DBS/lsst/TABLES/Object WRONG>READY", "/NODES/worker-1 ->ACTIVE", "/NODES/worker-3 ACTIVE>-",
	}, changes(next(t, sub)))
	counts := v.Stats().Counts
	assert.EqualValues(t, 1, counts.Inconsistencies)
	require.Eventually(t, func() bool { return v.Stats().Counts.Comparisons >= 2 }, time.Minute, time.Millisecond)
	counts = v.Stats().Counts
	assert.EqualValues(t, [2]uint64{1, 1}, [2]uint64{counts.Inconsistencies, counts.Loads})
	assert.Zero(t, counts.Regressions)
	assert.Equal(t, contents(loaded(t, w.client, v.Snapshot().Revision())), contents(v.Snapshot()))
}

// spoilPart changes a value, leaves a key out and renames another, in what a load receives.
func spoilPart(t *testing.T, c *cssetcd.Client) func(*etcdserverpb.RangeStreamResponse) {
	return func(part *etcdserverpb.RangeStreamResponse) {
		kvs := part.RangeResponse.Kvs
		for i := 0; i < len(kvs); i++ {
			switch string(kvs[i].Key) {
			case etcdKey(c, "/DBS/lsst/TABLES/Object"):
				kvs[i].Value = []byte("WRONG")
			case etcdKey(c, "/NODES/worker-1"):
				kvs = append(kvs[:i:i], kvs[i+1:]...)
				i--
			case etcdKey(c, "/NODES/worker-2/.packed.json"):
				extra := &mvccpb.KeyValue{Key: []byte(etcdKey(c, "/NODES/worker-3")), Value: []byte("ACTIVE"), CreateRevision: 1,
					ModRevision: 1}
				kvs = slices.Insert(kvs, i+1, extra)
			}
		}
		part.RangeResponse.Kvs = kvs
	}
}

// putTo writes many CSS keys as etcdctl would.
func putTo(t testing.TB, etcd *clientv3.Client, c *cssetcd.Client, values map[string]string) {
	t.Helper()
	var ops []clientv3.Op
	flush := func() {
		must(etcd.Txn(t.Context()).Then(ops...).Commit())(t)
		ops = ops[:0]
	}
	for key, value := range values {
		if ops = append(ops, clientv3.OpPut(etcdKey(c, key), value)); len(ops) == 128 {
			flush()
		}
	}
	if len(ops) > 0 {
		flush()
	}
}

// TestABadValueIsMended (V8): what cannot be decoded spoils nothing else in a view; the error is remembered, and gone
// when the value is mended.
func TestABadValueIsMended(t *testing.T) {
	c := newCatalogue(t)
	other := cssetcd.TableName{DB: "lsst", Table: "Source"}
	ok(t)(c.CreateTable(t.Context(), directorTable(other)))
	v := openView(t, c)
	for _, bad := range []struct {
		key, value, mended string
		read               func(*cssetcd.Snapshot) error
	}{
		{"/DBS/lsst/TABLES/Object/sharedScan/.packed.json", "{broken", `{"lockInMem":"1","scanRating":"2"} `,
			func(s *cssetcd.Snapshot) error { return errOf(s.Table(object)) }},
		{"/DBS/lsst/.packed.json", "{broken", `{"storageClass":"L2"} `,
			func(s *cssetcd.Snapshot) error { return errOf(s.Database("lsst")) }},
		{"/NODES/worker-1/.packed.json", `{"port":"many"} `, `{"port":"1"} `,
			func(s *cssetcd.Snapshot) error { return errOf(s.Node("worker-1")) }},
		{"/DBS/lsst/TABLES/Object/CHUNKS/5/REPLICAS/1/.packed.json", "{", `{"nodeName":"worker-1"} `,
			func(s *cssetcd.Snapshot) error { return errOf(s.Chunk(object, 5)) }},
		{"/DBS/lsst/TABLES/Object/schema", "no columns", "(a INT)",
			func(s *cssetcd.Snapshot) error { return errOf(s.Columns(object)) }},
	} {
		healthy := must(v.Snapshot().Table(other))(t)
		s := waitRevision(t, v, byHand(t, c, kv.Path("css"+bad.key), bad.value))
		first := bad.read(s)
		require.Error(t, first, bad.key)
		assert.Same(t, cause(first), cause(bad.read(s)), "%s: remembered", bad.key)
		later := waitRevision(t, v, byHand(t, c, "css/elsewhere", bad.key))
		require.Error(t, bad.read(later), bad.key)
		again := must(later.Table(other))(t)
		assert.Same(t, healthy, again, bad.key)
		assert.NoError(t, v.Condition().Reason)
		mended := waitRevision(t, v, byHand(t, c, kv.Path("css"+bad.key), bad.mended))
		require.NoError(t, bad.read(mended), bad.key)
		require.Error(t, bad.read(s), "%s: an old snapshot stays what it was", bad.key)
	}
}

// cause is what an Error that names the thing read is about.
func cause(err error) error {
	var named *cssetcd.Error
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}
