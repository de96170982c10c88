package mirror_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/qserv/css-etcd/cssetcd"
	"github.com/qserv/css-etcd/internal/proxy"
	"github.com/qserv/css-etcd/internal/testkit"
	"github.com/qserv/css-etcd/internal/testkit/upstream"
	"github.com/qserv/css-etcd/mirror"
)

// Rule: what unmodified upstream is answered, and what comes of it, does not depend on what a Go program does to other
// things meanwhile, nor on where a mirror ends or loses its connections. At no revision of etcd is there half of
// something.
func TestUpstreamBesideAGoWriter(t *testing.T) {
	t.Parallel()
	besideAGoWriter(t, 4)
}

func TestSoakUpstreamBesideAGoWriter(t *testing.T) {
	testkit.Soak(t)
	besideAGoWriter(t, 1000)
}

// besideAGoWriter tries so many interleavings, a few at a time.
func besideAGoWriter(t *testing.T, interleavings int) {
	operations := upstream.Operations(t, upstream.Dir(t))
	first := rand.Uint64()
	var next, goWrites, kills, cuts atomic.Int64
	var runners sync.WaitGroup
	for range 3 {
		runners.Go(func() {
			for n := next.Add(1); n <= int64(interleavings) && !t.Failed(); n = next.Add(1) {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					b := interleave(t, first+uint64(n), operations)
					goWrites.Add(int64(b.writes))
					kills.Add(int64(b.kills))
					cuts.Add(int64(b.cuts))
				})
			}
		})
	}
	runners.Wait()
	t.Logf("%d interleavings from seed %d on: %d Go writes, %d mirrors killed, %d connections cut", interleavings, first,
		goWrites.Load(), kills.Load(), cuts.Load())
	assert.Positive(t, goWrites.Load())
	assert.Positive(t, kills.Load())
}

// beside is a Go program that writes, and trouble, between upstream's statements.
type beside struct {
	*world
	rnd                 *rand.Rand
	mirror              *fragile
	databases, keys     map[string]string // that the Go program made: its tables' schema, "" for none; values
	writes, kills, cuts int
}

func interleave(t *testing.T, seed uint64, operations []upstream.Operation) *beside {
	w := newWorld(t)
	w.put("/css_meta", "", "/DBS", "", "/NODES", "", "/other", "")
	began := w.revision()
	w.shared()
	b := &beside{world: w, rnd: rand.New(rand.NewPCG(seed, 1)), databases: map[string]string{}, keys: map[string]string{}}
	b.mirror = w.fragile()
	l := w.lockstep(t)
	l.between, l.others = b.something, "/DBS/go"
	for _, op := range operations {
		l.call(op)
	}
	w.rest()
	b.mirror.kill(false)
	want, got := l.rows(), map[string]string{}
	for key, r := range w.rows() {
		got[key] = r.value
	}
	b.expect(want)
	require.Equal(t, want, got, "seed %d", seed)
	assert.Empty(t, w.conflicts(), "seed %d", seed)
	w.neverHalf(began)
	return b
}

func (w *world) revision() int64 {
	w.t.Helper()
	got, err := w.etcd.Get(w.t.Context(), "none")
	require.NoError(w.t, err)
	return got.Header.Revision
}

// something happens, or not.
func (b *beside) something() {
	switch n := b.rnd.IntN(200); {
	case n < 20:
		b.write()
	case n < 22:
		b.kills++
		b.mirror.kill(b.rnd.IntN(2) == 0)
		for range b.rnd.IntN(4) { // while none runs
			b.write()
		}
		b.mirror.start()
	case n < 25:
		b.cuts++
		[]*proxy.Proxy{b.mirror.toEtcd, b.mirror.toSQL}[b.rnd.IntN(2)].Cut()
	case n < 40: // so that the mirror is further at some places than at others
		time.Sleep(time.Duration(b.rnd.Int64N(int64(10 * time.Millisecond))))
	}
}

// write does one operation of the Go program.
func (b *beside) write() {
	b.t.Helper()
	b.writes++
	ctx, css := b.t.Context(), b.client
	name := fmt.Sprintf("go%d", b.rnd.IntN(3))
	table := cssetcd.TableName{DB: name, Table: "T"}
	schema, made := b.databases[name]
	var err error
	switch n := b.rnd.IntN(10); {
	case n < 4:
		key, value := fmt.Sprintf("/other/%d", b.rnd.IntN(5)), fmt.Sprint(b.writes)
		b.keys[key] = value
		_, err = css.Raw().Put(ctx, key, value)
	case !made:
		b.databases[name] = ""
		_, err = css.CreateDatabase(ctx, cssetcd.Database{Name: name})
	case n < 6:
		delete(b.databases, name)
		_, err = css.DropDatabase(ctx, name)
	case schema == "":
		b.databases[name] = fmt.Sprintf("(c%d INT)", b.writes)
		_, err = css.CreateTable(ctx, cssetcd.Table{Name: table, Schema: b.databases[name]})
	case n < 8:
		b.databases[name] = ""
		_, err = css.DropTable(ctx, table)
	default:
		b.databases[name] = fmt.Sprintf("(c%d INT)", b.writes)
		_, err = css.SetTableSchema(ctx, table, b.databases[name])
	}
	require.NoError(b.t, err)
}

// expect adds what the Go program left.
func (b *beside) expect(want map[string]string) {
	want["/other"] = ""
	for key, value := range b.keys {
		want[key] = value
	}
	have, err := b.client.Snapshot(b.t.Context(), 0)
	require.NoError(b.t, err)
	for name, schema := range b.databases {
		d := "/DBS/" + name
		require.Equal(b.t, schema, b.value(d+"/TABLES/T/schema"))
		require.Equal(b.t, "READY", b.value(d))
		for key, e := range have.Below(d) {
			want[key] = e.Value
		}
		want[d] = "READY"
	}
}

// neverHalf requires that at no revision since one was there a key without what is above it, or a table that can be
// used without its schema.
func (w *world) neverHalf(began int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	end, root := w.revision(), w.prefix+"/css"
	state := map[string]string{"": "", "/DBS": "", "/NODES": "", "/css_meta": "", "/css_meta/version": "1", "/other": ""}
	require.NoError(w.t, testkit.Err(w.etcd.Put(ctx, w.prefix+"/end", "")))
	for response := range w.etcd.Watch(ctx, w.prefix, clientv3.WithPrefix(), clientv3.WithRev(began+1)) {
		require.NoError(w.t, response.Err())
		for i, e := range response.Events {
			key, ok := strings.CutPrefix(string(e.Kv.Key), root)
			switch {
			case ok && e.Type == clientv3.EventTypeDelete:
				delete(state, key)
			case ok:
				state[key] = string(e.Kv.Value)
			}
			if i+1 == len(response.Events) || response.Events[i+1].Kv.ModRevision != e.Kv.ModRevision {
				w.noHalf(state, e.Kv.ModRevision)
			}
		}
		if response.Header.Revision > end {
			return
		}
	}
	require.NoError(w.t, ctx.Err())
}

func (w *world) noHalf(state map[string]string, revision int64) {
	w.t.Helper()
	for key, value := range state {
		if key == "" {
			continue
		}
		if _, ok := state[key[:strings.LastIndexByte(key, '/')]]; !ok {
			require.Failf(w.t, "half", "at revision %d there is %s without what is above it", revision, key)
		}
		if parts := strings.Split(key, "/"); len(parts) == 5 && parts[3] == "TABLES" && value == "READY" {
			require.Contains(w.t, state, key+"/schema", "at revision %d", revision)
		}
	}
}

// fragile is a mirror that can end, and whose connections can be cut, anywhere.
type fragile struct {
	w             *world
	toEtcd, toSQL *proxy.Proxy
	css           *cssetcd.Client
	target        *mysql.Config
	end           func()
}

func (w *world) fragile() *fragile {
	w.t.Helper()
	start := func(network, server string) *proxy.Proxy {
		p, err := proxy.Start(network, server)
		require.NoError(w.t, err)
		w.t.Cleanup(func() { assert.NoError(w.t, p.Close()) })
		return p
	}
	u, err := url.Parse(testkit.SharedEtcd().Endpoints()[0])
	require.NoError(w.t, err)
	f := &fragile{w: w, toEtcd: start("tcp", u.Host), toSQL: start(w.target.Net, w.target.Addr), target: w.target.Clone()}
	f.target.Net, f.target.Addr = "tcp", f.toSQL.Addr()
	etcd, err := testkit.Dial("http://" + f.toEtcd.Addr())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, etcd.Close()) })
	f.css, err = cssetcd.New(w.t.Context(), etcd, cssetcd.WithPrefix(w.prefix))
	require.NoError(w.t, err)
	f.start()
	w.t.Cleanup(func() { f.kill(false) })
	return f
}

// start starts a mirror.
func (f *fragile) start() {
	f.w.t.Helper()
	view, err := cssetcd.OpenView(f.w.t.Context(), f.css)
	require.NoError(f.w.t, err)
	taker, err := mirror.NewTaker(f.css, "")
	require.NoError(f.w.t, err)
	m, err := mirror.New(mirror.Config{Feed: view.Subscribe(), Catalogue: f.css, Target: f.target, Inbox: taker})
	require.NoError(f.w.t, err)
	m.Hurry(10 * time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	f.end = sync.OnceFunc(func() {
		cancel()
		<-done
		view.Close()
	})
}

// kill ends the mirror; hard, without a word to the servers.
func (f *fragile) kill(hard bool) {
	if hard {
		f.toSQL.Cut()
		f.toEtcd.Cut()
	}
	f.end()
}
