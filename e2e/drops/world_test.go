package drops_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/deletion"
	"github.com/qserv/css-etcd/internal/mariadbd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
)

// dropTiming is the default timing, some thirty times as fast; leases cannot be shorter.
var dropTiming = deletion.Timing{
	Confirm: 200 * time.Millisecond,
	Fence:   2 * time.Second,
	Wait:    2600 * time.Millisecond,
	Alive:   2 * time.Second,
	Delay:   2 * time.Second,
}

// harmless is how long a czar may be stopped right after a check that it passed: no drop gets past the point of no
// return before. Its life lasts from the renewal before its last proof, and the wait only begins then.
var harmless = dropTiming.Alive + dropTiming.Wait - dropTiming.Fence

// drops is a catalogue in three members of etcd, data on two MySQL servers, czars that query them, coordinators that
// remove them, and somebody who makes, drops and undrops tables.
type drops struct {
	t            *testing.T
	plan         dropsPlan
	members      *testkit.Members
	etcd         *clientv3.Client
	css          *cssetcd.Client
	client       *deletion.Client
	workers      map[string]*sql.DB
	ways         [][]*proxy.Proxy // from each czar to the members
	eyes         []*proxy.Proxy   // from the view of the first czar to the members
	czars        []*child
	coordinators []*child
	began        time.Time
	ending       chan struct{} // closed when nothing new is to begin

	mu       sync.Mutex
	did      map[string]int
	turns    map[string]int
	deck     *rand.Rand
	order    []int
	longest  time.Duration // of the drops
	troubles []trouble
}

// trouble is when something kept a czar from etcd.
type trouble struct {
	czar     int // everyone: all
	from, to time.Time
}

const everyone = -1

func (d *drops) count(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did[what]++
}

// troubled notes a trouble that ends now.
func (d *drops) troubled(czar int, from time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.troubles = append(d.troubles, trouble{czar, from, time.Now()})
}

// startDrops starts everything, with one table that nobody touches.
func startDrops(t *testing.T, plan dropsPlan) *drops {
	t.Helper()
	testkit.RequireMariaDB(t)
	t.Logf("the seed is %d", plan.seed)
	d := &drops{t: t, plan: plan, workers: map[string]*sql.DB{}, did: map[string]int{}, turns: map[string]int{},
		ending: make(chan struct{})}
	sockets := d.startWorkers()
	d.members = testkit.StartMembers(t, 3, 8<<30)
	d.etcd = d.members.Client()
	t.Cleanup(func() { _ = d.etcd.Close() })
	var err error
	d.css, err = cssetcd.New(t.Context(), d.etcd)
	require.NoError(t, err)
	d.client, err = deletion.NewClient(d.css)
	require.NoError(t, err)
	for node := range sockets {
		_, err := d.css.AddNode(t.Context(), cssetcd.Node{Name: node, Type: "worker", Host: "localhost", Port: 5012})
		require.NoError(t, err)
	}
	_, err = d.client.SetTiming(t.Context(), dropTiming)
	require.NoError(t, err)
	for _, db := range []string{still.DB, lanesDB} {
		require.NoError(t, d.createDatabase(t.Context(), db))
	}
	require.NoError(t, d.createTable(t.Context(), still))
	d.startChildren(sockets)
	return d
}

// startWorkers starts two MySQL servers and returns their sockets by the names of the nodes.
func (d *drops) startWorkers() map[string]string {
	d.t.Helper()
	sockets := map[string]string{}
	for i := range 2 {
		node := fmt.Sprintf("worker-%d", i+1)
		sockets[node] = testkit.MariaDB(d.t, mariadbd.Options{}).Socket()
		db, err := openWorker(sockets[node])
		require.NoError(d.t, err)
		d.t.Cleanup(func() { _ = db.Close() })
		d.workers[node] = db
	}
	return sockets
}

// startChildren starts czars, each with its own way to etcd, and coordinators.
func (d *drops) startChildren(sockets map[string]string) {
	d.t.Helper()
	dir, err := os.MkdirTemp("", "css-drops-")
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	common := role{Workers: sockets, Seed: d.plan.seed, Queries: d.plan.queries, Gated: d.plan.gated,
		Window: d.plan.window}
	for i := range d.plan.coordinators {
		r := common
		r.Kind, r.Name, r.Etcd = "coordinator", fmt.Sprintf("coordinator-%d", i+1), d.members.Endpoints()
		d.coordinators = append(d.coordinators, newChild(d.t, dir, r))
	}
	for i := range d.plan.czars {
		r := common
		r.Kind, r.Name, r.Seed = "czar", fmt.Sprintf("czar-%d", i+1), d.plan.seed+uint64(1000*i)
		way := d.way()
		d.ways = append(d.ways, way)
		r.Etcd = addresses(way)
		r.View = r.Etcd
		if i == 0 {
			d.eyes = d.way()
			r.View = addresses(d.eyes)
		}
		d.czars = append(d.czars, newChild(d.t, dir, r))
	}
	for _, c := range append(d.coordinators, d.czars...) {
		require.NoError(d.t, c.start())
	}
	for _, c := range d.czars {
		require.Eventually(d.t, func() bool {
			info, err := os.Stat(c.files()[0].results)
			return err == nil && info.Size() > 0
		}, time.Minute, 50*time.Millisecond, "%s runs no query", c.role.Name)
	}
}

// way returns proxies to all members.
func (d *drops) way() (all []*proxy.Proxy) {
	d.t.Helper()
	for _, e := range d.members.Endpoints() {
		p, err := proxy.Start("tcp", strings.TrimPrefix(e, "http://"))
		require.NoError(d.t, err)
		d.t.Cleanup(func() { _ = p.Close() })
		all = append(all, p)
	}
	return all
}

func addresses(way []*proxy.Proxy) (all []string) {
	for _, p := range way {
		all = append(all, "http://"+p.Addr())
	}
	return all
}

// finish ends everything in order and checks that nothing is left.
func (d *drops) finish() {
	t := d.t
	var closing sync.WaitGroup
	for _, c := range d.czars {
		closing.Go(c.end)
	}
	closing.Wait()
	left := func() []string { return d.keys("/drop/", "/czar/", "/alive/") }
	assert.Eventually(t, func() bool { return len(left()) == 0 }, time.Minute, 100*time.Millisecond,
		"keys of drops or czars are left")
	if t.Failed() {
		t.Logf("left in etcd: %q", left())
	}
	for _, c := range d.coordinators {
		c.end()
	}
	for _, c := range append(d.coordinators, d.czars...) {
		c.checkLogs()
	}
	tables, spellings := d.inCatalogue()
	assert.ElementsMatch(t, spellings, d.keys("/fold/dbs/"), "spellings are kept of what is there and of nothing else")
	assert.ElementsMatch(t, tables, d.tablesOnWorkers(), "the workers hold what the catalogue has and nothing else")
	if t.Failed() {
		for _, c := range append(d.coordinators, d.czars...) {
			t.Logf("the last of %s:\n%s", c.role.Name, c.tail())
		}
	}
}

// keys returns the keys of etcd below some.
func (d *drops) keys(those ...string) (all []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, below := range those {
		got, err := d.etcd.Get(ctx, d.css.Prefix()+below, clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return []string{err.Error()}
		}
		for _, kv := range got.Kvs {
			all = append(all, string(kv.Key))
		}
	}
	return all
}
